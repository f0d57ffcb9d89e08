"""Pages of panels."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.timezone import now
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from uzina.calls import access, actions, forms, queries
from uzina.calls.models import Application, Call, CutOff, PanelSeat
from uzina.calls.rules import decisions, modes
from uzina.calls.rules.flows import CallState
from uzina.calls.rules.steps import StepKind, StepState
from uzina.calls.views.shared import sections_shown
from uzina.core.errors import Refused
from uzina.people import queries as people_queries
from uzina.people.rules import RoleKind
from uzina.people.types import SignedIn

DOTS_WIDTH, DOTS_HEIGHT, DOT = 120, 24, 4


def dots(spread: queries.Spread, consensus: int | None, mode: modes.Mode) -> dict[str, Any]:
    """Return a small drawing of the scores of one application: a dot each, and where they meet."""
    scoring = mode.scoring
    if scoring is None:
        return {}
    low, high = 1000 * scoring.least, 1000 * scoring.most

    def at(milli: int) -> str:
        share = min(max((milli - low) / (high - low), 0), 1)
        return f"{DOT + share * (DOTS_WIDTH - 2 * DOT):.1f}"

    stacked: dict[int, int] = {}
    places = []
    for milli in spread.scores_milli:
        stacked[milli] = stacked.get(milli, 0) + 1
        places.append({"x": at(milli), "y": DOTS_HEIGHT - DOT - 2 - 5 * (stacked[milli] - 1)})
    return {
        "places": places,
        "mean": at(spread.mean_milli),
        "consensus": at(consensus) if consensus is not None else "",
        "words": ", ".join(map(decisions.in_points, spread.scores_milli)),
    }


def _call(request: SignedIn, slug: str, number: int) -> tuple[Call, CutOff | None]:
    found: Call = get_object_or_404(queries.panel_calls(request.user), slug=slug)
    try:
        return found, queries.cut_off_at(found, number)
    except LookupError:
        raise Http404 from None


@login_required
@require_GET
def panels(request: SignedIn) -> HttpResponse:
    """List the calls on whose panel one sits, with their cut-offs."""
    is_office = access.may_see_rankings(request.user)
    calls = list(queries.panel_calls(request.user)[:50])
    if not calls and not is_office and not request.user.has_role(RoleKind.PANEL):
        raise Http404
    rows = []
    for call in calls:
        if not call.mode.step(StepKind.PANEL) and not call.mode.step(StepKind.RANKING):
            continue
        cut_offs = list(call.cut_offs.all())
        numbered: list[tuple[int, datetime | None]] = [
            (number, one.closes_at) for number, one in enumerate(cut_offs, start=1)
        ]
        rows.append({"call": call, "cut_offs": numbered or [(0, call.closes_at)]})
    return render(request, "calls/panels.html", {"rows": rows, "is_office": is_office})


def _rows(
    request: SignedIn, call: Call, cut_off: CutOff | None
) -> list[tuple[Application, queries.Spread]]:
    applications = list(queries.before_panel(call, cut_off, request.user))
    return queries.disagreements_first(applications, call.mode)


@login_required
@require_GET
def panel(request: SignedIn, slug: str, number: int) -> HttpResponse:
    """Show what is before the panel of a cut-off, those first whose reviewers disagree most."""
    call, cut_off = _call(request, slug, number)
    seat = queries.seat_of(request.user, call, is_for_appeals=False)
    rows = [
        {
            "application": one,
            "spread": spread,
            "mean": decisions.in_points(spread.mean_milli),
            "apart": decisions.in_points(spread.spread_milli),
            "consensus": consensus,
            "agreed": decisions.in_points(consensus.score_milli) if consensus else "",
            "dots": dots(spread, consensus.score_milli if consensus else None, call.mode),
        }
        for one, spread in _rows(request, call, cut_off)
        for consensus in [getattr(one, "consensus", None)]
    ]
    return render(
        request,
        "calls/panel.html",
        {
            "call": call,
            "number": number,
            "cut_off": cut_off,
            "rows": rows,
            "agreed": sum(row["consensus"] is not None for row in rows),
            "is_double_blind": _is_double_blind(call),
            "is_chair": seat is not None and seat.is_chair,
            "is_office": access.may_see_rankings(request.user),
            "may_seat": access.may_run_calls(request.user),
            "is_open": queries.at_panel(call, cut_off).exists(),
            "close_form": forms.ClosePanelForm(),
        },
    )


def _is_double_blind(call: Call) -> bool:
    return call.mode.scoring is not None and call.mode.scoring.blind == "double"


@login_required
@require_http_methods(["GET", "POST"])
def panel_application(request: SignedIn, slug: str, number: int, code: str) -> HttpResponse:
    """Show one application to the panel, and write down what it agreed."""
    call, cut_off = _call(request, slug, number)
    ordered = _rows(request, call, cut_off)
    codes = [one.code for one, _spread in ordered]
    if code not in codes:
        raise Http404
    place = codes.index(code)
    found, spread = ordered[place]
    following = codes[place + 1] if place + 1 < len(codes) else ""
    consensus = getattr(found, "consensus", None)
    form = forms.ConsensusForm(
        request.POST or None, mode=call.mode, initial=_initial(found, call.mode)
    )
    if request.method == "POST" and form.is_valid():
        try:
            actions.agree(found, **form.agreed(), by=request.user, now=now())
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(request, gettext("Kept: {code}.").format(code=code))
            if "next" in request.POST and following:
                return redirect("calls:panel_application", slug, number, following)
            return redirect("calls:panel", slug, number)
    is_open = found.steps.filter(kind=StepKind.PANEL, state=StepState.OPEN).exists()
    seat = queries.seat_of(request.user, call, is_for_appeals=False)
    is_hidden = _is_double_blind(call)
    return render(
        request,
        "calls/panel_application.html",
        {
            "call": call,
            "number": number,
            "application": found,
            "spread": spread,
            "mean": decisions.in_points(spread.mean_milli),
            "apart": decisions.in_points(spread.spread_milli),
            "dots": dots(spread, consensus.score_milli if consensus else None, call.mode),
            "reviews": _reviews(found, call.mode),
            "titles": queries.criteria_titles(call),
            "consensus": consensus,
            "agreed": decisions.in_points(consensus.score_milli) if consensus else "",
            "assessment": getattr(found, "assessment", None),
            "reply": getattr(found, "reply", None),
            "answers": [] if is_hidden else sections_shown(found),
            "is_double_blind": is_hidden,
            "place": place + 1,
            "count": len(codes),
            "previous": codes[place - 1] if place else "",
            "following": following,
            "form": form if seat is not None and is_open else None,
        },
        status=422 if form.errors else 200,
    )


def _initial(application: Application, mode: modes.Mode) -> dict[str, Any]:
    consensus = getattr(application, "consensus", None)
    scores = {key: milli / 1000 for key, milli in queries.scores_of(application, mode).items()}
    if consensus is None:
        return scores
    return {**scores, "comment": consensus.comment, "note": consensus.note}


def _reviews(application: Application, mode: modes.Mode) -> list[dict[str, Any]]:
    criteria = mode.scoring.criteria if mode.scoring else ()
    return [
        {
            "review": one,
            "score": decisions.in_points(one.score_milli),
            "scores": [one.scores.get(criterion.key, "") for criterion in criteria],
        }
        for one in application.submitted_reviews  # type: ignore[attr-defined]
    ]


@login_required
@require_POST
def panel_close(request: SignedIn, slug: str, number: int) -> HttpResponse:
    """Close the panel of a cut-off: everything goes to the ranking."""
    call, cut_off = _call(request, slug, number)
    form = forms.ClosePanelForm(request.POST)
    reason = form.cleaned_data["reason"] if form.is_valid() else ""
    actions.close_panel(call, cut_off=cut_off, reason=reason, by=request.user, now=now())
    messages.success(request, gettext("The panel is closed. The ranking comes next."))
    return redirect("calls:panel", slug, number)


@login_required
@require_http_methods(["GET", "POST"])
def panel_seats(request: SignedIn, slug: str) -> HttpResponse:
    """Show who sits on the panels of a call, and seat people."""
    if not access.may_see_rankings(request.user):
        raise Http404
    found = get_object_or_404(queries.panel_calls(request.user), slug=slug)
    people = people_queries.people_with_role(RoleKind.PANEL)
    form = forms.SeatForm(request.POST or None, initial={"panel": "first"})
    forms.choose(form, "person", [("", gettext("Choose a person")), *_named(people)])
    if request.method == "POST" and form.is_valid():
        try:
            actions.seat(
                found,
                person=next(one for one in people if one.code == form.cleaned_data["person"]),
                is_for_appeals=form.cleaned_data["panel"] == "appeals",
                is_chair=form.cleaned_data["is_chair"],
                by=request.user,
                now=now(),
            )
        except Refused as refused:
            form.add_refusal(refused)
        else:
            return redirect("calls:panel_seats", slug)
    return render(
        request,
        "calls/panel_seats.html",
        {
            "call": found,
            "seats": list(queries.seats(found)),
            "form": form,
            "may_seat": access.may_run_calls(request.user),
            "is_archived": found.state is CallState.ARCHIVED,
        },
        status=422 if form.errors else 200,
    )


def _named(people: Any) -> list[tuple[str, str]]:
    return [(one.code, one.name) for one in people]


@login_required
@require_POST
def panel_unseat(request: SignedIn, slug: str, code: str) -> HttpResponse:
    """Take a person off a panel."""
    call = get_object_or_404(queries.panel_calls(request.user), slug=slug)
    seat: PanelSeat = get_object_or_404(queries.seats(call), person__code=code)
    actions.unseat(seat, by=request.user, now=now())
    return redirect(reverse("calls:panel_seats", args=[slug]))
