"""The doors of the record: pages a steward fills in, the API, what is told and what stays typed."""

import html
import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from uzina.catalogue import actions, queries, rules
from uzina.catalogue.forms import records
from uzina.catalogue.models import Dataset
from uzina.catalogue.tests.conftest import COMPLETE
from uzina.core.models import LogEntry
from uzina.core.tests import NOW
from uzina.people import actions as people
from uzina.people.rules import MembershipKind

pytestmark = pytest.mark.django_db
BASE = "/api/v1/catalogue"
EDIT = "/datasets/ro-corpus/edit/"
ABOUT = {
    "title": "Știri din presă",
    "description": "Articole.",
    "language": "ro",
    "more_languages": "engleză, UK",
    "themes": ["EDUC", "SOCI"],
    "keywords": "știri, presă; ziare",
}


def page(person=None):
    client = Client()
    if person is not None:
        client.force_login(person)
    return client


def save(client, section, data, **more):
    """Send a page as a browser does: with the mark of what it showed."""
    shown = client.get(f"{EDIT}{section}/").content.decode()
    seen = re.search(r'name="seen" value="([0-9a-f]+)"', shown)[1]
    return client.post(f"{EDIT}{section}/", {"seen": seen, **data, **more})


@pytest.fixture
def bare(register):
    return register(facts={})


# Pages ------------------------------------------------------------------------------------------


def test_a_steward_registers_describes_and_publishes_on_pages(ana, org, project, send):
    client = page(ana)
    assert "You look after no dataset yet." in client.get("/datasets/mine/").content.decode()
    made = client.post(
        "/datasets/new/",
        {
            "owner": project.code,
            "slug": "ro-corpus",
            "title": "Texte",
            "description": "Texte.",
            "language": "ro",
            "more_languages": "English",
            "licence": "cc-by-4.0",
        },
    )
    assert (made.status_code, made["Location"]) == (302, EDIT)
    dataset = Dataset.objects.get(slug="ro-corpus")
    assert (dataset.language_codes, dataset.project) == (["ro", "en"], project)
    assert "5 answers are missing" in client.get(EDIT).content.decode()

    went = save(client, "about", ABOUT)
    assert went["Location"] == f"{EDIT}translations/"
    went = save(
        client,
        "translations",
        {
            "translations-rows": "1",
            "translations_0_language": "en",
            "translations_0_title": "News",
            "translations_0_description": "Articles.",
        },
    )
    assert went["Location"] == f"{EDIT}coverage/"
    save(
        client,
        "coverage",
        {
            "places": "România, mda",
            "begins_on_day": "1",
            "begins_on_month": "ianuarie",
            "begins_on_year": "2025",
            "frequency": "ANNUAL",
            "landing_url": "https://startup.example/stiri",
        },
    )
    save(
        client,
        "contact",
        {
            "contact_name": "Biroul de date",
            "contact_email": "date@startup.example",
            "creators-rows": "1",
            "creators_0_name": "Pop, Ana",
        },
    )
    went = save(client, "terms", {"licence": "cc-by-4.0", "access_right": "restricted"})
    assert went["Location"] == f"{EDIT}origin/"
    save(client, "origin", {"answers_collection": ["published", "survey"]})
    save(client, "people", {"answers_personal_data": "none"})
    last = {"answers_capacity": "business", "answers_cost": "free"}
    went = save(client, "use", last)
    assert went["Location"] == EDIT
    dataset.refresh_from_db()
    assert [one.field for one in queries.readiness(dataset)] == ["answers.purposes_allowed"]
    assert "1 answer is missing" in client.get(EDIT).content.decode()
    save(client, "use", last | {"answers_purposes_allowed": "Cercetare."})
    dataset.refresh_from_db()
    said = queries.said(dataset)
    assert said["languages"] == ["ro", "en", "uk"]
    assert said["keywords"] == ["știri", "presă", "ziare"]
    assert said["translations"] == {"en": {"title": "News", "description": "Articles."}}
    assert said["places"] == ["ROU", "MDA"]
    assert str(said["begins_on"]) == "2025-01-01"
    assert said["creators"] == [{"name": "Pop, Ana"}]
    assert said["answers"]["collection"] == ["published", "survey"]

    assert "uzina data push ro-corpus" in client.get(EDIT).content.decode()
    actions.add_version(dataset, files=[send(ana, "a", b"a")], note="", by=ana, now=NOW)
    assert client.post("/datasets/ro-corpus/publish/")["Location"] == "/datasets/ro-corpus/"
    assert "Știri din presă" in client.get("/datasets/mine/").content.decode()


