"""Pages of what was used, and of what it costs."""

import csv
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from uzina.compute import access, actions, forms, queries
from uzina.compute.models import Usage
from uzina.core.errors import Refused
from uzina.ledger import rules as ledger_rules
from uzina.people import access as people_access
from uzina.people.models import Project
from uzina.people.types import SignedIn

ON_A_PAGE = 50
FIRST_YEAR, LAST_YEAR = 2000, 2200
COLUMNS = (
    *("native_id", "job", "name", "user", "account", "partition", "state"),
    *("submitted_at", "started_at", "ended_at", "elapsed_s", "nodes", "gpus", "cpus", "memory_mb"),
    *("gpu_ms", "allocation"),
)


@login_required
@require_GET
def usage(request: SignedIn, code: str) -> HttpResponse:
    """Show every run of a project, through the portal or past it, and what each was booked on."""
    project = _project(request, code)
    asked = _asked(request)
    rows = queries.usage_of_project(project)
    found = queries.filtered(rows, **asked)
    totals = queries.totals(found)
    page = Paginator(found.select_related("job", "allocation"), ON_A_PAGE).get_page(
        request.GET.get("page")
    )
    every = queries.totals(rows)
    node_gpus = queries.tariff(now=now()).node_gpus
    context = {
        "project": project,
        "page": page,
        "totals": _shown(totals, node_gpus),
        "sum_gpu_ms": sum(one.gpu_ms for one in totals),
        "asked": asked,
        "ways": _ways(),
        "users": sorted({one.user for one in every}),
        "months": sorted({one.month for one in every}, reverse=True),
        "node_gpus": node_gpus,
        "query": request.GET.urlencode(),
    }
    return render(request, "compute/usage.html", context)


@login_required
@require_GET
def usage_csv(request: SignedIn, code: str) -> StreamingHttpResponse:
    """Hand out a project's runs as a table for spreadsheets, as they are filtered on the page."""
    project = _project(request, code)
    rows = queries.filtered(queries.usage_of_project(project), **_asked(request))
    response = StreamingHttpResponse(
        _lines(rows.select_related("job", "allocation").iterator(chunk_size=1000)),
        content_type="text/csv; charset=utf-8",
    )
    response["Content-Disposition"] = f'attachment; filename="usage-{project.code}.csv"'
    return response


class _Echo:
    """What csv writes to, line by line."""

    def write(self, line: str) -> str:
        """Return the line."""
        return line


def _lines(rows: Iterator[Usage]) -> Iterator[str]:
    table = csv.writer(_Echo())
    yield table.writerow(COLUMNS)
    for row in rows:
        facts = {name: getattr(row, name) for name in COLUMNS}
        facts["job"] = row.job.code if row.job else ""
        facts["allocation"] = row.allocation.code if row.allocation else ""
        yield table.writerow(ledger_rules.csv_cell(_cell(facts[name])) for name in COLUMNS)


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return "" if value is None else value


@login_required
@require_GET
def usage_of_nobody(request: SignedIn) -> HttpResponse:
    """Show operators what ran for accounts that belong to no project."""
    if not access.may_see_clusters(request.user):
        raise Http404
    cluster = queries.known_cluster()
    rows = queries.of_nobody(cluster)
    context = {
        "cluster": cluster,
        "page": Paginator(rows, ON_A_PAGE).get_page(request.GET.get("page")),
        "totals": _shown(queries.totals(rows)[:ON_A_PAGE], 0),
        "may_sweep": people_access.is_operator(request.user),
    }
    return render(request, "compute/usage_of_nobody.html", context)


@login_required
@require_POST
def usage_sweep(request: SignedIn) -> HttpResponse:
    """Have the usage of the last week read again."""
    if not people_access.is_operator(request.user):
        raise Http404
    actions.ask_sweep(queries.cluster(), by=request.user, now=now())
    messages.success(request, gettext("The last seven days are being read again."))
    return redirect("compute:usage_of_nobody")


@login_required
@require_GET
def tariffs(request: SignedIn) -> HttpResponse:
    """Show what a second costs on each partition, since when, and who says so."""
    cluster = queries.known_cluster()
    rows = list(queries.tariff_rows(cluster)) if cluster else []
    context = {
        "rows": [
            {
                "tariff": row,
                "gpu": row.gpu_us / 10**6,
                "cpu": row.cpu_us / 10**6,
                "gib": row.gib_ns / 10**9,
            }
            for row in reversed(rows)
        ],
        "sees_all": access.may_see_clusters(request.user),
        "may_set": people_access.is_operator(request.user),
    }
    return render(request, "compute/tariffs.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def tariff_new(request: SignedIn) -> HttpResponse:
    """Set a price; for a day that has passed, show what changes for whom, and sign it."""
    if not people_access.is_operator(request.user):
        raise Http404
    names = list(queries.partitions().values_list("name", flat=True))
    typed_in = request.POST if request.method == "POST" else None
    form = forms.TariffForm(typed_in, partitions=names)
    differences = None
    if request.method == "POST" and form.is_valid():
        moment = now()
        typed = form.cleaned_data
        facts = {"partition": typed["partition"], "since": typed["since"], "tariff": form.tariff()}
        is_past = typed["since"] < moment.astimezone(queries.zone()).date()
        try:
            if is_past and "confirm" not in request.POST:
                differences = queries.preview(queries.cluster(), **facts)
            else:
                signed = {"source": typed["source"], "by": request.user, "now": moment}
                if is_past:
                    actions.restate(queries.cluster(), **facts, reason=typed["reason"], **signed)
                else:
                    actions.set_tariff(queries.cluster(), **facts, **signed)
                messages.success(request, gettext("The price is set."))
                return redirect("compute:tariffs")
        except Refused as refused:
            form.add_refusal(refused)
    context = {"form": form, "differences": differences}
    status = 422 if form.errors else 200
    return render(request, "compute/tariff_new.html", context, status=status)


def _shown(totals: list[queries.Total], node_gpus: int) -> list[dict[str, Any]]:
    """Return totals with node-hours beside, where hours are shown so."""
    return [
        {
            "month": one.month,
            "user": one.user,
            "runs": one.runs,
            "gpu_ms": one.gpu_ms,
            "node_ms": one.gpu_ms // node_gpus if node_gpus else None,
        }
        for one in totals
    ]


def _project(request: SignedIn, code: str) -> Project:
    found = queries.visible_project(request.user, code[:16])
    if found is None:
        raise Http404
    return found


def _asked(request: SignedIn) -> dict[str, Any]:
    way = request.GET.get("way", "")
    return {
        "way": way if way in queries.WAYS else "",
        "user": request.GET.get("user", "")[:64].replace("\0", ""),
        "month": _month(request.GET.get("month", "")),
    }


def _month(text: str) -> date | None:
    try:
        month = datetime.strptime(text[:7], "%Y-%m").replace(tzinfo=UTC).date()
    except ValueError:
        return None
    return month if FIRST_YEAR <= month.year < LAST_YEAR else None


def _ways() -> list[tuple[str, str]]:
    return [
        ("", gettext("All")),
        ("portal", gettext("Through the portal")),
        ("direct", gettext("Submitted past the portal")),
        ("unbooked", gettext("Not booked on an allocation")),
    ]
