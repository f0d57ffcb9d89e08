"""A record in Croissant 1.1 with its responsible-AI words: what training tools load data by.

Sources: Croissant Format Specification 1.1 (MLCommons, 2026-01-29); Croissant RAI 1.0.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from uzina.catalogue.rules import stewardship
from uzina.catalogue.rules.dcat import dataset_iri, download_url
from uzina.catalogue.rules.rdf import PREFIXES, iso, link
from uzina.catalogue.rules.records import Agent, Column, FileRecord, Record

VERSIONS = ("http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0")

WORDS = (
    *("arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field"),
    *("fileObject", "fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset"),
    *("jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex"),
    *("repeated", "replace", "samplingRate", "separator", "source", "subField", "transform"),
)

CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "odrl": PREFIXES["odrl"],
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    **{word: f"cr:{word}" for word in WORDS},
}
"""With https://schema.org/: the specification prints http, which its own validator refuses
(mlcommons/croissant#1018)."""

ENCODINGS = {
    "application/jsonl": "application/jsonlines",
    "application/vnd.apache.parquet": "application/x-parquet",
}
"""What `mlcroissant` calls formats that we call otherwise, so that it can load them."""

LOADABLE = {"text/csv", "text/tab-separated-values", *ENCODINGS}

DATA_TYPES = {
    "integer": "sc:Integer",
    "number": "sc:Float",
    "boolean": "sc:Boolean",
    "date": "sc:Date",
    "instant": "sc:DateTime",
}

MOST_RECORD_SETS = 20

MOST_FIELDS = 300
"""In one record set. `mlcroissant` takes 2 s for 300 and 10 s for 1,000 (mlcommons/croissant#525)."""


def croissant(record: Record) -> dict[str, Any]:
    """Return the document, with addresses under BASE."""
    address = dataset_iri(record.slug)
    newest = record.newest
    said = {
        "@context": dict(CONTEXT),
        "@type": "sc:Dataset",
        "@id": address,
        "name": dict(record.title),
        "description": dict(record.description),
        "conformsTo": list(VERSIONS),
        "url": address,
        "license": _licence(record),
        "creator": [_agent(one) for one in record.creators or (record.holder,)],
        "publisher": _agent(record.holder),
        "datePublished": iso(record.published_at),
        "dateModified": iso(record.changed_at),
        "keywords": [*record.keywords, *(one.en for one in record.themes)],
        "inLanguage": [one.code for one in record.languages],
        "isAccessibleForFree": _is_free(record),
        "identifier": record.identifier,
        "sameAs": _same_as(record),
        "citeAs": record.cite_as,
        "spatialCoverage": [one.en for one in record.places],
        "temporalCoverage": _period(record),
        "usageInfo": _usage(record),
        **_responsible(record),
    }
    if newest is not None:
        said |= {
            "version": f"{newest.number}.0.0",
            "distribution": [_file(record, newest.number, one) for one in newest.files],
            "recordSet": _record_sets(newest.files),
            "isBasedOn": [dataset_iri(one.partition("@")[0]) for one in newest.sources],
        }
    return {key: value for key, value in said.items() if value not in ("", None, [], {})}


def _licence(record: Record) -> str:
    """Return the address SPDX gives the licence, which Croissant recommends, or the next best."""
    terms = record.licence
    if terms.spdx and not terms.spdx.startswith("LicenseRef"):
        return f"https://spdx.org/licenses/{terms.spdx}"
    return terms.url or terms.iri or terms.title_en


def _agent(agent: Agent) -> dict[str, str]:
    said = {"@type": "sc:Organization", "name": agent.name}
    home = link(agent.url)
    return said | {"url": home.value} if home else said


def _is_free(record: Record) -> bool | None:
    cost = record.answers.get("cost")
    return None if cost is None else cost == "free"


def _same_as(record: Record) -> str:
    if record.identifier and record.is_registered:
        return f"https://doi.org/{quote(record.identifier, safe='/')}"
    page = link(record.landing_url)
    return page.value if page else ""


def _period(record: Record) -> str:
    """Return the days the data speak of as ISO 8601 writes an interval."""
    if not (record.begins_on or record.ends_on):
        return ""
    first = record.begins_on.isoformat() if record.begins_on else ".."
    last = record.ends_on.isoformat() if record.ends_on else ".."
    return f"{first}/{last}"


def _file(record: Record, version: int, file: FileRecord) -> dict[str, Any]:
    """Return a file. Restricted data names where to ask for it instead of where it lies."""
    address = download_url(record.slug, version, file.path)
    return {
        "@type": "cr:FileObject",
        "@id": _file_id(file),
        "name": file.path,
        "contentUrl": address if record.is_open else dataset_iri(record.slug),
        "contentSize": f"{file.bytes} B",
        "encodingFormat": ENCODINGS.get(file.media_type, file.media_type),
        "sha256": file.sha256,
    }


def _file_id(file: FileRecord) -> str:
    return f"file/{quote(file.path, safe='')}"


def _record_sets(files: tuple[FileRecord, ...]) -> list[dict[str, Any]]:
    """Return a record set for each way files are laid out in columns: of the first such file."""
    layouts: dict[tuple[Column, ...], list[FileRecord]] = {}
    for one in files:
        if one.columns and one.media_type in LOADABLE:
            layouts.setdefault(one.columns, []).append(one)
    return [
        _record_set(at, found)
        for at, found in enumerate(list(layouts.values())[:MOST_RECORD_SETS], start=1)
    ]


def _record_set(at: int, files: list[FileRecord]) -> dict[str, Any]:
    first = files[0]
    named = f"records-{at}"
    said = {
        "@type": "cr:RecordSet",
        "@id": named,
        "name": first.path,
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{named}/{place}",
                "name": column.name,
                "dataType": DATA_TYPES.get(column.kind, "sc:Text"),
                "source": {
                    "fileObject": {"@id": _file_id(first)},
                    "extract": {"column": column.name},
                },
            }
            for place, column in enumerate(first.columns[:MOST_FIELDS], start=1)
        ],
    }
    if len(files) > 1:
        said["description"] = f"{len(files) - 1} more files have the same columns."
    return said


