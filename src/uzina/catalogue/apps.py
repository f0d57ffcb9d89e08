"""Django's handle on the module."""

from django.apps import AppConfig

from uzina.catalogue.rules.spaces_messages import declare_spaces
from uzina.catalogue.rules.terms_messages import declare_access
from uzina.core.agenda import every, subscribe

STORAGE_NEWS = (
    *("project.opened", "project.extended", "project.wound_up"),
    *("allocation.granted", "allocation.topped_up", "allocation.reduced"),
)
"""What changes the quotas and the ends of a project's spaces."""


class CatalogueConfig(AppConfig):
    """Catalogue."""

    name = "uzina.catalogue"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Have the store swept each hour, and access end by itself."""
        every("catalogue.sweep", seconds=3600)
        every("catalogue.refresh_all", seconds=86_400)
        every("catalogue.plan_harvests", seconds=300)
        every("catalogue.watch_access", seconds=60)
        declare_access()
        for event in ("granted", "refused", "withdrawn", "revoked", "ended"):
            subscribe(f"access.{event}", "catalogue.follow_decision")
        every("catalogue.keep_spaces", seconds=3600)
        for event in STORAGE_NEWS:
            subscribe(event, "catalogue.follow_spaces")
        declare_spaces()
