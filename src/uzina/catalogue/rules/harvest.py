"""What other portals say of their datasets, made fit to be kept: bounded, plain, in our codes."""

import hashlib
import html
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from uzina.catalogue.rules.datasets import LONGEST_DESCRIPTION, LONGEST_TITLE, AccessRight
from uzina.catalogue.rules.texts import folded
from uzina.catalogue.rules.vocabularies import LANGUAGES, code_of, terms
from uzina.core.errors import Invalid, Problem
from uzina.core.flow import States
from uzina.core.text import _

LONGEST_URI = 1_000
MOST_KEYWORDS = 50
LONGEST_KEYWORD = 100
MOST_TEXTS = 12
MOST_FORMATS = 20
MOST_CODES = 20
MOST_PROBLEMS = 100
"""As many problems of one harvest are kept in words; the rest is counted."""

EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
TAG = re.compile(r"<[^<>]{0,2000}>")
EMAIL = re.compile(r"[^@\s<>\"']{1,64}@[A-Za-z0-9.-]{1,190}\.[A-Za-z]{2,24}")
HOURS = (1, 24 * 31)


class SourceKind(States):
    """What a portal speaks."""

    CKAN = "ckan", _("CKAN"), "quiet"
    DCAT = "dcat", _("DCAT-AP"), "quiet"


class BrokenRecord(Exception):
    """A record that cannot be kept, and why, in words for an operator."""


@dataclass(frozen=True)
class Foreign:
    """One dataset of another portal, as we keep it.

    uri           what names it there, for ever
    title, description  {language: text}, "" for a language that is not said; the first counts
    licence       slug of a licence of ours, "" when none of them was named
    licence_said  what was named, as it stands
    formats       "CSV", "JSON"
    bytes         of all its files, 0 when that is not said
    record_uri    what names the portal's own record of it, "" when it names none
    modified_at   when the portal last changed what it says, None when that is not said
    """

    uri: str
    title: Mapping[str, str]
    description: Mapping[str, str]
    keywords: tuple[str, ...] = ()
    themes: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    licence: str = ""
    licence_said: str = ""
    access: AccessRight = AccessRight.PUBLIC
    publisher: str = ""
    contact_name: str = ""
    contact_email: str = ""
    landing_url: str = ""
    formats: tuple[str, ...] = ()
    bytes: int = 0
    issued_at: datetime | None = None
    record_uri: str = ""
    modified_at: datetime | None = None

    @property
    def digest(self) -> str:
        """What tells one state of the record from another. A new date alone is no new state:
        some portals stamp all they have each time they are asked.
        """
        said = {key: one for key, one in asdict(self).items() if key != "modified_at"}
        return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()


@dataclass(frozen=True)
class Page:
    """One page of a portal.

    broken     (name of a record, why it cannot be kept)
    total      how many datasets the portal says it has, None when it does not say
    following  the place of the next page, "" after the last
    """

    records: Sequence[Foreign]
    broken: Sequence[tuple[str, str]] = ()
    total: int | None = None
    following: str = ""


def plain(text: object, longest: int) -> str:
    """Return a text without tags and control characters, cut to a length. "" for what is none."""
    if not isinstance(text, str):
        return ""
    bare = TAG.sub(" ", text[: 4 * longest])
    bare = html.unescape(bare)
    kept = "".join(
        one for one in bare if one in "\n\t" or unicodedata.category(one) not in {"Cc", "Cf", "Cs"}
    )
    kept = re.sub(r"[ \t]+", " ", kept).strip()
    return kept if len(kept) <= longest else f"{kept[: longest - 1]}…"


def web_address(text: object) -> str:
    """Return an http address, "" for anything else."""
    if not isinstance(text, str) or len(text.encode(errors="replace")) > LONGEST_URI:
        return ""
    bare = text.strip()
    try:
        parts = urlsplit(bare)
        host = parts.hostname
    except ValueError:
        return ""
    is_one = (
        parts.scheme in {"http", "https"}
        and host
        and not re.search(r"[\s<>\"\x00-\x1f\x7f\ud800-\udfff]", bare)
    )
    return bare if is_one else ""


def checked_uri(text: object) -> str:
    """Return what names a record. Raises BrokenRecord for what cannot."""
    found = web_address(text)
    if not found:
        msg = f"It has no web address that names it: {str(text)[:100]!r}."
        raise BrokenRecord(msg)
    return found


def checked_texts(texts: Mapping[str, object], longest: int) -> dict[str, str]:
    """Return texts by language: those that say something, the languages we know first of all."""
    found = {
        (code if code in LANGUAGES else ""): plain(text, longest)
        for code, text in list(texts.items())[:MOST_TEXTS]
    }
    return {code: text for code, text in found.items() if text}


def checked_title(texts: Mapping[str, object]) -> dict[str, str]:
    """Return the titles. Raises BrokenRecord when there is none."""
    found = {
        code: " ".join(text.split()) for code, text in checked_texts(texts, LONGEST_TITLE).items()
    }
    if not found:
        msg = "It has no title."
        raise BrokenRecord(msg)
    return found


def checked_description(texts: Mapping[str, object]) -> dict[str, str]:
    """Return the descriptions; none is no mistake."""
    return checked_texts(texts, LONGEST_DESCRIPTION)


def keywords(words: Iterable[object]) -> tuple[str, ...]:
    """Return keywords, each once, so many and so long as can be meant."""
    found: dict[str, None] = {}
    for word in words:
        if bare := " ".join(plain(word, LONGEST_KEYWORD).split()):
            found[bare] = None
        if len(found) == MOST_KEYWORDS:
            break
    return tuple(found)


