"""Reviewers and the assignment of reviews: one's own profile, and what operators do."""

from datetime import date, datetime
from typing import Annotated, Any

from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from ninja import Router, Schema, Status
from pydantic import Field

from uzina.calls import actions, queries
from uzina.calls.api.shared import Code, Cursor, Slug
from uzina.calls.models import Application, AssignmentPlan, Call, Review, Reviewer
from uzina.calls.rules.flows import ReviewState
from uzina.core.inputs import Count, Email, Line, Paragraphs, ShortLine
from uzina.core.paging import Page, paged
from uzina.people import access as people_access
from uzina.people import queries as people_queries
from uzina.people.types import SignedIn

router = Router(tags=["calls"])

Reason = Annotated[Paragraphs, Field(max_length=500)]


class PastIn(Schema):
    """Where a reviewer is or was. until is null where they still are."""

    name: Line
    code: Code = ""
    until: date | None = None


class CoAuthorIn(Schema):
    """Somebody a reviewer published with."""

    name: Line
    orcid: ShortLine = ""


class ProfileIn(Schema):
    """What a reviewer knows, reads and takes, and whom they must not judge."""

    topics: list[Slug] = Field(max_length=100)
    languages: list[Slug] = Field(max_length=30)
    most: Count
    orcid: ShortLine = ""
    past: list[PastIn] = Field(default_factory=list, max_length=200)
    co_authors: list[CoAuthorIn] = Field(default_factory=list, max_length=200)


class ProfileOut(Schema):
    """A reviewer's profile."""

    person: str
    name: str
    is_active: bool
    topics: list[str]
    languages: list[str]
    most: int
    orcid: str
    past: list[dict[str, str]]
    co_authors: list[dict[str, str]]


def _profile_of(asked: ProfileIn) -> actions.Profile:
    return actions.Profile(
        topics=asked.topics,
        languages=asked.languages,
        most=asked.most,
        orcid=asked.orcid,
        past=[actions.Past(one.name, one.code, one.until) for one in asked.past],
        co_authors=[actions.CoAuthor(one.name, one.orcid) for one in asked.co_authors],
    )


def _profile_out(reviewer: Reviewer) -> ProfileOut:
    return ProfileOut(
        person=reviewer.person.code,
        name=reviewer.person.name,
        is_active=reviewer.is_active,
        topics=reviewer.topics,
        languages=reviewer.languages,
        most=reviewer.most,
        orcid=reviewer.orcid,
        past=reviewer.past_organisations,
        co_authors=reviewer.co_authors,
    )


def _own_profile(request: SignedIn) -> Reviewer:
    found = queries.reviewer_of(request.user)
    if found is None:
        raise Http404
    return found


@router.get("/reviewer", response=ProfileOut)
def show_profile(request: SignedIn) -> ProfileOut:
    """One's own profile as a reviewer."""
    return _profile_out(_own_profile(request))


@router.put("/reviewer", response=ProfileOut)
def change_profile(request: SignedIn, asked: ProfileIn) -> ProfileOut:
    """Write one's profile anew. Conflicts of interest are looked for at once."""
    changed = actions.change_profile(
        _own_profile(request), _profile_of(asked), by=request.user, now=now()
    )
    return _profile_out(changed)


def _check_operator(request: SignedIn) -> None:
    if not people_access.is_operator(request.user):
        raise Http404


@router.get("/reviewers", response=Page[ProfileOut])
def list_reviewers(request: SignedIn, limit: int = 50, cursor: Cursor = "") -> Any:
    """All reviewers (operator)."""
    _check_operator(request)
    page = paged(queries.reviewers(), limit=limit, cursor=cursor)
    return page | {"items": [_profile_out(one) for one in page["items"]]}


class ReviewerIn(ProfileIn):
    """Somebody who has registered here, by their address."""

    email: Email


@router.post("/reviewers", response={201: ProfileOut})
def make_reviewer(request: SignedIn, asked: ReviewerIn) -> Any:
    """Make somebody a reviewer (operator)."""
    _check_operator(request)
    person = people_queries.person_by_email(asked.email)
    if person is None:
        raise Http404
    made = actions.make_reviewer(person, _profile_of(asked), by=request.user, now=now())
    return Status(201, _profile_out(made))


class PlanIn(Schema):
    """The seed decides between assignments that are equally good."""

    seed: Count = 1
    cut_off: datetime | None = None


class PairOut(Schema):
    """One review to ask for, and what it is worth in thousandths."""

    paper: str
    referee: str
    worth: int


class PlanOut(Schema):
    """An assignment: nobody is asked before it is adopted. Figures in thousandths."""

    code: str
    call: str
    pairs: list[PairOut]
    worth: int
    crowding: int
    objective: int
    bound: float
    seed: int
    made_at: datetime
    adopted_at: datetime | None


def _plan_out(plan: AssignmentPlan) -> PlanOut:
    return PlanOut(
        code=plan.code,
        call=plan.call.slug,
        **plan.result,
        seed=plan.inputs["seed"],
        made_at=plan.made_at,
        adopted_at=plan.adopted_at,
    )


@router.post("/calls/{slug}/assignment", response={201: PlanOut})
def plan_assignment(request: SignedIn, slug: Slug, asked: PlanIn) -> Any:
    """Find the best assignment of reviewers to what is in peer review (operator)."""
    _check_operator(request)
    call = get_object_or_404(Call.objects.visible_to(request.user), slug=slug)
    cut_off = get_object_or_404(call.cut_offs, closes_at=asked.cut_off) if asked.cut_off else None
    made = actions.plan_assignment(
        call, cut_off=cut_off, seed=asked.seed, by=request.user, now=now()
    )
    return Status(201, _plan_out(made))


