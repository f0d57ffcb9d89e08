"""Pages of maintenance: announce, change, call off."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from uzina.compute import access, actions, forms, queries
from uzina.compute.models import Maintenance
from uzina.core.errors import Refused
from uzina.core.http import told
from uzina.people.types import SignedIn

LISTED = 50


@login_required
@require_GET
def maintenances(request: SignedIn) -> HttpResponse:
    """List the maintenances that are to come, run, are over or were called off."""
    moment = now()
    may_announce = access.may_announce(request.user)
    rows = [
        {
            "window": one,
            "replaced_by": getattr(one, "replaced_by", None),
            "state": _state(one, moment),
            "may_change": may_announce and one.cancelled_at is None and one.ends_at > moment,
        }
        for one in queries.maintenances()[:LISTED]
    ]
    context = {
        "rows": rows,
        "may_announce": may_announce,
        "sees_all": access.may_see_clusters(request.user),
    }
    return render(request, "compute/maintenance.html", context)


def _state(window: Maintenance, moment: Any) -> tuple[str, str]:
    """Return a word and its tone."""
    if window.cancelled_at is not None:
        if getattr(window, "replaced_by", None):
            return gettext("Changed"), "quiet"
        return gettext("Called off"), "quiet"
    if window.ends_at <= moment:
        return gettext("Over"), "quiet"
    if window.starts_at <= moment:
        return gettext("Running"), "bad"
    return gettext("To come"), "busy"


@login_required
@require_http_methods(["GET", "POST"])
def maintenance_new(request: SignedIn) -> HttpResponse:
    """Announce a maintenance."""
    _check_operator(request)
    return _form_page(request, None)


@login_required
@require_http_methods(["GET", "POST"])
def maintenance_change(request: SignedIn, code: str) -> HttpResponse:
    """Put another maintenance in the place of one that is not over."""
    _check_operator(request)
    return _form_page(request, _window(code))


@login_required
@require_POST
def maintenance_cancel(request: SignedIn, code: str) -> HttpResponse:
    """Call off a maintenance, or end one early."""
    _check_operator(request)
    try:
        actions.cancel_maintenance(_window(code), by=request.user, now=now())
    except Refused as refused:
        messages.error(request, told(refused))
    else:
        messages.success(request, gettext("It is called off. Those who were told of it are told."))
    return redirect("compute:maintenances")


def _form_page(request: SignedIn, window: Maintenance | None) -> HttpResponse:
    names = list(queries.partitions().values_list("name", flat=True))
    form = forms.MaintenanceForm(request.POST or None, partitions=names, window=window)
    if request.method == "POST" and form.is_valid():
        try:
            if window is None:
                actions.announce(queries.cluster(), form.window(), by=request.user, now=now())
            else:
                actions.change(window, form.window(), by=request.user, now=now())
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(
                request,
                gettext("It is announced. Those it hits are told by mail and on the pages."),
            )
            return redirect("compute:maintenances")
    context = {"form": form, "window": window}
    status = 422 if form.errors else 200
    return render(request, "compute/maintenance_form.html", context, status=status)


def _check_operator(request: SignedIn) -> None:
    if not access.may_announce(request.user):
        raise Http404


def _window(code: str) -> Maintenance:
    return get_object_or_404(queries.maintenances(), code=code[:16])
