"""The audit log: what was done, by whom, when. It is also the bus that carries news upward."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings

from uzina.core import rules
from uzina.core.db import scope
from uzina.core.models import LogEntry, LogHead
from uzina.core.news import promise_news


class Actor(Protocol):
    """Who acts: known to the log by a code, never by name or address."""

    code: str


def log(event: str, subject: str, *, by: Actor | None, now: datetime, **facts: Any) -> None:
    """Note that something happened, in the transaction in which it happens.

    event    `<noun>.<past participle>`: "award.accepted"
    subject  the code of the thing
    by       the person, or None for the factory itself
    facts    JSON-able, no personal data beyond codes

    Raises RuntimeError outside an action.
    """
    here = scope()
    if not here.depth:
        msg = f"log({event!r}) outside an action"
        raise RuntimeError(msg)
    here.entries.append(
        LogEntry(
            at=now,
            event=event,
            subject=subject,
            actor=by.code if by else "",
            via=getattr(by, "via", "") if by else "",
            facts=json.loads(json.dumps(facts, default=str)),
        )
    )


def write_entries(entries: list[LogEntry]) -> None:
    """Chain the entries to the end of the log and promise the news to those who subscribed."""
    if not entries:
        return
    LogHead.objects.get_or_create(pk=1)
    head = LogHead.objects.select_for_update().get(pk=1)
    for entry in entries:
        head.seq += 1
        entry.seq = head.seq
        head.seal = entry.seal = rules.seal(_key(), head.seal, _fields(entry))
    LogEntry.objects.bulk_create(entries)
    head.save(update_fields=["seq", "seal"])
    for entry in entries:
        promise_news(entry)


@dataclass(frozen=True)
class LogCheck:
    """What a walk along the chain found."""

    entries: int
    problems: list[str]


def check_log() -> LogCheck:
    """Walk the chain from its first entry and report every break, and a cut-off end.

    The head is read before the walk, and again after it: entries that are written meanwhile are
    no fault.

    Cost: one query of the table, read in chunks; about 20 microseconds a row.
    """
    problems: list[str] = []
    previous, count, last = "", 0, 0
    heads = list(_noted_heads())
    seals: dict[int, str] = {}
    head = LogHead.objects.filter(pk=1).first()
    wanted = {seq for seq, _ in heads} | ({head.seq} if head is not None else set())
    for entry in LogEntry.objects.order_by("seq").iterator(chunk_size=2000):
        if entry.seq != last + 1:
            problems.append(f"Entry {last + 1} is missing: after {last} comes {entry.seq}.")
        elif entry.seal != rules.seal(_key(), previous, _fields(entry)):
            problems.append(
                f"Entry {entry.seq} ({entry.event} {entry.subject}) was changed or moved."
            )
        previous, last = entry.seal, entry.seq
        count += 1
        if entry.seq in wanted:
            seals[entry.seq] = entry.seal
    is_short = head is not None and head.seq > 0 and seals.get(head.seq) != head.seal
    if not is_short:
        head = LogHead.objects.filter(pk=1).first()
    if head is not None and (is_short or head.seq < last):
        problems.append(f"The log ends at {last}, but {head.seq} entries were written.")
    problems += [
        f"The head noted outside the database at entry {seq} does not match the log: "
        "entries were cut off, or an old copy was put back."
        for seq, noted in heads
        if seals.get(seq) != noted
    ]
    return LogCheck(count, problems)


def note_head() -> None:
    """Copy the head of the log to a file outside the database, where a cut-off shows.

    Nothing is written while the log has not grown.
    """
    head = LogHead.objects.filter(pk=1).first()
    if head is None or not head.seq:
        return
    noted = list(_noted_heads())
    if noted and noted[-1][0] >= head.seq:
        return
    path = _heads_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(f"{head.seq} {head.seal}\n")
        file.flush()
        os.fsync(file.fileno())


def _heads_file() -> Path:
    return Path(settings.UZINA.folders.var) / "log-heads.txt"


def _noted_heads() -> Iterator[tuple[int, str]]:
    path = _heads_file()
    if path.exists():
        for line in path.read_text().splitlines():
            seq, _, noted = line.partition(" ")
            if seq.isdigit() and noted:
                yield int(seq), noted


def _key() -> bytes:
    return str(settings.UZINA_LOG_KEY).encode()


def _fields(entry: LogEntry) -> dict[str, Any]:
    return {
        "seq": entry.seq,
        "at": entry.at,
        "event": entry.event,
        "subject": entry.subject,
        "actor": entry.actor,
        "via": entry.via,
        "facts": entry.facts,
    }
