"""Django's handle on the module."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate

RESOURCES = (("gpu-hours", "GPU-hours", "gpu_ms"),)
"""What the factory counts: slug, title, unit. GPU-milliseconds: docs/decisions/0003."""


class LedgerConfig(AppConfig):
    """Ledger."""

    name = "uzina.ledger"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Have allocations opened and ended by the clock."""
        from uzina.core.agenda import every  # noqa: PLC0415 - needs the app registry

        post_migrate.connect(plant_resources, sender=self)
        every("ledger.watch", seconds=60)


def plant_resources(*, using: str, **_: Any) -> None:
    """Make sure that what the factory counts is there, after every migrate."""
    from uzina.ledger.models import Resource  # noqa: PLC0415 - needs the app registry

    for slug, title, unit in RESOURCES:
        Resource.objects.using(using).get_or_create(
            slug=slug, defaults={"title": title, "unit": unit}
        )
