"""Django's handle on the module."""

from django.apps import AppConfig


class TrainingConfig(AppConfig):
    """Training."""

    name = "uzina.training"
    default_auto_field = "django.db.models.BigAutoField"
