"""Pages of the participants of a data space. For operators; auditors read."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from uzina.catalogue import access, actions, forms
from uzina.catalogue.queries import dataspace
from uzina.core.errors import Refused
from uzina.core.paging import paged
from uzina.people.types import SignedIn

SHOWN = 50


@login_required
@require_GET
def participants(request: SignedIn) -> HttpResponse:
    """List who speaks with us by the Dataspace Protocol, newest first."""
    _check_may_see(request)
    cursor = request.GET.get("cursor", "")
    cursor = cursor if cursor.isascii() and cursor.isdigit() and len(cursor) < 19 else ""
    context = {
        "page": paged(dataspace.participants(), limit=SHOWN, cursor=cursor),
        "own_id": dataspace.own_id(),
        "may_manage": access.may_manage_sources(request.user),
    }
    return render(request, "catalogue/participants.html", context)


def _check_may_see(request: SignedIn) -> None:
    if not access.may_see_sources(request.user):
        raise Http404


@login_required
@require_http_methods(["GET", "POST"])
def new_participant(request: SignedIn) -> HttpResponse:
    """Register a participant, and show the tokens of both sides this once."""
    if not access.may_manage_sources(request.user):
        raise Http404
    form = forms.ParticipantForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = actions.register_participant(**form.cleaned_data, by=request.user, now=now())
        except Refused as refused:
            form.add_refusal(refused)
        else:
            context = {"made": made, "ours": dataspace.callback_token(made.participant)}
            answer = render(request, "catalogue/participant_made.html", context, status=201)
            answer["Cache-Control"] = "no-store"
            return answer
    status = 422 if form.errors else 200
    return render(request, "catalogue/participant_new.html", {"form": form}, status=status)


@login_required
@require_POST
def stop_participant(request: SignedIn, code: str) -> HttpResponse:
    """Listen to a participant no more."""
    _check_may_see(request)
    found = get_object_or_404(dataspace.participants(), code=code)
    actions.stop_participant(found, by=request.user, now=now())
    messages.success(request, gettext("Stopped. What it fetches has ended."))
    return redirect("catalogue:participants")
