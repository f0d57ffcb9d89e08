"""Drafts: checked, shared, sent with files, exported, and started from an earlier one."""

import json
from typing import Any, BinaryIO, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.utils.timezone import now
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from uzina.calls import actions, forms, queries
from uzina.calls.models import Application, Document
from uzina.calls.rules import drafts
from uzina.calls.rules.flows import ApplicationState
from uzina.calls.views.applications import (
    _steps,
    editable_application,
    own_application,
    visible_application,
)
from uzina.calls.views.calls import visible_calls
from uzina.calls.views.shared import (
    documents_shown,
    person_of,
    reasons_shown,
    sections_shown,
    terms_shown,
)
from uzina.core.attachments import attachment
from uzina.core.errors import Refused
from uzina.core.http import told
from uzina.core.pdf import pdf_of
from uzina.people.rules import RoleKind
from uzina.people.types import SignedIn


@login_required
@require_http_methods(["GET", "POST"])
def check(request: SignedIn, code: str) -> HttpResponse:
    """Check the answers, see what the rules say of them, and hand in."""
    arrived = now()
    found = editable_application(request, code)
    if found.state is not ApplicationState.DRAFT:
        return redirect("calls:application", code=code)
    refusal: Refused | None = None
    if request.method == "POST":
        try:
            handed_in = actions.submit(found, by=request.user, now=arrived)
        except Refused as refused:
            refusal = refused
        else:
            if handed_in.state is ApplicationState.ELIGIBLE:
                messages.success(
                    request, gettext("Your application is in. You get a mail that says so.")
                )
            return redirect("calls:application", code=code)
    verdict = queries.verdict_now(found)
    return render(
        request,
        "calls/check.html",
        {
            "application": found,
            "answers": sections_shown(found, is_editable=True),
            "steps": [step for step in _steps(found) if not step["is_complete"]],
            "documents": documents_shown(found),
            "refusal": told(refusal) if refusal else "",
            "reasons": reasons_shown(verdict),
            "qualifies": verdict.qualifies,
            "is_mine": found.applicant_id == request.user.pk,
        },
        status=200 if refusal is None else 409,
    )


def terms(request: Any, slug: str) -> HttpResponse:
    """Show the terms of reference of a call to everybody."""
    found = get_object_or_404(visible_calls(request), slug=slug)
    return render(
        request, "calls/terms.html", {"call": found, **terms_shown(found, person_of(request))}
    )


@login_required
@require_http_methods(["GET", "POST"])
def documents(request: SignedIn, code: str) -> HttpResponse:
    """Send the files that the call asks for."""
    found = editable_application(request, code)
    if found.state is not ApplicationState.DRAFT or not found.call.mode.documents:
        return redirect("calls:application", code=code)
    refusal = ""
    if request.method == "POST":
        sent = request.FILES.get("file")
        if sent is None:
            refusal = gettext("Choose a file first.")
        else:
            try:
                kept = actions.attach(
                    found,
                    slug=request.POST.get("slug", ""),
                    name=sent.name or "",
                    file=cast("BinaryIO", sent.file),
                    by=request.user,
                    now=now(),
                )
            except Refused as refused:
                refusal = told(refused)
            else:
                messages.success(request, gettext("“{name}” is here.").format(name=kept.name))
                return redirect("calls:documents", code=code)
    return render(
        request,
        "calls/documents.html",
        {"application": found, "documents": documents_shown(found), "refusal": refusal},
        status=422 if refusal else 200,
    )


def visible_document(request: SignedIn, code: str) -> Document:
    """Return a file of an application that the reader may see, or 404."""
    visible = Application.objects.visible_to(request.user)
    found: Document = get_object_or_404(
        Document.objects.filter(application__in=visible, removed_at__isnull=True).select_related(
            "application__call"
        ),
        code=code,
    )
    return found


@login_required
@require_GET
def document(request: SignedIn, code: str) -> HttpResponseBase:
    """Give a file, to be kept and never shown as a page of ours."""
    found = visible_document(request, code)
    return attachment(
        request,
        path=found.name,
        size=found.size,
        sha256=found.sha256,
        media_type=found.media_type,
        pieces=lambda first, after: queries.pieces(found, first, after),
    )


@login_required
@require_POST
def document_remove(request: SignedIn, code: str) -> HttpResponse:
    """Take a file out of a draft."""
    found = visible_document(request, code)
    actions.detach(found, by=request.user, now=now())
    messages.success(request, gettext("The file is taken out."))
    return redirect("calls:documents", code=found.application.code)


