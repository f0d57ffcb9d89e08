"""What a question and a section are."""

from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal[
    "line",
    "text",
    "yes_no",
    "tick",
    "terms",
    "choice",
    "choices",
    "whole",
    "date",
    "email",
    "phone",
    "url",
    "country",
    "rows",
]

Offered = Literal["", "durations", "partitions", "panels", "terms"]

Where = Literal["", "hours", "partitions", "short", "long"]

ELSEWHERE = "ZZ"
"""What a person chooses whose country is not in the list (ISO 3166-1 user-assigned)."""

MOST_ROWS = 20


@dataclass(frozen=True)
class Field:
    """One question.

    most           characters of a text, or the largest whole number
    missing        what to say while it has no answer; empty where an answer is optional
    choices        of kind choice and choices: value and words; of kind terms: the version
    allowed        of kind whole: the numbers that may be asked, where the call offers only some
    needed_where   (other field, its value): the answer is needed only then
    offered        what the call fills the choices with
    only_where     it is asked only by calls of which this holds
    columns        the fields of each row, for kind rows
    sum_of         the column whose numbers over all rows come to at most 100, for kind rows
    """

    name: str
    kind: Kind
    label: str
    missing: str = ""
    hint: str = ""
    most: int = 200
    least: int = 0
    choices: tuple[tuple[str, str], ...] = ()
    allowed: tuple[int, ...] = ()
    needed_where: tuple[str, Any] | None = None
    offered: Offered = ""
    only_where: Where = ""
    columns: tuple["Field", ...] = ()
    sum_of: str = ""


@dataclass(frozen=True)
class Limit:
    """How much may be asked of a partition, in the mode's unit; partition "" is any."""

    partition: str
    least: int
    most: int


@dataclass(frozen=True)
class Section:
    """One step of the form: one topic.

    limits  of the amount asked (the field AMOUNT), where the call sets some
    """

    slug: str
    title: str
    lead: str
    fields: tuple[Field, ...]
    limits: tuple[Limit, ...] = ()


AMOUNT = "gpu_hours"
"""The field with the amount that is asked, in the unit of the mode."""
