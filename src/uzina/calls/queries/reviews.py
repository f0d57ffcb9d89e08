"""Reviews: who has which, who could have which, and how far they are."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Exists, F, OuterRef, Prefetch, Q, QuerySet

from uzina.calls.models import (
    Application,
    Bid,
    Call,
    Conflict,
    CutOff,
    Editor,
    PoolExclusion,
    Review,
    Reviewer,
    SavedSection,
    Step,
    conflicted,
)
from uzina.calls.queries.applications import answers_of
from uzina.calls.queries.conflicts import names_in
from uzina.calls.queries.reviewers import about, language_of, loads, pool
from uzina.calls.queries.sections import asked_sections
from uzina.calls.rules import assignment, reviews
from uzina.calls.rules.flows import ApplicationState, ReviewState
from uzina.calls.rules.sections import Field, Section
from uzina.calls.rules.steps import UNDER_WAY, StepKind, StepState
from uzina.people import queries as people_queries
from uzina.people.models import Person


def reviews_of(person: Person) -> QuerySet[Review]:
    """Return the reviews a person was asked for, what is due first on top, with what pages show.

    Never one with a conflict of interest. `is_changeable`: the panel has not begun.
    """
    before = Step.objects.filter(
        application=OuterRef("application"),
        kind__in=reviews.BEFORE_THE_PANEL,
        state__in=UNDER_WAY,
    )
    return (  # type: ignore[no-any-return]
        Review.objects.given_to(person)
        .filter(application__state=ApplicationState.ELIGIBLE)
        .annotate(is_changeable=Exists(before))
        .select_related(
            "application__call", "application__applicant", "application__organisation", "reviewer"
        )
        .prefetch_related(
            Prefetch("application__sections", SavedSection.objects.order_by("pk")),
        )
        .order_by(F("submitted_at").asc(nulls_first=True), "due_at", "pk")
    )


@dataclass(frozen=True)
class Progress:
    """How many of a person's reviews are handed in, and what is due next."""

    submitted: int
    total: int
    next_code: str
    next_due_at: datetime | None


def progress(person: Person, after: str = "") -> Progress:
    """Return how far a person is with the reviews in hand. One query.

    after  the review they are at: the next one is another
    """
    changeable = reviews_of(person).filter(is_changeable=True)  # type: ignore[misc]
    rows = list(changeable.prefetch_related(None).values_list("code", "state", "due_at"))
    left = [row for row in rows if row[1] != ReviewState.SUBMITTED]
    others = [row for row in left if row[0] != after]
    return Progress(
        submitted=len(rows) - len(left),
        total=len(rows),
        next_code=others[0][0] if others else "",
        next_due_at=others[0][2] if others else None,
    )


def others_of(review: Review, person: Person) -> list[Review]:
    """Return the other reviews of the same application: only once one's own is handed in."""
    if review.state is not ReviewState.SUBMITTED or review.reviewer_id != person.pk:
        return []
    return list(
        Review.objects.filter(application=review.application_id, state=ReviewState.SUBMITTED)
        .exclude(pk=review.pk)
        .select_related("reviewer")
        .order_by("submitted_at", "pk")
    )


def comments_for_applicant(application: Application) -> list[Review]:
    """Return the reviews whose comments the applicant may read: once peer review is over."""
    is_over = Step.objects.filter(
        application=application, kind=StepKind.PEER_REVIEW, state=StepState.DONE
    ).exists()
    if not is_over:
        return []
    return list(submitted_of(application))


def submitted_of(application: Application) -> QuerySet[Review]:
    """Return the reviews of an application that were handed in, in that order."""
    return (  # type: ignore[no-any-return]
        Review.objects.filter(application=application, state=ReviewState.SUBMITTED)
        .select_related("reviewer")
        .order_by("submitted_at", "pk")
    )


def live_of(application: Application) -> QuerySet[Review]:
    """Return the reviews of an application that count: asked for, being written, handed in."""
    return (  # type: ignore[no-any-return]
        Review.objects.filter(application=application, state__in=reviews.LIVE)
        .select_related("reviewer")
        .order_by("pk")
    )


