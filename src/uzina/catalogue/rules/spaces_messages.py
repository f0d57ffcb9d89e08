"""What the people of a project are told of its storage."""

from datetime import UTC, datetime

from uzina.core.text import _
from uzina.people.rules import declare

EXAMPLE = {
    "space": "PRJ-7Q3K2M:scratch",
    "project": {"title": "Un model pentru limba română", "code": "PRJ-7Q3K2M"},
    "days": 14,
    "files": 1204,
    "ends_at": datetime(2026, 12, 22, 22, 0, tzinfo=UTC),
    "gone_at": datetime(2027, 1, 5, 22, 0, tzinfo=UTC),
    "path": "/projects/PRJ-7Q3K2M/storage/",
}


def declare_spaces() -> None:
    """Make the kinds of messages known. Nobody can turn them off: files are lost otherwise."""
    declare(
        "catalogue.space_warned",
        title=_("Storage of a project ends soon"),
        is_mandatory=True,
        example=EXAMPLE,
    )
    declare(
        "catalogue.space_ended",
        title=_("Storage of a project is in the trash"),
        is_mandatory=True,
        example=EXAMPLE,
    )
    declare(
        "catalogue.outputs_refused",
        title=_("What a job made did not fit into the storage"),
        is_mandatory=True,
        example={
            "job": "JOB-7Q3K2M",
            "into": "PRJ-7Q3K2M:project/results",
            "why": "…",
            "path": "/jobs/JOB-7Q3K2M/",
        },
    )