def test_publishing_too_early_leads_to_what_is_missing(bare, ana, send):
    actions.add_version(bare, files=[send(ana, "a", b"a")], note="", by=ana, now=NOW)
    client = page(ana)
    went = client.post("/datasets/ro-corpus/publish/", follow=True)
    text = went.content.decode()
    assert went.redirect_chain == [(EDIT, 302)]
    assert "the pages below need answers" in text
    assert "5 answers are missing" in text
    bare.refresh_from_db()
    assert bare.state == "draft"


def test_questions_follow_from_answers_and_the_page_stays(bare, ana):
    client = page(ana)
    went = save(client, "people", {"answers_personal_data": "personal"})
    assert went["Location"] == f"{EDIT}people/"
    shown = client.get(f"{EDIT}people/").content.decode()
    assert "On what legal basis" in shown
    assert "GDPR, Art. 6(1)" in shown
    went = save(
        client,
        "people",
        {
            "answers_personal_data": "personal",
            "answers_legal_basis": "consent",
            "answers_special_categories": "no",
            "answers_retention_until_day": "1",
            "answers_retention_until_month": "2",
            "answers_retention_until_year": "2030",
        },
    )
    assert went["Location"] == f"{EDIT}use/"
    bare.refresh_from_db()
    assert bare.answers == {
        "personal_data": "personal",
        "legal_basis": "consent",
        "special_categories": False,
        "retention_until": "2030-02-01",
    }
    again = client.get(f"{EDIT}people/").content.decode()
    assert 'value="2030"' in again


@pytest.mark.parametrize(
    ("section", "data", "kept", "told"),
    [
        ("about", {"title": ""}, "Articole.", "Fill in “Title”."),
        ("about", {"title": "x" * 201}, "x" * 201, "Use at most 200 characters; this has 201."),
        ("about", {"title": "a\0b"}, "Articole.", "Remove the characters that cannot be shown."),
        ("about", {"language": "klingon"}, "Articole.", "Choose one of the answers."),
        ("about", {"more_languages": "English, Klingon"}, "English, Klingon", "Klingon"),
        ("about", {"themes": ["EDUC", "NOPE"]}, "Articole.", "Choose one of the answers."),
        ("about", {"keywords": "x" * 61}, "x" * 61, "Use at most 60 characters; this has 61."),
        ("about", {"description": "y" * 20_001}, "Știri din presă", "20000 characters"),
        ("coverage", {"places": "Narnia"}, "Narnia", "Narnia"),
        (
            "coverage",
            {"begins_on_day": "31", "begins_on_month": "2", "begins_on_year": "2025"},
            'value="31"',
            "There is no date 31 2 2025.",
        ),
        ("coverage", {"ends_on_day": "1"}, 'value="1"', "The date needs a month and a year too."),
        ("coverage", {"frequency": "NOW"}, "", "Choose one of the answers."),
        (
            "coverage",
            {"landing_url": "javascript:alert(1)"},
            "javascript:alert(1)",
            "Write a web address such as https://example.org.",
        ),
        ("contact", {"contact_email": "ana@"}, "ana@", "Write an e-mail address"),
        ("contact", {"contact_name": "z" * 121}, "z" * 121, "Use at most 120 characters"),
        (
            "contact",
            {"creators-rows": "2", "creators_1_name": "Ana", "creators_1_url": "ana"},
            'value="Ana"',
            "Write a web address such as https://example.org.",
        ),
        (
            "contact",
            {"creators-rows": "1", "creators_0_url": "https://a.example"},
            "https://a.example",
            "Write something here.",
        ),
        (
            "translations",
            {"translations_0_title": "News"},
            "News",
            "Choose the language of this translation.",
        ),
        (
            "translations",
            {"translations_0_language": "ro", "translations_0_title": "News"},
            "News",
            "is the main language",
        ),
        (
            "translations",
            {"translations_0_language": "en", "translations_0_description": "Text"},
            "Text",
            "Write something here.",
        ),
        (
            "translations",
            {
                "translations-rows": "2",
                "translations_0_language": "en",
                "translations_0_title": "News",
                "translations_1_language": "en",
                "translations_1_title": "Again",
            },
            "Again",
            "This language is there twice.",
        ),
        (
            "terms",
            {"licence": "made-up", "access_right": "public"},
            "",
            "Choose one of the answers.",
        ),
        ("terms", {"licence": "mit"}, "", "Choose an answer for"),
        ("terms", {"licence": "mit", "access_right": "secret"}, "", "Choose one of the answers."),
        ("origin", {"answers_collection": ["stolen"]}, "", "Choose one of the answers."),
        ("origin", {"answers_limits": "w" * 2001}, "w" * 2001, "Use at most 2000 characters"),
        ("people", {"answers_personal_data": "perhaps"}, "", "Choose one of the answers."),
        ("use", {"answers_publisher": "v" * 201}, "v" * 201, "Use at most 200 characters"),
    ],
)
def test_each_mistake_stands_on_its_page_and_what_was_typed_stays(
    bare, ana, section, data, kept, told
):
    before = queries.said(bare)
    sent = save(page(ana), section, {**(ABOUT if section == "about" else {}), **data})
    text = html.unescape(sent.content.decode())
    assert sent.status_code == 422
    assert told in text
    assert "There is a problem" in text
    assert kept in text
    bare.refresh_from_db()
    assert queries.said(bare) == before
    assert not LogEntry.objects.filter(event="dataset.described").exists()


