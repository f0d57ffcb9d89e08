"""Pages of grand challenges: the leaderboard, an entrant's entries, and the office's side."""

from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.formats import number_format
from django.utils.timezone import now
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from uzina.calls import access, actions, forms, queries
from uzina.calls.models import Application, Call, Challenge, Entry
from uzina.calls.rules import challenges as rules
from uzina.calls.rules.flows import ApplicationState, EntryState
from uzina.calls.views.shared import person_of
from uzina.core import charts
from uzina.core.errors import Refused
from uzina.people import access as people_access
from uzina.people.models import Person
from uzina.people.types import SignedIn

PLACES = 6
DRAWN = 20


def score_shown(score: int) -> str:
    """Write a score with all the places it is kept with, so that a tie is seen to be one."""
    return number_format(Decimal(score) / rules.MILLION, PLACES, force_grouping=True)


def _call(request: HttpRequest, slug: str) -> Call:
    found: Call = get_object_or_404(Call.objects.visible_to(person_of(request)), slug=slug)
    if found.mode.kind != "challenge":
        raise Http404
    return found


def _mine(person: Person | None, call: Call) -> frozenset[str]:
    if person is None:
        return frozenset()
    own = Application.objects.owned_by(person).filter(call=call)
    return frozenset(own.values_list("code", flat=True))


@require_GET
def leaderboard(request: HttpRequest, slug: str) -> HttpResponse:
    """Show who leads, what is scored and how ties and late entries are ruled. For everybody."""
    call = _call(request, slug)
    challenge = queries.challenge_of(call)
    person = person_of(request)
    context: dict[str, Any] = {
        "call": call,
        "challenge": challenge,
        "may_run": person is not None and access.may_run_calls(person),
    }
    if challenge is not None:
        mine = _mine(person, call)
        metric = rules.Metric(challenge.metric)
        page = Paginator(queries.leaderboard(challenge), 50).get_page(request.GET.get("page"))
        places = queries.places(list(page), mine)
        late = queries.late_entries(challenge)[:50]
        context |= {
            "facts": _facts(challenge, metric),
            "page": page,
            "rows": [
                {
                    "place": one,
                    "name": one.name or gettext("Entrant without a name"),
                    "score": score_shown(one.score),
                    "public": score_shown(one.public_score),
                }
                for one in places
            ],
            "late": [
                {
                    "entry": one,
                    "score": score_shown(one.public_score or 0),
                    "name": one.application.organisation.name
                    if queries.may_be_named(one.application)
                    else gettext("Entrant without a name"),
                }
                for one in late
            ],
            "chart": charts.bar_chart(
                title=gettext("The first places"),
                x_label=gettext("Entrant"),
                y_label=gettext(metric.label),
                bars=[
                    (f"{one.rank}. {one.name or one.entry}", one.score / rules.MILLION)
                    for one in places[:DRAWN]
                ],
                places=PLACES,
            ),
            "own": sorted(mine),
            "moment": now(),
        }
    return render(request, "calls/leaderboard.html", context)


def _facts(challenge: Challenge, metric: rules.Metric) -> list[tuple[str, str]]:
    better = gettext("less is better") if metric.is_less_better else gettext("more is better")
    prizes = [number_format(one, force_grouping=True) for one in challenge.prizes]
    return [
        (gettext("Metric"), f"{gettext(metric.label)}, {better}"),
        (
            gettext("Prizes, GPU-hours by rank"),
            "; ".join(f"{rank}. {hours}" for rank, hours in enumerate(prizes, 1)),
        ),
        (gettext("Entries a day"), str(challenge.entries_per_day)),
        (
            gettext("Answers held out"),
            gettext("{public} public, {private} private").format(
                public=number_format(challenge.public_items, force_grouping=True),
                private=number_format(challenge.private_items, force_grouping=True),
            ),
        ),
        (gettext("Seal of the answers"), challenge.seal),
    ]


