"""A calendar that programs subscribe to: RFC 5545, the little of it that deadlines need."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

LONGEST_LINE = 75
"""Octets of a line before it is folded (RFC 5545, section 3.1)."""


@dataclass(frozen=True)
class Entry:
    """One deadline. sequence: how often it was moved; uid stays the same when it is."""

    uid: str
    at: datetime
    title: str
    address: str
    sequence: int


def icalendar(entries: Iterable[Entry], *, name: str, now: datetime) -> str:
    """Return a calendar of deadlines. Times are in UTC, so no program can take them for others."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Uzina//Cut-offs//EN",
        "METHOD:PUBLISH",
        f"X-WR-CALNAME:{_text(name)}",
        "REFRESH-INTERVAL;VALUE=DURATION:PT6H",
    ]
    for one in entries:
        lines += [
            "BEGIN:VEVENT",
            f"UID:{_text(one.uid)}",
            f"DTSTAMP:{_instant(now)}",
            f"SEQUENCE:{one.sequence}",
            f"DTSTART:{_instant(one.at)}",
            f"DTEND:{_instant(one.at)}",
            f"SUMMARY:{_text(one.title)}",
            f"URL:{one.address}",
            "TRANSP:TRANSPARENT",
            "END:VEVENT",
        ]
    lines.append("END:VCALENDAR")
    return "".join(f"{folded}\r\n" for line in lines for folded in _folded(line))


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _text(text: str) -> str:
    """Return a text as a value: what would end it is escaped, line breaks and the like are not."""
    plain = "".join(one if one.isprintable() else " " for one in text)
    return plain.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")


def _folded(line: str) -> Iterable[str]:
    """Return a line in parts of at most 75 octets, never within a letter."""
    part, size, limit = "", 0, LONGEST_LINE
    for letter in line:
        octets = len(letter.encode())
        if size + octets > limit:
            yield part
            part, size = " ", 1
        part, size = part + letter, size + octets
    yield part