def test_a_mistake_in_a_later_row_stands_on_that_row(bare, ana):
    sent = save(
        page(ana),
        "contact",
        {"creators-rows": "3", "creators_0_name": "A", "creators_2_name": "x" * 201},
    )
    text = sent.content.decode()
    assert sent.status_code == 422
    assert 'id="id_creators_2_name_error"' in text
    assert 'id="id_creators_1_name_error"' not in text


def test_another_row_is_added_and_rows_left_empty_are_not_kept(bare, ana):
    client = page(ana)
    went = save(client, "contact", {"creators-rows": "1", "creators_0_name": "A"}, add="creators")
    assert went["Location"] == f"{EDIT}contact/?add=creators"
    assert 'name="creators_1_name"' in client.get(went["Location"]).content.decode()
    save(client, "contact", {"creators-rows": "3", "creators_1_name": "B"})
    bare.refresh_from_db()
    assert bare.creators == [{"name": "B"}]


@pytest.mark.parametrize("rows", ["", "-1", "x", "999", "²", "99"])
def test_a_made_up_number_of_rows_does_no_harm(bare, ana, rows):
    sent = save(page(ana), "contact", {"creators-rows": rows, "creators_0_name": "A"})
    assert sent.status_code == 302
    bare.refresh_from_db()
    assert bare.creators == [{"name": "A"}]


def test_what_a_colleague_saved_meanwhile_is_not_lost_unseen(bare, ana):
    client = page(ana)
    shown = client.get(f"{EDIT}about/").content.decode()
    seen = re.search(r'name="seen" value="([0-9a-f]+)"', shown)[1]
    actions.describe(bare, facts={"keywords": ["theirs"]}, by=ana, now=NOW)
    sent = client.post(f"{EDIT}about/", ABOUT | {"seen": seen})
    text = sent.content.decode()
    assert sent.status_code == 409
    assert "A colleague changed this page" in text
    assert "Știri din presă" in text
    bare.refresh_from_db()
    assert bare.keywords == ["theirs"]
    again = re.search(r'name="seen" value="([0-9a-f]+)"', text)[1]
    assert client.post(f"{EDIT}about/", ABOUT | {"seen": again}).status_code == 302


def test_saving_for_later_leads_back_to_the_pages(bare, ana):
    went = save(page(ana), "origin", {"answers_limits": "Doar ziare."}, later="1")
    assert went["Location"] == EDIT
    bare.refresh_from_db()
    assert bare.answers == {"limits": "Doar ziare."}


def test_every_page_is_shown_in_both_languages(bare, ana):
    client = page(ana)
    for language, words in (("en", "Save and continue"), ("ro", "Salvați și continuați")):
        client.cookies["django_language"] = language
        for key in records.section_keys():
            shown = client.get(f"{EDIT}{key}/")
            assert words in shown.content.decode(), key
        assert client.get("/datasets/new/").status_code == 200
        assert client.get("/datasets/mine/").status_code == 200


