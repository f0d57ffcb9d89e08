"""Pages of rankings: what if, the draft, the record, and why."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.formats import number_format
from django.utils.timezone import now
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from uzina.calls import access, actions, forms, queries
from uzina.calls.models import Application, Call, CutOff, Ranking
from uzina.calls.rules import decisions
from uzina.calls.rules import ranking as rules
from uzina.calls.rules.flows import RANKING
from uzina.calls.rules.steps import StepKind
from uzina.core.errors import Refused
from uzina.people.types import SignedIn

MOST = 50


def _check_office(request: SignedIn) -> None:
    if not access.may_see_rankings(request.user):
        raise Http404


def _ranking(request: SignedIn, code: str) -> Ranking:
    _check_office(request)
    return get_object_or_404(queries.rankings(), code=code)


def _call(request: SignedIn, slug: str, number: int) -> tuple[Call, CutOff | None]:
    _check_office(request)
    found: Call = get_object_or_404(queries.panel_calls(request.user), slug=slug)
    try:
        return found, queries.cut_off_at(found, number)
    except LookupError:
        raise Http404 from None


@login_required
@require_GET
def rankings(request: SignedIn) -> HttpResponse:
    """List the rankings there are, and the cut-offs that can be ranked."""
    _check_office(request)
    calls = [
        one
        for one in queries.panel_calls(request.user)[:MOST]
        if one.mode.order == "ranked" and one.mode.kind == "hours"
    ]
    rounds = []
    for call in calls:
        cut_offs = list(call.cut_offs.all())
        numbered: list[tuple[int, datetime | None]] = [
            (number, one.closes_at) for number, one in enumerate(cut_offs, start=1)
        ]
        rounds.append({"call": call, "cut_offs": numbered or [(0, call.closes_at)]})
    return render(
        request,
        "calls/rankings.html",
        {"rankings": list(queries.rankings()[:MOST]), "rounds": rounds},
    )


def tables(
    call: Call, inputs: Mapping[str, Any], result: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return the rows of a result by the partition that is asked first, with the cut line in each."""
    titles = {
        one.code: one.title
        for one in Application.objects.filter(
            code__in=[row["code"] for row in result["applications"]]
        )
    }
    asks = {one["code"]: one for one in inputs["applications"]}
    criteria = queries.criteria_titles(call)
    names = {one["code"]: one["partition"] for one in inputs["capacities"]}
    grouped: dict[str, list[dict[str, Any]]] = {code: [] for code in names}
    for row in result["applications"]:
        ask = asks[row["code"]]
        first = next(iter(ask["capacities"]), "")
        grouped.setdefault(first, []).append(
            {
                **row,
                "title": titles.get(row["code"], ""),
                "score": decisions.in_points(row["score_milli"]),
                "ask": ask,
                "partition": names.get(row["capacity"], ""),
                "is_elsewhere": bool(row["capacity"]) and row["capacity"] != first,
                "words": _words(row, ask, criteria),
            }
        )
    found = []
    for code, rows in grouped.items():
        if not rows:
            continue
        line = next((at for at, row in enumerate(rows) if row["outcome"] != "award"), len(rows))
        capacity = next((one for one in inputs["capacities"] if one["code"] == code), None)
        for at, row in enumerate(rows):
            row["is_below_line"] = at == line
        found.append(
            {
                "name": names.get(code, "") or call.title,
                "rows": rows,
                "is_line_last": line == len(rows),
                "capacity_gpu_hours": capacity["gpu_hours"] if capacity else 0,
                "left_gpu_hours": result["left_gpu_hours"].get(code, 0),
                "given_gpu_hours": (capacity["gpu_hours"] if capacity else 0)
                - result["left_gpu_hours"].get(code, 0),
            }
        )
    return found


def _words(row: Mapping[str, Any], ask: Mapping[str, Any], criteria: Mapping[str, str]) -> str:
    facts = decisions.facts_of(row, ask, criteria)
    return gettext(decisions.WHY[row["why"]["kind"]]).format(**_grouped(facts))


def _grouped(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: number_format(value, force_grouping=True) if isinstance(value, int) else value
        for name, value in facts.items()
    }


@login_required
@require_http_methods(["GET", "POST"])
def ranking_what_if(request: SignedIn, slug: str, number: int) -> HttpResponse:
    """Try capacities, weights and terms. Nothing is kept; a draft takes the call's own terms."""
    call, cut_off = _call(request, slug, number)
    inputs = queries.ranking_inputs(call, cut_off)
    titles = queries.criteria_titles(call)
    sent = request.POST if request.method == "POST" else request.GET
    form = forms.WhatIfForm(sent or None, inputs=inputs, titles=titles)
    tried = inputs
    if sent and form.is_valid():
        tried = rules.changed(inputs, **form.changes())
        if request.method == "POST":
            try:
                drafted = _draft(request, call, cut_off, inputs, tried)
            except Refused as refused:
                form.add_refusal(refused)
            else:
                return redirect("calls:ranking", drafted.code)
    result = rules.run(tried)
    before = {row["code"]: row for row in rules.run(inputs)["applications"]} if sent else {}
    shown = tables(call, tried, result)
    for table in shown:
        for row in table["rows"]:
            row["was"] = before.get(row["code"])
    behind = list(queries.behind(call, _kind(call), cut_off=cut_off).values_list("code", flat=True))
    waiting = {one["code"] for one in inputs["applications"]}
    return render(
        request,
        "calls/ranking_what_if.html",
        {
            "call": call,
            "number": number,
            "cut_off": cut_off,
            "form": form,
            "tables": shown,
            "is_tried": bool(before),
            "is_by_the_call": _is_by_the_call(inputs, tried),
            "behind": sorted(set(behind) - waiting),
            "may_run": access.may_run_calls(request.user),
            "has_any": bool(inputs["applications"]),
            "drafts": list(queries.rankings().filter(call=call, cut_off=cut_off)[:MOST]),
        },
        status=422 if form.errors else 200,
    )