@login_required
@require_http_methods(["GET", "POST"])
def colleagues(request: SignedIn, code: str) -> HttpResponse:
    """See who fills in the draft, and ask others to."""
    found = editable_application(request, code)
    is_mine = found.applicant_id == request.user.pk
    form = forms.ShareForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            editor = actions.share(
                found, email=form.cleaned_data["email"], by=request.user, now=now()
            )
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(
                request,
                gettext("{name} can fill in this draft now and gets a message.").format(
                    name=editor.person.name
                ),
            )
            return redirect("calls:colleagues", code=code)
    return render(
        request,
        "calls/colleagues.html",
        {
            "application": found,
            "form": form,
            "is_mine": is_mine,
            "may_share": is_mine and found.state is ApplicationState.DRAFT,
            "editors": found.editors.select_related("person").order_by("pk"),
        },
        status=422 if form.errors else 200,
    )


@login_required
@require_POST
def colleague_remove(request: SignedIn, code: str, person: str) -> HttpResponse:
    """Take somebody off the draft, or oneself."""
    found = editable_application(request, code)
    editor = get_object_or_404(found.editors.select_related("person"), person__code=person)
    actions.unshare(found, person=editor.person, by=request.user, now=now())
    messages.success(request, gettext("{name} is off this draft.").format(name=editor.person.name))
    if editor.person_id == request.user.pk:
        return redirect("calls:applications")
    return redirect("calls:colleagues", code=code)


def exportable_application(request: SignedIn, code: str) -> Application:
    """Return one's own application, or one that was handed in to the host that one works for."""
    is_host = request.user.has_role(RoleKind.OPERATOR, RoleKind.ASSESSOR, RoleKind.AUDITOR)
    return visible_application(request, code) if is_host else editable_application(request, code)


@login_required
@require_GET
def export_json(request: SignedIn, code: str) -> HttpResponse:
    """Give the whole application as data that can be taken in again."""
    found = exportable_application(request, code)
    made = json.dumps(queries.exported(found, now=now()), ensure_ascii=False, indent=2)
    return HttpResponse(
        made,
        content_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{found.code}.json"'},
    )


@login_required
@require_GET
def export_pdf(request: SignedIn, code: str) -> HttpResponse:
    """Give the whole application as a tagged PDF, in the language of the reader."""
    found = exportable_application(request, code)
    body = render_to_string(
        "calls/application_pdf.html",
        {
            "application": found,
            "answers": sections_shown(found),
            "documents": documents_shown(found),
            "at": now(),
        },
    )
    made = pdf_of(body, title=found.title or found.code, language=forms.language())
    return HttpResponse(
        made,
        content_type="application/pdf",
        headers={
            "Content-Disposition": f'attachment; filename="{found.code}.pdf"',
            "X-Content-Type-Options": "nosniff",
        },
    )


@login_required
@require_http_methods(["GET", "POST"])
def clone(request: SignedIn, code: str) -> HttpResponse:
    """Start a draft in a call that is open with the text of this application."""
    found = own_application(request, code)
    open_calls = queries.open_calls(now())
    form = forms.CloneForm(request.POST or None, calls=open_calls)
    if request.method == "POST" and form.is_valid():
        call = next(one for one in open_calls if one.slug == form.cleaned_data["call"])
        try:
            made = actions.clone(found, call=call, by=request.user, now=now())
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(request, _told_of_clone(found, made))
            return redirect("calls:application", code=made.code)
    return render(
        request,
        "calls/clone.html",
        {"application": found, "form": form, "has_calls": bool(open_calls)},
        status=422 if form.errors else 200,
    )


def _told_of_clone(source: Application, made: Application) -> str:
    missing = [step["title"] for step in _steps(made) if not step["is_complete"]]
    count = len(drafts.left_out(queries.answers_of(source), queries.answers_of(made)))
    text = gettext("The text is carried over. Still to do: {sections}.").format(
        sections=", ".join(missing) or "-"
    )
    if count:
        text += " " + gettext(
            "Answers left out, because this call does not ask them or must ask them anew: {count}."
        ).format(count=count)
    if source.call.mode.documents and made.call.mode.documents:
        text += " " + gettext("Files are not carried over: attach them again.")
    return text
