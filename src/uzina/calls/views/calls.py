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
from uzina.calls.rules import modes
from uzina.calls.rules.flows import CallState
from uzina.calls.rules.steps import StepKind
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
    return queries.is_open(call, now())


def is_office(request: HttpRequest) -> bool:
    """Tell whether the reader sees what calls have left: operators and auditors."""
    person = person_of(request)
    return person is not None and (
        people_access.is_operator(person) or people_access.is_auditor(person)
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
            "is_office": is_office(request),
        },
    )


@login_required
@require_GET
def standings(request: SignedIn) -> HttpResponse:
    """Show what each capacity of each call has given, promised and left (operators, auditors)."""
    if not is_office(request):
        raise Http404
    page = Paginator(queries.calls(), 50).get_page(request.GET.get("page"))
    found = queries.standings(page)
    rows = [
        {
            "call": one,
            "is_open": is_open(one),
            "bars": [bar(standing) for standing in found[one.pk]],
            "money_left_eur": euros(queries.money_left_eur_cents(one)),
        }
        for one in page
    ]
    return render(request, "calls/standings.html", {"rows": rows, "page": page})


def euros(cents: int | None) -> int | None:
    """Return whole euro of cents, for a page."""
    return None if cents is None else cents // 100


def bar(standing: queries.Standing) -> dict[str, Any]:
    """Return a standing with the widths of its bar, per cent of what was funded."""
    whole = max(standing.funded, standing.used + standing.offered, 1)
    used, offered = (
        max(0, min(one, whole)) * 100 / whole for one in (standing.used, standing.offered)
    )
    return {
        "standing": standing,
        "name": standing.capacity.partition or gettext("All partitions"),
        "used_width": f"{used:.2f}%",
        "offered_width": f"{offered:.2f}%",
    }


@require_GET
def call(request: HttpRequest, slug: str) -> HttpResponse:
    """Show one call: who, how much, how long, and what happens after submitting."""
    found = get_object_or_404(visible_calls(request), slug=slug)
    person, mode = person_of(request), found.mode
    may_run = person is not None and access.may_run_calls(person)
    office = is_office(request)
    bars = [bar(one) for one in queries.standings([found])[found.pk]] if office else []
    return render(
        request,
        "calls/call.html",
        {
            "call": found,
            "is_open": is_open(found),
            "query": request.GET.urlencode(),
            "facts": _facts(found),
            "rules": [{"text": words(rule.needs), "source": rule.source} for rule in mode.rules],
            "steps": steps_shown(mode),
            "criteria": criteria_shown(mode),
            "documents": [words(one.title) for one in mode.documents],
            "cut_offs": [
                {"number": number, "cut_off": one, "is_over": one.closes_at <= now()}
                for number, one in enumerate(found.cut_offs.all(), start=1)
            ],
            "mode": mode,
            "is_office": office,
            "may_run": may_run,
            "bars": bars,
            "money_left_eur": euros(queries.money_left_eur_cents(found)),
            "remarks": [
                gettext(one.message).format(**one.facts) for one in queries.remarks(found, now())
            ]
            if may_run and found.state is CallState.DRAFT
            else [],
            "may_publish": found.state is CallState.DRAFT,
            "may_archive": found.state is not CallState.ARCHIVED,
        },
    )


def amount_shown(mode: modes.Mode) -> str:
    """Return what a mode gives, in words."""

    def figure(value: int) -> str:
        return number_format(value, force_grouping=True)

    if mode.kind == "interest":
        return gettext("No hours: a place in a consortium")
    if mode.kind == "challenge":
        return gettext("Prizes of GPU-hours")
    if mode.package_gpu_hours:
        return gettext("{hours} GPU-hours").format(hours=figure(mode.package_gpu_hours))
    limits = modes.ask_limits(mode)
    return gettext("From {least} to {most} GPU-hours").format(
        least=figure(limits.least), most=figure(limits.most)
    )


def days_shown(days: int) -> str:
    """Return a number of working days in words."""
    return ngettext("{days} working day", "{days} working days", days).format(days=days)


