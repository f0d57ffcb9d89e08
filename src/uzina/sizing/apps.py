"""Django's handle on the module."""

from django.apps import AppConfig


class SizingConfig(AppConfig):
    """Sizing."""

    name = "uzina.sizing"
    default_auto_field = "django.db.models.BigAutoField"
