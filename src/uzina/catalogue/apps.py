"""Django's handle on the module."""

from django.apps import AppConfig

from uzina.core.agenda import every


class CatalogueConfig(AppConfig):
    """Catalogue."""

    name = "uzina.catalogue"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Have the store swept each hour."""
        every("catalogue.sweep", seconds=3600)