def _responsible(record: Record) -> dict[str, Any]:
    """Return what the steward answered, in the words of the RAI vocabulary."""
    days = [one.isoformat() for one in (record.begins_on, record.ends_on) if one]
    people = [
        f"{stewardship.questions()[key].en} {shown}"
        for key in ("personal_data", "anonymisation", "legal_basis", "special_categories")
        if (shown := _shown(record, key))
    ]
    uses = [
        f"{stewardship.questions()[key].en} {shown}"
        for key in ("purposes_allowed", "purposes_excluded")
        if (shown := _shown(record, key))
    ]
    return {
        "rai:dataCollection": _shown(record, "collection_text"),
        "rai:dataCollectionType": [one for one in _shown(record, "collection").split("; ") if one],
        "rai:dataCollectionTimeframe": days,
        "rai:dataLimitations": _shown(record, "limits"),
        "rai:personalSensitiveInformation": people,
        "rai:dataUseCases": uses,
        "rai:dataReleaseMaintenancePlan": record.frequency.en if record.frequency else "",
    }


def _shown(record: Record, key: str) -> str:
    """Return a public answer in words, "" where there is none."""
    question, value = stewardship.questions().get(key), record.answers.get(key)
    if question is None or not stewardship.is_answered(value):
        return ""
    return str(question.shown(value, "en"))


def _usage(record: Record) -> dict[str, Any] | None:
    """Return the usage policy as an ODRL offer, the way Croissant 1.1 carries one."""
    if record.policy is None:
        return None
    return {"name": "Usage policy", **_odrl(record.policy), "@type": ["CreativeWork", "odrl:Offer"]}


def _odrl(offer: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part of an offer with its words written out in full."""
    said: dict[str, Any] = {}
    for key, value in offer.items():
        if key == "@context":
            continue
        named = key if key.startswith("@") else f"odrl:{key}"
        many = value if isinstance(value, list) else [value]
        said[named] = [_odrl_value(key, one) for one in many]
        if not isinstance(value, list):
            said[named] = said[named][0]
    return said


def _odrl_value(key: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value) if {"@id", "@value"} & set(value) else _odrl(value)
    if key in {"action", "leftOperand", "operator", "profile"}:
        return {"@id": value if ":" in value else f"odrl:{value}"}
    return value
