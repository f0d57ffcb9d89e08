"""The record of a dataset: what every standard we speak is made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from uzina.catalogue.rules.vocabularies import Term


@dataclass(frozen=True)
class Column:
    """One column of a file, as its first piece shows it.

    kind  one of: text, integer, number, boolean, date, instant, list, object
    """

    name: str
    kind: str


@dataclass(frozen=True)
class FileRecord:
    """One file of a version. `columns` is empty where they are not known or not to be shown."""

    path: str
    bytes: int
    sha256: str
    media_type: str
    file_type: Term | None = None
    columns: tuple[Column, ...] = ()


@dataclass(frozen=True)
class VersionRecord:
    """One version. `files` and `sources` are given for the newest only.

    sources  references of the public versions it was made from
    """

    number: int
    digest: str
    bytes: int
    file_count: int
    note: str
    created_at: datetime
    made_by_job: str = ""
    files: tuple[FileRecord, ...] = ()
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Agent:
    """Who holds or made data. `code` names an organisation of ours, "" anybody else."""

    name: str
    url: str = ""
    code: str = ""


@dataclass(frozen=True)
class LicenceRecord:
    """The licence; `iri` is the EU authority's, "" where that table has none."""

    title_en: str
    title_ro: str
    spdx: str
    iri: str
    url: str


@dataclass(frozen=True)
class Origin:
    """Where harvested data comes from.

    uri          what names it at its portal
    portal       the address that is harvested
    record       what names the portal's own record of it, "" where it names none
    issued_at    when it was first published there, None where that is not said
    modified_at  when the portal's record last changed, None where that is not said
    listed_at    when it was first listed here
    is_licensed  whether the portal named a licence that we know
    """

    uri: str
    portal: str
    record: str
    issued_at: datetime | None
    modified_at: datetime | None
    listed_at: datetime
    is_licensed: bool


@dataclass(frozen=True)
class Record:
    """A dataset with its newest versions, and every code looked up.

    title, description  {language: text}, the main language first; "" where a portal says none
    versions            newest first; never empty for published data
    changed_at          when the description or the data last changed
    answers             what a steward answered and everybody may read, by the key of the question
    is_registered       whether https://doi.org knows the identifier
    cite_as             how the newest version is cited, for BibTeX
    policy              the ODRL offer, None where there is none
    origin              of harvested data, None for our own
    """

    slug: str
    title: Mapping[str, str]
    description: Mapping[str, str]
    languages: tuple[Term, ...]
    licence: LicenceRecord
    holder: Agent
    access_right: Term
    is_open: bool
    made_at: datetime
    changed_at: datetime
    published_at: datetime
    versions: tuple[VersionRecord, ...]
    creators: tuple[Agent, ...] = ()
    contact_name: str = ""
    contact_email: str = ""
    landing_url: str = ""
    identifier: str = ""
    is_registered: bool = False
    cite_as: str = ""
    themes: tuple[Term, ...] = ()
    keywords: tuple[str, ...] = ()
    frequency: Term | None = None
    places: tuple[Term, ...] = ()
    begins_on: date | None = None
    ends_on: date | None = None
    answers: Mapping[str, Any] = field(default_factory=dict)
    policy: Mapping[str, Any] | None = None
    origin: Origin | None = None

    @property
    def newest(self) -> VersionRecord | None:
        """The newest version, None for a draft without any."""
        return self.versions[0] if self.versions else None
