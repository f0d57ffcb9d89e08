"""One record, two standards: the validators of both agree, for records of every kind.

pyshacl, the reference engine, is the oracle; what the portal itself runs has to agree with it.
"""

import dataclasses
import hashlib
import json
from collections import Counter
from datetime import UTC, date, datetime

import mlcroissant
import pyshacl
import pytest
import rdflib
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from uzina.catalogue.rules import croissant, dcat, feeds, odrl, rdf, reports, shapes, stewardship
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
RECORDS = 500

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


@pytest.fixture(scope="module")
def varied():
    """500 records, the same ones each time."""
    made = []

    @given(records())
    @settings(
        max_examples=RECORDS,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    def make(record):
        made.append(dataclasses.replace(record, slug=f"made-{len(made)}"))

    make()
    return made[:RECORDS]


def document(record):
    whole = dcat.dataset_ntriples(record) + dcat.chain_ntriples(record)
    return rdf.placed(whole, HOME)


def to_tools(record):
    return json.loads(rdf.placed(json.dumps(croissant.croissant(record)), HOME))


def judged(ntriples, *, profile="dcat-ap"):
    """Return what the oracle finds, as (severity, path, component, focus) counted."""
    data = rdflib.Graph().parse(data=ntriples, format="nt")
    rules = rdflib.Graph().parse(data=shapes.shapes(profile), format="nt")
    _conforms, report, _text = pyshacl.validate(data, shacl_graph=rules, inplace=True)
    return Counter(
        (
            str(report.value(one, SH.resultSeverity)).partition("#")[2],
            str(report.value(one, SH.resultPath)),
            str(report.value(one, SH.sourceConstraintComponent)).partition("#")[2],
            str(report.value(one, SH.focusNode)),
        )
        for one in report.objects(None, SH.result)
    )


def violations(found):
    return [one for one in found if one[0] == "Violation"]


def test_500_varied_records_conform_to_the_official_shapes(varied):
    assert len(varied) == RECORDS
    for first in range(0, RECORDS, 50):
        batch = varied[first : first + 50]
        members = [feeds.Member(one.slug, 1, "", NOW, None) for one in batch]
        whole = rdf.placed(feeds.catalog_ntriples("Fabrica", members, changed_at=NOW), HOME)
        whole += "".join(document(one) for one in batch)
        assert violations(judged(whole)) == []


def test_the_records_are_varied(varied):
    sizes = [len(one.newest.files) for one in varied]
    assert {min(sizes), max(sizes)} == {0, 30}
    assert sum(1 for one in varied if one.policy) > 50
    assert sum(1 for one in varied if not one.is_open) > 50
    assert sum(1 for one in varied if any(file.columns for file in one.newest.files)) > 50
    assert sum(1 for one in varied if one.answers) > 100
    assert sum(1 for one in varied if len(one.versions) > 1) > 50


quiet = pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated")
"""mlcroissant 1.1.1 uses a class that rdflib 7.6 will drop."""


@quiet
def test_500_varied_records_are_croissant(varied):
    for one in varied:
        found = mlcroissant.Dataset(to_tools(one))
        assert found.metadata.ctx.issues.errors == set()
        told = {warning.partition("Property ")[2] for warning in found.metadata.ctx.issues.warnings}
        assert all("citeAs" in warning for warning in told)
        assert found.metadata.name == one.title
        assert len(found.metadata.distribution) == len(one.newest.files)


@pytest.mark.parametrize("ending", rdf.SYNTAXES)
def test_each_syntax_says_the_same_as_it_is_read_again(varied, ending):
    for one in varied[:100]:
        whole = document(one)
        again = rdf.as_ntriples(rdf.read(rdf.written(whole, ending), ending))
        assert again.split("\n")[:-1] == sorted({line for line in whole.split("\n") if line})


def test_the_engine_of_the_portal_finds_what_the_oracle_finds(varied):
    whole = "".join(document(one) for one in varied[:20])
    found = Counter(
        (one.severity, one.path, one.component, one.focus) for one in shapes.findings(whole)
    )
    assert found == judged(whole)
    assert found


WHOLE = Record(
    slug="x",
    title={"ro": "Știri", "en": "News"},
    description={"ro": "Texte."},
    languages=(terms("language")["ro"],),
    licence=LicenceRecord("CC0", "CC0", "CC0-1.0", "http://example.org/cc0", ""),
    holder=Agent("Universitatea", "https://example.org", "ORG-7Q3K"),
    access_right=terms("access-right")["PUBLIC"],
    is_open=True,
    made_at=NOW,
    changed_at=NOW,
    published_at=NOW,
    versions=(
        VersionRecord(
            number=1,
            digest="sha256:0",
            bytes=7,
            file_count=1,
            note="",
            created_at=NOW,
            files=(FileRecord("a.csv", 7, "ab" * 32, "text/csv", terms("file-type")["CSV"]),),
        ),
    ),
    contact_name="Ana",
    identifier="10.5072/uzina.x",
    frequency=terms("frequency")["ANNUAL"],
    themes=(terms("data-theme")["EDUC"],),
    places=(terms("country")["ROU"],),
    begins_on=date(2020, 1, 1),
)


@pytest.mark.parametrize(
    ("lost", "path"),
    [
        ('dc/terms/title> "Știri"@ro .|dc/terms/title> "News"@en .', "terms/title"),
        ("dc/terms/description>", "terms/description"),
        ("dcat#accessURL>", "dcat#accessURL"),
        ("foaf/0.1/name>", "foaf/0.1/name"),
        ("spdx.org/rdf/terms#checksumValue>", "terms#checksumValue"),
        ("foaf/0.1/primaryTopic>", "primaryTopic"),
        ("skos/core#notation>", "skos/core#notation"),
        ("type> <http://purl.org/dc/terms/LinguisticSystem>", "terms/language"),
        ("type> <http://purl.org/dc/terms/Frequency>", "terms/accrualPeriodicity"),
        ("type> <http://purl.org/dc/terms/RightsStatement>", "terms/accessRights"),
        ("type> <http://purl.org/dc/terms/LicenseDocument>", "terms/license"),
        ("type> <http://purl.org/dc/terms/Location>", "terms/spatial"),
        ("type> <http://purl.org/dc/terms/PeriodOfTime>", "terms/temporal"),
        ("type> <http://www.w3.org/2006/vcard/ns#Kind>", "contactPoint"),
        ("type> <http://spdx.org/rdf/terms#ChecksumAlgorithm>", "terms#algorithm"),
        ("inScheme> <http://publications.europa.eu/resource/authority/language>", "language"),
        ("inScheme> <http://publications.europa.eu/resource/authority/file-type>", "format"),
    ],
)
def test_the_oracle_finds_what_is_left_out(lost, path):
    whole = document(WHOLE)
    assert violations(judged(whole)) == []
    kept = [
        line
        for line in whole.splitlines(keepends=True)
        if not any(one in line for one in lost.split("|"))
    ]
    assert len(kept) < len(whole.splitlines())
    found = violations(judged("".join(kept)))
    assert any(path in one[1] for one in found)
    assert {(one.path, one.focus) for one in shapes.findings("".join(kept)) if one.is_mistake} == {
        (one[1], one[3]) for one in found
    }


def test_a_steward_is_told_in_sentences_which_field_to_fill():
    bare = dataclasses.replace(WHOLE, themes=(), contact_name="", places=(), begins_on=None)
    found = reports.advice(
        shapes.findings(dcat.dataset_ntriples(bare)), dataset=dcat.dataset_iri("x")
    )
    fields = {one.field for one in found}
    assert {"themes", "contact_email", "places", "begins_on", "keywords"} <= fields
    assert not any(one.is_mistake for one in found)


def test_a_mistake_is_told_first_and_never_left_out():
    whole = dcat.dataset_ntriples(dataclasses.replace(WHOLE, themes=()))
    broken = "".join(
        one
        for one in whole.splitlines(keepends=True)
        if "terms/description>" not in one and "checksumValue>" not in one
    )
    found = reports.advice(shapes.findings(broken), dataset=dcat.dataset_iri("x"))
    assert [one.is_mistake for one in found][:3] == [True, True, False]
    assert {one.field for one in found[:2]} == {"description", ""}
    assert "checksumValue" in "".join(one.message for one in found[:2])


def test_what_is_restricted_is_told_but_not_linked_to():
    closed = dataclasses.replace(
        WHOLE, access_right=terms("access-right")["RESTRICTED"], is_open=False
    )
    told = document(closed)
    assert "dcat#downloadURL" in document(WHOLE)
    assert "dcat#downloadURL" not in told
    assert "access-right/RESTRICTED" in told
    lies = croissant.croissant(closed)["distribution"][0]["contentUrl"]
    assert lies == f"{rdf.BASE}/datasets/x/"


def test_more_than_a_hundred_files_are_told_by_format():
    one = WHOLE.newest.files[0]
    many = [dataclasses.replace(one, path=f"{at}.csv") for at in range(101)]

    def with_files(count):
        newest = dataclasses.replace(WHOLE.newest, files=tuple(many[:count]))
        return document(dataclasses.replace(WHOLE, versions=(newest,)))

    of_type = "type> <http://www.w3.org/ns/dcat#Distribution>"
    assert with_files(100).count(of_type) == 100
    assert with_files(101).count(of_type) == 1
    assert f'"{101 * 7}"^^' in with_files(101)
    assert violations(judged(with_files(101))) == []


def test_versions_are_told_in_the_datasets_own_document_only():
    second = dataclasses.replace(WHOLE.newest, number=2)
    two = dataclasses.replace(WHOLE, versions=(second, WHOLE.newest))
    chain = dcat.chain_ntriples(two)
    assert dcat.chain_ntriples(WHOLE) == ""
    assert chain.count("dcat#hasVersion>") == 2
    assert (
        f"<{rdf.BASE}/datasets/x/#version-2> <http://www.w3.org/ns/dcat#previousVersion>" in chain
    )
    assert "hasVersion" not in dcat.dataset_ntriples(two)
    assert violations(judged(document(two))) == []


@quiet
def test_tools_load_the_rows_of_a_file_by_what_is_told(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("oraș,locuitori\nIași,271692\nCluj-Napoca,286598\n", encoding="utf-8")
    laid_out = dataclasses.replace(
        WHOLE.newest.files[0],
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        columns=(Column("oraș", "text"), Column("locuitori", "integer")),
    )
    newest = dataclasses.replace(WHOLE.newest, files=(laid_out,))
    told = to_tools(dataclasses.replace(WHOLE, versions=(newest,)))
    found = mlcroissant.Dataset(told, mapping={"file/a.csv": str(path)})
    rows = [list(row.values()) for row in found.records("records-1")]
    assert rows == [["Iași".encode(), 271692], [b"Cluj-Napoca", 286598]]


def test_a_moved_portal_moves_its_addresses():
    assert rdf.BASE not in document(WHOLE)
    assert f"<{HOME}/datasets/x/>" in document(WHOLE)
