"""What datasets say of themselves, what stewards are asked, and how versions are cited."""

from datetime import date, datetime
from typing import Annotated, Any

from django.http import HttpRequest
from django.utils.timezone import now
from ninja import Router, Schema
from pydantic import ConfigDict, Field

from uzina.catalogue import access, actions, queries, rules
from uzina.catalogue.api.shared import Number, Slug, visible_dataset, visible_version
from uzina.catalogue.models import Dataset
from uzina.catalogue.rules import stewardship
from uzina.catalogue.rules.citation import bibtex, cff, csl, in_words
from uzina.catalogue.rules.vocabularies import TABLES
from uzina.core.errors import Refused
from uzina.core.inputs import Paragraphs
from uzina.core.text import _
from uzina.people.types import SignedIn

router = Router()

Short = Annotated[str, Field(max_length=1000)]
Codes = Annotated[list[Short], Field(max_length=200)]


class TranslationIn(Schema):
    model_config = ConfigDict(extra="forbid")
    title: Short
    description: Paragraphs = ""


class CreatorIn(Schema):
    model_config = ConfigDict(extra="forbid")
    name: Short
    url: Short = ""


class DescribeIn(Schema):
    """Leave out what stays as it is. Answers are added to; null takes one back."""

    model_config = ConfigDict(extra="forbid")
    title: Short = ""
    description: Paragraphs = ""
    languages: Codes = []
    translations: dict[Annotated[str, Field(max_length=20)], TranslationIn] = {}
    themes: Codes = []
    keywords: Codes = []
    frequency: Short = ""
    creators: Annotated[list[CreatorIn], Field(max_length=200)] = []
    contact_name: Short = ""
    contact_email: Short = ""
    landing_url: Short = ""
    places: Codes = []
    begins_on: date | None = None
    ends_on: date | None = None
    licence: Short = ""
    access_right: Short = ""
    answers: Annotated[dict[Annotated[str, Field(max_length=60)], Any], Field(max_length=100)] = {}


class MissingOut(Schema):
    field: str
    code: str
    detail: str


class RecordOut(Schema):
    slug: str
    state: str
    identifier: str
    title: str
    description: str
    languages: list[str]
    translations: dict[str, dict[str, str]]
    themes: list[str]
    keywords: list[str]
    frequency: str
    creators: list[dict[str, str]]
    contact_name: str
    contact_email: str
    landing_url: str
    places: list[str]
    begins_on: date | None
    ends_on: date | None
    licence: str
    access_right: str
    answers: dict[str, Any]
    changed_at: datetime
    missing: list[MissingOut]


class OptionOut(Schema):
    code: str
    en: str
    ro: str


class StewardQuestionOut(Schema):
    key: str
    kind: str
    section: str
    en: str
    ro: str
    hint_en: str
    hint_ro: str
    law: str
    article: str
    law_url: str
    is_needed: bool
    is_public: bool
    when: dict[str, list[Any]]
    options: list[OptionOut]


class TermOut(Schema):
    code: str
    iri: str
    en: str
    ro: str


class CitationOut(Schema):
    identifier: str
    is_registered: bool
    url: str
    text: str
    bibtex: str
    cff: str
    csl: list[dict[str, Any]]


@router.get("/datasets/{slug}/record", response=RecordOut)
def show_record(request: SignedIn, slug: Slug) -> Any:
    """What a dataset says of itself, and what is missing before it can be published.

    Answers that are kept inside are shown to those who look after it, operators and auditors.
    """
    return _shown(request, visible_dataset(request, slug))


@router.post("/datasets/{slug}/describe", response=RecordOut)
def describe_dataset(request: SignedIn, slug: Slug, body: DescribeIn) -> Any:
    """Change what a dataset says of itself: send only what changes."""
    facts = body.model_dump(exclude_unset=True)
    described = actions.describe(
        visible_dataset(request, slug), facts=facts, by=request.user, now=now()
    )
    return _shown(request, described)


def _shown(request: SignedIn, dataset: Dataset) -> dict[str, Any]:
    said = queries.said(dataset)
    if not access.may_read_answers(request.user, dataset):
        said["answers"] = rules.public_answers(said["answers"], said["access_right"])
    return said | {
        "slug": dataset.slug,
        "state": dataset.state.value,
        "identifier": dataset.identifier,
        "changed_at": dataset.changed_at,
        "missing": [
            {"field": one.field, "code": one.code, "detail": str(one)}
            for one in queries.readiness(dataset)
        ],
    }


@router.get("/questions", response=list[StewardQuestionOut], auth=None)
def list_questions(request: HttpRequest) -> Any:
    """What a steward is asked about a dataset, why, and when."""
    return [
        {
            **{key: getattr(one, key) for key in QUESTION_FIELDS},
            "law": one.source.title,
            "law_url": one.source.url,
            "when": {key: list(values) for key, values in one.when.items()},
            "options": [vars(option) for option in one.options],
        }
        for one in stewardship.questions().values()
    ]


QUESTION_FIELDS = (
    "key",
    "kind",
    "section",
    "en",
    "ro",
    "hint_en",
    "hint_ro",
    "article",
    "is_needed",
    "is_public",
)


@router.get("/vocabularies/{table}", response=list[TermOut], auth=None)
def list_terms(request: HttpRequest, table: Annotated[str, Field(max_length=40)]) -> Any:
    """The codes of a controlled vocabulary: data-theme, frequency, country, language and others."""
    if table not in TABLES:
        raise Refused(
            "vocabulary.find.unknown",
            _("There is no vocabulary {given!r}. There are: {tables}."),
            given=table,
            tables=", ".join(TABLES),
        )
    return [vars(one) for one in rules.terms(table).values()]


@router.get("/datasets/{slug}/versions/{number}/citation", response=CitationOut)
def cite_version(request: SignedIn, slug: Slug, number: Number) -> Any:
    """How a version is cited: in words, for BibTeX, as CFF and CSL-JSON."""
    version = visible_version(request, slug, number)
    cited = queries.citation(version.dataset, version)
    return {
        "identifier": cited.identifier,
        "is_registered": cited.is_public,
        "url": cited.where,
        "text": in_words(cited),
        "bibtex": bibtex(cited),
        "cff": cff(cited),
        "csl": csl(cited),
    }
