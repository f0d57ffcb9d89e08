"""Django's handle on the module."""

from django.apps import AppConfig

from uzina.core.agenda import every
from uzina.core.text import _
from uzina.people.rules import declare


class ProgrammeConfig(AppConfig):
    """Programme."""

    name = "uzina.programme"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Have the use of each award looked at in the first hour of each month."""
        every("programme.check_use", seconds=3600)
        declare(
            "programme.not_used",
            title=_("Hours of a project are not used"),
            is_mandatory=True,
            example={
                "project": {"code": "PRJ-2AB3CD", "title": "Un model pentru limba română"},
                "used": 500 * 3_600_000,
                "expected": 2500 * 3_600_000,
                "percent": 20,
                "nothing_days": 12,
                "full_days": 3,
                "path": "/projects/PRJ-2AB3CD/use/",
            },
        )
