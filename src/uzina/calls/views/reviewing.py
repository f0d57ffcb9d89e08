"""The operator's pages of peer review: a call's reviews, its pool, plans, one application."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from uzina.calls import actions, forms, queries
from uzina.calls.models import Application, AssignmentPlan, Call, Review, Reviewer
from uzina.calls.rules import assignment, reviews
from uzina.calls.rules.conflicts import ConflictKind
from uzina.calls.rules.flows import ReviewState
from uzina.calls.views.reviewers import check_operator
from uzina.core.errors import Refused
from uzina.core.http import told
from uzina.people.types import SignedIn


def judged_call(request: SignedIn, slug: str) -> Call:
    """Return a call that has peer review, for an operator, or 404."""
    check_operator(request)
    found: Call = get_object_or_404(Call.objects.visible_to(request.user), slug=slug)
    if found.mode.scoring is None:
        raise Http404
    return found


def judged_application(request: SignedIn, code: str) -> Application:
    """Return an application that was handed in to such a call, for an operator, or 404."""
    check_operator(request)
    rows = queries.with_reviews(Application.objects.visible_to(request.user))
    found: Application = get_object_or_404(rows.filter(submitted_at__isnull=False), code=code)
    if found.call.mode.scoring is None:
        raise Http404
    return found


@login_required
@require_http_methods(["GET", "POST"])
def reviewing(request: SignedIn, slug: str) -> HttpResponse:
    """How far a call's reviews are, and the way to assign what is missing (operators)."""
    found = judged_call(request, slug)
    cut_offs = {str(one.pk): one for one in found.cut_offs.all()}
    form = forms.PlanForm(
        request.POST or None,
        cut_offs=[(pk, f"{one.closes_at:%Y-%m-%d %H:%M}") for pk, one in cut_offs.items()],
    )
    lacking: list[dict[str, Any]] = []
    if request.method == "POST" and form.is_valid():
        try:
            plan = actions.plan_assignment(
                found,
                cut_off=cut_offs.get(form.cleaned_data["cut_off"]),
                seed=form.cleaned_data["seed"],
                by=request.user,
                now=now(),
            )
        except Refused as refused:
            form.add_refusal(refused)
            short = refused.facts.get("short", {})
            lacking = [{"code": code, "why": _why(one)} for code, one in short.items()]
        else:
            return redirect("calls:assignment", code=plan.code)
    page = Paginator(queries.reviewable(found), 50).get_page(request.GET.get("page"))
    return render(
        request,
        "calls/reviewing.html",
        {
            "call": found,
            "rows": [_row(one) for one in page],
            "page": page,
            "form": form,
            "lacking": lacking,
            "needed": found.mode.scoring.reviewers if found.mode.scoring else 0,
            "plans": found.assignment_plans.order_by("-pk")[:5],
        },
        status=422 if form.errors else 200,
    )


def _row(application: Application) -> dict[str, Any]:
    rows = list(application.reviews.all())
    scores = [one.score_milli or 0 for one in rows if one.state == ReviewState.SUBMITTED]
    return {
        "application": application,
        "live": sum(one.state in reviews.LIVE for one in rows),
        "submitted": len(scores),
        "declined": sum(one.state == ReviewState.REFUSED for one in rows),
        "spread": reviews.spread_milli(scores) / 1000 if scores else None,
        "conflicts": application.conflict_count,  # type: ignore[attr-defined]
    }


def _why(lack: dict[str, Any]) -> str:
    """Return in words why an application cannot get its reviews."""
    match lack["why"]:
        case "few":
            return ngettext(
                "only {could} reviewer has no conflict and has room, {need} are needed",
                "only {could} reviewers have no conflict and have room, {need} are needed",
                lack["could"],
            ).format(**lack)
        case "reader":
            return gettext("nobody without a conflict reads its language ({language})").format(
                **lack
            )
        case _:
            return gettext(
                "{got} of {need} found: everybody else who could has as many as they take"
            ).format(**lack)


@login_required
@require_http_methods(["GET", "POST"])
def pool(request: SignedIn, slug: str) -> HttpResponse:
    """Who may be asked for reviews in a call: all who are active, but for those left out."""
    found = judged_call(request, slug)
    if request.method == "POST":
        out, taken = request.POST.get("out", ""), request.POST.get("in", "")
        one = get_object_or_404(queries.reviewers(), person__code=out or taken)
        act = actions.leave_out if out else actions.take_in
        act(found, one, by=request.user, now=now())
        return redirect("calls:pool", slug=slug)
    page = Paginator(queries.reviewers().filter(is_active=True), 50).get_page(
        request.GET.get("page")
    )
    busy, out_ids = queries.loads([one.person_id for one in page]), queries.left_out(found)
    rows = [
        {
            "reviewer": one,
            "topics": ", ".join(queries.topic_titles(one.topics, forms.language())),
            "load": busy[one.person_id],
            "is_out": one.person_id in out_ids,
        }
        for one in page
    ]
    return render(request, "calls/pool.html", {"call": found, "rows": rows, "page": page})


def _plan(request: SignedIn, code: str) -> AssignmentPlan:
    check_operator(request)
    found: AssignmentPlan = get_object_or_404(
        AssignmentPlan.objects.select_related("call", "cut_off"), code=code
    )
    return found


