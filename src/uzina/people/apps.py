"""Django's handle on the module."""

from django.apps import AppConfig

from uzina.core.agenda import every
from uzina.core.text import _
from uzina.people import rules


class PeopleConfig(AppConfig):
    """People."""

    name = "uzina.people"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Have digests leave within a minute of their hour, and name our own messages."""
        every("people.send_digests", seconds=60)
        rules.declare(
            rules.DIGEST,
            title=_("Messages of the day"),
            is_mandatory=False,
            example={
                "count": 2,
                "path": "/account/messages/",
                "messages": [
                    {"subject": "PRJ-2AB3CD: …", "body": "…"},
                    {"subject": "JOB-2AB3CD: …", "body": "…"},
                ],
            },
        )
        rules.declare(
            "people.vat_not_valid",
            title=_("A VAT number is not in the register"),
            is_mandatory=False,
            example={
                "organisation": {"name": "Limbă Vie SRL", "vat_number": "RO18547290"},
                "path": "/organisations/ORG-2AB3CD/change/",
            },
        )
