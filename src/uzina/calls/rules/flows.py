"""Life cycles of calls, applications, reviews, rankings, awards and what follows them."""

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
    REDIRECTED = "redirected", _("Sent on"), "quiet"
    ADMITTED = "admitted", _("Admitted"), "good"


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
        "redirect": Move(_A.SUBMITTED, _A.ELIGIBLE, to=_A.REDIRECTED),
        "join": Move(_A.ELIGIBLE, to=_A.ADMITTED),
        "uphold": Move(_A.DECLINED, to=_A.AWARDED),
        "reinstate": Move(_A.DECLINED, to=_A.SUBMITTED),
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


class ReviewState(States):
    """Where a review stands."""

    ASSIGNED = "assigned", _("Asked for"), "busy"
    ACCEPTED = "accepted", _("Being written"), "busy"
    SUBMITTED = "submitted", _("Submitted"), "good"
    REFUSED = "refused", _("Declined by the reviewer"), "bad"
    REPLACED = "replaced", _("Taken back"), "quiet"


_R = ReviewState
REVIEW: Flow[ReviewState] = Flow(
    "review",
    {
        "accept": Move(_R.ASSIGNED, to=_R.ACCEPTED),
        "save": Move(_R.ACCEPTED, to=_R.ACCEPTED),
        "submit": Move(_R.ACCEPTED, _R.SUBMITTED, to=_R.SUBMITTED),
        "refuse": Move(_R.ASSIGNED, _R.ACCEPTED, to=_R.REFUSED),
        "replace": Move(_R.ASSIGNED, _R.ACCEPTED, to=_R.REPLACED),
        "set_aside": Move(_R.ASSIGNED, _R.ACCEPTED, _R.SUBMITTED, to=_R.REPLACED),
        "assign_again": Move(_R.REPLACED, _R.REFUSED, to=_R.ASSIGNED),
    },
)


class RankingState(States):
    """Where a ranking stands."""

    DRAFT = "draft", _("Draft"), "quiet"
    ADOPTED = "adopted", _("Adopted"), "busy"
    RELEASED = "released", _("Released"), "good"


RANKING: Flow[RankingState] = Flow(
    "ranking",
    {
        "adopt": Move(RankingState.DRAFT, to=RankingState.ADOPTED),
        "release": Move(RankingState.ADOPTED, to=RankingState.RELEASED),
    },
)


class AppealState(States):
    """Where an appeal stands."""

    FILED = "filed", _("Filed"), "busy"
    UPHELD = "upheld", _("Upheld"), "good"
    DISMISSED = "dismissed", _("Dismissed"), "bad"
    WITHDRAWN = "withdrawn", _("Withdrawn"), "quiet"


APPEAL: Flow[AppealState] = Flow(
    "appeal",
    {
        "uphold": Move(AppealState.FILED, to=AppealState.UPHELD),
        "dismiss": Move(AppealState.FILED, to=AppealState.DISMISSED),
        "withdraw": Move(AppealState.FILED, to=AppealState.WITHDRAWN),
    },
)


class AmendmentState(States):
    """Where an amendment stands."""

    ASKED = "asked", _("Asked for"), "busy"
    APPROVED = "approved", _("Approved"), "good"
    REFUSED = "refused", _("Refused"), "bad"
    WITHDRAWN = "withdrawn", _("Withdrawn"), "quiet"


AMENDMENT: Flow[AmendmentState] = Flow(
    "amendment",
    {
        "approve": Move(AmendmentState.ASKED, to=AmendmentState.APPROVED),
        "refuse": Move(AmendmentState.ASKED, to=AmendmentState.REFUSED),
        "withdraw": Move(AmendmentState.ASKED, to=AmendmentState.WITHDRAWN),
    },
)


class ObligationState(States):
    """Where a report that is owed stands."""

    DUE = "due", _("Due"), "busy"
    SUBMITTED = "submitted", _("Submitted"), "busy"
    ACCEPTED = "accepted", _("Accepted"), "good"
    DEFAULTED = "defaulted", _("Not delivered"), "bad"


OBLIGATION: Flow[ObligationState] = Flow(
    "obligation",
    {
        "submit": Move(
            ObligationState.DUE, ObligationState.DEFAULTED, to=ObligationState.SUBMITTED
        ),
        "accept": Move(ObligationState.SUBMITTED, to=ObligationState.ACCEPTED),
        "send_back": Move(ObligationState.SUBMITTED, to=ObligationState.DUE),
        "default": Move(ObligationState.DUE, to=ObligationState.DEFAULTED),
    },
)


class EntryState(States):
    """Where an entry to a grand challenge stands."""

    RECEIVED = "received", _("Received"), "busy"
    SCORED = "scored", _("Scored"), "good"
    REFUSED = "refused", _("Could not be scored"), "bad"


ENTRY: Flow[EntryState] = Flow(
    "entry",
    {
        "score": Move(EntryState.RECEIVED, to=EntryState.SCORED),
        "refuse": Move(EntryState.RECEIVED, to=EntryState.REFUSED),
    },
)