@login_required
@require_http_methods(["GET", "POST"])
def entries(request: SignedIn, code: str) -> HttpResponse:
    """Show what an entrant sent and what it scored, and take another entry."""
    found = _entrant(request, code)
    challenge = queries.challenge_of(found.call)
    form = forms.EntryForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            sent = actions.send_entry(
                found,
                content=form.cleaned_data["file"],
                note=form.cleaned_data["note"],
                by=request.user,
                now=now(),
            )
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(
                request,
                gettext("{code} has arrived. It is scored within a few minutes.").format(
                    code=sent.code
                ),
            )
            return redirect("calls:entries", code=code)
    page = Paginator(queries.entries_of(found), 50).get_page(request.GET.get("page"))
    is_over = challenge is not None and challenge.revealed_at is not None
    return render(
        request,
        "calls/entries.html",
        {
            "application": found,
            "challenge": challenge,
            "form": form,
            "page": page,
            "rows": [_entry_shown(one, is_over=is_over) for one in page],
            "may_send": challenge is not None
            and not is_over
            and found.state is ApplicationState.ELIGIBLE,
            "may_choose": challenge is not None and now() < challenge.closes_at,
            "is_late": challenge is not None and now() >= challenge.closes_at,
        },
        status=422 if form.errors else 200,
    )


def _entry_shown(entry: Entry, *, is_over: bool) -> dict[str, Any]:
    return {
        "entry": entry,
        "public": "" if entry.public_score is None else score_shown(entry.public_score),
        "private": score_shown(entry.private_score)
        if is_over and entry.private_score is not None
        else "",
        "problem": gettext(entry.problem).format(**entry.problem_facts) if entry.problem else "",
        "is_choosable": entry.state is EntryState.SCORED and not entry.is_late,
    }


def _entrant(request: SignedIn, code: str) -> Application:
    """Return one of the reader's own applications to a challenge, or 404."""
    found: Application = get_object_or_404(
        Application.objects.owned_by(request.user).select_related("call"), code=code
    )
    if found.call.mode.kind != "challenge":
        raise Http404
    return found


@login_required
@require_POST
def entry_choose(request: SignedIn, code: str) -> HttpResponse:
    """Have this entry count."""
    own = Application.objects.owned_by(request.user)
    found = get_object_or_404(
        Entry.objects.filter(application__in=own.values("pk")).select_related("application"),
        code=code,
    )
    actions.choose_entry(found, by=request.user, now=now())
    messages.success(request, gettext("{code} counts from now on.").format(code=code))
    return redirect("calls:entries", code=found.application.code)


def _office(request: SignedIn, slug: str) -> Call:
    person = request.user
    if not (people_access.is_operator(person) or people_access.is_auditor(person)):
        raise Http404
    return _call(request, slug)


@login_required
@require_http_methods(["GET", "POST"])
def challenge(request: SignedIn, slug: str) -> HttpResponse:
    """Set a challenge, see how far its entries are, reveal the scores and give the prizes."""
    call = _office(request, slug)
    found = queries.challenge_of(call)
    form = forms.ChallengeForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        facts = actions.ChallengeFacts(**form.facts())
        try:
            actions.set_challenge(
                call, facts, truth=form.cleaned_data["truth"], by=request.user, now=now()
            )
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(request, gettext("The challenge is set."))
            return redirect("calls:challenge", slug=slug)
    counts = queries.entry_counts(call)
    return render(
        request,
        "calls/challenge.html",
        {
            "call": call,
            "challenge": found,
            "form": form,
            "facts": _facts(found, rules.Metric(found.metric)) if found else [],
            "counts": counts,
            "may_run": access.may_run_calls(request.user),
            "may_set": counts["entrants"] == 0,
            "may_reveal": found is not None
            and found.revealed_at is None
            and now() >= found.closes_at
            and counts["received"] == 0,
            "may_release": found is not None
            and found.revealed_at is not None
            and found.released_at is None,
        },
        status=422 if form.errors else 200,
    )


@login_required
@require_POST
def challenge_reveal(request: SignedIn, slug: str) -> HttpResponse:
    """Show the private scores."""
    actions.reveal(_office(request, slug), by=request.user, now=now())
    messages.success(request, gettext("The scores are revealed."))
    return redirect("calls:challenge", slug=slug)


@login_required
@require_POST
def challenge_release(request: SignedIn, slug: str) -> HttpResponse:
    """Offer the prizes."""
    actions.release_prizes(_office(request, slug), by=request.user, now=now())
    messages.success(request, gettext("The prizes are offered, and everybody is told."))
    return redirect("calls:challenge", slug=slug)
