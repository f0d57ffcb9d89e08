"""Pages of allocations: the list, the statement, and an operator's corrections."""

import csv
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.formats import number_format
from django.utils.timezone import now
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods

from uzina.core import charts
from uzina.core.errors import Refused
from uzina.ledger import access, actions, forms, queries, rules
from uzina.ledger.models import Allocation
from uzina.people.types import SignedIn

ON_A_PAGE = 25
LINES = 30
COLUMNS = (
    *("number", "at", "kind", "amount", "subject", "reason", "by_code"),
    *("granted", "free", "held", "spent", "expired", "overrun", "overdraft"),
)
AMOUNTS = {"amount", "granted", "free", "held", "spent", "expired", "overrun", "overdraft"}


@login_required
@require_GET
def allocations(request: SignedIn) -> HttpResponse:
    """List the allocations of GPU-hours a person sees, with what is left of each."""
    visible = _visible(request)
    page = Paginator(visible.order_by("-pk"), ON_A_PAGE).get_page(request.GET.get("page"))
    rows = list(page.object_list)
    balances = queries.balances(rows)
    context = {
        "page": page,
        "rows": [{"allocation": row, "balance": balances[row.pk]} for row in rows],
    }
    return render(request, "ledger/allocations.html", context)


@login_required
@require_GET
def statement(request: SignedIn, code: str) -> HttpResponse:
    """Show what became of an allocation's hours, to the second, and every transfer."""
    found = _find(request, code)
    moment = now()
    balance = queries.balance(found)
    forecast = queries.forecast(found, moment)
    lines = queries.statement(found, last=LINES, before=_number(request.GET.get("before", "")))
    first = lines[0].number if lines else 1
    context = {
        "allocation": found,
        "balance": balance,
        "figures": _figures(balance),
        "is_over": found.ends_at <= moment,
        "lines": [_row(line) for line in lines],
        "before": first if first > 1 else None,
        "is_newest": "before" not in request.GET,
        "forecast": forecast,
        "policy": gettext(rules.AtExhaustion(found.policy).label),
        "chart": _chart(found, balance, forecast, moment),
        "corrections": _corrections(request, found),
    }
    return render(request, "ledger/statement.html", context)


@login_required
@require_GET
def statement_csv(request: SignedIn, code: str) -> HttpResponse:
    """Hand out the whole statement as a table for spreadsheets."""
    found = _find(request, code)
    unit = found.resource.unit
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="statement-{found.code}.csv"'
    table = csv.writer(response)
    table.writerow(f"{name}_{unit}" if name in AMOUNTS else name for name in COLUMNS)
    for line in queries.statement(found):
        facts = asdict(line) | {"at": f"{line.at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"}
        table.writerow(rules.csv_cell(facts[name]) for name in COLUMNS)
    return response


