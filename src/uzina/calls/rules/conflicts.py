"""Who must not judge what: conflicts of interest, found in what is on record."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache

from uzina.calls.rules.topics import plain
from uzina.core.errors import Invalid, Problem
from uzina.core.text import _
from uzina.people.rules import Named

LEGAL_FORMS = frozenset(
    (
        "ab",
        "ad",
        "ag",
        "as",
        "asa",
        "bv",
        "co",
        "corp",
        "doo",
        "ead",
        "ev",
        "gmbh",
        "inc",
        "kft",
        "kg",
        "llc",
        "llp",
        "lp",
        "ltd",
        "limited",
        "lda",
        "mbh",
        "nv",
        "ood",
        "oo",
        "oy",
        "oyj",
        "plc",
        "pfa",
        "ra",
        "sa",
        "sab",
        "sarl",
        "sas",
        "sc",
        "scs",
        "sia",
        "sl",
        "snc",
        "societate",
        "spa",
        "sp",
        "spolka",
        "srl",
        "srls",
        "sro",
        "ug",
        "uab",
        "z",
        "zrt",
        "zoo",
    )
)
"""Words of a name that say the legal form of a body, not which body it is."""


class ConflictKind(Named):
    """Why somebody must not judge an application."""

    ORGANISATION = "organisation", _("Same organisation")
    PAST_ORGANISATION = "past_organisation", _("Same organisation in recent years")
    CO_AUTHOR = "co_author", _("Co-author")
    CO_APPLICANT = "co_applicant", _("Applied or worked together before")
    TEAM = "team", _("Named in the application")
    DECLARED = "declared", _("Declared by the reviewer")


@dataclass(frozen=True)
class Somebody:
    """A person as an application or a profile names them; what is not known is empty."""

    name: str = ""
    email: str = ""
    orcid: str = ""
    code: str = ""

    @cached_property
    def marks(self) -> frozenset[str]:
        """What two that are one person have at least one of in common."""
        words = plain(self.name).split()
        whole = {word for word in words if len(word) > 1} or set(words)
        return frozenset(
            one for one in (*whole, self.email.casefold(), self.orcid, self.code) if one
        )


@dataclass(frozen=True)
class Body:
    """An organisation by its name, by its code where it is known here.

    until  the last day somebody was there; None where they still are
    """

    name: str
    code: str = ""
    until: date | None = None


@dataclass(frozen=True)
class Expert:
    """Somebody who could be asked to judge, as far as conflicts go.

    bodies      where they are and were
    co_authors  with whom they published
    partners    with whom they applied or worked here before, and in what: (person, code)
    """

    me: Somebody
    bodies: tuple[Body, ...] = ()
    co_authors: tuple[Somebody, ...] = ()
    partners: tuple[tuple[Somebody, str], ...] = ()


@dataclass(frozen=True)
class Work:
    """An application as far as conflicts go: whose it is, and everybody it names.

    bodies  the organisation and those linked with it
    """

    code: str
    bodies: tuple[Body, ...]
    people: tuple[Somebody, ...]

    @cached_property
    def by_mark(self) -> dict[str, list[Somebody]]:
        """Its people by their marks."""
        found: dict[str, list[Somebody]] = {}
        for one in self.people:
            for mark in one.marks:
                found.setdefault(mark, []).append(one)
        return found

    def names(self, somebody: Somebody) -> bool:
        """Tell whether somebody is among its people."""
        near = (one for mark in somebody.marks for one in self.by_mark.get(mark, ()))
        return any(is_same_person(somebody, one) for one in near)


@dataclass(frozen=True)
class Found:
    """One conflict, and what it was found by: for operators."""

    kind: ConflictKind
    detail: str


def without_form(name: str) -> list[str]:
    """Return the words of a body's name, plain, without its legal form."""
    dotless = re.sub(r"(?<=\w)\.(?=\w)|\.(?=\s|$)", "", name)
    words = plain(dotless).split()
    return [one for one in words if one not in LEGAL_FORMS] or words


@lru_cache(maxsize=100_000)
def body_key(name: str) -> str:
    """Return the name of a body without legal form, marks, case and the order of its words."""
    return " ".join(sorted(without_form(name)))


def is_same_body(one: Body, other: Body) -> bool:
    """Tell whether two bodies are one: by code where both have one that is equal, or by name."""
    if one.code and one.code == other.code:
        return True
    return bool(body_key(one.name)) and body_key(one.name) == body_key(other.name)