def codes(table: str, named: Iterable[object]) -> tuple[str, ...]:
    """Return our codes for addresses of an EU table, or for codes themselves."""
    known = terms(table)
    found: dict[str, None] = {}
    for one in list(named)[: 5 * MOST_CODES]:
        if not isinstance(one, str):
            continue
        code = code_of(table, one) or next(
            (code for code in (one, one.upper(), one.lower()) if code in known), ""
        )
        if code:
            found[code] = None
    return tuple(found)[:MOST_CODES]


def file_formats(named: Iterable[object]) -> tuple[str, ...]:
    """Return formats as we write them: "CSV" for text/csv, .csv or an address of the EU table."""
    found: dict[str, None] = {}
    for one in list(named)[:1_000]:
        last = re.split(r"[/#.]", one.strip())[-1] if isinstance(one, str) else ""
        if re.fullmatch(r"[A-Za-z0-9]{1,12}", last):
            found[last.upper()] = None
    return tuple(found)[:MOST_FORMATS]


def moment(text: object) -> datetime | None:
    """Return a moment that a portal wrote, None for what is none or cannot be meant."""
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text.strip()[:40])
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
        found = found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return found if found >= EARLIEST else None


LICENCE_NAMES = {
    "cczero": "cc0-1.0",
    "cc0": "cc0-1.0",
    "cc01": "cc0-1.0",
    "ccby": "cc-by-4.0",
    "ccby4": "cc-by-4.0",
    "ccbysa": "cc-by-sa-4.0",
    "ccbysa4": "cc-by-sa-4.0",
    "ccby3": "cc-by-3.0",
    "odcodbl": "odbl-1.0",
    "odcpddl": "pddl-1.0",
    "odcby": "odc-by-1.0",
}
"""Names of CKAN's own list, bare of marks, for licences of ours."""


def licence_of(named: Iterable[object], known: Iterable[Mapping[str, str]]) -> str:
    """Return the slug of the licence that is named, "" when it is none of ours.

    named  addresses, SPDX names or CKAN's names, the best first
    known  rows of licences with slug, spdx, eu_uri and url
    """
    rows = list(known)
    slugs = {row["slug"] for row in rows}
    for one in named:
        if not isinstance(one, str) or not one.strip():
            continue
        wanted = _bare(one)
        for row in rows:
            if wanted in {_bare(row[key]) for key in ("slug", "spdx", "eu_uri", "url") if row[key]}:
                return row["slug"]
        short = LICENCE_NAMES.get(wanted, "")
        if short in slugs:
            return short
    return ""


def _bare(text: str) -> str:
    text = text.strip().lower().partition("://")[2] or text.strip().lower()
    text = re.sub(r"^www\.|/(deed|legalcode)(\.\w+)?$", "", text.rstrip("/"))
    return re.sub(r"[^a-z0-9]", "", re.sub(r"\.0\b", "", text)) or text


def email(text: object) -> str:
    """Return an e-mail address, "" for anything else."""
    bare = text.strip().removeprefix("mailto:") if isinstance(text, str) else ""
    return bare if EMAIL.fullmatch(bare) else ""


def access_of(found: Sequence[str]) -> AccessRight:
    """Return who may use the data: what is said, as far as we tell it apart; else everybody."""
    if not found or found[0] == "PUBLIC":
        return AccessRight.PUBLIC
    return AccessRight.RESTRICTED if found[0] == "RESTRICTED" else AccessRight.NON_PUBLIC


def slug_of(title: str, uri: str, *, length: int = 8) -> str:
    """Return a name for a harvested dataset: words of its title, and a digest of what names it."""
    words = re.sub(r"[^a-z0-9]+", "-", folded(title)).strip("-")[:48].rstrip("-") or "data"
    return f"{words}-{hashlib.sha256(uri.encode()).hexdigest()[:length]}"


def shrank(*, known: int, seen: int) -> bool:
    """Tell whether a portal lost so much at once that it is rather broken than smaller."""
    return known >= 10 and seen * 2 < known


def source_problems(*, title: str, url: str, kind: str, every_hours: int) -> list[Problem]:
    """Return every mistake in what an operator says of a portal."""
    problems = []
    if not title.strip() or len(title) > LONGEST_TITLE:
        problems.append(
            Problem("title", "source.title.form", _("Name the portal, in at most 200 characters."))
        )
    if not web_address(url):
        problems.append(
            Problem("url", "source.url.form", _("Write a web address such as https://example.org."))
        )
    if kind not in set(SourceKind):
        problems.append(
            Problem("kind", "source.kind.unknown", _("Choose what it speaks: ckan or dcat."))
        )
    if not HOURS[0] <= every_hours <= HOURS[1]:
        problems.append(
            Problem(
                "every_hours",
                "source.every_hours.range",
                _("Choose how often, in hours: {least} to {most}."),
                {"least": HOURS[0], "most": HOURS[1]},
            )
        )
    return problems


def check_source(*, title: str, url: str, kind: str, every_hours: int) -> None:
    """Raise Invalid with every mistake in what an operator says of a portal."""
    if problems := source_problems(title=title, url=url, kind=kind, every_hours=every_hours):
        raise Invalid(problems)


def words(value: Any) -> list[str]:
    """Return the strings of a JSON list, or a string as a list of one."""
    if isinstance(value, str):
        return [value]
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
