"""Versions: what a new one says, what changed, their pages, identifiers and citations."""

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from uzina.catalogue import actions, queries, rules
from uzina.catalogue.adapters import registrar
from uzina.catalogue.models import Version
from uzina.catalogue.rules import citation
from uzina.catalogue.rules.differences import difference
from uzina.core.errors import Invalid
from uzina.core.tests import NOW

LATER = NOW + timedelta(days=1)
CITED = citation.Cited(
    slug="ro-corpus",
    title='Știri & "presă" {2025}_50%',
    creators=("Pop, Ana", "Limbă Vie SRL"),
    publisher="Limbă Vie SRL",
    number=3,
    published_on=date(2026, 11, 23),
    identifier="10.5072/uzina.ro-corpus.v3",
    is_public=False,
    url="https://factory.example/datasets/ro-corpus/versions/3/",
    licence="CC-BY-4.0",
)
PATHS = st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from("0123"), max_size=8)


def files(content):
    return [
        rules.File(path=path, bytes=int(mark) + 1, sha256=mark * 64, media_type="text/plain")
        for path, mark in sorted(content.items())
    ]


def page(person=None):
    client = Client()
    if person is not None:
        client.force_login(person)
    return client


# What changed -----------------------------------------------------------------------------------


def test_added_removed_changed_and_moved_files_are_told_apart():
    before = files({"a": "0", "b": "1", "c": "2", "old": "3"})
    after = files({"a": "0", "b": "0", "d": "1", "new": "3"})
    told = difference(before, after)
    assert [one.path for one in told.added] == ["d"]
    assert [one.path for one in told.removed] == ["c"]
    assert [one.path for one in told.changed] == ["b"]
    assert told.moved == (("old", "new"),)
    assert (told.unchanged, told.bytes) == (1, 0 + (1 + 1 + 2 + 4) - (1 + 2 + 3 + 4))


@settings(max_examples=80, deadline=None)
@given(PATHS, PATHS)
def test_a_difference_leads_from_one_manifest_to_the_other(before, after):
    old, new = files(before), files(after)
    told = difference(old, new)
    found = {one.path: one.sha256 for one in old}
    for one in told.removed:
        del found[one.path]
    for was, now in told.moved:
        found[now] = found.pop(was)
    found |= {one.path: one.sha256 for one in (*told.added, *told.changed)}
    assert found == {one.path: one.sha256 for one in new}
    assert told.unchanged + len(told.changed) + len(told.added) + len(told.moved) == len(new)
    assert told.bytes == sum(one.bytes for one in new) - sum(one.bytes for one in old)


# Identifiers and citations ----------------------------------------------------------------------


@given(st.from_regex(rules.SLUG, fullmatch=True), st.none() | st.integers(1, 999_999_999))
@settings(max_examples=50, deadline=None)
def test_an_identifier_names_one_dataset_or_version(slug, number):
    text = citation.identifier("10.12345", slug, number)
    assert citation.parse_identifier(text) == (slug, number)


@pytest.mark.parametrize(
    "text",
    ["", "10.5072/ro", "10.5072/uzina.", "10.5072/uzina.a.v0", "10.5072/uzina.a.v", "uzina.a.v1"],
)
def test_what_is_no_identifier_of_ours_is_told(text):
    assert citation.parse_identifier(text) is None


def test_a_citation_in_words_says_who_when_what_and_where():
    assert citation.in_words(CITED) == (
        'Pop, Ana; Limbă Vie SRL (2026). Știri & "presă" {2025}_50% (version 3) [dataset]. '
        "Limbă Vie SRL. 10.5072/uzina.ro-corpus.v3. "
        "https://factory.example/datasets/ro-corpus/versions/3/"
    )
    known = citation.in_words(replace(CITED, is_public=True))
    assert known.endswith("Limbă Vie SRL. https://doi.org/10.5072/uzina.ro-corpus.v3")


def test_bibtex_keeps_names_whole_and_letters_of_tex_harmless():
    told = citation.bibtex(CITED)
    assert told.startswith("@misc{ro-corpus-v3,\n")
    assert "author = {{Pop, Ana} and {Limbă Vie SRL}}" in told
    assert r'title = {{Știri \& "presă" \{2025\}\_50\%}}' in told
    assert "doi = " not in told
    assert "doi = {10.5072/uzina.ro-corpus.v3}" in citation.bibtex(replace(CITED, is_public=True))


