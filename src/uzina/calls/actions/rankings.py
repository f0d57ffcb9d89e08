"""Rankings: drafted, adopted with a seal, run again, and released with all their decisions."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from uzina.calls import access, queries
from uzina.calls.actions import awards, steps
from uzina.calls.models import Application, Call, Capacity, CutOff, Decision, Ranking
from uzina.calls.rules import ranking as rules
from uzina.calls.rules.awards import MS_PER_HOUR
from uzina.calls.rules.flows import RANKING, ApplicationState
from uzina.calls.rules.steps import StepKind
from uzina.core.db import action
from uzina.core.errors import NotAllowed, Refused
from uzina.core.log import log
from uzina.core.promises import promise
from uzina.core.text import _
from uzina.people.models import Person

RULE = "ranking"


def _check_operator(by: Person, verb: str) -> None:
    if not access.may_run_calls(by):
        raise NotAllowed(
            f"ranking.{verb}.not_operator", _("Only an operator can do this with a ranking.")
        )


def _locked(ranking: Ranking) -> Ranking:
    """Lock the call and then the ranking: the order of every writer."""
    Call.objects.select_for_update(of=("self",)).get(pk=ranking.call_id)
    return (  # type: ignore[no-any-return]
        Ranking.objects.select_for_update(of=("self",))
        .select_related("call", "cut_off")
        .get(pk=ranking.pk)
    )


@action
def draft_ranking(
    call: Call,
    *,
    cut_off: CutOff | None,
    held_back: Mapping[str, int],
    by: Person,
    now: datetime,
) -> Ranking:
    """Rank the applications of a cut-off that wait for it. A draft, that may be thrown away.

    held_back  GPU-hours by capacity that are not given now, such as for late appeals

    Raises NotAllowed ranking.draft.not_operator, Refused ranking.draft.nothing,
    ranking.draft.not_all_there, ranking.draft.held_back.
    """
    call = Call.objects.select_for_update(of=("self",)).get(pk=call.pk)
    _check_operator(by, "draft")
    inputs = _inputs(call, cut_off, held_back)

    found = Ranking.objects.create(
        call=call, cut_off=cut_off, inputs=inputs, result=rules.run(inputs), made_by=by, made_at=now
    )
    log("ranking.drafted", found.code, by=by, now=now, call=call.code)
    return found  # type: ignore[no-any-return]


def _inputs(call: Call, cut_off: CutOff | None, held_back: Mapping[str, int]) -> dict[str, Any]:
    """Return what the ranking follows from now, less what is held back."""
    inputs = queries.ranking_inputs(call, cut_off)
    if not inputs["applications"]:
        raise Refused("ranking.draft.nothing", _("No application waits for a ranking."))
    here = {one["code"] for one in inputs["applications"]}
    kind = StepKind.RANKING if call.mode.step(StepKind.RANKING) else StepKind.DECISION
    behind = [one.code for one in queries.behind(call, kind, cut_off=cut_off)]
    decided = Decision.objects.filter(application__code__in=behind).values_list(
        "application__code", flat=True
    )
    if missing := sorted(set(behind) - here - set(decided)):
        raise Refused(
            "ranking.draft.not_all_there",
            _("{applications} are still being judged. All are ranked together."),
            applications=", ".join(missing),
        )
    for one in inputs["capacities"]:
        kept = held_back.get(one["code"], 0)
        if not 0 <= kept <= one["gpu_hours"]:
            raise Refused(
                "ranking.draft.held_back",
                _("Hold back from 0 to {most} GPU-hours of {partition}."),
                most=one["gpu_hours"],
                partition=one["partition"],
            )
        one["held_back_gpu_hours"] = kept
        one["gpu_hours"] -= kept
    return inputs


@action
def discard(ranking: Ranking, *, by: Person, now: datetime) -> None:
    """Throw a draft away. Raises NotAllowed ranking.discard.not_operator, Refused .not_now."""
    ranking = _locked(ranking)
    _check_operator(by, "discard")
    RANKING.after("adopt", ranking.state)
    code = ranking.code
    ranking.delete()
    log("ranking.discarded", code, by=by, now=now)


@action
def adopt(ranking: Ranking, *, by: Person, now: datetime) -> Ranking:
    """Make a draft the decision: its record is sealed, and every application gets one.

    The decisions are pending: nobody but the factory sees them until they are released together.
    Raises NotAllowed ranking.adopt.not_operator, Refused ranking.adopt.not_now, and
    ranking.adopt.changed_meanwhile where the draft no longer says what is there.
    """
    ranking = _locked(ranking)
    _check_operator(by, "adopt")
    state = RANKING.after("adopt", ranking.state)
    held_back = {one["code"]: one["held_back_gpu_hours"] for one in ranking.inputs["capacities"]}
    try:
        inputs = _inputs(ranking.call, ranking.cut_off, held_back)
    except Refused:
        inputs = {}
    if rules.canonical(inputs) != rules.canonical(ranking.inputs):
        raise Refused(
            "ranking.adopt.changed_meanwhile",
            _("Something changed after this draft was made. Draft it again, then adopt that."),
        )
    if rules.canonical(rules.run(inputs)) != rules.canonical(ranking.result):
        raise Refused(
            "ranking.adopt.not_its_result",
            _("This draft does not say what follows from it. Draft it again."),
        )

    ranking.state, ranking.adopted_at = state, now
    ranking.seal = rules.seal(ranking.inputs, ranking.result)
    ranking.save(update_fields=["state", "adopted_at", "seal"])
    _decide(ranking, by=by, now=now)
    log(
        "ranking.adopted",
        ranking.code,
        by=by,
        now=now,
        call=ranking.call.code,
        seal=ranking.seal,
        rules=rules.VERSION,
    )
    return ranking


def _decide(ranking: Ranking, *, by: Person, now: datetime) -> None:
    """Note the pending decision on each application, and end its ranking step."""
    rows = queries.rows_of(ranking)
    capacities = {one.code: one for one in queries.capacities_for(ranking.call, ranking.cut_off)}
    applications = list(
        Application.objects.select_for_update(of=("self",))
        .select_related("call", "cut_off")
        .filter(code__in=rows)
        .order_by("pk")
    )
    Decision.objects.bulk_create(
        Decision(
            application=one,
            outcome=rows[one.code]["outcome"],
            rule=f"{RULE}_{ranking.inputs['rule']}",
            inputs={"ranking": ranking.code, **rows[one.code]},
            gpu_ms=rows[one.code]["gpu_hours"] * MS_PER_HOUR or None,
            capacity=capacities.get(rows[one.code]["capacity"]),
            ranking=ranking,
            made_at=now,
        )
        for one in applications
    )
    for one in applications:
        if ranking.call.mode.step(StepKind.RANKING):
            steps.finish(one, StepKind.RANKING, outcome="ranked", by=by, now=now)


@action
def release(ranking: Ranking, *, by: Person, now: datetime) -> Ranking:
    """Release all decisions of an adopted ranking together.

    States move, offers begin to run, the reserve list stands in rank order. The letters are
    promised; their messages are held until the last letter of the ranking is made, and leave as
    one batch. Eligibility is asked once more of those who get an award. An application that was
    withdrawn meanwhile is left out. Raises NotAllowed ranking.release.not_operator, Refused
    ranking.release.not_now, ranking.release.not_sound.
    """
    ranking = _locked(ranking)
    _check_operator(by, "release")
    state = RANKING.after("release", ranking.state)
    if not rules.check(ranking.inputs, ranking.result, ranking.seal).is_sound:
        raise Refused(
            "ranking.release.not_sound",
            _("The record of {ranking} is not what was sealed. Nothing is released."),
            ranking=ranking.code,
        )

    ranking.state, ranking.released_at = state, now
    ranking.save(update_fields=["state", "released_at"])
    pending = list(
        Decision.objects.select_for_update(of=("self",))
        .filter(ranking=ranking, released_at__isnull=True)
        .select_related("capacity__account")
        .order_by("pk")
    )
    applications = {
        one.pk: one
        for one in Application.objects.select_for_update(of=("self",))
        .select_related("call", "cut_off", "organisation", "applicant")
        .filter(pk__in=[one.application_id for one in pending])
    }
    for decision in pending:
        application = applications[decision.application_id]
        if application.state is ApplicationState.ELIGIBLE:
            _release_one(decision, application, now=now)
    log(
        "ranking.released",
        ranking.code,
        by=by,
        now=now,
        call=ranking.call.code,
        decisions=len(pending),
    )
    promise("calls.release_messages", key=f"messages:{ranking.code}", now=now, ranking=ranking.code)
    awards.offer_next(ranking.call, now=now)
    return ranking


def _release_one(decision: Decision, application: Application, *, now: datetime) -> None:
    row = decision.inputs
    match decision.outcome:
        case "award":
            if awards.still_qualifies(application, now=now):
                capacity = decision.capacity
                assert isinstance(capacity, Capacity)  # noqa: S101 - an award has one
                awards.offer(
                    application,
                    capacity,
                    gpu_ms=decision.gpu_ms or 0,
                    rule=decision.rule,
                    inputs=row,
                    now=now,
                )
        case "reserve":
            awards.reserve(application, rule=decision.rule, rank=row["rank"], now=now)
        case _:
            awards.decline(application, rule=decision.rule, inputs=row, now=now)


@action
def rerun(ranking: Ranking, *, by: Person | None, now: datetime) -> rules.Checked:
    """Run a record again and note in the log what came out. Changes nothing.

    by  None: on the server's command line. Raises NotAllowed ranking.rerun.not_yours, Refused
    ranking.rerun.not_now for a draft, which has no seal.
    """
    if by is not None and not access.may_see_rankings(by):
        raise NotAllowed(
            "ranking.rerun.not_yours", _("Only operators and auditors can run it again.")
        )
    if not ranking.seal:
        raise Refused("ranking.rerun.not_now", _("A draft has no seal. Adopt it first."))
    checked = rules.check(ranking.inputs, ranking.result, ranking.seal)
    log(
        "ranking.rerun",
        ranking.code,
        by=by,
        now=now,
        is_sealed=checked.is_sealed,
        is_same=checked.is_same,
    )
    return checked
