"""Identifiers shaped as DOIs, and how data are cited: in words, for BibTeX, as CFF and CSL-JSON."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

PREFIX = re.compile(r"10\.[0-9]{4,9}(?:\.[0-9]{1,9})*")
"""What a DOI begins with: the directory 10 and the registrant (DOI Handbook, 2.2)."""

IDENTIFIER = re.compile(
    rf"(?P<prefix>{PREFIX.pattern})/uzina\.(?P<slug>[a-z0-9-]{{1,63}})(?:\.v(?P<number>[1-9][0-9]{{0,8}}))?"
)

BIBTEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}
"""Letters that mean something to TeX, and how they are written so that they do not."""


def identifier(prefix: str, slug: str, number: int | None = None) -> str:
    """Return the identifier of a dataset, or of one of its versions: `10.5072/uzina.ro-corpus.v3`."""
    version = "" if number is None else f".v{number}"
    return f"{prefix}/uzina.{slug}{version}"


def parse_identifier(text: str) -> tuple[str, int | None] | None:
    """Return slug and version number of an identifier of ours, whatever its prefix; None of others."""
    match = IDENTIFIER.fullmatch(text)
    if match is None:
        return None
    return match["slug"], int(match["number"]) if match["number"] else None


@dataclass(frozen=True)
class Cited:
    """What a citation is made of.

    creators    names of people and organisations, as they are to be printed
    identifier  shaped as a DOI; "" where there is none
    is_public   whether the identifier is registered, so that https://doi.org leads to the data
    url         where the version is found
    """

    slug: str
    title: str
    creators: Sequence[str]
    publisher: str
    number: int
    published_on: date
    identifier: str
    is_public: bool
    url: str
    licence: str

    @property
    def where(self) -> str:
        """Where the reader is sent: the identifier's address once it leads there, else ours."""
        return f"https://doi.org/{self.identifier}" if self.is_public else self.url

    @property
    def words(self) -> str:
        """The citation in words."""
        return in_words(self)


def in_words(cited: Cited) -> str:
    """Return the citation as DataCite recommends it: creator (year). Title (version). Publisher."""
    names = "; ".join(cited.creators)
    kept = "" if cited.is_public or not cited.identifier else f" {cited.identifier}."
    return (
        f"{names} ({cited.published_on.year}). {cited.title} (version {cited.number}) [dataset]. "
        f"{cited.publisher}.{kept} {cited.where}"
    )


def bibtex(cited: Cited) -> str:
    """Return a BibTeX entry; names are kept whole by braces, so that no comma takes them apart."""
    fields = {
        "author": " and ".join(f"{{{_tex(one)}}}" for one in cited.creators),
        "title": f"{{{_tex(cited.title)}}}",
        "year": str(cited.published_on.year),
        "version": str(cited.number),
        "publisher": _tex(cited.publisher),
        "url": cited.where,
    }
    if cited.identifier:
        fields["doi" if cited.is_public else "note"] = (
            cited.identifier if cited.is_public else f"Identifier {_tex(cited.identifier)}"
        )
    rows = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    return f"@misc{{{cited.slug}-v{cited.number},\n{rows}\n}}\n"


def _tex(text: str) -> str:
    return "".join(BIBTEX.get(one, one) for one in " ".join(text.split()))


def csl(cited: Cited) -> list[Mapping[str, Any]]:
    """Return CSL-JSON, which reference managers read."""
    day = cited.published_on
    found = {
        "id": f"{cited.slug}-v{cited.number}",
        "type": "dataset",
        "title": cited.title,
        "author": [{"literal": one} for one in cited.creators],
        "issued": {"date-parts": [[day.year, day.month, day.day]]},
        "publisher": cited.publisher,
        "version": str(cited.number),
        "URL": cited.where,
    }
    return [found | ({"DOI": cited.identifier} if cited.is_public else {})]


def cff(cited: Cited) -> str:
    """Return a CITATION.cff, format 1.2.0: YAML whose texts are written as JSON, which YAML reads."""
    rows = [
        "cff-version: 1.2.0",
        'message: "If you use these data, please cite them as below."',
        "type: dataset",
        f"title: {_yaml(cited.title)}",
        "authors:",
        *(f"  - name: {_yaml(one)}" for one in cited.creators),
        f"version: {_yaml(str(cited.number))}",
        f"date-released: {cited.published_on.isoformat()}",
        f"url: {_yaml(cited.url)}",
    ]
    if cited.licence:
        rows.append(f"license: {cited.licence}")
    if cited.is_public:
        rows.append(f"doi: {cited.identifier}")
    return "\n".join(rows) + "\n"


def _yaml(text: str) -> str:
    return json.dumps(" ".join(text.split()))


FORMS = {
    "txt": ("text/plain", lambda cited: in_words(cited) + "\n"),
    "bib": ("application/x-bibtex", bibtex),
    "cff": ("application/yaml", cff),
    "json": (
        "application/vnd.citationstyles.csl+json",
        lambda cited: json.dumps(csl(cited), ensure_ascii=False, indent=2) + "\n",
    ),
}
"""Endings a citation is sent under: the media type and what writes it."""
