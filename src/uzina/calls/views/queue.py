"""The operators' queue: everything under way, what is late, and who works on it."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.timezone import now
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_GET, require_POST

from uzina.calls import access, actions, queries
from uzina.calls.models import Call, Step
from uzina.calls.rules import clock
from uzina.calls.rules.steps import UNDER_WAY, StepKind
from uzina.calls.rules.tables import csv_of
from uzina.core import charts
from uzina.core.http import told
from uzina.people import queries as people_queries
from uzina.people.models import Person
from uzina.people.rules import RoleKind
from uzina.people.types import SignedIn

ON_A_PAGE = 50
MOST_AT_ONCE = 200
COLUMNS = (
    "application",
    "title",
    "organisation",
    "call",
    "step",
    "owner",
    "opened_at",
    "due_at",
    "waiting_for_applicant_since",
    "working_days_late",
)


def wanted(request: SignedIn) -> queries.Wanted:
    """Return what an address looks for; what makes no sense in it is left out."""

    def text(name: str) -> str:
        return request.GET.get(name, "").replace("\x00", "").strip()[:80]

    cut_off = text("cut_off")
    waiting = text("waiting")
    return queries.Wanted(
        call=text("call"),
        cut_off=int(cut_off)
        if cut_off.isascii() and cut_off.isdigit() and len(cut_off) < 18
        else None,
        step=text("step"),
        owner=text("owner"),
        is_late=text("late") == "yes",
        waiting=waiting if waiting in {"us", "applicant"} else "",
        text=text("q"),
    )


@login_required
@require_GET
def queue(request: SignedIn) -> HttpResponse:
    """Show what is under way, the first due first, with who works on it and how late it is."""
    person, moment = request.user, now()
    if not access.may_see_queue(person):
        raise Http404
    looked_for = wanted(request)
    page = Paginator(queries.worklist(person, looked_for, now=moment), ON_A_PAGE).get_page(
        request.GET.get("page")
    )
    by_step = queries.loads_by_step(person, looked_for, now=moment)
    context = {
        "rows": [_row(one, person) for one in page],
        "page": page,
        "wanted": looked_for,
        "is_filtered": looked_for != queries.Wanted(),
        "calls": Call.objects.visible_to(person).order_by("-pk").prefetch_related("cut_offs"),
        "kinds": list(StepKind),
        "by_step": [_load(one) for one in by_step],
        "by_owner": [_load(one) for one in queries.loads_by_owner(person, looked_for, now=moment)],
        "late": sum(one.late for one in by_step),
        "total": sum(one.count for one in by_step),
        "chart": _chart(by_step),
        "may_assign": access.may_run_calls(person),
        "people": _assignable() if access.may_run_calls(person) else [],
        "query": request.GET.urlencode(),
    }
    return render(request, "calls/queue.html", context)


def _assignable() -> list[Person]:
    found = {
        one.pk: one
        for role in (RoleKind.ASSESSOR, RoleKind.OPERATOR)
        for one in people_queries.people_with_role(role)
    }
    return sorted(found.values(), key=lambda one: one.name)


def _row(step: Step, person: Person) -> dict[str, Any]:
    moment, site = now(), settings.UZINA.site
    place = {"country": site.country, "zone": site.timezone}
    is_late = queries.is_late(step, moment)
    paused = next(iter(step.pauses.all()), None)
    question = next(iter(step.questions.all()), None)
    return {
        "step": step,
        "application": step.application,
        "kind": gettext(StepKind(step.kind).label),
        "href": _address(step, person),
        "is_late": is_late,
        "days_late": clock.working_days_late(moment, step.due_at, **place)
        if is_late and step.due_at
        else 0,
        "days_left": clock.working_days_left(moment, step.due_at, **place)
        if step.due_at and not is_late
        else None,
        "since": paused.began_at if paused else None,
        "answer_by": question.answer_by if question else None,
        "is_overdue": question is not None and question.answer_by <= moment,
    }


def _address(step: Step, person: Person) -> str:
    """Where the step is worked on."""
    code = step.application.code
    if step.kind == StepKind.TECHNICAL_ASSESSMENT and access.may_assess(person):
        return reverse("calls:assessment", args=[code])
    return reverse("calls:application", args=[code])


def _load(load: queries.Load) -> dict[str, Any]:
    return {
        "name": gettext(load.name) if load.name else gettext("Nobody"),
        "code": load.code,
        "count": load.count,
        "waiting": load.waiting,
        "late": load.late,
        "days_late": queries.working_days_late(load.late_since, now()),
    }


def _chart(loads: list[queries.Load]) -> charts.BarChart:
    return charts.bar_chart(
        title=gettext("Under way, by step"),
        x_label=gettext("Step"),
        y_label=gettext("Applications"),
        bars=[(gettext(one.name), one.count) for one in loads],
        places=0,
    )


@login_required
@require_GET
def queue_csv(request: SignedIn) -> HttpResponse:
    """Give what the same address shows as a table."""
    if not access.may_see_queue(request.user):
        raise Http404
    rows = [
        _row(one, request.user)
        for one in queries.worklist(request.user, wanted(request), now=now())
    ]
    body = csv_of(
        COLUMNS,
        [
            (
                row["application"].code,
                row["application"].title,
                row["application"].organisation.name,
                row["application"].call.slug,
                str(row["step"].kind),
                row["step"].owner.name if row["step"].owner else "",
                _iso(row["step"].opened_at),
                _iso(row["step"].due_at),
                _iso(row["since"]),
                row["days_late"],
            )
            for row in rows
        ],
    )
    response = HttpResponse(body, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="queue.csv"'
    return response


def _iso(at: Any) -> str:
    return at.isoformat() if at else ""


@login_required
@require_POST
def queue_hand_out(request: SignedIn) -> HttpResponse:
    """Take the ticked ones, or give them to somebody; say what could not be given, and why."""
    person, moment = request.user, now()
    if not access.may_see_queue(person):
        raise Http404
    codes = request.POST.getlist("application")[:MOST_AT_ONCE]
    steps = list(
        queries.worklist(person, queries.Wanted(), now=moment).filter(
            application__code__in=codes, state__in=UNDER_WAY
        )
    )
    target = request.POST.get("to", "")
    to = person if target in {"", "me"} else people_queries.person(target)
    if to is None:
        raise Http404
    given, refusals = actions.hand_out(steps, to=to, by=person, now=moment)
    if given:
        messages.success(
            request,
            ngettext(
                "{count} application is now with {name}.",
                "{count} applications are now with {name}.",
                len(given),
            ).format(count=len(given), name=to.name),
        )
    for text in sorted({told(one) for one in refusals}):
        messages.warning(request, text)
    if not steps:
        messages.warning(request, gettext("Tick the applications first."))
    back = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()})
    return redirect(back if is_ours and back.startswith("/queue/") else "calls:queue")
