"""What the applicant sees: what happened, what happens next, by when, and who moves.

Texts are marked English with {facts}; who shows them translates and fills them in.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from uzina.calls.rules.flows import AppealState, ApplicationState, AwardState
from uzina.calls.rules.steps import UNDER_WAY, StepKind, StepState
from uzina.core.text import _

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class PauseFacts:
    """The clock stood still. ended_at is None while it does; days are the working days it cost.

    reason  question: the applicant was waited for; declined: it was declined by mistake
    """

    began_at: datetime
    ended_at: datetime | None
    days: int
    reason: str = "question"


@dataclass(frozen=True)
class StepFacts:
    """One step. counts_from is later than opened_at where it waits for the cut-off to close."""

    kind: StepKind
    state: StepState
    opened_at: datetime | None = None
    counts_from: datetime | None = None
    due_at: datetime | None = None
    done_at: datetime | None = None
    outcome: str = ""
    is_human: bool = True
    pauses: tuple[PauseFacts, ...] = ()


@dataclass(frozen=True)
class Story:
    """The instants of one application; None for what has not happened.

    question   the code of a question that waits for the applicant, to be answered before question_by
    sent_on    where it was redirected to: a title; draft: the code of the draft it became
    """

    state: ApplicationState
    made_at: datetime
    submitted_at: datetime | None = None
    due_at: datetime | None = None
    steps: tuple[StepFacts, ...] = ()
    is_ranked: bool = False
    question: str = ""
    question_by: datetime | None = None
    has_reply: bool = False
    reserve_at: datetime | None = None
    ended_at: datetime | None = None
    award: str = ""
    award_state: AwardState | None = None
    offered_at: datetime | None = None
    answer_by: datetime | None = None
    answered_at: datetime | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    report_due_at: datetime | None = None
    sent_on: str = ""
    draft: str = ""
    appeal_state: AppealState | None = None
    appeal_due_at: datetime | None = None

    @property
    def step(self) -> StepFacts | None:
        """The step that is under way."""
        return next((one for one in self.steps if one.state in UNDER_WAY), None)


@dataclass(frozen=True)
class Entry:
    """One step. `at` is when it happened, or by when it is due; is_now: it is under way."""

    title: str
    at: datetime | None
    is_done: bool
    text: str = ""
    facts: Facts = field(default_factory=dict)
    is_now: bool = False
    pauses: tuple[PauseFacts, ...] = ()


@dataclass(frozen=True)
class Next:
    """What happens next. is_yours: the applicant moves; otherwise the factory, or nobody.

    verb    what the applicant can do: submit, answer, reply, decide, appeal, draft, apply; or empty
    target  the code of what it is done with
    """

    text: str
    at: datetime | None
    is_yours: bool
    verb: str = ""
    target: str = ""
    facts: Facts = field(default_factory=dict)


K = StepKind

WHAT = {
    K.COMPLETENESS: _("An operator of the factory checks that everything is there."),
    K.ELIGIBILITY: _("An operator of the factory checks eligibility by the rules of the call."),
    K.TECHNICAL_ASSESSMENT: _(
        "By an engineer of the host: does it fit, is the code ready, is it justified?"
    ),
    K.PEER_REVIEW: _("Independent experts read and score it."),
    K.RIGHT_TO_REPLY: _("You read what the reviewers wrote to you and may reply, once."),
    K.PANEL: _("A panel discusses the applications of this cut-off."),
    K.RANKING: _("The applications of this cut-off are put in order, within the hours there are."),
    K.DECISION: _("In the order of submission, while the call has hours."),
    K.ACCEPTANCE: _("You accept or refuse what is offered."),
    K.APPEAL: _("You may ask another panel to look at the decision again."),
}
"""What happens in each step, to somebody who has never seen one."""

TOGETHER = _("All decisions of this cut-off are released together.")

DONE = {
    (K.COMPLETENESS, "passed"): _("Complete"),
    (K.ELIGIBILITY, "passed"): _("Eligible by the rules"),
    (K.ELIGIBILITY, "exempted"): _("Eligible by an exception that an operator allowed"),
    (K.ELIGIBILITY, "failed"): _("Not eligible by the rules"),
    (K.RIGHT_TO_REPLY, "replied"): _("You replied to the reviewers"),
    (K.RIGHT_TO_REPLY, "waived"): _("You chose not to reply to the reviewers"),
    (K.RIGHT_TO_REPLY, "silent"): _("No reply to the reviewers in time"),
}
"""What to say instead of the name of a step that ended."""


def entries(story: Story) -> list[Entry]:
    """Return the steps of an application in order; those that will not come are left out."""
    return list(_entries(story))


def _entries(story: Story) -> Iterator[Entry]:
    yield Entry(_("Started"), story.made_at, is_done=True)
    if story.submitted_at is not None:
        yield Entry(_("Handed in"), story.submitted_at, is_done=True)
    elif story.state is ApplicationState.DRAFT:
        yield Entry(_("Hand in"), None, is_done=False, text=_("When all sections are complete."))
    for step in story.steps:
        if step.kind is K.DECISION:
            yield from _decision(story, step)
        elif step.kind is K.ACCEPTANCE and story.award_state is not None:
            yield from _answer(story)
        elif step.kind is not K.APPEAL:
            yield from _step(story, step)
    yield from _ending(story)


def _step(story: Story, step: StepFacts) -> Iterator[Entry]:
    if step.kind is K.COMPLETENESS and not step.is_human:
        return
    match step.state:
        case StepState.DONE:
            title = DONE.get((step.kind, step.outcome), step.kind.label)
            yield Entry(title, step.done_at, is_done=True, pauses=step.pauses)
        case StepState.OPEN | StepState.PAUSED:
            is_open = step.state is StepState.OPEN
            text, facts = WHAT[step.kind], {}
            if (
                is_open
                and step.counts_from
                and step.opened_at
                and step.counts_from > step.opened_at
            ):
                text = _("It has begun. Its time counts from {from_}, when the cut-off closes.")
                facts = {"from_": step.counts_from}
            yield Entry(
                step.kind.label,
                step.due_at if is_open else None,
                is_done=False,
                text=text,
                facts=facts,
                is_now=True,
                pauses=step.pauses,
            )
        case StepState.WAITING if story.state not in ENDED:
            yield Entry(step.kind.label, None, is_done=False, text=WHAT[step.kind])


ENDED = (
    ApplicationState.DECLINED,
    ApplicationState.WITHDRAWN,
    ApplicationState.REDIRECTED,
    ApplicationState.ADMITTED,
)


def _decision(story: Story, step: StepFacts) -> Iterator[Entry]:
    if story.reserve_at is not None:
        yield Entry(
            _("On the reserve list"),
            story.reserve_at,
            is_done=True,
            text=_("Good enough for an award; the call has no hours left at the moment."),
        )
    if story.offered_at is not None:
        yield Entry(_("Award offered"), story.offered_at, is_done=True)
    elif story.state not in ENDED:
        yield Entry(
            _("Decision"),
            step.due_at,
            is_done=False,
            text=TOGETHER if story.is_ranked else WHAT[K.DECISION],
            is_now=step.state in UNDER_WAY,
            pauses=step.pauses,
        )


def _answer(story: Story) -> Iterator[Entry]:
    match story.award_state:
        case AwardState.REFUSED:
            yield Entry(_("You refused the award"), story.answered_at, is_done=True)
        case AwardState.LAPSED:
            yield Entry(_("The offer lapsed"), story.answer_by, is_done=True)
        case AwardState.ACCEPTED:
            yield Entry(_("You accepted; the project began"), story.answered_at, is_done=True)
            yield Entry(_("The project ends"), story.ends_at, is_done=False)
            yield Entry(_("Final report due"), story.report_due_at, is_done=False)
        case _:
            yield Entry(_("Your answer"), story.answer_by, is_done=False, is_now=True)


def _ending(story: Story) -> Iterator[Entry]:
    match story.state:
        case ApplicationState.WITHDRAWN:
            yield Entry(_("Withdrawn"), story.ended_at, is_done=True)
        case ApplicationState.REDIRECTED:
            yield Entry(
                _("Sent on"),
                story.ended_at,
                is_done=True,
                text=_("To {where}, where it fits better."),
                facts={"where": story.sent_on},
            )
        case ApplicationState.ADMITTED:
            yield Entry(_("Admitted"), story.ended_at, is_done=True)
        case ApplicationState.DECLINED:
            yield Entry(_("Declined"), story.ended_at, is_done=True)
    yield from _appeal(story)


def _appeal(story: Story) -> Iterator[Entry]:
    match story.appeal_state:
        case AppealState.FILED:
            yield Entry(
                _("You appealed"),
                story.appeal_due_at,
                is_done=False,
                text=_("Another panel looks at the decision again."),
                is_now=True,
            )
        case AppealState.UPHELD:
            yield Entry(_("Your appeal was upheld"), None, is_done=True)
        case AppealState.DISMISSED:
            yield Entry(_("Your appeal was dismissed"), None, is_done=True)
        case AppealState.WITHDRAWN:
            yield Entry(_("You withdrew your appeal"), None, is_done=True)
        case None:
            step = story.step
            if step is not None and step.kind is K.APPEAL:
                yield Entry(
                    _("Time to appeal"),
                    step.due_at,
                    is_done=False,
                    text=WHAT[K.APPEAL],
                    is_now=True,
                )


def next_step(story: Story) -> Next:
    """Return what happens next, by when, and whether it is the applicant's move."""
    if story.appeal_state is AppealState.FILED:
        return Next(_("Another panel looks at your appeal."), story.appeal_due_at, is_yours=False)
    match story.state:
        case ApplicationState.DRAFT:
            return Next(
                _("Complete the sections and hand the application in."),
                None,
                is_yours=True,
                verb="submit",
            )
        case ApplicationState.SUBMITTED | ApplicationState.ELIGIBLE:
            return _next_of_judged(story)
        case ApplicationState.AWARDED:
            return _next_of_award(story)
        case ApplicationState.ADMITTED:
            return Next(_("You are admitted: the factory writes to you."), None, is_yours=False)
        case ApplicationState.REDIRECTED:
            return _next_of_redirected(story)
        case ApplicationState.DECLINED:
            return _next_of_declined(story)
        case _:
            return Next(_("Nothing: you withdrew it. You may apply again."), None, is_yours=False)


