"""The life of a project."""

from uzina.core.flow import Flow, Move, States
from uzina.core.text import _


class ProjectState(States):
    """Where a project stands."""

    ACTIVE = "active", _("Active"), "good"
    CLOSING = "closing", _("Closing"), "busy"
    CLOSED = "closed", _("Closed"), "quiet"


PROJECT: Flow[ProjectState] = Flow(
    "project",
    {
        "wind_up": Move(ProjectState.ACTIVE, to=ProjectState.CLOSING),
        "close": Move(ProjectState.CLOSING, to=ProjectState.CLOSED),
    },
)
