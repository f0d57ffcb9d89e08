"""Django's handle on the module."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class LedgerConfig(AppConfig):
    """Ledger."""

    name = "uzina.ledger"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Have resources planted by every migrate, and allocations opened and ended by the clock."""
        from uzina.core.agenda import every

        post_migrate.connect(_plant, sender=self)
        every("ledger.watch", seconds=60)


def _plant(**_: Any) -> None:
    from uzina.ledger import actions

    actions.seed_resources()
