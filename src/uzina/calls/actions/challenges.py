"""Setting a grand challenge up, revealing its scores, and giving its prizes."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.files.base import ContentFile

from uzina.calls import access, queries
from uzina.calls.actions import awards as award_actions
from uzina.calls.actions import steps
from uzina.calls.models import Application, Call, Capacity, Challenge, Entry
from uzina.calls.rules import challenges as rules
from uzina.calls.rules.awards import MS_PER_HOUR
from uzina.calls.rules.flows import ApplicationState, EntryState
from uzina.calls.rules.steps import StepKind
from uzina.core.db import action
from uzina.core.errors import Invalid, NotAllowed, Problem, Refused
from uzina.core.fields import new_code
from uzina.core.log import log
from uzina.core.text import _
from uzina.people.models import Person

LEADERBOARD = "leaderboard"


@dataclass(frozen=True)
class ChallengeFacts:
    """What an operator says of a challenge. prizes: GPU-hours by rank."""

    metric: str
    prizes: Sequence[int]
    entries_per_day: int
    closes_at: datetime


def set_challenge(
    call: Call, facts: ChallengeFacts, *, truth: bytes, by: Person, now: datetime
) -> Challenge:
    """Say what the entries to a call are scored on. It may be said anew until there is an entry.

    truth  the held-out answers, as rules.challenges.read_truth reads them

    Raises NotAllowed challenge.set.not_operator, Refused challenge.set.no_challenge,
    challenge.set.has_entries, challenge.truth.<why>, Invalid with every mistake.
    """
    if not access.may_run_calls(by):
        raise NotAllowed("challenge.set.not_operator", _("Only an operator can set a challenge."))
    if problems := _mistakes(call, facts, now):
        raise Invalid(problems)
    answers = rules.read_truth(truth, rules.Metric(facts.metric))
    salt = secrets.token_hex(32)
    public = sum(one.is_public for one in answers.values())
    values = {
        "truth_sha256": hashlib.sha256(truth).hexdigest(),
        "salt": salt,
        "seal": hashlib.sha256(bytes.fromhex(salt) + truth).hexdigest(),
        "public_items": public,
        "private_items": len(answers) - public,
        "metric": facts.metric,
        "prizes": list(facts.prizes),
        "entries_per_day": facts.entries_per_day,
        "closes_at": facts.closes_at,
        "made_at": now,
    }
    storage = Challenge._meta.get_field("truth").storage  # type: ignore[union-attr] # noqa: SLF001 - Django's documented door to a field
    name = storage.save(f"challenges/{new_code('TRU', 12)}.csv", ContentFile(truth))
    before = Challenge.objects.filter(call=call).values_list("truth", flat=True).first()
    try:
        challenge = _set(call, values | {"truth": name}, by=by, now=now)
    except BaseException:
        storage.delete(name)
        raise
    if before:
        storage.delete(before)
    return challenge


@action
def _set(call: Call, values: dict[str, Any], *, by: Person, now: datetime) -> Challenge:
    call = Call.objects.select_for_update(of=("self",)).get(pk=call.pk)
    if Entry.objects.filter(application__call=call).exists():
        raise Refused(
            "challenge.set.has_entries",
            _("Entries were scored on what is there. It cannot be changed any more."),
        )
    challenge, _is_new = Challenge.objects.update_or_create(call=call, defaults=values)
    log(
        "challenge.set",
        call.code,
        by=by,
        now=now,
        **{name: values[name] for name in ("truth_sha256", "seal", "metric", "prizes")},
        closes_at=values["closes_at"],
        entries_per_day=values["entries_per_day"],
    )
    return challenge


def _mistakes(call: Call, facts: ChallengeFacts, now: datetime) -> list[Problem]:
    if call.mode.kind != "challenge":
        raise Refused(
            "challenge.set.no_challenge",
            _("This call is no grand challenge: its mode gives hours in another way."),
        )
    problems = []
    if facts.metric not in set(rules.Metric):
        problems.append(
            Problem(
                "metric",
                "challenge.set.metric",
                _("Choose one of: {choices}."),
                {"choices": ", ".join(rules.Metric)},
            )
        )
    if not 1 <= facts.entries_per_day <= rules.MOST_ENTRIES_PER_DAY:
        problems.append(
            Problem(
                "entries_per_day",
                "challenge.set.entries_per_day",
                _("Write a whole number from {least} to {most}."),
                {"least": 1, "most": rules.MOST_ENTRIES_PER_DAY},
            )
        )
    if facts.closes_at <= now:
        problems.append(
            Problem(
                "closes_at", "challenge.set.closes_at", _("The challenge must close in the future.")
            )
        )
    return [*problems, *_prize_mistakes(call, facts.prizes)]


def _prize_mistakes(call: Call, prizes: Sequence[int]) -> list[Problem]:
    free = sum(queries.free_gpu_ms(one) for one in _capacities(call)) // MS_PER_HOUR
    if not 1 <= len(prizes) <= rules.MOST_PRIZES or any(one < 1 for one in prizes):
        return [
            Problem(
                "prizes",
                "challenge.set.prizes",
                _("Write the GPU-hours of each prize, 1 or more, the first rank first."),
            )
        ]
    if list(prizes) != sorted(prizes, reverse=True):
        return [
            Problem(
                "prizes",
                "challenge.set.prizes_order",
                _("No prize may be larger than the one of the rank before."),
            )
        ]
    if sum(prizes) > free:
        return [
            Problem(
                "prizes",
                "challenge.set.prizes_too_large",
                _("All prizes together are {asked} GPU-hours and the call has {free} left."),
                {"asked": sum(prizes), "free": free},
            )
        ]
    return []


def _capacities(call: Call) -> list[Capacity]:
    return list(Capacity.objects.select_related("account").filter(call=call).order_by("pk"))


def _locked(call: Call, by: Person, verb: str) -> Challenge:
    """Lock the call and then its challenge: the order of every writer."""
    Call.objects.select_for_update(of=("self",)).get(pk=call.pk)
    challenge: Challenge = (
        Challenge.objects.select_for_update(of=("self",)).select_related("call").get(call=call)
    )
    if not access.may_run_calls(by):
        raise NotAllowed(
            f"challenge.{verb}.not_operator", _("Only an operator can do this with a challenge.")
        )
    return challenge


def _entrants(call: Call) -> list[Application]:
    return list(
        Application.objects.select_for_update(of=("self",))
        .select_related("call", "organisation", "applicant")
        .filter(call=call, state=ApplicationState.ELIGIBLE)
        .order_by("pk")
    )


@action
def reveal(call: Call, *, by: Person, now: datetime) -> Challenge:
    """Show the private scores: the final ranking, noted in the log. Doing it again changes nothing.

    Raises NotAllowed challenge.reveal.not_operator, Refused challenge.reveal.too_early,
    challenge.reveal.not_scored.
    """
    challenge = _locked(call, by, "reveal")
    if challenge.revealed_at is not None:
        return challenge
    if now < challenge.closes_at:
        raise Refused(
            "challenge.reveal.too_early",
            _("Entries are taken until the close. Reveal the scores after it."),
        )
    waiting = Entry.objects.filter(application__call=call, state=EntryState.RECEIVED).count()
    if waiting:
        raise Refused(
            "challenge.reveal.not_scored",
            _("Entries not scored yet: {count}. Wait until they are."),
            count=waiting,
        )

    challenge.revealed_at = now
    challenge.save(update_fields=["revealed_at"])
    for application in _entrants(call):
        steps.finish(application, StepKind.RANKING, outcome="ranked", by=by, now=now)
    log(
        "challenge.revealed",
        call.code,
        by=by,
        now=now,
        seal=challenge.seal,
        ranking=[
            {"rank": one.rank, "application": one.entrant, "entry": one.entry, "score": one.score}
            for one in queries.final_ranking(challenge)
        ],
    )
    return challenge


@action
def release_prizes(call: Call, *, by: Person, now: datetime) -> Challenge:
    """Offer the prizes by rank and tell everybody where they stand. Again, nothing happens.

    Eligibility is asked once more: those after an entrant who no longer qualifies move up. A
    prize that is refused afterwards goes to nobody. Raises NotAllowed
    challenge.release.not_operator, Refused challenge.release.not_revealed,
    challenge.release.no_capacity.
    """
    challenge = _locked(call, by, "release")
    if challenge.released_at is not None:
        return challenge
    if challenge.revealed_at is None:
        raise Refused("challenge.release.not_revealed", _("Reveal the scores first."))
    ranking = queries.final_ranking(challenge)
    entrants = {one.code: one for one in _entrants(call)}
    standing = [one for one in ranking if one.entrant in entrants]
    passed_over = [
        one.entrant
        for one in standing
        if not award_actions.still_qualifies(entrants[one.entrant], now=now)
    ]
    won = rules.winners(standing, challenge.prizes, passed_over)

    places = {one.entrant: one for one in standing}
    for code, application in entrants.items():
        if code in passed_over:
            continue
        place = places.get(code)
        inputs = {
            "rank": place.rank if place else None,
            "entry": place.entry if place else None,
            "score": place.score if place else None,
            "metric": challenge.metric,
        }
        if code in won:
            _give(application, won[code] * MS_PER_HOUR, inputs, now)
        else:
            award_actions.decline(application, rule=LEADERBOARD, inputs=inputs, now=now)
    challenge.released_at = now
    challenge.save(update_fields=["released_at"])
    log("challenge.released", call.code, by=by, now=now, prizes=won)
    return challenge


def _give(application: Application, gpu_ms: int, inputs: dict[str, Any], now: datetime) -> None:
    capacities = _capacities(application.call)
    fitting = [one for one in capacities if queries.free_gpu_ms(one) >= gpu_ms]
    if not fitting:
        raise Refused(
            "challenge.release.no_capacity",
            _("The call has not enough left in one partition for a prize of {hours} GPU-hours."),
            hours=gpu_ms // MS_PER_HOUR,
        )
    award_actions.offer(
        application, fitting[0], gpu_ms=gpu_ms, rule=LEADERBOARD, inputs=inputs, now=now
    )
