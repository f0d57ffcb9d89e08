"""Entries to a grand challenge: sent, scored once, and chosen."""

import hashlib
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile

from uzina.calls import access
from uzina.calls.models import Application, Call, Challenge, Entry
from uzina.calls.rules import challenges as rules
from uzina.calls.rules import clock
from uzina.calls.rules.flows import ENTRY, ApplicationState, EntryState
from uzina.core.db import action
from uzina.core.errors import NotAllowed, Refused
from uzina.core.fields import new_code
from uzina.core.log import log
from uzina.core.promises import promise
from uzina.core.text import _
from uzina.people.models import Person


def send_entry(
    application: Application, *, content: bytes, note: str, by: Person, now: datetime
) -> Entry:
    """Receive a set of predictions; the worker scores it.

    now  when all of it had arrived: what arrives at the close or later is late

    The same file twice is refused, with the code of the first. Raises NotAllowed
    entry.send.not_yours, Refused entry.send.no_challenge, entry.send.not_admitted,
    entry.send.over, entry.send.same, entry.send.too_often, and what rules.challenges.read_entry
    raises; whatever is raised, nothing is kept.
    """
    if not access.may_edit(by, application):
        raise NotAllowed(
            "entry.send.not_yours",
            _("Only those who applied can send entries of {application}."),
            application=application.code,
        )
    challenge = Challenge.objects.filter(call=application.call_id).first()
    if challenge is None:
        raise Refused("entry.send.no_challenge", _("This call takes no entries yet."))
    rules.read_entry(content, rules.Metric(challenge.metric))
    storage = Entry._meta.get_field("file").storage  # type: ignore[union-attr] # noqa: SLF001 - Django's documented door to a field
    name = storage.save(f"entries/{new_code('ENT', 12)}.csv", ContentFile(content))
    facts = {
        "file": name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        "note": note.strip()[:200],
    }
    try:
        return _send(application, facts, by=by, now=now)
    except BaseException:
        storage.delete(name)
        raise


@action
def _send(application: Application, facts: dict[str, Any], *, by: Person, now: datetime) -> Entry:
    call = Call.objects.select_for_update(of=("self",)).get(pk=application.call_id)
    challenge = Challenge.objects.get(call=call)
    application = Application.objects.get(pk=application.pk)
    if application.state is not ApplicationState.ELIGIBLE:
        raise Refused(
            "entry.send.not_admitted",
            _("{application} is {state}. Entries are taken of applications that are eligible."),
            application=application.code,
            state=str(application.state),
        )
    if challenge.revealed_at is not None:
        raise Refused("entry.send.over", _("The scores are revealed: the challenge is over."))
    same = Entry.objects.filter(application=application, sha256=facts["sha256"]).first()
    if same is not None:
        raise Refused(
            "entry.send.same",
            _("You sent this file before, as {entry}. A file is scored once."),
            entry=same.code,
        )
    _check_pace(application, challenge, now)

    entry = Entry.objects.create(
        application=application,
        sent_by=by,
        received_at=now,
        is_late=now >= challenge.closes_at,
        **facts,
    )
    log(
        "entry.received",
        entry.code,
        by=by,
        now=now,
        application=application.code,
        sha256=entry.sha256,
        is_late=entry.is_late,
    )
    promise("calls.score_entry", key=f"score:{entry.code}", now=now, entry=entry.code)
    return entry


def _check_pace(application: Application, challenge: Challenge, now: datetime) -> None:
    begins, ends = rules.day_of(now, settings.UZINA.site.timezone)
    sent = Entry.objects.filter(
        application=application, received_at__gte=begins, received_at__lt=ends
    )
    today = list(sent.values_list("state", flat=True))
    refused = today.count(EntryState.REFUSED)
    rules.check_pace(
        scored=len(today) - refused,
        refused=refused,
        per_day=challenge.entries_per_day,
        next_day=clock.told(ends.astimezone(rules.ZoneInfo(settings.UZINA.site.timezone))),
    )


def score_entry(code: str, *, now: datetime) -> Entry:
    """Score an entry, or say why it cannot be. Scored already, nothing happens.

    Read and computed outside the transaction: it takes a while for a large file. Raises
    RuntimeError where the kept files are not those that were sent: an outage, not a mistake.
    """
    entry: Entry = Entry.objects.select_related("application").get(code=code)
    if entry.state is not EntryState.RECEIVED:
        return entry
    challenge = Challenge.objects.get(call=entry.application.call_id)
    metric = rules.Metric(challenge.metric)
    truth = rules.read_truth(_kept(challenge.truth, challenge.truth_sha256), metric)
    try:
        scores = rules.scores(
            rules.read_entry(_kept(entry.file, entry.sha256), metric), truth, metric
        )
    except Refused as refused:
        return _note_problem(entry, refused, now=now)
    return _note_scores(entry, scores, now=now)


def _kept(file: Any, sha256: str) -> bytes:
    with file.open("rb") as opened:
        content: bytes = opened.read()
    if hashlib.sha256(content).hexdigest() != sha256:
        msg = f"{file.name} is not the file that was kept"
        raise RuntimeError(msg)
    return content


def _locked(entry: Entry) -> Entry:
    Call.objects.select_for_update(of=("self",)).get(pk=entry.application.call_id)
    return (  # type: ignore[no-any-return]
        Entry.objects.select_for_update(of=("self",))
        .select_related("application__call")
        .get(pk=entry.pk)
    )


@action
def _note_scores(entry: Entry, scores: rules.Scores, *, now: datetime) -> Entry:
    entry = _locked(entry)
    if entry.state is not EntryState.RECEIVED:
        return entry
    entry.state, entry.scored_at = ENTRY.after("score", entry.state), now
    entry.public_score, entry.private_score = scores.public, scores.private
    entry.save(update_fields=["state", "scored_at", "public_score", "private_score"])
    log("entry.scored", entry.code, by=None, now=now, application=entry.application.code)
    return entry


@action
def _note_problem(entry: Entry, refused: Refused, *, now: datetime) -> Entry:
    entry = _locked(entry)
    if entry.state is not EntryState.RECEIVED:
        return entry
    entry.state, entry.scored_at = ENTRY.after("refuse", entry.state), now
    entry.problem_code, entry.problem = refused.code, refused.message
    entry.problem_facts = refused.facts
    entry.save(update_fields=["state", "scored_at", "problem_code", "problem", "problem_facts"])
    log("entry.refused", entry.code, by=None, now=now, why=refused.code)
    return entry


@action
def choose_entry(entry: Entry, *, by: Person, now: datetime) -> Entry:
    """Have this entry count instead of the one with the best public score.

    One at a time, until the close. Raises NotAllowed entry.choose.not_yours, Refused
    entry.choose.closed, entry.choose.late, entry.choose.not_scored.
    """
    entry = _locked(entry)
    if not access.may_edit(by, entry.application):
        raise NotAllowed("entry.choose.not_yours", _("Only those who applied can choose."))
    challenge = Challenge.objects.get(call=entry.application.call_id)
    if entry.is_late or now >= challenge.closes_at:
        raise Refused(
            "entry.choose.closed", _("What counts was settled at the close of the challenge.")
        )
    if entry.state is not EntryState.SCORED:
        raise Refused(
            "entry.choose.not_scored",
            _("{entry} has no score yet, or could not be scored."),
            entry=entry.code,
        )

    Entry.objects.filter(application=entry.application, is_chosen=True).update(is_chosen=False)
    entry.is_chosen = True
    entry.save(update_fields=["is_chosen"])
    log("entry.chosen", entry.code, by=by, now=now, application=entry.application.code)
    return entry
