"""What the applicant sees: what happened, what happens next, by when, and who moves."""

from dataclasses import dataclass
from datetime import datetime

from uzina.calls.rules.flows import ApplicationState, AwardState
from uzina.core.text import _


@dataclass(frozen=True)
class Story:
    """The instants of one application; None for what has not happened."""

    state: ApplicationState
    made_at: datetime
    submitted_at: datetime | None = None
    due_at: datetime | None = None
    assessed_at: datetime | None = None
    reserve_at: datetime | None = None
    ended_at: datetime | None = None
    award_state: AwardState | None = None
    offered_at: datetime | None = None
    answer_by: datetime | None = None
    answered_at: datetime | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    report_due_at: datetime | None = None


@dataclass(frozen=True)
class Entry:
    """One step. `at` is when it happened, or by when it is due; texts are marked English."""

    title: str
    at: datetime | None
    is_done: bool
    text: str = ""


@dataclass(frozen=True)
class Next:
    """What happens next. is_yours: the applicant moves; otherwise the factory, or nobody."""

    text: str
    at: datetime | None
    is_yours: bool


def entries(story: Story) -> list[Entry]:
    """Return the steps of an application in order; those that will not come are left out."""
    steps = [Entry(_("Started"), story.made_at, is_done=True)]
    if story.submitted_at is not None:
        steps.append(Entry(_("Handed in"), story.submitted_at, is_done=True))
    elif story.state is ApplicationState.DRAFT:
        steps.append(
            Entry(_("Hand in"), None, is_done=False, text=_("When all sections are complete."))
        )
    if story.state is ApplicationState.WITHDRAWN:
        return [*steps, Entry(_("Withdrawn"), story.ended_at, is_done=True)]
    if story.state is ApplicationState.DECLINED and story.assessed_at is None:
        return [*steps, Entry(_("Declined"), story.ended_at, is_done=True)]
    if story.submitted_at is not None:
        steps.append(Entry(_("Eligible by the rules"), story.submitted_at, is_done=True))
    steps.append(
        Entry(
            _("Technical assessment"),
            story.assessed_at or story.due_at,
            is_done=story.assessed_at is not None,
            text=""
            if story.assessed_at
            else _("By an engineer of the host: does it fit, is the code ready, is it justified?"),
        )
    )
    if story.state is ApplicationState.DECLINED:
        return [*steps, Entry(_("Declined"), story.ended_at, is_done=True)]
    if story.reserve_at is not None:
        steps.append(
            Entry(
                _("On the reserve list"),
                story.reserve_at,
                is_done=True,
                text=_("Good enough for an award; the call has no hours left at the moment."),
            )
        )
    steps.append(Entry(_("Award offered"), story.offered_at, is_done=story.offered_at is not None))
    return steps + _after_offer(story)


def _after_offer(story: Story) -> list[Entry]:
    match story.award_state:
        case AwardState.REFUSED:
            return [Entry(_("You refused the award"), story.answered_at, is_done=True)]
        case AwardState.LAPSED:
            return [Entry(_("The offer lapsed"), story.answer_by, is_done=True)]
        case AwardState.ACCEPTED:
            return [
                Entry(_("You accepted; the project began"), story.answered_at, is_done=True),
                Entry(_("The project ends"), story.ends_at, is_done=False),
                Entry(_("Final report due"), story.report_due_at, is_done=False),
            ]
        case _:
            return [Entry(_("Your answer"), story.answer_by, is_done=False)]


def next_step(story: Story) -> Next:
    """Return what happens next, by when, and whether it is the applicant's move."""
    match story.state:
        case ApplicationState.DRAFT:
            return Next(
                _("Complete the sections and hand the application in."), None, is_yours=True
            )
        case ApplicationState.SUBMITTED:
            return Next(_("The rules decide on eligibility."), story.due_at, is_yours=False)
        case ApplicationState.ELIGIBLE:
            return _next_of_eligible(story)
        case ApplicationState.AWARDED:
            return _next_of_award(story)
        case ApplicationState.DECLINED:
            return Next(
                _("Read the reasons. You may apply again once they are mended."),
                None,
                is_yours=True,
            )
        case _:
            return Next(_("Nothing: you withdrew it. You may apply again."), None, is_yours=False)


def _next_of_eligible(story: Story) -> Next:
    if story.reserve_at is not None:
        return Next(
            _("You are on the reserve list: you get an offer as soon as hours become free."),
            None,
            is_yours=False,
        )
    if story.assessed_at is not None:
        return Next(_("Your turn in the queue comes next."), story.due_at, is_yours=False)
    return Next(
        _("An engineer of the host assesses your application."), story.due_at, is_yours=False
    )


def _next_of_award(story: Story) -> Next:
    match story.award_state:
        case AwardState.ACCEPTED:
            return Next(_("Use your hours before the project ends."), story.ends_at, is_yours=True)
        case AwardState.OFFERED:
            return Next(_("Accept or refuse the award."), story.answer_by, is_yours=True)
        case AwardState.LAPSED:
            return Next(_("The offer lapsed. You may apply again."), None, is_yours=True)
        case _:
            return Next(_("Nothing: you refused the award."), None, is_yours=False)
