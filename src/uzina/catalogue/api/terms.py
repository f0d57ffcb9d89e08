"""Usage policies; access asked for, answered and used."""

from datetime import datetime
from typing import Annotated, Any

from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from ninja import Router, Schema, Status
from pydantic import AwareDatetime, Field

from uzina.catalogue import access, actions, queries, rules
from uzina.catalogue.api.shared import Code, Slug, visible_dataset
from uzina.catalogue.models import AccessRequest, Evidence, Policy
from uzina.catalogue.rules import odrl
from uzina.core.errors import Invalid, Problem
from uzina.core.inputs import Line, Paragraphs
from uzina.core.paging import Page, paged
from uzina.core.text import _
from uzina.people.models import Project
from uzina.people.types import SignedIn

router = Router()

Word = Annotated[str, Field(max_length=60)]
Words = Annotated[list[Word], Field(max_length=odrl.LONGEST_LIST)]


class PurposeOut(Schema):
    code: str
    iri: str
    broader: str
    en: str
    ro: str
    plain_en: str
    plain_ro: str


class PolicyIn(Schema):
    purposes: Words = []
    forbidden_purposes: Words = []
    until: AwareDatetime | None = None
    places: Words = []
    kinds: Words = []
    countries: Words = []
    attribute: bool = False
    delete_days: int | None = None
    prohibited: Words = []
    is_automatic: bool = False
    shows_sample: bool = False


class PolicyOut(Schema):
    dataset: str
    number: int
    offer: dict[str, Any]
    is_automatic: bool
    shows_sample: bool
    offered_at: datetime

    @staticmethod
    def resolve_dataset(row: Policy) -> str:
        return row.dataset.slug


class AccessIn(Schema):
    project: Code
    purpose: Word
    why: Paragraphs
    legal_basis: Line = ""
    place: Annotated[str, Field(max_length=2)]
    until: AwareDatetime


class AccessOut(Schema):
    code: str
    dataset: str
    project: str
    organisation: str
    asked_by: str
    purpose: str
    why: str
    legal_basis: str
    place: str
    until: datetime
    state: str
    asked_at: datetime
    decided_at: datetime | None
    reason: str
    ended_at: datetime | None
    end_reason: str
    running_jobs: list[str]
    allowed: list[str]

    @staticmethod
    def resolve_dataset(row: AccessRequest) -> str:
        return row.dataset.slug

    @staticmethod
    def resolve_project(row: AccessRequest) -> str:
        return row.project.code if row.project else ""

    @staticmethod
    def resolve_organisation(row: AccessRequest) -> str:
        return row.asker.organisation

    @staticmethod
    def resolve_asked_by(row: AccessRequest) -> str:
        return row.person.name if row.person else row.asker.title

    @staticmethod
    def resolve_allowed(row: AccessRequest, context: dict[str, Any]) -> list[str]:
        return access.verbs(context["request"].user, row)


class AccessDetail(AccessOut):
    failed: list[str]
    """The constraints of the newest policy that the request does not meet, in words."""

    @staticmethod
    def resolve_failed(row: AccessRequest) -> list[str]:
        return [str(one) for one in queries.failed_constraints(row, now=now())]


class GrantIn(Schema):
    until: AwareDatetime | None = None
    reason: Paragraphs = ""


class AnswerReason(Schema):
    reason: Paragraphs


class PermitUseOut(Schema):
    version: str
    kind: str
    person: str
    job: str
    grant: str
    project: str
    at: datetime

    @staticmethod
    def resolve_version(row: Evidence) -> str:
        return row.version.reference

    @staticmethod
    def resolve_person(row: Evidence) -> str:
        return row.person.code if row.person else ""

    @staticmethod
    def resolve_job(row: Evidence) -> str:
        return row.subject

    @staticmethod
    def resolve_grant(row: Evidence) -> str:
        return row.request.code if row.request else ""

    @staticmethod
    def resolve_project(row: Evidence) -> str:
        return row.request.project.code if row.request and row.request.project else ""


@router.get("/purposes", response=list[PurposeOut], auth=None)
def list_purposes(request: HttpRequest) -> Any:
    """What data can be asked for: terms of the Data Privacy Vocabulary, in plain words."""
    return list(rules.PURPOSES.values())


@router.get("/datasets/{slug}/policy", response=PolicyOut)
def show_policy(request: SignedIn, slug: Slug) -> Any:
    """The usage policy a dataset is offered under now, as ODRL."""
    policy = queries.policy_of(visible_dataset(request, slug))
    if policy is None:
        raise Http404
    return policy


