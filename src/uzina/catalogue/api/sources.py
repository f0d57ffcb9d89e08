"""Portals that are harvested. For operators; auditors read."""

from datetime import datetime
from typing import Annotated, Any

from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from ninja import Router, Schema, Status
from pydantic import Field

from uzina.catalogue import access, actions
from uzina.catalogue.models import Harvest, Source
from uzina.core.errors import Invalid, Problem
from uzina.core.inputs import Line
from uzina.core.paging import Page, paged
from uzina.core.text import _
from uzina.people.models import Organisation
from uzina.people.types import SignedIn

router = Router()


class SourceIn(Schema):
    title: Line
    url: Annotated[str, Field(max_length=1000)]
    kind: Annotated[str, Field(max_length=10)]
    every_hours: Annotated[int, Field(ge=0, le=10_000)] = 24
    licences: Annotated[list[Annotated[str, Field(max_length=40)]], Field(max_length=50)] = []
    owner: Annotated[str, Field(max_length=16)]


class SourceOut(Schema):
    code: str
    title: str
    url: str
    kind: str
    every_hours: int
    is_active: bool
    licences: list[str]
    owner: str

    @staticmethod
    def resolve_owner(row: Source) -> str:
        return row.owner.code


class HarvestOut(Schema):
    code: str
    asked_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    is_complete: bool
    pages: int
    seen: int
    new: int
    changed: int
    unchanged: int
    left_out: int
    gone: int
    broken: int
    problems: list[dict[str, str]]


def _visible(request: SignedIn) -> Any:
    if not access.may_see_sources(request.user):
        raise Http404
    return Source.objects.visible_to(request.user).select_related("owner")


def _one(request: SignedIn, code: str) -> Source:
    found: Source = get_object_or_404(_visible(request), code=code[:20].replace("\0", ""))
    return found


@router.get("/sources", response=Page[SourceOut])
def list_sources(
    request: SignedIn, limit: int = 50, cursor: Annotated[str, Field(max_length=40)] = ""
) -> Any:
    """Portals that are harvested, newest first."""
    return paged(_visible(request), limit=limit, cursor=cursor)


@router.post("/sources", response={201: SourceOut})
def add_source(request: SignedIn, body: SourceIn) -> Any:
    """Have a portal harvested, the first time at once."""
    owner = Organisation.objects.visible_to(request.user).filter(code=body.owner).first()
    if owner is None and access.may_manage_sources(request.user):
        raise Invalid(
            [
                Problem(
                    "owner",
                    "source.owner.unknown",
                    _("There is no organisation {given!r}."),
                    {"given": body.owner},
                )
            ]
        )
    if owner is None:
        raise Http404
    facts = body.dict(exclude={"owner"})
    return Status(201, actions.add_source(**facts, owner=owner, by=request.user, now=now()))


@router.get("/sources/{code}", response=SourceOut)
def show_source(request: SignedIn, code: str) -> Any:
    """One portal."""
    return _one(request, code)


@router.get("/sources/{code}/harvests", response=Page[HarvestOut])
def list_harvests(
    request: SignedIn, code: str, limit: int = 20, cursor: Annotated[str, Field(max_length=40)] = ""
) -> Any:
    """Harvests of a portal, newest first, each with its problems."""
    return paged(Harvest.objects.filter(source=_one(request, code)), limit=limit, cursor=cursor)


@router.post("/sources/{code}/harvest", response=HarvestOut)
def harvest_source(request: SignedIn, code: str) -> Any:
    """Harvest a portal now."""
    return actions.harvest_now(_one(request, code), by=request.user, now=now())


@router.post("/sources/{code}/pause", response=SourceOut)
def pause_source(request: SignedIn, code: str) -> Any:
    """Harvest a portal no more by the clock."""
    actions.pause_source(_one(request, code), by=request.user, now=now())
    return _one(request, code)


@router.post("/sources/{code}/resume", response=SourceOut)
def resume_source(request: SignedIn, code: str) -> Any:
    """Harvest a portal by the clock again."""
    actions.resume_source(_one(request, code), by=request.user, now=now())
    return _one(request, code)
