"""The life of a project."""

from datetime import datetime, timedelta

from uzina.core.errors import Refused
from uzina.core.flow import Flow, Move, States
from uzina.core.text import _

SHORTEST = timedelta(seconds=1)
"""The period of a project that was ended before it began."""


class ProjectState(States):
    """Where a project stands."""

    ACTIVE = "active", _("Active"), "good"
    CLOSING = "closing", _("Closing"), "busy"
    CLOSED = "closed", _("Closed"), "quiet"


PROJECT: Flow[ProjectState] = Flow(
    "project",
    {
        "extend": Move(ProjectState.ACTIVE, to=ProjectState.ACTIVE),
        "transfer": Move(ProjectState.ACTIVE, to=ProjectState.ACTIVE),
        "wind_up": Move(ProjectState.ACTIVE, to=ProjectState.CLOSING),
        "close": Move(ProjectState.CLOSING, to=ProjectState.CLOSED),
    },
)


def check_extension(ends_at: datetime, wanted: datetime, now: datetime) -> None:
    """Raise Refused unless a running project would get more time."""
    if now >= ends_at:
        raise Refused(
            "project.extend.over",
            _("The project has ended. What is over cannot be extended."),
            ends_at=ends_at.isoformat(),
        )
    if wanted <= ends_at:
        raise Refused(
            "project.extend.not_later",
            _("The new end is not later than the end it has. Choose a later one."),
            ends_at=ends_at.isoformat(),
        )


def ended_early(starts_at: datetime, ends_at: datetime, now: datetime) -> datetime:
    """Return the end of a project that is wound up now."""
    return min(ends_at, max(now, starts_at + SHORTEST))
