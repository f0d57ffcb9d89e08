"""The controlled vocabularies of the Union, as far as the catalogue uses them.

Each is a dated file of `catalogue/vocabularies`; licences are those of `catalogue/licences.toml`.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

FOLDER = Path(__file__).parent.parent / "vocabularies"

TABLES = (
    "access-right",
    "checksum",
    "country",
    "data-theme",
    "file-type",
    "frequency",
    "language",
    "licence",
    "media-type",
)


@dataclass(frozen=True)
class Term:
    """One concept of a vocabulary.

    code  what we keep: `EDUC`, `ro`, `cc-by-4.0`
    iri   the concept's address in the authority's table, "" where it has none
    """

    code: str
    iri: str
    en: str
    ro: str

    def label(self, language: str) -> str:
        """Return the name in a language of the portal."""
        return self.ro if language == "ro" else self.en


def _table(name: str) -> dict[str, Any]:
    path = FOLDER.parent / "licences.toml" if name == "licence" else FOLDER / f"{name}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


@cache
def terms(table: str) -> Mapping[str, Term]:
    """Return the terms of a table by code, in the order of the file.

    table  one of TABLES
    """
    read = _table(table)
    if table == "licence":
        found = [
            Term(one["slug"], one["eu_uri"], one["title_en"], one["title_ro"])
            for one in read["licence"]
        ]
    else:
        found = [
            Term(
                code,
                one.get("iri", f"{read['scheme']}/{one.get('id', code)}"),
                one["en"],
                one["ro"],
            )
            for code, one in read["terms"].items()
        ]
    return MappingProxyType({one.code: one for one in found})


@cache
def code_of(table: str, iri: str) -> str:
    """Return our code for an address of the table, "" when we have none; http is https here."""
    bare = iri.partition("://")[2]
    found = (one.code for one in terms(table).values() if one.iri.partition("://")[2] == bare)
    return next(found, "") if bare else ""


@cache
def file_types() -> Mapping[str, str]:
    """Return the EU file type of each media type, "" where the table has no word for it."""
    rows = _table("media-type")["terms"]
    return MappingProxyType({code: one["file_type"] for code, one in rows.items()})


LANGUAGES = terms("language")