def test_pages_of_the_record_are_for_those_who_look_after_it(
    bare, ana, stranger, auditor, operator, project
):
    where = (EDIT, f"{EDIT}about/")
    for address in (*where, "/datasets/mine/", "/datasets/new/"):
        assert page().get(address).status_code == 302
    for address in where:
        assert page(stranger).get(address).status_code == 404
        assert page(auditor).get(address).status_code == 403
        assert page(operator).get(address).status_code == 200
    assert page(ana).get(f"{EDIT}nothing/").status_code == 404
    people.add_member(project, stranger, kind=MembershipKind.MEMBER, by=ana, now=NOW)
    assert page(stranger).get(EDIT).status_code == 200
    assert (
        "Publish"
        not in page(stranger).get(EDIT).content.decode().split("<main", 1)[1].split("</main", 1)[0]
    )


def test_somebody_without_project_or_organisation_is_told_why(stranger):
    text = page(stranger).get("/datasets/new/").content.decode()
    assert "There is nobody whose data you could register." in text


def test_a_registration_with_mistakes_keeps_what_was_typed(ana, project):
    sent = page(ana).post(
        "/datasets/new/",
        {
            "owner": project.code,
            "slug": "Bad Slug",
            "title": "Texte",
            "description": "D",
            "language": "ro",
            "more_languages": "Klingon",
            "licence": "mit",
        },
    )
    text = html.unescape(sent.content.decode())
    assert sent.status_code == 422
    assert 'value="Bad Slug"' in text
    assert "Use 1 to 63 small letters" in text
    assert "'Klingon' is not a language code" in text
    assert not Dataset.objects.exists()


def test_data_of_somebody_else_cannot_be_registered(ana, stranger, project):
    sent = page(stranger).post("/datasets/new/", {"owner": project.code, "slug": "x"})
    assert sent.status_code == 422
    assert not Dataset.objects.exists()


def test_a_withdrawn_dataset_offers_no_page(bare, ana):
    actions.withdraw(bare, reason="Ended.", by=ana, now=NOW)
    client = page(ana)
    assert f"{EDIT}about/" not in client.get(EDIT).content.decode()
    sent = save(client, "about", ABOUT)
    assert sent.status_code == 422
    assert "was withdrawn" in sent.content.decode()


def test_from_the_datasets_one_reaches_ones_own_the_requests_and_the_storage(
    register, ana, project
):
    register()
    links = ("/datasets/mine/", "/access/", "/datasets/new/")
    shown = page().get("/datasets/").content.decode()
    assert not any(f'href="{one}"' in shown for one in links), "a visitor has none of these"
    for address in ("/datasets/", "/datasets/mine/", "/access/"):
        shown = page(ana).get(address).content.decode()
        assert all(f'href="{one}"' in shown for one in links), address
        assert re.search(rf'href="{address}" aria-current="page"', shown)
    assert f"/projects/{project.code}/storage/" in page(ana).get("/datasets/mine/").content.decode()


def test_my_data_costs_the_same_for_one_and_for_three(register, ana):
    client = page(ana)
    register()
    client.get("/datasets/mine/")
    counts = []
    for slugs in ((), ("second", "third")):
        for slug in slugs:
            register(slug=slug)
        with CaptureQueriesContext(connection) as asked:
            text = client.get("/datasets/mine/").content.decode()
        counts.append(len(asked))
    assert counts[0] == counts[1]
    assert text.count("complete") == 3


# The API ----------------------------------------------------------------------------------------