@given(st.text(max_size=30))
@settings(max_examples=60, deadline=None)
def test_no_title_breaks_out_of_a_bibtex_entry(title):
    told = citation.bibtex(replace(CITED, title=title))
    for escaped in (r"\{", r"\}", r"\textbackslash{}", r"\textasciitilde{}", r"\textasciicircum{}"):
        told = told.replace(escaped, "")
    depth = 0
    for at, letter in enumerate(told):
        depth += {"{": 1, "}": -1}.get(letter, 0)
        assert depth > 0 or at < 5 or told[at:] == "}\n" or told[at:] == "\n"
    assert depth == 0


def test_csl_and_cff_say_the_same():
    (csl,) = citation.csl(CITED)
    assert csl["issued"] == {"date-parts": [[2026, 11, 23]]}
    assert csl["author"] == [{"literal": "Pop, Ana"}, {"literal": "Limbă Vie SRL"}]
    assert "DOI" not in csl
    assert citation.csl(replace(CITED, is_public=True))[0]["DOI"] == CITED.identifier
    rows = dict(
        line.split(": ", 1)
        for line in citation.cff(CITED).splitlines()
        if not line[0].isspace() and ": " in line
    )
    assert rows["cff-version"] == "1.2.0"
    assert json.loads(rows["title"]) == CITED.title
    assert (rows["license"], rows["date-released"]) == ("CC-BY-4.0", "2026-11-23")
    assert "doi" not in rows


def test_the_registrar_of_this_portal_sends_nothing_and_says_so():
    assert registrar().is_public is False
    assert registrar().announce("10.5072/uzina.a", url="https://a.example", metadata={}) is None


# With a database --------------------------------------------------------------------------------


@pytest.fixture
def second(version, dataset, ana, send):
    kept = [one for one in version.manifest if one["path"] != "page.html"]
    added = [
        send(ana, "ro/b.txt", b"Noapte bun\xc4\x83"),
        send(ana, "pagini/page.html", b"<script>"),
    ]
    return actions.add_version(
        dataset, files=kept + added, note="A second text, and folders.", by=ana, now=LATER
    )


@pytest.mark.django_db
def test_a_person_says_what_changed_from_the_second_version_on(version, dataset, ana, send):
    more = [*version.manifest, send(ana, "x", b"x")]
    for note in ("", "  "):
        with pytest.raises(Invalid) as refused:
            actions.add_version(dataset, files=more, note=note, by=ana, now=LATER)
        assert [(one.field, one.code) for one in refused.value.problems] == [
            ("note", "version.note.missing")
        ]
    assert Version.objects.count() == 1
    assert actions.add_version(dataset, files=more, note="X.", by=ana, now=LATER).number == 2


@pytest.mark.django_db
def test_what_the_factory_adds_by_itself_needs_no_note(version, dataset, ana, send):
    more = [*version.manifest, send(ana, "x", b"x")]
    made = actions.add_version(
        dataset, files=more, note="", by=None, made_by_job="JOB-7Q3K2M", now=LATER
    )
    assert made.number == 2


@pytest.mark.django_db
def test_published_data_have_an_identifier_that_stays_and_leads_to_each_version(
    second, dataset, ana
):
    assert queries.identifier_of(dataset) == ""
    published = actions.publish(dataset, by=ana, now=LATER)
    assert published.identifier == "10.5072/uzina.ro-corpus"
    assert queries.identifier_of(published, 2) == "10.5072/uzina.ro-corpus.v2"
    client = page()
    found = client.get("/doi/10.5072/uzina.ro-corpus.v2")
    assert (found.status_code, found["Location"]) == (302, "/datasets/ro-corpus/versions/2/")
    assert client.get("/doi/10.5072/uzina.ro-corpus")["Location"] == "/datasets/ro-corpus/"
    for wrong in ("10.5073/uzina.ro-corpus", "10.5072/uzina.other", "10.5072/x", "a"):
        assert client.get(f"/doi/{wrong}").status_code == 404


