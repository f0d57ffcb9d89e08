"""Life cycles of calls, applications and awards."""

from uzina.core.flow import Flow, Move, States
from uzina.core.text import _


class CallState(States):
    """Where a call stands. Whether it is open is asked of the clock, not of the state."""

    DRAFT = "draft", _("Draft"), "quiet"
    PUBLISHED = "published", _("Published"), "good"
    ARCHIVED = "archived", _("Archived"), "quiet"


CALL: Flow[CallState] = Flow(
    "call",
    {
        "publish": Move(CallState.DRAFT, to=CallState.PUBLISHED),
        "archive": Move(CallState.DRAFT, CallState.PUBLISHED, to=CallState.ARCHIVED),
    },
)


class ApplicationState(States):
    """Where an application stands."""

    DRAFT = "draft", _("Draft"), "quiet"
    SUBMITTED = "submitted", _("Submitted"), "busy"
    ELIGIBLE = "eligible", _("Eligible"), "busy"
    AWARDED = "awarded", _("Awarded"), "good"
    DECLINED = "declined", _("Declined"), "bad"
    WITHDRAWN = "withdrawn", _("Withdrawn"), "quiet"


_A = ApplicationState
APPLICATION: Flow[ApplicationState] = Flow(
    "application",
    {
        "save": Move(_A.DRAFT, to=_A.DRAFT),
        "submit": Move(_A.DRAFT, to=_A.SUBMITTED),
        "admit": Move(_A.SUBMITTED, to=_A.ELIGIBLE),
        "assess": Move(_A.ELIGIBLE, to=_A.ELIGIBLE),
        "award": Move(_A.ELIGIBLE, to=_A.AWARDED),
        "decline": Move(_A.SUBMITTED, _A.ELIGIBLE, to=_A.DECLINED),
        "withdraw": Move(_A.DRAFT, _A.SUBMITTED, _A.ELIGIBLE, to=_A.WITHDRAWN),
    },
)


class AwardState(States):
    """Where an award stands."""

    OFFERED = "offered", _("Offered"), "busy"
    ACCEPTED = "accepted", _("Accepted"), "good"
    REFUSED = "refused", _("Refused"), "quiet"
    LAPSED = "lapsed", _("Lapsed"), "bad"


AWARD: Flow[AwardState] = Flow(
    "award",
    {
        "accept": Move(AwardState.OFFERED, to=AwardState.ACCEPTED),
        "refuse": Move(AwardState.OFFERED, to=AwardState.REFUSED),
        "lapse": Move(AwardState.OFFERED, to=AwardState.LAPSED),
    },
)
