"""Records of every kind, the same ones each time, and what the validators of others say of them."""

import dataclasses
import functools
import json
import random
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

import mlcroissant
import pyshacl
import rdflib
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from uzina.catalogue.rules import croissant, dcat, feeds, odrl, rdf, shapes, stewardship
from uzina.catalogue.rules.records import (
    Agent,
    Column,
    FileRecord,
    LicenceRecord,
    Record,
    VersionRecord,
)
from uzina.catalogue.rules.vocabularies import file_types, terms

HOME = "https://data.example.org"
NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
SH = rdflib.Namespace("http://www.w3.org/ns/shacl#")

words = st.one_of(
    st.text(min_size=1, max_size=60),
    st.sampled_from(
        [
            "Știri românești: țări și oameni",
            "Ελληνικά κείμενα",
            "Български текстове",
            "日本語のデータ",
            "بيانات عربية",
            "Emoji 🧪🏭 and \u200d joiners",
            'Quotes " \\ and <tags> & &amp; ]]>',
            "Line\nbreak\ttab\r",
            "\x00\x01\x0b\x1f\ufffe\uffff",
            "A" * 200,
        ]
    ),
)
languages = st.sampled_from(sorted(terms("language")))
urls = st.sampled_from(
    [
        "https://example.org/ă b?q=1&r=[2]#x",
        "http://example.org",
        "https://exa mple.org/",
        "ftp://example.org/x",
        "not an address",
        "https://[::1",
        "",
    ]
)
days = st.dates(date(1900, 1, 1), date(2100, 1, 1))
instants = st.integers(0, 2**31 - 1).map(lambda second: datetime.fromtimestamp(second, UTC))
agents = st.builds(Agent, name=words, url=urls)


def term_of(table):
    return st.sampled_from(list(terms(table).values()))


@st.composite
def files(draw):
    path = "/".join(draw(st.lists(words.map(lambda one: one.replace("/", "-")), max_size=3)))
    kind = draw(st.sampled_from([*file_types(), "audio/wav", "application/x-odd"]))
    names = draw(st.lists(words.map(lambda one: one.strip() or "x"), max_size=4, unique=True))
    return FileRecord(
        path=path,
        bytes=draw(st.integers(0, 5 * 2**40)),
        sha256=draw(st.sampled_from(["ab" * 32, "00" * 32, "f" * 64])),
        media_type=kind,
        file_type=terms("file-type").get(file_types().get(kind, "")),
        columns=tuple(
            Column(one, draw(st.sampled_from(["text", "integer", "number", "date", "list"])))
            for one in names
        ),
    )


@st.composite
def versions(draw):
    count = draw(st.sampled_from([0, 0, 0, *[1] * 12, 2, 2, 2, 3, 30]))
    found = draw(st.lists(files(), min_size=min(count, 4), max_size=min(count, 4)))
    laid = [
        dataclasses.replace(found[at % len(found)], path=f"{at}-{found[at % len(found)].path}")
        for at in range(count)
    ]
    newest = draw(st.integers(1, 3))
    made = draw(instants)
    return tuple(
        VersionRecord(
            number=number,
            digest=f"sha256:{number:064d}",
            bytes=1,
            file_count=count,
            note=draw(st.one_of(st.just(""), words)),
            created_at=made,
            files=tuple(laid) if number == newest else (),
            sources=("other@1", "more@2") if number == newest and draw(st.booleans()) else (),
        )
        for number in range(newest, 0, -1)
    )


@st.composite
def answers(draw):
    found = {}
    for key, question in stewardship.questions().items():
        if not draw(st.booleans()):
            continue
        codes = [one.code for one in question.options]
        found[key] = draw(
            {
                "text": words,
                "yes_no": st.booleans(),
                "date": days.map(lambda one: one.isoformat()),
                "choice": st.sampled_from(codes or ["-"]),
                "choices": st.lists(st.sampled_from(codes or ["-"]), unique=True, min_size=1),
            }[question.kind]
        )
    return found


@st.composite
def policies(draw):
    given_terms = odrl.Terms(
        purposes=tuple(draw(st.lists(st.sampled_from(sorted(odrl.PURPOSES)), max_size=2))),
        until=draw(st.one_of(st.none(), instants)),
        places=draw(st.sampled_from([(), ("RO",), ("EU", "CH")])),
        kinds=draw(st.sampled_from([(), ("sme", "startup")])),
        attribute=draw(st.booleans()),
        delete_days=draw(st.sampled_from([None, 30])),
        prohibited=draw(st.sampled_from([(), ("sell",)])),
    )
    return odrl.build(given_terms, uid="urn:uzina:policy:x:1")