@login_required
@require_http_methods(["GET", "POST"])
def correct(request: SignedIn, code: str, verb: str) -> HttpResponse:
    """Ask an operator what to correct and why, and do it."""
    found = _find(request, code)
    if verb not in VERBS or not access.may_correct(request.user):
        raise Http404
    kind = forms.AmountForm if verb in {"top-up", "overdraw", "refund"} else forms.ReasonForm
    form = kind(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            _do(verb, found, form, request)
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(request, DONE[verb]())
            return redirect("ledger:statement", found.code)
    context = {
        "allocation": found,
        "balance": queries.balance(found),
        "verb": verb,
        "form": form,
    }
    return render(request, "ledger/correct.html", context, status=422 if form.errors else 200)


def _do(verb: str, found: Allocation, form: forms.ReasonForm, request: SignedIn) -> None:
    """Call the action of the verb with what was typed."""
    typed = dict(form.cleaned_data)
    key = f"page:{verb}:{request.user.code}:{typed.pop('key')}"
    if verb in {"top-up", "overdraw", "refund", "expire"}:
        typed["key"] = key
    VERBS[verb](found, **typed, by=request.user, now=now())


VERBS: dict[str, Any] = {
    "top-up": actions.top_up,
    "overdraw": actions.overdraw,
    "refund": actions.refund,
    "freeze": actions.freeze,
    "thaw": actions.thaw,
    "expire": actions.expire,
}
DONE = {
    "top-up": lambda: gettext("The hours are added."),
    "overdraw": lambda: gettext("The overdraft is signed."),
    "refund": lambda: gettext("The hours are given back."),
    "freeze": lambda: gettext("No new job starts on this allocation."),
    "thaw": lambda: gettext("Jobs can start on this allocation again."),
    "expire": lambda: gettext("The allocation has ended."),
}


def _corrections(request: SignedIn, found: Allocation) -> list[dict[str, Any]]:
    """Return the buttons an operator gets; nobody else gets any."""
    if not access.may_correct(request.user):
        return []
    labels = {
        "top-up": gettext("Top up"),
        "overdraw": gettext("Sign an overdraft"),
        "refund": gettext("Refund"),
        "freeze": gettext("Freeze"),
        "thaw": gettext("Thaw"),
        "expire": gettext("End it"),
    }
    return [
        {"verb": verb, "label": labels[verb], "is_grave": verb in {"freeze", "expire"}}
        for verb in access.corrections(found.state)
    ]


def _visible(request: SignedIn) -> QuerySet[Allocation]:
    visible = Allocation.objects.visible_to(request.user).select_related("project", "resource")
    return visible.filter(resource__slug="gpu-hours")  # type: ignore[no-any-return]


def _find(request: SignedIn, code: str) -> Allocation:
    return get_object_or_404(_visible(request), code=code)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def _figures(balance: rules.Balance) -> list[dict[str, str]]:
    rows = [
        (gettext("Granted"), balance.granted),
        (gettext("Held for jobs"), balance.held),
        (gettext("Spent"), balance.spent),
        (gettext("Left"), balance.free),
        (gettext("Expired"), balance.expired),
    ]
    if balance.overdraft:
        rows.append((gettext("Signed beyond the grant by the factory"), balance.overdraft))
    if balance.overrun:
        rows.append((gettext("Spent beyond the allocation, not charged"), balance.overrun))
    return [{"key": key, "value": clock(amount)} for key, amount in rows]


def _row(line: rules.Line) -> dict[str, Any]:
    amounts = {name: clock(getattr(line, name)) for name in sorted(AMOUNTS)}
    facts = asdict(line) | amounts | {"label": line.kind.label}
    return facts | {"is_job": line.subject.startswith("JOB-")}


def clock(gpu_ms: int) -> str:
    """Return GPU time exactly, as hours:minutes:seconds, with milliseconds where there are any."""
    seconds, ms = divmod(abs(gpu_ms), 1000)
    hours, rest = divmod(seconds, 3600)
    sign = "−" if gpu_ms < 0 else ""
    whole = number_format(hours, 0, force_grouping=True)
    part = number_format(ms / 1000, 3)[1:] if ms else ""
    return f"{sign}{whole}:{rest // 60:02}:{rest % 60:02}{part}"


def _chart(
    found: Allocation, balance: rules.Balance, forecast: rules.Forecast, moment: datetime
) -> charts.LineChart | None:
    """Draw what is left, as steps, beside an even pace, and how it goes on if that can be told."""
    if found.starts_at > moment:
        return None
    hour = rules.GPU_MS_PER_HOUR
    spent: list[tuple[datetime, float]] = [(found.starts_at, 0.0)]
    for at, amount in queries.burn_down(found):
        spent += [(at, spent[-1][1]), (at, amount / hour)]
    spent.append((max(spent[-1][0], min(moment, found.ends_at)), spent[-1][1]))
    budget = balance.budget / hour
    left = [(at, budget - amount) for at, amount in spent]
    series = [
        (gettext("Left"), left),
        (gettext("Even pace"), [(found.starts_at, budget), (found.ends_at, 0.0)]),
    ]
    if forecast.points:
        series += [
            (gettext("If use is high"), [(one.at, one.least / hour) for one in forecast.points]),
            (gettext("If use is low"), [(one.at, one.most / hour) for one in forecast.points]),
        ]
    return charts.line_chart(
        title=gettext("What is left of the hours"),
        x_label=gettext("Day"),
        y_label=gettext("GPU-hours"),
        series=series,
        band=(2, 3),
        now=moment if moment < found.ends_at else None,
        ends_at=found.ends_at,
        from_zero=True,
    )