def _plan(request: SignedIn, code: str) -> AssignmentPlan:
    _check_operator(request)
    return get_object_or_404(AssignmentPlan.objects.select_related("call"), code=code)


@router.get("/assignments/{code}", response=PlanOut)
def show_assignment(request: SignedIn, code: Code) -> PlanOut:
    """One plan (operator)."""
    return _plan_out(_plan(request, code))


@router.post("/assignments/{code}/adopt", response=PlanOut)
def adopt_assignment(request: SignedIn, code: Code) -> PlanOut:
    """Ask everybody for the reviews of a plan (operator)."""
    actions.adopt_assignment(_plan(request, code), by=request.user, now=now())
    return _plan_out(_plan(request, code))


class AssignedOut(Schema):
    """A review as operators see it."""

    code: str
    reviewer: str
    reviewer_name: str
    state: ReviewState
    due_at: datetime
    score_milli: int | None
    refused_reason: str


class ConflictOut(Schema):
    """A conflict of interest: shown to operators only."""

    person: str
    name: str
    kind: str
    detail: str
    found_at: datetime


class ReviewingOut(Schema):
    """An application's reviews, who would be next, and its conflicts (operator)."""

    application: str
    reviews: list[AssignedOut]
    suggestions: list[PairOut]
    conflicts: list[ConflictOut]


def _application(request: SignedIn, code: str) -> Application:
    _check_operator(request)
    rows = queries.with_reviews(Application.objects.visible_to(request.user))
    found: Application = get_object_or_404(rows.filter(submitted_at__isnull=False), code=code)
    if found.call.mode.scoring is None:
        raise Http404
    return found


def _reviewing_out(request: SignedIn, code: str) -> ReviewingOut:
    found = _application(request, code)
    return ReviewingOut(
        application=found.code,
        reviews=[
            AssignedOut(
                code=one.code,
                reviewer=one.reviewer.code,
                reviewer_name=one.reviewer.name,
                state=one.state,
                due_at=one.due_at,
                score_milli=one.score_milli,
                refused_reason=one.refused_reason,
            )
            for one in found.reviews.all()
        ],
        suggestions=[
            PairOut(paper=one.paper, referee=one.referee, worth=one.worth)
            for one in queries.suggestions(found)
        ],
        conflicts=[
            ConflictOut(
                person=one.person.code,
                name=one.person.name,
                kind=one.kind,
                detail=one.detail,
                found_at=one.found_at,
            )
            for one in queries.conflicts_of(found)
        ],
    )


@router.get("/applications/{code}/reviewing", response=ReviewingOut)
def show_reviewing(request: SignedIn, code: Code) -> ReviewingOut:
    """One application's reviews (operator)."""
    return _reviewing_out(request, code)


class AssignIn(Schema):
    """A reviewer, by the code of the person."""

    reviewer: Code


def _reviewer(code: str) -> Reviewer:
    return get_object_or_404(queries.reviewers(), person__code=code)


@router.post("/applications/{code}/reviewing/assign", response=ReviewingOut)
def assign_review(request: SignedIn, code: Code, asked: AssignIn) -> ReviewingOut:
    """Ask one reviewer for one review (operator)."""
    found = _application(request, code)
    person = _reviewer(asked.reviewer).person
    actions.assign_review(found, person, by=request.user, now=now())
    return _reviewing_out(request, code)


class NoteIn(AssignIn):
    """A conflict an operator knows of."""

    reason: Reason


@router.post("/applications/{code}/reviewing/conflict", response=ReviewingOut)
def note_conflict(request: SignedIn, code: Code, asked: NoteIn) -> ReviewingOut:
    """Note a conflict of interest (operator)."""
    found = _application(request, code)
    person = _reviewer(asked.reviewer).person
    actions.note_conflict(found, person, reason=asked.reason, by=request.user, now=now())
    return _reviewing_out(request, code)


class CloseIn(Schema):
    """Why fewer reviews are enough. It stays in the record."""

    reason: Reason


@router.post("/applications/{code}/reviewing/close", response=ReviewingOut)
def close_peer_review(request: SignedIn, code: Code, asked: CloseIn) -> ReviewingOut:
    """End peer review with fewer reviews than the mode asks for (operator)."""
    found = _application(request, code)
    actions.close_peer_review(found, reason=asked.reason, by=request.user, now=now())
    return _reviewing_out(request, code)


def _review(request: SignedIn, code: str) -> Review:
    _check_operator(request)
    found: Review = get_object_or_404(
        Review.objects.select_related("application__call", "reviewer"), code=code
    )
    return found


@router.post("/reviews/{code}/unassign", response=ReviewingOut)
def unassign_review(request: SignedIn, code: Code) -> ReviewingOut:
    """Take a review back (operator)."""
    found = _review(request, code)
    actions.unassign_review(found, by=request.user, now=now())
    return _reviewing_out(request, found.application.code)


@router.post("/reviews/{code}/replace", response=ReviewingOut)
def replace_review(request: SignedIn, code: Code, asked: AssignIn) -> ReviewingOut:
    """Take a review back and ask somebody else (operator)."""
    found = _review(request, code)
    person = _reviewer(asked.reviewer).person
    actions.replace_review(found, person, by=request.user, now=now())
    return _reviewing_out(request, found.application.code)