def _facts(call: Call) -> list[tuple[str, str]]:
    mode = call.mode
    is_ranked = mode.order == "ranked"
    facts = [(gettext("What you get"), amount_shown(mode))]
    if mode.durations_months:
        durations = ", ".join(str(months) for months in mode.durations_months)
        facts.append(
            (gettext("For how long"), gettext("{durations} months").format(durations=durations))
        )
    facts += [
        (gettext("Answer within"), days_shown(mode.target_working_days)),
        (
            gettext("Who decides"),
            gettext("Rules on eligibility, an engineer of the host, and external experts")
            if mode.step(StepKind.PEER_REVIEW)
            else gettext("Rules on eligibility, then an engineer of the host")
            if mode.step(StepKind.TECHNICAL_ASSESSMENT)
            else gettext("Rules on eligibility, then the factory"),
        ),
        (
            gettext("Order"),
            gettext("Compared with each other")
            if is_ranked
            else gettext("First come, first served"),
        ),
    ]
    if mode.kind != "interest":
        facts += [
            (
                gettext("Extension"),
                gettext("Possible") if mode.is_extendable else gettext("Not possible"),
            ),
            (gettext("When the hours are spent"), gettext(mode.at_exhaustion.label)),
        ]
    if mode.report_months:
        report = ngettext("{n} month after the end", "{n} months after the end", mode.report_months)
        facts.append((gettext("Final report"), report.format(n=mode.report_months)))
    partitions = [one.partition for one in call.capacities.all() if one.partition]
    if partitions:
        facts.append((gettext("Partition"), ", ".join(dict.fromkeys(partitions))))
    if mode.needs_fallback:
        facts.append((gettext("Fallback"), gettext("You name a second partition")))
    return facts


def steps_shown(mode: modes.Mode) -> list[dict[str, str]]:
    """Return what happens after submitting, step by step, with the days each may take."""
    said = {
        StepKind.ELIGIBILITY: gettext(
            "Eligibility is decided at once, by rules, each with its reason."
        ),
        StepKind.TECHNICAL_ASSESSMENT: gettext(
            "An engineer of the host looks whether the work fits the system."
        ),
        StepKind.PEER_REVIEW: gettext("External experts score it by the criteria above."),
        StepKind.RIGHT_TO_REPLY: gettext("You read what the experts wrote and may reply."),
        StepKind.PANEL: gettext("A panel looks at all scores together."),
        StepKind.RANKING: gettext("Applications are ranked within what the call can grant."),
        StepKind.DECISION: gettext("You get the decision with its reasons.")
        if mode.order == "ranked" or mode.kind != "hours"
        else gettext(
            "While hours are left you get an offer in the order of submission; otherwise you"
            " wait and keep your place."
        ),
        StepKind.ACCEPTANCE: gettext("You accept, and the project opens with its hours."),
        StepKind.APPEAL: gettext("You may appeal within {days}.").format(
            days=days_shown(mode.appeal_working_days)
        ),
    }
    return [
        {
            "text": said[step.kind],
            "days": days_shown(step.working_days) if step.working_days else "",
        }
        for step in mode.steps
        if step.kind in said
    ]


def criteria_shown(mode: modes.Mode) -> list[dict[str, Any]]:
    """Return the criteria with weight and threshold, for a page."""
    if mode.scoring is None:
        return []
    whole = sum(one.weight for one in mode.scoring.criteria)
    return [
        {
            "title": words(one.title),
            "percent": round(one.weight * 100 / whole),
            "threshold": one.threshold,
            "most": mode.scoring.most,
        }
        for one in mode.scoring.criteria
    ]


@login_required
@require_http_methods(["GET", "POST"])
def call_new(request: SignedIn) -> HttpResponse:
    """Make a call from a mode."""
    if not access.may_run_calls(request.user):
        raise Http404
    valid = queries.valid_modes(on=queries.factory_day(now()))
    form = forms.CallForm(request.POST or None, modes=valid)
    if request.method == "POST" and form.is_valid():
        facts = form.facts()
        facts["capacities"] = [actions.CapacityFacts(**one) for one in facts["capacities"]]
        try:
            made = actions.create_call(actions.CallFacts(**facts), by=request.user, now=now())
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
