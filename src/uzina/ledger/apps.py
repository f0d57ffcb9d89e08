"""Django's handle on the module."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from uzina.core.text import _

HOUR = 3_600_000
"""GPU-milliseconds."""


class LedgerConfig(AppConfig):
    """Ledger."""

    name = "uzina.ledger"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Have resources planted by every migrate, and allocations opened and ended by the clock."""
        from uzina.core.agenda import every
        from uzina.people.rules import declare

        post_migrate.connect(_plant, sender=self)
        every("ledger.watch", seconds=60)
        declare(
            "ledger.warned",
            title=_("GPU-hours run low"),
            is_mandatory=False,
            example={
                "allocation": {"code": "ALL-2AB3CD", "policy": "finish"},
                "project": {"title": "Un model pentru limba română"},
                "balance": {"spent": 75 * HOUR, "budget": 100 * HOUR, "free": 25 * HOUR},
                "percent": 75,
                "path": "/allocations/ALL-2AB3CD/",
            },
        )


def _plant(**_more: Any) -> None:
    from uzina.ledger import actions

    actions.seed_resources()