def _kind(call: Call) -> StepKind:
    return StepKind.RANKING if call.mode.step(StepKind.RANKING) else StepKind.DECISION


def _is_by_the_call(inputs: Mapping[str, Any], tried: Mapping[str, Any]) -> bool:
    """Tell whether only less capacity is tried: all else stands in the call."""
    same = ("rule", "criteria", "threshold_milli", "least_share_percent")
    free = {one["code"]: one["gpu_hours"] for one in inputs["capacities"]}
    return all(inputs[key] == tried[key] for key in same) and all(
        one["gpu_hours"] <= free[one["code"]] for one in tried["capacities"]
    )


def _draft(
    request: SignedIn,
    call: Call,
    cut_off: CutOff | None,
    inputs: Mapping[str, Any],
    tried: Mapping[str, Any],
) -> Ranking:
    free = {one["code"]: one["gpu_hours"] for one in inputs["capacities"]}
    held_back = {one["code"]: free[one["code"]] - one["gpu_hours"] for one in tried["capacities"]}
    return actions.draft_ranking(
        call, cut_off=cut_off, held_back=held_back, by=request.user, now=now()
    )


@login_required
@require_GET
def ranking(request: SignedIn, code: str) -> HttpResponse:
    """Show a ranking: who is above the line of each partition, and who is not."""
    found = _ranking(request, code)
    return render(
        request,
        "calls/ranking.html",
        {
            "ranking": found,
            "call": found.call,
            "number": queries.number_of(found.call, found.cut_off),
            "tables": tables(found.call, found.inputs, found.result),
            "inputs": found.inputs,
            "rule": dict(forms.RANKING_RULES)[found.inputs["rule"]],
            "verbs": RANKING.verbs(found.state) if access.may_run_calls(request.user) else [],
            "threshold": decisions.in_points(found.inputs["threshold_milli"]),
        },
    )


@login_required
@require_GET
def ranking_why(request: SignedIn, code: str) -> HttpResponse:
    """Say why one application got what it got, and why this one and not that one."""
    found = _ranking(request, code)
    rows = queries.rows_of(found)
    one, other = request.GET.get("one", ""), request.GET.get("other", "")
    context: dict[str, Any] = {"ranking": found, "codes": list(rows), "one": one, "other": other}
    if one in rows:
        row = rows[one]
        context["row"] = row
        context["words"] = queries.sentence_on(dict(row), found, found.call)
        if row["outcome"] == "reserve":
            context["more"] = rules.hours_more(found.inputs, one)
    if one in rows and other in rows and one != other:
        facts = decisions.versus(found.inputs, found.result, one, other)
        titles = queries.criteria_titles(found.call)
        facts["criterion"] = titles.get(facts.get("criterion", ""), "")
        context["versus"] = gettext(decisions.VERSUS[facts["kind"]]).format(**_grouped(facts))
    return render(request, "calls/ranking_why.html", context)


@login_required
@require_POST
def ranking_adopt(request: SignedIn, code: str) -> HttpResponse:
    """Adopt a draft: its record is sealed, the decisions are pending."""
    actions.adopt(_ranking(request, code), by=request.user, now=now())
    messages.success(request, gettext("Adopted and sealed. Nobody but the factory sees it yet."))
    return redirect("calls:ranking", code)


@login_required
@require_POST
def ranking_release(request: SignedIn, code: str) -> HttpResponse:
    """Release all decisions of a ranking together."""
    actions.release(_ranking(request, code), by=request.user, now=now())
    messages.success(
        request, gettext("Released. The messages leave as soon as the last letter is made.")
    )
    return redirect("calls:ranking", code)


@login_required
@require_POST
def ranking_discard(request: SignedIn, code: str) -> HttpResponse:
    """Throw a draft away."""
    found = _ranking(request, code)
    slug, number = found.call.slug, queries.number_of(found.call, found.cut_off)
    actions.discard(found, by=request.user, now=now())
    return redirect("calls:ranking_what_if", slug, number)


@login_required
@require_POST
def ranking_rerun(request: SignedIn, code: str) -> HttpResponse:
    """Run the record again and say whether the same comes out."""
    checked = actions.rerun(_ranking(request, code), by=request.user, now=now())
    if checked.is_sound:
        messages.success(request, gettext("The record is as it was sealed; the same came out."))
    elif not checked.is_sealed:
        messages.error(request, gettext("The record was changed after it was sealed."))
    else:
        messages.error(request, gettext("The record does not lead to its result."))
    return redirect("calls:ranking", code)
