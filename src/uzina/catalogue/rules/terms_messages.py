"""The messages about access to data, each with an example to look at."""

from datetime import UTC, datetime
from typing import Any

from uzina.core.text import _
from uzina.people.rules import declare

KINDS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("access_asked", _("Somebody asks for your data"), {"state": "asked"}),
    ("access_waiting", _("A request for your data waits"), {"state": "asked"}),
    ("access_decided", _("The answer to a request for data"), {"state": "granted"}),
    ("access_ends", _("Access to data ends soon"), {"state": "granted"}),
    ("access_over", _("Access to data is over"), {"state": "revoked"}),
)


def declare_access() -> None:
    """Make the kinds of messages known. Each is a decision, or asks for one."""
    for name, title, request in KINDS:
        declare(
            f"catalogue.{name}",
            title=title,
            is_mandatory=True,
            example={
                "request": {
                    "code": "ACC-7Q3K2M",
                    "why": "…",
                    "reason": "…",
                    "end_reason": "…",
                }
                | request,
                "dataset": {"title": "Texte de sănătate publică", "slug": "health-texts"},
                "asker": {"title": "A language model", "organisation": "Limbă Vie SRL"},
                "until": datetime(2027, 6, 1, tzinfo=UTC),
                "days": 5,
                "path": "/access/ACC-7Q3K2M/",
            },
        )
