"""A funded call and an allocation of 100 GPU-hours to book on."""

from datetime import timedelta

import pytest

from uzina.core.tests import NOW
from uzina.ledger import actions, queries
from uzina.ledger.rules import GPU_MS_PER_HOUR

HOUR = GPU_MS_PER_HOUR


@pytest.fixture
def capacity(db):
    return actions.open_capacity(
        owner="CAL-PLAYGR",
        title="Playground 2026",
        resource=queries.gpu_hours(),
        amount=5000 * HOUR,
        key="fund:CAL-PLAYGR",
        by=None,
        now=NOW,
    )


@pytest.fixture
def allocation(project, capacity):
    return actions.grant(
        project,
        capacity=capacity,
        amount=100 * HOUR,
        starts_at=NOW - timedelta(days=1),
        ends_at=NOW + timedelta(days=30),
        key="grant:AWD-1",
        by=None,
        now=NOW,
    )
