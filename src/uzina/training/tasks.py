"""What the worker runs."""

from datetime import datetime
from typing import Any

from uzina.training import actions, queries


def collect_run(*, event: str, subject: str, facts: dict[str, Any], now: datetime) -> None:
    """Take in what an ended job left behind, where it belongs to a run."""
    run = queries.run_of_job(subject)
    if run is not None:
        actions.collect(run, now=now)