@router.post("/datasets/{slug}/policy", response={201: PolicyOut})
def offer_policy(request: SignedIn, slug: Slug, body: PolicyIn) -> Any:
    """Say who may use a dataset for what until when. Earlier permissions keep their policy."""
    facts = body.model_dump(exclude={"is_automatic", "shows_sample"})
    lists: dict[str, Any] = {
        name: tuple(one) if isinstance(one, list) else one for name, one in facts.items()
    }
    policy = actions.offer_policy(
        visible_dataset(request, slug),
        terms=odrl.Terms(**lists),
        is_automatic=body.is_automatic,
        shows_sample=body.shows_sample,
        by=request.user,
        now=now(),
    )
    return Status(201, policy)


@router.post("/datasets/{slug}/access", response={201: AccessOut})
def ask_access(request: SignedIn, slug: Slug, body: AccessIn) -> Any:
    """Ask the holder of a dataset to let a project use it."""
    dataset = visible_dataset(request, slug)
    project = Project.objects.visible_to(request.user).filter(code=body.project).first()
    if project is None:
        raise Invalid(
            [
                Problem(
                    "project",
                    "access.project.unknown",
                    _("Name a project that you take part in; {given!r} is none."),
                    {"given": body.project},
                )
            ]
        )
    made = actions.ask_access(
        dataset,
        project=project,
        purpose=body.purpose,
        why=body.why,
        legal_basis=body.legal_basis,
        place=body.place,
        until=body.until,
        by=request.user,
        now=now(),
    )
    return Status(201, _visible_request(request, made.code))


@router.get("/datasets/{slug}/uses", response=Page[PermitUseOut])
def list_uses(
    request: SignedIn,
    slug: Slug,
    limit: int = 50,
    cursor: Annotated[str, Field(max_length=40)] = "",
) -> Any:
    """Who used a dataset's restricted files, when and in which job: for its holder."""
    dataset = visible_dataset(request, slug)
    if not access.may_see_evidence(request.user, dataset):
        raise Http404
    return paged(queries.evidence_of(dataset), limit=limit, cursor=cursor)


@router.get("/access", response=Page[AccessOut])
def list_access(
    request: SignedIn,
    state: rules.AccessState | None = None,
    to_decide: bool = False,  # noqa: FBT001, FBT002 - a question in an address
    limit: int = 50,
    cursor: Annotated[str, Field(max_length=40)] = "",
) -> Any:
    """Requests for access one may see, newest first; to_decide: those one answers."""
    rows = AccessRequest.objects.visible_to(request.user)
    if to_decide:
        rows = rows.to_decide_by(request.user)
    if state:
        rows = rows.filter(state=state)
    return paged(queries.with_all(rows), limit=limit, cursor=cursor)


def _visible_request(request: SignedIn, code: str) -> AccessRequest:
    rows = queries.with_all(AccessRequest.objects.visible_to(request.user))
    found: AccessRequest = get_object_or_404(rows, code=code)
    return found


@router.get("/access/{code}", response=AccessDetail)
def show_access(request: SignedIn, code: Code) -> Any:
    """One request, and which constraints of the policy it does not meet."""
    return _visible_request(request, code)


@router.get("/access/{code}/uses", response=Page[PermitUseOut])
def list_access_uses(
    request: SignedIn,
    code: Code,
    limit: int = 50,
    cursor: Annotated[str, Field(max_length=40)] = "",
) -> Any:
    """What was used under one permission, newest first."""
    found = _visible_request(request, code)
    return paged(queries.uses_of(found), limit=limit, cursor=cursor)


@router.post("/access/{code}/grant", response=AccessOut)
def grant_access(request: SignedIn, code: Code, body: GrantIn) -> Any:
    """Let a project use the data, for as long as it asked or for less."""
    found = _visible_request(request, code)
    until = body.until or found.until
    actions.grant_access(found, until=until, reason=body.reason, by=request.user, now=now())
    return _visible_request(request, code)


@router.post("/access/{code}/refuse", response=AccessOut)
def refuse_access(request: SignedIn, code: Code, body: AnswerReason) -> Any:
    """Do not let a project use the data, and say why."""
    found = _visible_request(request, code)
    actions.refuse_access(found, reason=body.reason, by=request.user, now=now())
    return _visible_request(request, code)


@router.post("/access/{code}/withdraw", response=AccessOut)
def withdraw_access(request: SignedIn, code: Code) -> Any:
    """Take a request back before it is answered."""
    actions.withdraw_access(_visible_request(request, code), by=request.user, now=now())
    return _visible_request(request, code)


@router.post("/access/{code}/revoke", response=AccessOut)
def revoke_access(request: SignedIn, code: Code, body: AnswerReason) -> Any:
    """Take a permission back, and say why. New jobs are refused, owners of running ones told."""
    found = _visible_request(request, code)
    actions.revoke_access(found, reason=body.reason, by=request.user, now=now())
    return _visible_request(request, code)


@router.post("/access/{code}/end", response=AccessOut)
def end_access(request: SignedIn, code: Code) -> Any:
    """Give a permission back before its time is over."""
    actions.end_access(_visible_request(request, code), by=request.user, now=now())
    return _visible_request(request, code)
