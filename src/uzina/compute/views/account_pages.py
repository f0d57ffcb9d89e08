"""Pages of a cluster's accounts: what differs from the ledger, and who is who there."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from uzina.compute import access, actions, forms, queries, rules
from uzina.compute.models import Cluster, Drift
from uzina.core.errors import Refused
from uzina.core.http import told
from uzina.people.types import SignedIn

LISTED = 200
ON_A_PAGE = 50
KINDS = {
    "account": gettext_lazy("Account"),
    "user": gettext_lazy("User"),
    "limit": gettext_lazy("Limit"),
    "total": gettext_lazy("Hours booked"),
}
FINDINGS = {
    "missing": gettext_lazy("missing on the cluster"),
    "extra": gettext_lazy("only on the cluster"),
    "different": gettext_lazy("different"),
}
TOTALS = {
    "missing": gettext_lazy("booked, but not measured"),
    "extra": gettext_lazy("measured, but not booked"),
    "different": gettext_lazy("different"),
}


@login_required
@require_GET
def reconciliation(request: SignedIn) -> HttpResponse:
    """Show where the cluster and the factory disagree, since when, and who is right."""
    _check_sees(request)
    cluster, moment = queries.cluster(), now()
    drifts = queries.drifts(cluster)
    rows = [_line(one) for one in drifts[:LISTED]]
    context = {
        "cluster": cluster,
        "age_s": _age_s(cluster, moment),
        "keeps_accounts": settings.UZINA.scheduler.accounts == "project",
        "is_auto": settings.UZINA.scheduler.repair == "auto",
        "rows": rows,
        "count": len(rows) if len(rows) < LISTED else drifts.count(),
        "kinds": [(kind, KINDS[kind]) for kind in rules.KINDS],
        "may_repair": access.may_repair(request.user),
        "outcome": queries.last_repair(cluster),
        "findings": [
            {"code": one.code, "level": one.level, "words": _words(one)}
            for one in queries.site_findings(cluster)
        ],
    }
    return render(request, "compute/reconciliation.html", context)


def _line(drift: Drift) -> dict[str, Any]:
    is_total = drift.kind == "total"
    return {
        "drift": drift,
        "kind": KINDS[drift.kind],
        "finding": (TOTALS if is_total else FINDINGS)[drift.finding],
        "winner": gettext("the cluster") if drift.winner == "cluster" else gettext("the factory"),
    }


def _words(finding: rules.Finding) -> str:
    """Return what a finding means and what to set, in the language of the page."""
    return gettext(rules.FINDINGS.get(finding.code, finding.code)).format_map(finding.facts)


def _age_s(cluster: Cluster, moment: datetime) -> float | None:
    if cluster.reconciled_at is None:
        return None
    return max(0.0, (moment - cluster.reconciled_at).total_seconds())


@login_required
@require_POST
def reconciliation_repair(request: SignedIn) -> HttpResponse:
    """Have one kind of differences, or all, put right."""
    _check_sees(request)
    kind = request.POST.get("kind", "")[:16]
    try:
        kinds = rules.KINDS if kind == "all" else (kind,)
        actions.ask_repair(queries.cluster(), kinds=kinds, by=request.user, now=now())
    except Refused as refused:
        messages.error(request, told(refused))
    else:
        messages.success(
            request, gettext("The cluster is being put right. What is left is shown here.")
        )
    return redirect("compute:reconciliation")


@login_required
@require_http_methods(["GET", "POST"])
def site_users(request: SignedIn) -> HttpResponse:
    """List who is who on the cluster; add somebody, or change a name."""
    _check_sees(request)
    cluster = queries.cluster()
    form = forms.SiteUserForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            made = actions.map_person(
                cluster,
                form.cleaned_data["email"],
                name=form.cleaned_data["name"],
                by=request.user,
                now=now(),
            )
        except Refused as refused:
            form.add_error(None, told(refused))
        else:
            words = gettext("{person} is {name} on the cluster.")
            messages.success(request, words.format(person=made.person.name, name=made.name))
            return redirect("compute:site_users")
    page = Paginator(queries.site_users(cluster), ON_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "form": form,
        "page": page,
        "may_map": access.may_repair(request.user),
        "runs_as_person": settings.UZINA.scheduler.identity == "person",
    }
    status = 422 if form.errors else 200
    return render(request, "compute/site_users.html", context, status=status)


def _check_sees(request: SignedIn) -> None:
    if not access.may_see_clusters(request.user):
        raise Http404