def biddable_by(person: Person) -> QuerySet[Application]:
    """Return the applications a reviewer may bid for: of calls in whose pool they are.

    Eligible, screened for conflicts, not yet past peer review, and none of them theirs. Each has
    `bid`: what they said. Oldest first.
    """
    profile = Reviewer.objects.filter(person=person, is_active=True)
    coming = Step.objects.filter(
        application=OuterRef("pk"),
        kind=StepKind.PEER_REVIEW,
        state__in=[StepState.WAITING, *UNDER_WAY],
    )
    out = PoolExclusion.objects.filter(person=person).values("call")
    return (  # type: ignore[no-any-return]
        Application.objects.filter(
            ~conflicted(person),
            Exists(profile),
            Exists(coming),
            state=ApplicationState.ELIGIBLE,
            screened_at__isnull=False,
        )
        .exclude(call__in=out)
        .exclude(pk__in=Review.objects.filter(reviewer=person).values("application"))
        .select_related("call", "applicant", "organisation")
        .prefetch_related(
            Prefetch("sections", SavedSection.objects.order_by("pk")),
            Prefetch("bids", Bid.objects.filter(person=person), to_attr="my_bids"),
        )
        .order_by("submitted_at", "pk")
    )


def in_peer_review(call: Call, cut_off: CutOff | None = None) -> QuerySet[Application]:
    """Return the applications of a call that are in peer review now, with what pages show.

    cut_off  only those handed in to it; None: all
    """
    open_now = Step.objects.filter(
        application=OuterRef("pk"), kind=StepKind.PEER_REVIEW, state__in=UNDER_WAY
    )
    found = Application.objects.filter(Exists(open_now), call=call)
    if cut_off is not None:
        found = found.filter(cut_off=cut_off)
    return with_reviews(found).order_by("submitted_at", "pk")


def with_reviews(applications: QuerySet[Application]) -> QuerySet[Application]:
    """Return applications with their sections, reviews, reviewers and how many conflicts."""
    return (
        applications.select_related("call", "applicant", "organisation")
        .prefetch_related(
            Prefetch("sections", SavedSection.objects.order_by("pk")),
            Prefetch("reviews", Review.objects.select_related("reviewer").order_by("pk")),
        )
        .annotate(conflict_count=Count("conflicts__person", distinct=True))
    )


def reviewable(call: Call) -> QuerySet[Application]:
    """Return the applications of a call that reach or reached peer review, oldest first."""
    steps = Step.objects.filter(application=OuterRef("pk"), kind=StepKind.PEER_REVIEW)
    reached = steps.exclude(state=StepState.SKIPPED)
    found = Application.objects.filter(
        Exists(reached), call=call, submitted_at__isnull=False
    ).exclude(state__in=[ApplicationState.WITHDRAWN, ApplicationState.REDIRECTED])
    return with_reviews(found).order_by("submitted_at", "pk")


def barred_pairs(
    applications: Collection[Application], people: Collection[Person]
) -> set[tuple[int, int]]:
    """Return who must not judge what, as conflicted() says it, for many at once: ids. Four queries.

    applications  with their organisation's id at hand
    """
    ids = {one.pk for one in applications}
    persons = {one.pk for one in people}
    rows = Conflict.objects.filter(application__in=ids, person__in=persons)
    barred = set(rows.values_list("application", "person"))
    shared = Editor.objects.filter(application__in=ids, person__in=persons)
    barred |= set(shared.values_list("application", "person"))
    here = people_queries.organisations_by_person(persons)
    at = {person: {one.pk for one in bodies} for person, bodies in here.items()}
    for one in applications:
        barred |= {(one.pk, person) for person in persons if one.organisation_id in at[person]}
        if one.applicant_id in persons:
            barred.add((one.pk, one.applicant_id))
    return barred


def assignment_problem(
    call: Call, applications: Collection[Application], *, seed: int
) -> assignment.Problem:
    """Return what is to be solved for applications in peer review. Eight queries.

    applications  as with_reviews() gives them
    """
    scoring = call.mode.scoring
    wanted = scoring.reviewers if scoring else 1
    referees = list(pool(call))
    people = {one.person_id: one.person for one in referees}
    busy = loads(people)
    codes = {one.pk: one.code for one in applications}
    barred = {
        (codes[application], people[person].code)
        for application, person in barred_pairs(applications, people.values())
    }
    papers = []
    for one in applications:
        live = [row for row in one.reviews.all() if row.state in reviews.LIVE]
        papers.append(
            assignment.Paper(
                code=one.code,
                about=about(one),
                language=language_of(one),
                need=max(0, wanted - len(live)),
                fixed=tuple(sorted(row.reviewer.code for row in live)),
            )
        )
        barred |= {
            (one.code, row.reviewer.code)
            for row in one.reviews.all()
            if row.state in {ReviewState.REFUSED, ReviewState.REPLACED}
        }
    bids = Bid.objects.filter(application__in=codes, person__in=people)
    return assignment.Problem(
        papers=tuple(papers),
        referees=tuple(
            assignment.Referee(
                code=one.person.code,
                topics=tuple(one.topics),
                languages=tuple(one.languages),
                most=one.most,
                load=busy[one.person_id],
            )
            for one in referees
        ),
        barred=frozenset(barred),
        bids={
            (codes[application], people[person].code): value
            for application, person, value in bids.values_list("application", "person", "value")
        },
        seed=seed,
    )


