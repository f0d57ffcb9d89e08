"""Django's handle on the module."""

from django.apps import AppConfig


class CallsConfig(AppConfig):
    """Calls."""

    name = "uzina.calls"
    default_auto_field = "django.db.models.BigAutoField"