def test_the_api_describes_with_what_changes_and_tells_what_is_missing(api, ana, bare):
    client = api(ana)
    found = client.get(f"{BASE}/datasets/ro-corpus/record").json()
    assert [one["field"] for one in found["missing"]][:2] == ["contact_email", "answers.collection"]
    sent = client.post(
        f"{BASE}/datasets/ro-corpus/describe",
        COMPLETE | {"themes": ["EDUC"], "begins_on": "2025-01-01"},
        content_type="application/json",
    )
    assert sent.status_code == 200
    assert (sent.json()["missing"], sent.json()["begins_on"]) == ([], "2025-01-01")
    assert sent.json()["title"] == "Știri românești"
    gone = client.post(
        f"{BASE}/datasets/ro-corpus/describe",
        {"answers": {"cost": None}, "begins_on": None},
        content_type="application/json",
    ).json()
    assert (gone["begins_on"], "cost" in gone["answers"]) == (None, False)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"titel": "x"}, "/titel"),
        ({"title": 5}, "/title"),
        ({"title": "x" * 201}, "/title"),
        ({"title": "\ud800"}, "/title"),
        ({"contact_email": "a\ud800@b.ro"}, "/contact_email"),
        ({"landing_url": "https://a\ud800.ro"}, "/landing_url"),
        ({"description": "a\u0000"}, "/description"),
        ({"begins_on": "soon"}, "/begins_on"),
        ({"themes": "EDUC"}, "/themes"),
        ({"themes": ["X"]}, "/themes/0"),
        ({"translations": {"en": {"name": "x"}}}, "/translations/en/title"),
        ({"translations": {"\ud800": {"title": "x"}}}, "/translations"),
        ({"creators": [{"name": "a", "mail": "x"}]}, "/creators/0/mail"),
        ({"answers": {"personal_data": [{"a": "\ud800"}]}}, "/answers/personal_data"),
        ({"answers": {"\ud800": 1}}, "/answers"),
        ({"answers": {"x": 1}}, "/answers"),
        ({"licence": "made-up"}, "/licence"),
        ({"access_right": "open"}, "/access_right"),
    ],
)
def test_bad_input_is_told_by_field_and_nothing_is_kept(api, ana, bare, body, pointer):
    before = queries.said(bare)
    sent = api(ana).post(
        f"{BASE}/datasets/ro-corpus/describe", body, content_type="application/json"
    )
    assert sent.status_code == 422
    told = [one["pointer"].removeprefix("/body") for one in sent.json()["errors"]]
    assert any(one.startswith(pointer) for one in told)
    bare.refresh_from_db()
    assert queries.said(bare) == before


def test_the_api_describes_nothing_for_others(api, bare, stranger, auditor, project, ana):
    where = f"{BASE}/datasets/ro-corpus/describe"
    for person, status in ((None, 401), (stranger, 404), (auditor, 403)):
        sent = api(person).post(where, {"title": "Mine"}, content_type="application/json")
        assert sent.status_code == status
    people.add_member(project, stranger, kind=MembershipKind.MEMBER, by=ana, now=NOW)
    sent = api(stranger).post(where, {"title": "Ours"}, content_type="application/json")
    assert (sent.status_code, sent.json()["title"]) == (200, "Ours")


def test_answers_kept_inside_are_read_by_those_who_look_after_the_data(
    api, ana, stranger, auditor, version, dataset
):
    inside = {
        "personal_data": "personal",
        "legal_basis": "consent",
        "special_categories": True,
        "special_basis": "consent",
        "impact_assessment": "DPIA 12 of 2026",
        "retention_until": "2030-01-01",
    }
    actions.describe(dataset, facts={"answers": inside}, by=ana, now=NOW)
    actions.publish(dataset, by=ana, now=NOW)
    where = f"{BASE}/datasets/ro-corpus/record"
    assert "impact_assessment" not in api(stranger).get(where).json()["answers"]
    assert api(stranger).get(where).json()["answers"]["legal_basis"] == "consent"
    for person in (ana, auditor):
        assert api(person).get(where).json()["answers"]["impact_assessment"] == "DPIA 12 of 2026"


def test_questions_and_vocabularies_are_there_for_everybody(api):
    asked = api().get(f"{BASE}/questions").json()
    assert [one["key"] for one in asked] == list(rules.questions())
    assert asked[0]["law"] == "Regulation (EU) 2024/1689"
    themes = api().get(f"{BASE}/vocabularies/data-theme").json()
    assert {"code": "EDUC", "iri": rules.terms("data-theme")["EDUC"].iri} == {
        key: themes[2][key] for key in ("code", "iri")
    }
    unknown = api().get(f"{BASE}/vocabularies/colours")
    assert (unknown.status_code, unknown.json()["code"]) == (409, "vocabulary.find.unknown")


def test_the_api_cites_a_version(api, ana, version, stranger):
    where = f"{BASE}/datasets/ro-corpus/versions/1/citation"
    found = api(ana).get(where).json()
    assert found["text"].startswith("Limbă Vie SRL (2026). Știri românești (version 1)")
    assert found["is_registered"] is False
    assert found["csl"][0]["type"] == "dataset"
    assert api(stranger).get(where).status_code == 404
