"""The controlled vocabularies: complete, well formed, and every code we use is in them."""

import re
import tomllib
from datetime import date

import pytest

from uzina.catalogue import rules
from uzina.catalogue.rules import vocabularies

IRI = re.compile(
    r"http://publications\.europa\.eu/resource/authority/[a-z-]+/[A-Z0-9_]+"
    r"|https://www\.iana\.org/assignments/media-types/[a-z]+/[a-z0-9.+-]+"
    r"|https://spdx\.org/rdf/terms#checksumAlgorithm_[a-z0-9]+"
)
EU = (
    "AUT BEL BGR HRV CYP CZE DNK EST FIN FRA DEU GRC HUN IRL ITA LVA LTU LUX MLT NLD POL PRT ROU "
    "SVK SVN ESP SWE"
)
WITHOUT_ADDRESS = {"mixed-see-files", "restricted"} | {
    "application/jsonl",
    "application/warc",
    "application/x-xz",
}


@pytest.fixture(autouse=True)
def licences():
    """Nothing here touches the database."""


@pytest.mark.parametrize("table", vocabularies.TABLES)
def test_each_term_has_both_labels_and_an_address_of_its_own(table):
    found = rules.terms(table)
    iris = [one.iri for one in found.values() if one.code not in WITHOUT_ADDRESS]
    assert all(one.en.strip() and one.ro.strip() for one in found.values())
    assert [one for one in iris if not IRI.fullmatch(one)] == []
    assert len(set(iris)) == len(iris) > 0
    assert len({one.en for one in found.values()}) == len(found)


@pytest.mark.parametrize("table", vocabularies.TABLES)
def test_each_file_names_its_source_and_its_day(table):
    path = vocabularies.FOLDER / f"{table}.toml"
    if table == "licence":
        path = vocabularies.FOLDER.parent / "licences.toml"
    read = tomllib.loads(path.read_text(encoding="utf-8"))
    assert isinstance(read["as_of"], date)
    assert len(read["source"]) > 20


def test_there_are_the_thirteen_themes_and_the_languages_of_the_union():
    assert len(rules.terms("data-theme")) == 13
    union = "bg cs da de el en es et fi fr ga hr hu it lt lv mt nl pl pt ro sk sl sv"
    assert set(union.split()) <= set(rules.LANGUAGES)
    assert rules.LANGUAGES["ro"].iri.endswith("/language/RON")
    assert len(set(EU.split()) & set(rules.terms("country"))) == 27


def test_every_code_the_catalogue_uses_is_in_a_vocabulary():
    assert {one.value.upper() for one in rules.AccessRight} <= set(rules.terms("access-right"))
    assert {*rules.MEDIA_TYPES.values(), "application/octet-stream"} <= set(
        rules.terms("media-type")
    )
    assert set(rules.file_types().values()) - {""} <= set(rules.terms("file-type"))
    assert "sha256" in rules.terms("checksum")


def test_a_code_is_found_by_its_address_with_http_or_https():
    iri = rules.terms("data-theme")["EDUC"].iri
    assert rules.code_of("data-theme", iri) == "EDUC"
    assert rules.code_of("data-theme", iri.replace("http:", "https:")) == "EDUC"
    assert rules.code_of("data-theme", iri + "X") == ""
    assert rules.code_of("licence", "") == ""
    assert rules.code_of("language", rules.LANGUAGES["de"].iri) == "de"


def test_labels_are_in_the_language_of_the_portal():
    term = rules.terms("country")["ROU"]
    assert (term.label("ro"), term.label("en"), term.label("fr")) == (
        "România",
        "Romania",
        "Romania",
    )


def test_romanian_labels_have_no_cedillas():
    cedillas = set("şţŞŢ")
    assert not [
        one.ro
        for table in vocabularies.TABLES
        for one in rules.terms(table).values()
        if cedillas & set(one.ro)
    ]