@login_required
@require_GET
def assignment_plan(request: SignedIn, code: str) -> HttpResponse:
    """A plan before it is adopted: who would review what, and what it is worth (operators)."""
    found = _plan(request, code)
    pairs = found.result["pairs"]
    names = {one.person.code: one.person.name for one in queries.reviewers()}
    titles = dict(
        Application.objects.visible_to(request.user)
        .filter(call=found.call)
        .values_list("code", "title")
    )
    loads: dict[str, int] = {}
    for pair in pairs:
        loads[pair["referee"]] = loads.get(pair["referee"], 0) + 1
    problem = assignment.problem_of(found.inputs)
    rows: dict[str, dict[str, Any]] = {}
    for pair in pairs:
        row = rows.setdefault(
            pair["paper"], {"code": pair["paper"], "title": titles.get(pair["paper"]), "who": []}
        )
        row["who"].append(
            {
                "name": names.get(pair["referee"], pair["referee"]),
                "worth": pair["worth"] / 1000,
                "is_unwilling": problem.bids.get((pair["paper"], pair["referee"])) == 0,
            }
        )
    return render(
        request,
        "calls/assignment.html",
        {
            "plan": found,
            "rows": rows.values(),
            "objective": found.result["objective"] / 1000,
            "bound": found.result["bound"] / 1000,
            "seed": problem.seed,
            "count": len(pairs),
            "most": max(loads.values(), default=0),
            "least": min(loads.values(), default=0),
        },
    )


@login_required
@require_POST
def assignment_adopt(request: SignedIn, code: str) -> HttpResponse:
    """Ask everybody for the reviews of a plan."""
    found = _plan(request, code)
    try:
        made = actions.adopt_assignment(found, by=request.user, now=now())
    except Refused as refused:
        messages.error(request, told(refused))
        return redirect("calls:assignment", code=code)
    text = ngettext(
        "{count} review is asked for. The reviewer is told.",
        "{count} reviews are asked for. The reviewers are told.",
        len(made),
    )
    messages.success(request, text.format(count=len(made)))
    return redirect("calls:reviewing", slug=found.call.slug)


@login_required
@require_GET
def application_reviewing(request: SignedIn, code: str) -> HttpResponse:
    """One application's reviews, who would be next, and its conflicts (operators)."""
    return _application_page(request, judged_application(request, code))


def _application_page(
    request: SignedIn, found: Application, *, refusal: str = "", status: int = 200
) -> HttpResponse:
    best = queries.suggestions(found, most=10)
    people = {one.person.code: one for one in queries.reviewers()}
    candidates = [
        {"name": people[one.referee].person.name, "code": one.referee, "worth": one.worth / 1000}
        for one in best
    ]
    step = queries.step_under_way(found)
    known = [
        {"row": one, "kind": gettext(ConflictKind(one.kind).label)}
        for one in queries.conflicts_of(found)
    ]
    return render(
        request,
        "calls/application_reviewing.html",
        {
            "application": found,
            "reviews": [
                {"review": one, "score": (one.score_milli or 0) / 1000}
                for one in found.reviews.all()
            ],
            "candidates": candidates,
            "conflicts": known,
            "is_open": step is not None and step.kind == "peer_review",
            "needed": found.call.mode.scoring.reviewers if found.call.mode.scoring else 0,
            "form": forms.WhyForm(),
            "everybody": [(code, one.person.name) for code, one in people.items()],
            "refusal": refusal,
        },
        status=status,
    )


@login_required
@require_POST
def application_reviewing_act(request: SignedIn, code: str, verb: str) -> HttpResponse:
    """Assign, note a conflict, or end peer review with fewer reviews (operators)."""
    found = judged_application(request, code)
    reason, by, moment = request.POST.get("reason", ""), request.user, now()
    try:
        match verb:
            case "assign":
                chosen = _chosen(request)
                actions.assign_review(found, chosen.person, by=by, now=moment)
            case "conflict":
                chosen = _chosen(request)
                actions.note_conflict(found, chosen.person, reason=reason, by=by, now=moment)
            case "close":
                actions.close_peer_review(found, reason=reason, by=by, now=moment)
            case _:
                raise Http404
    except Refused as refused:
        problems = getattr(refused, "problems", ())
        text = " ".join(told(one) for one in problems) or told(refused)
        return _application_page(request, found, refusal=text, status=409)
    messages.success(request, gettext("Done."))
    return redirect("calls:application_reviewing", code=code)


def _chosen(request: SignedIn) -> Reviewer:
    found: Reviewer = get_object_or_404(
        queries.reviewers(), person__code=request.POST.get("reviewer", "")
    )
    return found


@login_required
@require_POST
def review_act(request: SignedIn, code: str, verb: str) -> HttpResponse:
    """Take a review back, or give it to somebody else (operators)."""
    check_operator(request)
    found = get_object_or_404(
        Review.objects.select_related("application__call", "reviewer"), code=code
    )
    try:
        match verb:
            case "unassign":
                actions.unassign_review(found, by=request.user, now=now())
            case "replace":
                chosen = _chosen(request)
                actions.replace_review(found, chosen.person, by=request.user, now=now())
            case _:
                raise Http404
    except Refused as refused:
        problems = getattr(refused, "problems", ())
        messages.error(request, " ".join(told(one) for one in problems) or told(refused))
    else:
        messages.success(request, gettext("Done."))
    return redirect("calls:application_reviewing", code=found.application.code)
