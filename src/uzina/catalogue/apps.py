"""Django's handle on the module."""

from django.apps import AppConfig

from uzina.catalogue.rules.terms_messages import declare_access
from uzina.core.agenda import every


class CatalogueConfig(AppConfig):
    """Catalogue."""

    name = "uzina.catalogue"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Have the store swept each hour, and access end by itself."""
        every("catalogue.sweep", seconds=3600)
        every("catalogue.watch_access", seconds=60)
        declare_access()
