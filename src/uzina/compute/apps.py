"""Django's handle on the module."""

from django.apps import AppConfig


class ComputeConfig(AppConfig):
    """Compute."""

    name = "uzina.compute"
    default_auto_field = "django.db.models.BigAutoField"
