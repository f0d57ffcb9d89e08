"""Pages of calls."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.formats import number_format
from django.utils.timezone import now
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from uzina.calls import access, actions, forms, queries
from uzina.calls.models import Call
from uzina.calls.rules import clock
from uzina.calls.rules.flows import CallState
from uzina.calls.views.shared import person_of, words
from uzina.core.errors import Refused
from uzina.people import access as people_access
from uzina.people.types import SignedIn


def visible_calls(request: HttpRequest) -> Any:
    """Return the calls that the reader may see."""
    visible = Call.objects.visible_to(person_of(request))
    return queries.calls().filter(pk__in=visible.values("pk"))


def is_open(call: Call) -> bool:
    """Tell whether a call takes applications now."""
    return call.state is CallState.PUBLISHED and any(
        clock.is_open(window, now()) for window in call.windows
    )


@require_GET
def calls(request: HttpRequest) -> HttpResponse:
    """List the calls, the open ones first."""
    page = Paginator(visible_calls(request), 50).get_page(request.GET.get("page"))
    rows = [{"call": one, "is_open": is_open(one)} for one in page]
    person = person_of(request)
    return render(
        request,
        "calls/calls.html",
        {
            "open_calls": [row for row in rows if row["is_open"]],
            "other_calls": [row for row in rows if not row["is_open"]],
            "page": page,
            "may_make": person is not None and access.may_run_calls(person),
        },
    )


@require_GET
def call(request: HttpRequest, slug: str) -> HttpResponse:
    """Show one call: who, how much, how long, and what happens after submitting."""
    found = get_object_or_404(visible_calls(request), slug=slug)
    person, mode = person_of(request), found.mode
    is_office = person is not None and (
        people_access.is_operator(person) or people_access.is_auditor(person)
    )
    durations = ", ".join(str(months) for months in mode.durations_months)
    hours = number_format(mode.package_gpu_hours, force_grouping=True)
    days = ngettext("{days} working day", "{days} working days", mode.target_working_days)
    facts = [
        (gettext("What you get"), gettext("{hours} GPU-hours").format(hours=hours)),
        (gettext("For how long"), gettext("{durations} months").format(durations=durations)),
        (gettext("Answer within"), days.format(days=mode.target_working_days)),
        (gettext("Who decides"), gettext("Rules on eligibility, then an engineer of the host")),
        (gettext("Order"), gettext("First come, first served")),
        (
            gettext("Extension"),
            gettext("Possible") if mode.is_extendable else gettext("Not possible"),
        ),
        (gettext("When the hours are spent"), gettext(mode.at_exhaustion.label)),
        (
            gettext("Final report"),
            ngettext(
                "{n} month after the end", "{n} months after the end", mode.report_months
            ).format(n=mode.report_months),
        ),
    ]
    partitions = [one.partition for one in found.capacities.all() if one.partition]
    if partitions:
        facts.append((gettext("Partition"), ", ".join(dict.fromkeys(partitions))))
    return render(
        request,
        "calls/call.html",
        {
            "call": found,
            "is_open": is_open(found),
            "facts": facts,
            "rules": [{"text": words(rule.needs), "source": rule.source} for rule in mode.rules],
            "mode": mode,
            "is_office": is_office,
            "may_run": person is not None and access.may_run_calls(person),
            "free_gpu_ms": queries.left_gpu_ms(found),
            "may_publish": found.state is CallState.DRAFT,
            "may_archive": found.state is not CallState.ARCHIVED,
        },
    )


@login_required
@require_http_methods(["GET", "POST"])
def call_new(request: SignedIn) -> HttpResponse:
    """Make a call from a mode."""
    if not access.may_run_calls(request.user):
        raise Http404
    form = forms.CallForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = actions.create_call(
                actions.CallFacts(**form.facts()), by=request.user, now=now()
            )
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(
                request, gettext("The call is drafted. Look it over, then publish it.")
            )
            return redirect("calls:call", slug=made.slug)
    status = 422 if form.errors else 200
    return render(request, "calls/call_new.html", {"form": form}, status=status)


@login_required
@require_POST
def call_publish(request: SignedIn, slug: str) -> HttpResponse:
    """Publish a call."""
    found = get_object_or_404(Call.objects.visible_to(request.user), slug=slug)
    actions.publish(found, by=request.user, now=now())
    messages.success(request, gettext("The call is published."))
    return redirect("calls:call", slug=slug)


@login_required
@require_POST
def call_archive(request: SignedIn, slug: str) -> HttpResponse:
    """Archive a call."""
    found = get_object_or_404(Call.objects.visible_to(request.user), slug=slug)
    actions.archive(found, by=request.user, now=now())
    messages.success(request, gettext("The call is archived. Open applications are still decided."))
    return redirect("calls:call", slug=slug)
