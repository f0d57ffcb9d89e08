"""The Model Documentation Form of a version: its fields, and what fills them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from uzina.training.rules import entries
from uzina.training.rules.record import Record, Say, digest


@dataclass(frozen=True)
class Field:
    """One field of the Model Documentation Form."""

    slug: str
    section: str
    section_title: Mapping[str, str]
    title: Mapping[str, str]
    hint: Mapping[str, str]
    audience: tuple[str, ...]
    is_read: bool


@dataclass(frozen=True)
class Filled:
    """A field with its answer. source: record, person, both, or missing."""

    field: Field
    value: str
    stated: str
    source: str
    by: str = ""
    at: str = ""

    @property
    def is_missing(self) -> bool:
        """Whether nobody has answered."""
        return self.source == "missing"


@dataclass(frozen=True)
class Form:
    """The form, filled as far as it can be."""

    record_digest: str
    rows: tuple[Filled, ...]

    @property
    def missing(self) -> int:
        """How many fields nobody has answered."""
        return sum(one.is_missing for one in self.rows)

    @property
    def filled(self) -> int:
        """How many fields have an answer."""
        return len(self.rows) - self.missing


def parse(raw: Mapping[str, Any]) -> tuple[Field, ...]:
    """Return the fields of `documentation_form.toml`, in order."""
    return tuple(
        Field(
            slug=one["slug"],
            section=section["slug"],
            section_title={"en": section["title_en"], "ro": section["title_ro"]},
            title={"en": one["title_en"], "ro": one["title_ro"]},
            hint={"en": one.get("hint_en", ""), "ro": one.get("hint_ro", "")},
            audience=tuple(one["for"]),
            is_read=one["read"],
        )
        for section in raw["section"]
        for one in section["field"]
    )


def fill(record: Record, fields: Sequence[Field], say: Say) -> Form:
    """Fill the form: from the record, from what people stated, or not at all."""
    rows = []
    for one in fields:
        filler = entries.FILLERS.get(one.slug)
        value = filler(record, say) if filler else ""
        stated = record["answers"].get(one.slug, {})
        text = stated.get("text", "")
        source = {
            (True, True): "both",
            (True, False): "record",
            (False, True): "person",
            (False, False): "missing",
        }[bool(value), bool(text)]
        rows.append(Filled(one, value, text, source, stated.get("by", ""), stated.get("at", "")))
    return Form(digest(record), tuple(rows))
