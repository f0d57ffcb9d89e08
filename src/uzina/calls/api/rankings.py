"""Rankings: what if, drafts, the record, release."""

from datetime import datetime
from typing import Annotated, Any

from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from ninja import Router, Schema, Status
from pydantic import Field

from uzina.calls import access, actions, queries
from uzina.calls.api.panel import Number, call_at
from uzina.calls.api.shared import Code, Slug
from uzina.calls.models import Ranking
from uzina.calls.rules import ranking as rules
from uzina.calls.rules.flows import RANKING, RankingState
from uzina.people.types import SignedIn

router = Router(tags=["calls"])

Amounts = dict[Annotated[str, Field(max_length=60)], Annotated[int, Field(ge=0, le=10**12)]]


class DraftIn(Schema):
    """GPU-hours by capacity that are not given now."""

    held_back: Amounts = {}


class WhatIfIn(Schema):
    """Other capacities (GPU-hours), weights and terms; what is left out stays as in the call."""

    capacities: Amounts = {}
    weights: Amounts = {}
    rule: Annotated[str, Field(pattern="^(strict|fill)$")] | None = None
    least_share_percent: Annotated[int, Field(ge=1, le=100)] | None = None
    threshold_milli: Annotated[int, Field(ge=0, le=100_000)] | None = None


class RankingOut(Schema):
    """A ranking: the record of what it follows from, and what follows."""

    code: str
    call: str
    cut_off: int
    state: RankingState
    inputs: dict[str, Any]
    result: dict[str, Any]
    seal: str
    made_at: datetime
    adopted_at: datetime | None
    released_at: datetime | None
    allowed: list[str]


class CheckedOut(Schema):
    """What running a record again found."""

    is_sound: bool
    is_sealed: bool
    is_same: bool


class WhyOut(Schema):
    """Why an application got what it got, and how many hours more would bring it an award."""

    row: dict[str, Any]
    words: str
    gpu_hours_more: int | None


def _ranking(request: SignedIn, code: str) -> Ranking:
    if not access.may_see_rankings(request.user):
        raise Http404
    return get_object_or_404(queries.rankings(), code=code)


def _out(ranking: Ranking, request: SignedIn) -> RankingOut:
    may_run = access.may_run_calls(request.user)
    return RankingOut(
        code=ranking.code,
        call=ranking.call.slug,
        cut_off=queries.number_of(ranking.call, ranking.cut_off),
        state=ranking.state,
        inputs=ranking.inputs,
        result=ranking.result,
        seal=ranking.seal,
        made_at=ranking.made_at,
        adopted_at=ranking.adopted_at,
        released_at=ranking.released_at,
        allowed=RANKING.verbs(ranking.state) if may_run else [],
    )


@router.get("/rankings/{code}", response=RankingOut)
def show_ranking(request: SignedIn, code: Code) -> RankingOut:
    """One ranking with its whole record (operator, auditor)."""
    return _out(_ranking(request, code), request)


@router.post("/rankings/{slug}/{number}/what-if", response=dict[str, Any])
def what_if(request: SignedIn, slug: Slug, number: Number, asked: WhatIfIn) -> Any:
    """What would come out with other figures (operator, auditor). Nothing is kept."""
    if not access.may_see_rankings(request.user):
        raise Http404
    call, cut_off = call_at(request, slug, number)
    inputs = queries.ranking_inputs(call, cut_off)
    given = asked.dict(exclude_none=True)
    terms = {
        key: given.get(key, inputs[key])
        for key in ("rule", "least_share_percent", "threshold_milli")
    }
    tried = rules.changed(inputs, capacities=asked.capacities, weights=asked.weights, **terms)
    return rules.run(tried)


@router.get("/rankings/{code}/why/{application}", response=WhyOut)
def why(request: SignedIn, code: Code, application: Code) -> WhyOut:
    """Why one application got what it got (operator, auditor)."""
    found = _ranking(request, code)
    row = queries.rows_of(found).get(application)
    if row is None:
        raise Http404
    more = rules.hours_more(found.inputs, application) if row["outcome"] == "reserve" else None
    words = queries.sentence_on(dict(row), found, found.call)
    return WhyOut(row=dict(row), words=words, gpu_hours_more=more)


@router.post("/rankings/{code}/adopt", response=RankingOut)
def adopt_ranking(request: SignedIn, code: Code) -> RankingOut:
    """Adopt a draft: sealed, with pending decisions (operator)."""
    actions.adopt(_ranking(request, code), by=request.user, now=now())
    return _out(_ranking(request, code), request)


@router.post("/rankings/{code}/release", response=RankingOut)
def release_ranking(request: SignedIn, code: Code) -> RankingOut:
    """Release all its decisions together (operator)."""
    actions.release(_ranking(request, code), by=request.user, now=now())
    return _out(_ranking(request, code), request)


@router.post("/rankings/{code}/rerun", response=CheckedOut)
def rerun_ranking(request: SignedIn, code: Code) -> CheckedOut:
    """Run its record again and compare (operator, auditor)."""
    checked = actions.rerun(_ranking(request, code), by=request.user, now=now())
    return CheckedOut(
        is_sound=checked.is_sound, is_sealed=checked.is_sealed, is_same=checked.is_same
    )


@router.delete("/rankings/{code}", response={204: None})
def discard_ranking(request: SignedIn, code: Code) -> Status[None]:
    """Throw a draft away (operator)."""
    actions.discard(_ranking(request, code), by=request.user, now=now())
    return Status(204, None)


@router.post("/rankings/{slug}/{number}", response=RankingOut)
def draft_a_ranking(request: SignedIn, slug: Slug, number: Number, asked: DraftIn) -> RankingOut:
    """Rank what waits at a cut-off (operator). A draft."""
    call, cut_off = call_at(request, slug, number)
    found = actions.draft_ranking(
        call, cut_off=cut_off, held_back=asked.held_back, by=request.user, now=now()
    )
    return _out(_ranking(request, found.code), request)
