"""Django's handle on the module."""

from django.apps import AppConfig


class PeopleConfig(AppConfig):
    """People."""

    name = "uzina.people"
    default_auto_field = "django.db.models.BigAutoField"
