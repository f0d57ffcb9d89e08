"""Sharing a draft, carrying it over, taking it out and in again."""

from datetime import datetime
from typing import Annotated, Any

from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from ninja import Router, Schema, Status
from pydantic import Field

from uzina.calls import actions, queries
from uzina.calls.api.applications import ApplicationOut, application_out, visible_application
from uzina.calls.api.shared import Code, Slug, language
from uzina.calls.models import Application, Call
from uzina.calls.rules import drafts
from uzina.people.models import Organisation
from uzina.people.rules import RoleKind
from uzina.people.types import SignedIn

router = Router(tags=["calls"])


def own_application(request: SignedIn, code: str) -> Application:
    """Return one that the caller applied with or helps to fill in, or 404."""
    own = Application.objects.owned_by(request.user)
    found: Application = get_object_or_404(
        queries.applications().filter(pk__in=own.values("pk")), code=code
    )
    return found


class EditorOut(Schema):
    """Somebody who fills in a draft beside the applicant."""

    person: str
    name: str
    email: str
    made_at: datetime


class EditorIn(Schema):
    """The address of somebody who has an account here."""

    email: Annotated[str, Field(max_length=254)]


def _editor_out(editor: Any) -> EditorOut:
    person = editor.person
    return EditorOut(
        person=person.code, name=person.name, email=person.email, made_at=editor.made_at
    )


@router.get("/applications/{code}/editors", response=list[EditorOut])
def list_editors(request: SignedIn, code: Code) -> list[EditorOut]:
    """Who fills in the draft beside the applicant."""
    editors = own_application(request, code).editors.select_related("person").order_by("pk")
    return [_editor_out(one) for one in editors]


@router.post("/applications/{code}/editors", response={201: EditorOut})
def share_application(request: SignedIn, code: Code, asked: EditorIn) -> Any:
    """Let somebody fill in the draft too. Only the applicant submits and withdraws."""
    application = own_application(request, code)
    editor = actions.share(application, email=asked.email, by=request.user, now=now())
    return Status(201, _editor_out(editor))


@router.delete("/applications/{code}/editors/{person}", response={204: None})
def unshare_application(request: SignedIn, code: Code, person: Code) -> Any:
    """Take somebody off the draft."""
    application = own_application(request, code)
    editor = get_object_or_404(application.editors.select_related("person"), person__code=person)
    actions.unshare(application, person=editor.person, by=request.user, now=now())
    return Status(204, None)


class CarriedOut(Schema):
    """A new draft, and what of the earlier one it does not hold: `section.field`."""

    application: ApplicationOut
    left_out: list[str]


class CloneIn(Schema):
    """The call to apply to."""

    call: Slug


@router.post("/applications/{code}/clone", response={201: CarriedOut})
def clone_application(request: SignedIn, code: Code, asked: CloneIn) -> Any:
    """Start a draft in another call with the text of this application."""
    source = own_application(request, code)
    call = get_object_or_404(Call.objects.visible_to(request.user), slug=asked.call)
    made = actions.clone(source, call=call, by=request.user, now=now())
    found = visible_application(request, made.code)
    left = drafts.left_out(queries.answers_of(source), queries.answers_of(found))
    return Status(201, CarriedOut(application=application_out(found, request), left_out=list(left)))


@router.get("/applications/{code}/export", response=dict[str, Any])
def export_application(request: SignedIn, code: Code) -> dict[str, Any]:
    """The whole application as data that can be taken in again."""
    is_host = request.user.has_role(RoleKind.OPERATOR, RoleKind.ASSESSOR, RoleKind.AUDITOR)
    find = visible_application if is_host else own_application
    return queries.exported(find(request, code), now=now())


class ImportIn(Schema):
    """An exported application, and for which call and organisation it becomes a draft."""

    call: Slug
    organisation: Code
    document: dict[str, Any]


@router.post("/applications/import", response={201: CarriedOut})
def import_application(request: SignedIn, asked: ImportIn) -> Any:
    """Start a draft with the answers of an exported application. Files are sent again."""
    call = get_object_or_404(Call.objects.visible_to(request.user), slug=asked.call)
    organisation = get_object_or_404(
        Organisation.objects.visible_to(request.user), code=asked.organisation
    )
    made, left = actions.import_draft(
        call,
        organisation=organisation,
        document=asked.document,
        by=request.user,
        now=now(),
    )
    found = visible_application(request, made.code)
    return Status(201, CarriedOut(application=application_out(found, request), left_out=list(left)))


class ClauseOut(Schema):
    """One clause of the terms."""

    title: str
    text: str


class TermsOut(Schema):
    """The terms of reference of a call. Send `version` as the answer accepts_terms."""

    version: str
    clauses: list[ClauseOut]


@router.get("/calls/{slug}/terms", response=TermsOut, auth=None)
def show_terms(request: Any, slug: Slug) -> TermsOut:
    """The terms of reference that applicants of the call accept."""
    call = get_object_or_404(Call.objects.visible_to(None), slug=slug)
    return TermsOut(
        version=queries.terms_version(call),
        clauses=[ClauseOut(**one) for one in queries.terms_of(call, language())],
    )
