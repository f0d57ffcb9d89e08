"""Cut-offs: the calendar of those to come, moving one, and adding hours to a call."""

import secrets
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.timezone import now
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods

from uzina.calls import access, actions, forms, queries
from uzina.calls.rules import calendar
from uzina.calls.views.calls import visible_calls
from uzina.core.errors import Refused
from uzina.people.types import SignedIn


@require_GET
def cut_offs(request: HttpRequest) -> HttpResponse:
    """Show the cut-offs to come, in Brussels time and in the factory's."""
    brussels = ZoneInfo(forms.BRUSSELS)
    rows = [
        {"cut_off": one, "brussels": f"{one.closes_at.astimezone(brussels):%Y-%m-%d %H:%M %Z}"}
        for one in queries.coming_cut_offs(now())
    ]
    feed = f"{settings.UZINA.site.url}{reverse('calls:cut_offs_ics')}"
    return render(request, "calls/cut_offs.html", {"rows": rows, "feed": feed})


@require_GET
def cut_offs_ics(request: HttpRequest) -> HttpResponse:
    """Give the cut-offs to come as a calendar to subscribe to."""
    site = settings.UZINA.site
    host = urlsplit(site.url).hostname
    entries = [
        calendar.Entry(
            uid=f"cut-off-{one.call.code}-{one.pk}@{host}",
            at=one.closes_at,
            title=gettext("Cut-off: {call}").format(call=one.call.title),
            address=f"{site.url}{reverse('calls:call', args=[one.call.slug])}",
            sequence=one.moves_count,  # type: ignore[attr-defined]
        )
        for one in queries.coming_cut_offs(now())
    ]
    text = calendar.icalendar(entries, name=f"{site.name}: {gettext('Cut-offs')}", now=now())
    return HttpResponse(text, content_type="text/calendar; charset=utf-8")


@login_required
@require_http_methods(["GET", "POST"])
def cut_off_move(request: SignedIn, slug: str, number: int) -> HttpResponse:
    """Move a cut-off of a call."""
    found = get_object_or_404(visible_calls(request), slug=slug)
    cut_off = queries.cut_off(found, number)
    if cut_off is None or not access.may_run_calls(request.user):
        raise Http404
    local = cut_off.closes_at.astimezone(ZoneInfo(forms.BRUSSELS))
    initial = {"closes_on": local.date(), "at": f"{local:%H:%M}", "zone": forms.BRUSSELS}
    form = forms.MoveForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            actions.move_cut_off(
                cut_off,
                closes_at=form.cleaned_data["closes_at"],
                reason=form.cleaned_data["reason"],
                by=request.user,
                now=now(),
            )
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(
                request, gettext("The cut-off is moved. Everybody with a draft gets a message.")
            )
            return redirect("calls:call", slug=slug)
    return render(
        request,
        "calls/cut_off_move.html",
        {
            "call": found,
            "cut_off": cut_off,
            "form": form,
            "drafts": queries.drafts_of(found).count(),
        },
        status=422 if form.errors else 200,
    )


@login_required
@require_http_methods(["GET", "POST"])
def capacity_fund(request: SignedIn, slug: str, code: str) -> HttpResponse:
    """Add hours to a capacity of a call."""
    found = get_object_or_404(visible_calls(request), slug=slug)
    if not access.may_run_calls(request.user):
        raise Http404
    capacity = get_object_or_404(found.capacities.select_related("account"), code=code)
    form = forms.FundForm(request.POST or None, initial={"key": secrets.token_hex(8)})
    if request.method == "POST" and form.is_valid():
        try:
            actions.fund_capacity(capacity, **form.cleaned_data, by=request.user, now=now())
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(request, gettext("The hours are added."))
            return redirect("calls:call", slug=slug)
    return render(
        request,
        "calls/capacity_fund.html",
        {"call": found, "capacity": capacity, "form": form},
        status=422 if form.errors else 200,
    )