def is_same_person(one: Somebody, other: Somebody) -> bool:
    """Tell whether two are one: by code, ORCID iD or address, else by name.

    A name is the same in any order of its words; "A. Pop" and "Ana Maria Pop" may be "Ana Pop".
    Two people of one name are taken for one, even with two accounts here, unless their ORCID iDs
    differ: it is cheaper to look for another reviewer than to have somebody judge their own cause.
    """
    if one.orcid and other.orcid:
        return one.orcid == other.orcid
    if one.code and one.code == other.code:
        return True
    if one.email and one.email.casefold() == other.email.casefold():
        return True
    return _is_same_name(plain(one.name).split(), plain(other.name).split())


def _is_same_name(one: list[str], other: list[str]) -> bool:
    """Compare names word by word; a single letter stands for a word that begins with it."""
    if len(one) < 2 or len(other) < 2:
        return bool(one) and one == other
    shorter, longer = sorted((one, other), key=len)
    whole = [word for word in shorter if len(word) > 1]
    left = list(longer)
    for word in whole:
        if word in left:
            left.remove(word)
        elif any(len(rest) == 1 and word.startswith(rest) for rest in left):
            left.remove(next(rest for rest in left if len(rest) == 1 and word.startswith(rest)))
        else:
            return False
    for letter in (word for word in shorter if len(word) == 1):
        match = next((rest for rest in left if rest.startswith(letter)), None)
        if match is None:
            return False
        left.remove(match)
    return any(len(word) > 1 and word in longer for word in whole)


def since(today: date, years: int) -> date:
    """Return the first day that still counts: so many years ago, 28 February for 29."""
    try:
        return today.replace(year=today.year - years)
    except ValueError:
        return today.replace(year=today.year - years, day=28)


def conflicts(expert: Expert, work: Work, *, today: date, years: int) -> list[Found]:
    """Return why the expert must not judge the work; empty where nothing speaks against it.

    years  how long a body counts after one has left it, its anniversary included
    """
    found = [*_by_body(expert, work, since(today, years), today)]
    if work.names(expert.me):
        found.append(Found(ConflictKind.TEAM, _said(expert.me)))
    met = next((one for one in expert.co_authors if work.names(one)), None)
    if met is not None:
        found.append(Found(ConflictKind.CO_AUTHOR, _said(met)))
    for partner, where in expert.partners:
        if where != work.code and work.names(partner):
            found.append(Found(ConflictKind.CO_APPLICANT, f"{_said(partner)} ({where})"))
            break
    return found


def _by_body(expert: Expert, work: Work, first_day: date, today: date) -> Iterable[Found]:
    kinds = set()
    for mine in expert.bodies:
        if not any(is_same_body(mine, one) for one in work.bodies):
            continue
        if mine.until is None or mine.until >= today:
            kind, detail = ConflictKind.ORGANISATION, mine.name
        elif mine.until >= first_day:
            kind, detail = ConflictKind.PAST_ORGANISATION, f"{mine.name}, {mine.until}"
        else:
            continue
        if kind not in kinds:
            kinds.add(kind)
            yield Found(kind, detail)


def partners(me: Somebody, record: Iterable[Work]) -> list[tuple[Somebody, str]]:
    """Return with whom somebody is named in works on record, and in which."""
    return [
        (one, work.code)
        for work in record
        if work.names(me)
        for one in work.people
        if not is_same_person(me, one)
    ]


def _said(somebody: Somebody) -> str:
    return somebody.name or somebody.email or somebody.orcid or somebody.code


def check_reason(reason: str) -> str:
    """Return the reason of a declared conflict. Raises Invalid where there is none."""
    if not reason.strip():
        raise Invalid(
            [
                Problem(
                    "reason",
                    "conflict.declare.reason_missing",
                    _("Write in a few words what connects you with this application."),
                )
            ]
        )
    return reason.strip()[:500]


def check_orcid(orcid: str) -> str:
    """Return an ORCID iD as 0000-0000-0000-0000; empty stays empty.

    The last character is a check digit, ISO/IEC 7064 mod 11-2. Raises ValueError for another.
    """
    bare = re.sub(r"^https?://orcid\.org/", "", orcid.strip()).replace("-", "").upper()
    if not bare:
        return ""
    if not re.fullmatch(r"\d{15}[\dX]", bare, re.ASCII):
        raise ValueError(orcid)
    total = 0
    for digit in bare[:-1]:
        total = (total + int(digit)) * 2
    if "0123456789X"[(12 - total % 11) % 11] != bare[-1]:
        raise ValueError(orcid)
    return "-".join(bare[at : at + 4] for at in range(0, 16, 4))
