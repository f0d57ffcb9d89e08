"""Django's handle on the module."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    """Core."""

    name = "uzina.core"
    default_auto_field = "django.db.models.BigAutoField"
