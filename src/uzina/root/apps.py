"""Django's handle on the module."""

from django.apps import AppConfig

from uzina.core.agenda import every


class RootConfig(AppConfig):
    """Root."""

    name = "uzina.root"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Have the head of the log noted outside the database."""
        every("root.note_head", seconds=10)
