"""The operators' queue: what is under way, whose it is, and what is late."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Min, Prefetch, Q, QuerySet

from uzina.calls.models import Application, Call, Pause, Question, Step
from uzina.calls.queries.applications import EPOCH
from uzina.calls.queries.steps import applicants_time
from uzina.calls.rules.steps import APPLICANTS, CHECKS, UNDER_WAY, StepKind, StepState
from uzina.people.models import Person


@dataclass(frozen=True)
class Wanted:
    """What somebody looks for in the queue; empty takes all.

    call     slug; cut_off: id
    owner    me, none, or the code of a person
    waiting  us: for the factory; applicant: for the applicant
    text     in the code, the title, the name of the organisation or of the applicant
    """

    call: str = ""
    cut_off: int | None = None
    step: str = ""
    owner: str = ""
    is_late: bool = False
    waiting: str = ""
    text: str = ""


@dataclass(frozen=True)
class Load:
    """How many applications are in a step, or with a person: of them waiting for their applicant,
    of them late; and since when the latest is.
    """

    name: str
    code: str
    count: int
    waiting: int
    late: int
    late_since: datetime | None


def worklist(person: Person, wanted: Wanted, *, now: datetime) -> QuerySet[Step]:
    """Return the steps under way that the person may see and looks for, the first due first.

    What has no deadline comes last. Four queries for a page.
    """
    rows = _of_call(person, wanted)
    if wanted.step in set(map(str, StepKind)):
        rows = rows.filter(kind=wanted.step)
    if wanted.owner == "none":
        rows = rows.filter(owner=None)
    elif wanted.owner:
        rows = rows.filter(owner__code=person.code if wanted.owner == "me" else wanted.owner)
    if wanted.is_late:
        rows = rows.filter(late(now))
    if wanted.waiting == "applicant":
        rows = rows.filter(applicants_turn())
    elif wanted.waiting == "us":
        rows = rows.exclude(applicants_turn())
    if wanted.text:
        rows = rows.filter(
            Q(application__code__iexact=wanted.text)
            | Q(application__title__icontains=wanted.text)
            | Q(application__organisation__name__icontains=wanted.text)
            | Q(application__applicant__name__icontains=wanted.text)
        )
    return (
        rows.select_related("application__organisation", "application__appeal", "owner")
        .prefetch_related(
            Prefetch("application__call", Call.objects.all()),
            Prefetch("pauses", Pause.objects.filter(ended_at=None)),
            Prefetch("questions", Question.objects.filter(answered_at=None, closed_at=None)),
        )
        .order_by(F("due_at").asc(nulls_last=True), "pk")
    )


def _of_call(person: Person, wanted: Wanted) -> QuerySet[Step]:
    visible = Application.objects.visible_to(person).order_by()
    rows = Step.objects.filter(state__in=UNDER_WAY, application__in=visible.values("pk"))
    if wanted.call:
        rows = rows.filter(application__call__slug=wanted.call)
    if wanted.cut_off is not None:
        rows = rows.filter(application__cut_off=wanted.cut_off)
    return rows


def late(now: datetime) -> Q:
    """Return what selects the steps that are late towards their applicant."""
    on_reserve = Q(kind=StepKind.DECISION, application__reserve_at__isnull=False)
    return Q(state=StepState.OPEN, due_at__lte=now) & ~applicants_time() & ~on_reserve


def applicants_turn() -> Q:
    """Return what selects the steps in which the applicant moves."""
    return Q(state=StepState.PAUSED) | applicants_time()


def loads_by_step(person: Person, wanted: Wanted, *, now: datetime) -> list[Load]:
    """Return how many applications are in each step, in the order of steps. One query."""
    rows = _counted(_of_call(person, wanted).values("kind"), now)
    found = {row["kind"]: row for row in rows}
    return [
        _load(kind.label, str(kind), found[str(kind)]) for kind in StepKind if str(kind) in found
    ]


def loads_by_owner(person: Person, wanted: Wanted, *, now: datetime) -> list[Load]:
    """Return how many applications each person works on, the most late first. One query."""
    rows = _counted(_of_call(person, wanted).values("owner__code", "owner__name"), now)
    found = [_load(row["owner__name"] or "", row["owner__code"] or "none", row) for row in rows]
    return sorted(found, key=lambda one: (-one.late, -one.count, one.name))


def _counted(rows: Any, now: datetime) -> Any:
    is_late = late(now)
    return rows.annotate(
        count=Count("pk"),
        waiting=Count("pk", filter=applicants_turn()),
        late=Count("pk", filter=is_late),
        late_since=Min("due_at", filter=is_late),
    ).order_by()


def _load(name: str, code: str, row: dict[str, Any]) -> Load:
    return Load(name, code, row["count"], row["waiting"], row["late"], row["late_since"])


def first_due(rows: QuerySet[Step], *, limit: int, cursor: str) -> tuple[list[Step], str | None]:
    """Return a page of the worklist, and the cursor of the next.

    cursor  "" or what the last page gave: microseconds (x: without a deadline) and id of its last
    """
    if cursor:
        micros, pk = cursor.split("-")
        if micros == "x":
            rows = rows.filter(due_at=None, pk__gt=int(pk))
        else:
            at = EPOCH + timedelta(microseconds=int(micros))
            rows = rows.filter(
                Q(due_at__gt=at) | Q(due_at=at, pk__gt=int(pk)) | Q(due_at__isnull=True)
            )
    found = list(rows[: limit + 1])
    if len(found) <= limit:
        return found, None
    last = found[limit - 1]
    if last.due_at is None:
        return found[:limit], f"x-{last.pk}"
    return found[:limit], f"{(last.due_at - EPOCH) // timedelta(microseconds=1)}-{last.pk}"


def is_late(step: Step, now: datetime) -> bool:
    """Tell of a row of the worklist whether it is late; as late() selects. No query."""
    return (
        step.state is StepState.OPEN
        and step.due_at is not None
        and step.due_at <= now
        and not is_applicants_turn(step)
        and not (step.kind == StepKind.DECISION and step.application.reserve_at is not None)
    )


def is_applicants_turn(step: Step) -> bool:
    """Tell of a row of the worklist whether the applicant moves. No query."""
    is_theirs = step.kind in APPLICANTS or (
        step.kind == StepKind.APPEAL and not hasattr(step.application, "appeal")
    )
    return step.state is StepState.PAUSED or is_theirs


def questions_to(person: Person) -> QuerySet[Question]:
    """Return the open questions that the person can answer, the first due first."""
    own = Application.objects.owned_by(person).order_by()
    return (
        Question.objects.filter(
            step__application__in=own.values("pk"), answered_at=None, closed_at=None
        )
        .select_related("step__application")
        .order_by("answer_by", "pk")
    )


def replies_open_to(person: Person) -> QuerySet[Step]:
    """Return the rights to reply that wait for the person, the first due first."""
    return (
        Step.objects.filter(
            application__applicant=person,
            application__reply=None,
            kind=StepKind.RIGHT_TO_REPLY,
            state=StepState.OPEN,
        )
        .select_related("application")
        .order_by("due_at", "pk")
    )


def standing_of_queue(now: datetime) -> dict[str, int]:
    """Return how many applications are late, how many wait for a check of form by an operator, and
    how many for an answer whose time is over. One query.
    """
    return Step.objects.filter(state__in=UNDER_WAY).aggregate(
        late=Count("pk", filter=late(now), distinct=True),
        checks=Count("pk", filter=Q(state=StepState.OPEN, kind__in=CHECKS), distinct=True),
        unanswered=Count(
            "pk",
            filter=Q(
                state=StepState.PAUSED,
                questions__answered_at=None,
                questions__closed_at=None,
                questions__answer_by__lte=now,
            ),
            distinct=True,
        ),
    )