def _next_of_judged(story: Story) -> Next:
    step = story.step
    if story.question:
        return Next(
            _("Answer our question. Until you do, our clock stands still."),
            story.question_by,
            is_yours=True,
            verb="answer",
            target=story.question,
        )
    if step is None:
        return Next(_("The rules decide on eligibility."), story.due_at, is_yours=False)
    match step.kind:
        case K.TECHNICAL_ASSESSMENT:
            text = _("An engineer of the host assesses your application.")
        case K.PEER_REVIEW:
            text = _("Independent experts read and score your application.")
        case K.RIGHT_TO_REPLY if not story.has_reply:
            return Next(
                _("Read what the reviewers wrote to you. You may reply, once; you need not."),
                step.due_at,
                is_yours=True,
                verb="reply",
            )
        case K.RIGHT_TO_REPLY:
            text = _("The panel gets your reply.")
        case K.DECISION if story.reserve_at is not None:
            return Next(
                _("You are on the reserve list: you get an offer as soon as hours become free."),
                None,
                is_yours=False,
            )
        case K.DECISION:
            text = TOGETHER if story.is_ranked else _("Your turn in the queue comes next.")
        case kind:
            text = WHAT[kind]
    return Next(text, step.due_at or story.due_at, is_yours=False)


def _next_of_award(story: Story) -> Next:
    match story.award_state:
        case AwardState.ACCEPTED:
            return Next(_("Use your hours before the project ends."), story.ends_at, is_yours=True)
        case AwardState.OFFERED:
            return Next(
                _("Accept or refuse the award."),
                story.answer_by,
                is_yours=True,
                verb="decide",
                target=story.award,
            )
        case AwardState.LAPSED:
            return Next(
                _("The offer lapsed. You may apply again."), None, is_yours=True, verb="apply"
            )
        case _:
            return Next(_("Nothing: you refused the award."), None, is_yours=False)


def _next_of_redirected(story: Story) -> Next:
    if story.draft:
        return Next(
            _("Look at the draft in {where}, complete it and hand it in."),
            None,
            is_yours=True,
            verb="draft",
            target=story.draft,
            facts={"where": story.sent_on},
        )
    return Next(
        _("Download your whole application and apply with it at {where}. Here it is closed."),
        None,
        is_yours=True,
        verb="export",
        facts={"where": story.sent_on},
    )


def _next_of_declined(story: Story) -> Next:
    step = story.step
    if step is not None and step.kind is K.APPEAL and story.appeal_state is None:
        return Next(
            _("Read the reasons. You may appeal, or apply again once they are mended."),
            step.due_at,
            is_yours=True,
            verb="appeal",
        )
    return Next(
        _("Read the reasons. You may apply again once they are mended."),
        None,
        is_yours=True,
        verb="apply",
    )