@pytest.mark.django_db
def test_drafts_have_no_identifier_that_leads_anywhere(version):
    assert page().get("/doi/10.5072/uzina.ro-corpus").status_code == 404


@pytest.mark.django_db
def test_the_page_of_a_version_shows_files_changes_lineage_and_citation(second, dataset, ana):
    actions.publish(dataset, by=ana, now=LATER)
    shown = page().get("/datasets/ro-corpus/versions/2/")
    text = shown.content.decode()
    assert shown.status_code == 200
    for said in (
        "A second text, and folders.",
        "Added: 1",
        "Moved: 1",
        "page.html → pagini/page.html",
        second.digest,
        "10.5072/uzina.ro-corpus.v2",
        "was sent to no registry",
        "/datasets/ro-corpus/versions/1/",
        "HTML page",
    ):
        assert said in text, said
    first = page().get("/datasets/ro-corpus/versions/1/").content.decode()
    assert "What changed since the version before" not in first


@pytest.mark.django_db
def test_a_page_of_a_version_is_for_those_who_see_the_dataset(version, stranger, auditor, ana):
    where = "/datasets/ro-corpus/versions/1/"
    assert page().get(where).status_code == 404
    assert page(stranger).get(where).status_code == 404
    assert page(stranger).get(where + "cite.bib").status_code == 404
    for person in (ana, auditor):
        assert page(person).get(where).status_code == 200
    assert page(ana).get("/datasets/ro-corpus/versions/2/").status_code == 404


@pytest.mark.django_db
def test_files_of_restricted_data_are_listed_but_not_linked(version, dataset, ana, stranger):
    facts = {"access_right": "restricted", "answers": {"purposes_allowed": "Cercetare."}}
    actions.describe(dataset, facts=facts, by=ana, now=NOW)
    actions.publish(dataset, by=ana, now=LATER)
    text = page(stranger).get("/datasets/ro-corpus/versions/1/").content.decode()
    assert "ro/a.txt" in text
    assert "/files/ro/a.txt" not in text
    assert "The files are not public" in text


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("form", "media_type", "begins"),
    [
        ("txt", "text/plain", "Limbă Vie SRL (2026). Știri românești (version 1)"),
        ("bib", "application/x-bibtex", "@misc{ro-corpus-v1,"),
        ("cff", "application/yaml", "cff-version: 1.2.0"),
        ("json", "application/vnd.citationstyles.csl+json", "["),
    ],
)
def test_a_citation_is_sent_as_a_file(version, ana, form, media_type, begins):
    sent = page(ana).get(f"/datasets/ro-corpus/versions/1/cite.{form}")
    assert sent["Content-Type"].startswith(media_type)
    assert sent["Content-Disposition"].startswith("attachment")
    assert sent.content.decode().startswith(begins)


@pytest.mark.django_db
def test_an_unknown_form_of_citation_is_not_there(version, ana):
    assert page(ana).get("/datasets/ro-corpus/versions/1/cite.exe").status_code == 404


@pytest.mark.django_db
def test_the_steward_is_cited_as_publisher_and_the_creators_as_authors(dataset, version, ana):
    facts = {
        "creators": [{"name": "Pop, Ana"}],
        "answers": {"publisher": "Institutul de date"},
    }
    found = queries.citation(actions.describe(dataset, facts=facts, by=ana, now=NOW), version)
    assert (found.creators, found.publisher) == (["Pop, Ana"], "Institutul de date")


@pytest.mark.django_db
def test_ten_thousand_files_are_shown_in_pages_at_one_cost(register, ana, send):
    many = register(slug="many")
    one = send(ana, "a", b"a")
    rows = [one | {"path": f"f/{at:05}.txt"} for at in range(10_000)]
    actions.add_version(many, files=rows, note="", by=None, now=NOW)
    client = page(ana)
    counts = []
    for number in (1, 100, 9999):
        with CaptureQueriesContext(
            connection,
        ) as asked:
            shown = client.get(f"/datasets/many/versions/1/?page={number}")
        counts.append(len(asked))
        assert shown.content.decode().count('data-label="SHA-256"') == 100
    assert "f/09999.txt" in shown.content.decode()
    assert max(counts) <= 16
    assert page(ana).get("/datasets/many/versions/1/?page=x").status_code == 200