def suggestions(application: Application, *, most: int = 5) -> list[assignment.Pair]:
    """Return who would be the next best reviewers of an application, best first."""
    found = with_reviews(Application.objects.filter(pk=application.pk))
    problem = assignment_problem(application.call, list(found), seed=1)
    return assignment.best_for(problem, application.code, most=most)


def to_be_reminded(now: datetime) -> QuerySet[Review]:
    """Return the reviews whose reviewers may have to be reminded now, by reviewer."""
    soon = Q(due_at__lte=now + reviews.REMIND_BEFORE, reminders=0)
    late = Q(due_at__lte=now, reminders=1)
    return (  # type: ignore[no-any-return]
        Review.objects.filter(
            soon | late,
            state__in=reviews.OPEN,
            application__state=ApplicationState.ELIGIBLE,
        )
        .select_related("application__call", "reviewer")
        .order_by("reviewer", "due_at", "pk")
    )


def replies_over(now: datetime) -> QuerySet[Application]:
    """Return the applications whose time to reply to the reviewers is over."""
    over = Step.objects.filter(kind=StepKind.RIGHT_TO_REPLY, state=StepState.OPEN, due_at__lte=now)
    return Application.objects.filter(pk__in=over.values("application")).order_by("pk")  # type: ignore[no-any-return]


def reviewed_enough() -> list[Application]:
    """Return the applications in peer review that have all their reviews by now."""
    open_now = Step.objects.filter(kind=StepKind.PEER_REVIEW, state=StepState.OPEN)
    found = (
        Application.objects.filter(pk__in=open_now.values("application"))
        .annotate(in_hand=Count("reviews", filter=Q(reviews__state=ReviewState.SUBMITTED)))
        .filter(in_hand__gt=0)
        .select_related("call")
        .order_by("pk")
    )
    return [
        one
        for one in found
        if one.call.mode.scoring and one.in_hand >= one.call.mode.scoring.reviewers
    ]


def due_dates(applications: Collection[Application], kind: StepKind) -> dict[int, datetime]:
    """Return by when a step of applications is due, by application; where it is said. One query."""
    rows = Step.objects.filter(application__in=[one.pk for one in applications], kind=kind)
    return {pk: due for pk, due in rows.values_list("application", "due_at") if due is not None}


def is_double_blind(application: Application) -> bool:
    """Tell whether reviewers of the application must not know whose it is."""
    scoring = application.call.mode.scoring
    return scoring is not None and scoring.blind == "double"


def names_covered(applications: Collection[Application]) -> dict[str, list[str]]:
    """Return what to cover in texts, by the application's code: nothing where it is not blind."""
    blind = [one for one in applications if is_double_blind(one)]
    none: dict[str, list[str]] = {one.code: [] for one in applications}
    return none | (names_in(blind) if blind else {})


def fields_judged(application: Application) -> list[tuple[Section, list[Field]]]:
    """Return what a reviewer reads, section by section: the questions that have an answer.

    Nothing private; in a double-blind call nothing that is there to name anybody.
    """
    is_blind = is_double_blind(application)
    hidden = reviews.HIDDEN_SECTIONS if is_blind else reviews.PRIVATE_SECTIONS
    answers = answers_of(application)
    return [
        (
            section,
            [
                field
                for field in section.fields
                if answers.get(section.slug, {}).get(field.name) not in (None, "", [])
                and not (is_blind and field.kind in reviews.HIDDEN_KINDS)
            ],
        )
        for section in asked_sections(application)
        if section.slug not in hidden
    ]


def summary_of(application: Application, names: Collection[str]) -> str:
    """Return the application's summary as a reviewer reads it, without the names."""
    summary = answers_of(application).get("project", {}).get("summary", "")
    return reviews.blinded(str(summary), names)