@st.composite
def records(draw):
    main = draw(languages)
    others = draw(st.lists(languages, max_size=2))
    right = draw(term_of("access-right"))
    return Record(
        slug="x",
        title=dict.fromkeys([main, *others]) | {one: draw(words) for one in [main, *others]},
        description={main: draw(words)},
        languages=tuple(draw(st.lists(term_of("language"), min_size=1, max_size=3, unique=True))),
        licence=draw(
            st.sampled_from(
                [
                    LicenceRecord(
                        "CC BY",
                        "CC BY",
                        "CC-BY-4.0",
                        "http://publications.europa.eu/resource/authority/licence/CC_BY_4_0",
                        "https://creativecommons.org/licenses/by/4.0/",
                    ),
                    LicenceRecord("Open", "Deschis", "", "", "https://example.org/terms"),
                    LicenceRecord("By agreement", "Prin acord", "", "", ""),
                ]
            )
        ),
        holder=dataclasses.replace(draw(agents), code="ORG-7Q3K"),
        access_right=right,
        is_open=right.code == "PUBLIC",
        made_at=NOW,
        changed_at=draw(instants),
        published_at=draw(instants),
        versions=draw(versions()),
        creators=tuple(draw(st.lists(agents, max_size=2))),
        contact_name=draw(st.one_of(st.just(""), words)),
        contact_email=draw(st.sampled_from(["", "ana@example.org", "o'neil+x@example.org"])),
        landing_url=draw(urls),
        identifier=draw(st.sampled_from(["", "10.5072/uzina.x"])),
        is_registered=draw(st.booleans()),
        cite_as=draw(st.one_of(st.just(""), words)),
        themes=tuple(draw(st.lists(term_of("data-theme"), max_size=2, unique=True))),
        keywords=tuple(draw(st.lists(words, max_size=3))),
        frequency=draw(st.one_of(st.none(), term_of("frequency"))),
        places=tuple(draw(st.lists(term_of("country"), max_size=2, unique=True))),
        begins_on=draw(st.one_of(st.none(), days)),
        ends_on=draw(st.one_of(st.none(), days)),
        answers=draw(answers()),
        policy=draw(st.one_of(st.none(), policies())),
    )


OFF: dict[str, Any] = {
    **dict.fromkeys(("contact_name", "contact_email", "landing_url", "identifier", "cite_as"), ""),
    **dict.fromkeys(("creators", "themes", "keywords", "places"), ()),
    **dict.fromkeys(("frequency", "begins_on", "ends_on", "policy"), None),
    "answers": {},
}
"""Optional fields, and what they are when nothing is said."""


def varied(count: int) -> list[Record]:
    """Return that many records. A quarter of the time each optional field is off, whatever
    hypothesis, which learns from the code around it, made of it.
    """
    made: list[Record] = []
    draw = random.Random(20261122)

    @given(records())
    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    def make(record: Record) -> None:
        off = {name: value for name, value in OFF.items() if draw.random() < 0.25}
        made.append(dataclasses.replace(record, slug=f"made-{len(made)}", **off))

    make()
    return made[:count]


def document(record: Record) -> str:
    """Return a record and its versions as N-Triples."""
    return rdf.placed(dcat.dataset_ntriples(record) + dcat.chain_ntriples(record), HOME)


def page(records: Iterable[Record]) -> str:
    """Return a page of the catalogue with records, as N-Triples."""
    shown = list(records)
    members = [feeds.Member(one.slug, 1, "", NOW, None) for one in shown]
    whole = rdf.placed(feeds.catalog_ntriples("Fabrica", members, changed_at=NOW), HOME)
    return whole + "".join(document(one) for one in shown)


def to_tools(record: Record) -> dict[str, Any]:
    """Return a record in Croissant."""
    return dict(json.loads(rdf.placed(json.dumps(croissant.croissant(record)), HOME)))


@functools.cache
def _oracle(profile: str) -> rdflib.Graph:
    """Return the official shapes for pyshacl, read once in a process: that takes half a second."""
    return rdflib.Graph().parse(data=shapes.shapes(profile), format="nt")


Finding = tuple[str, str, str, str]


def judged(ntriples: str, *, profile: str = "dcat-ap") -> Counter[Finding]:
    """Return what the oracle finds, as (severity, path, component, focus) counted."""
    data = rdflib.Graph().parse(data=ntriples, format="nt")
    _conforms, report, _text = pyshacl.validate(data, shacl_graph=_oracle(profile), inplace=True)
    return Counter(
        (
            str(report.value(one, SH.resultSeverity)).partition("#")[2],
            str(report.value(one, SH.resultPath)),
            str(report.value(one, SH.sourceConstraintComponent)).partition("#")[2],
            str(report.value(one, SH.focusNode)),
        )
        for one in report.objects(None, SH.result)
    )


def found_by_portal(ntriples: str) -> Counter[Finding]:
    """Return what the engine of the portal finds, in the form of the oracle."""
    return Counter(
        (one.severity, one.path, one.component, one.focus) for one in shapes.findings(ntriples)
    )


def violations(found: Iterable[Finding]) -> list[Finding]:
    """Return the findings that the profile does not allow."""
    return [one for one in found if one[0] == "Violation"]


def croissant_faults(record: Record) -> list[str]:
    """Return what `mlcroissant` has against a record: errors, and any warning but the one that a
    record without a citation brings. A title in English only, the language of the document, it
    reads as a plain text.
    """
    found = mlcroissant.Dataset(to_tools(record)).metadata
    told = {warning.partition("Property ")[2] for warning in found.ctx.issues.warnings}
    faults = sorted(found.ctx.issues.errors)
    faults += sorted(one for one in told if "citeAs" not in one or record.cite_as)
    read = found.name if isinstance(found.name, dict) else {"en": found.name}
    if read != record.title:
        faults.append(f"The title reads {found.name!r}.")
    if len(found.distribution) != (len(record.newest.files) if record.newest else 0):
        faults.append(f"There are {len(found.distribution)} files.")
    return faults
