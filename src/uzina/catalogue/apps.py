"""Django's handle on the module."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from uzina.core.agenda import every


class CatalogueConfig(AppConfig):
    """Catalogue."""

    name = "uzina.catalogue"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Have the licences written at each migrate, and the store swept each hour."""
        post_migrate.connect(_write_licences, sender=self)
        every("catalogue.sweep", seconds=3600)


def _write_licences(**_given: Any) -> None:
    from uzina.catalogue import actions  # noqa: PLC0415 - models are ready only now

    actions.sync_licences()
