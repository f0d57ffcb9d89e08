"""Pages of a version's line and end, of participants, and what is typed across a sign-in."""

import re

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from uzina.catalogue import actions
from uzina.catalogue.actions import keeping
from uzina.catalogue.models import Dataset, Participant, Purge
from uzina.catalogue.rules import AccessRight
from uzina.core.models import LogEntry
from uzina.core.tests import NOW
from uzina.people import actions as people
from uzina.people.rules import MembershipKind

pytestmark = pytest.mark.django_db
VERSION = "/datasets/ro-corpus/versions/1/"
PARTICIPANT = {
    "name": "Datenraum Neustadt",
    "participant_id": "did:web:connector.example",
    "kind": "university",
    "country": "DE",
    "callback_base": "https://connector.example/callbacks",
}
PURGE = {"basis": "erasure", "reason": "Asked on 3 May.", "is_sure": "on"}


def page(person=None, **settings):
    client = Client(**settings)
    if person is not None:
        client.force_login(person)
    return client


def shown(client, address):
    return client.get(address).content.decode()


@pytest.fixture
def line(version, register, ana, send):
    """Three versions, each made from the one before: of public, of private and of public data."""
    made = [version]
    for slug in ("middle", "last"):
        files = [send(ana, f"{slug}.txt", slug.encode())]
        made.append(
            actions.add_version(
                register(slug=slug), files=files, note="", by=ana, now=NOW, derived_from=made[-1:]
            )
        )
    for one in (made[0], made[2]):
        actions.publish(one.dataset, by=ana, now=NOW)
    return made


# Lineage ----------------------------------------------------------------------------------------


def test_the_line_of_a_version_goes_all_the_way_in_both_directions(line, ana):
    first = shown(page(ana), f"{VERSION}lineage/")
    assert "middle@1" in first
    assert "last@1" in first
    last = shown(page(ana), "/datasets/last/versions/1/lineage/")
    assert "middle@1" in last
    assert "ro-corpus@1" in last
    assert "lineage/" in shown(page(ana), VERSION)


def test_who_may_not_see_a_version_of_the_line_is_told_only_that_there_is_one(line):
    text = shown(page(), f"{VERSION}lineage/")
    assert "last@1" in text
    assert "middle@1" not in text
    assert "1 version is not shown to you." in text
    assert page().get("/datasets/middle/versions/1/lineage/").status_code == 404


# The end of the files ---------------------------------------------------------------------------


def test_the_lead_deletes_the_files_of_a_version_on_a_page(line, ana):
    client = page(ana)
    form = shown(client, f"{VERSION}purge/")
    assert "last@1" in form, "who deletes is told what was made of it"
    assert client.post(f"{VERSION}purge/", PURGE)["Location"] == VERSION
    kept = Purge.objects.get()
    assert (kept.basis, kept.reason, kept.by_code) == ("erasure", "Asked on 3 May.", ana.code)
    text = shown(client, VERSION)
    assert "The files were deleted on" in text
    assert "Asked on 3 May." in text
    assert f"{VERSION}purge/" not in text
    assert "were deleted before" in shown(client, f"{VERSION}purge/")
    assert client.post(f"{VERSION}purge/", PURGE).status_code == 422


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"is_sure": ""}, "Tick this to delete the files."),
        ({"reason": " "}, "reason"),
        ({"basis": "whim"}, "basis"),
        ({"reason": "x" * 2001}, "Shorten this"),
    ],
)
def test_no_file_is_deleted_by_a_form_with_a_mistake(version, ana, change, words):
    before = LogEntry.objects.count()
    answer = page(ana).post(f"{VERSION}purge/", PURGE | change)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not Purge.objects.exists()
    assert LogEntry.objects.count() == before


def test_only_who_answers_for_the_data_opens_the_form_that_deletes(version, project, ana, stranger):
    assert page(stranger).get(f"{VERSION}purge/").status_code == 404
    member = stranger
    people.add_member(project, member, kind=MembershipKind.MEMBER, by=ana, now=NOW)
    for verb in ("get", "post"):
        assert getattr(page(member), verb)(f"{VERSION}purge/", PURGE).status_code == 403
    assert "/sign-in/" in page().get(f"{VERSION}purge/")["Location"]
    assert f"{VERSION}purge/" not in shown(page(member), VERSION)
    assert not Purge.objects.exists()


# What is not theirs is not offered --------------------------------------------------------------


def test_files_that_may_not_be_read_are_listed_without_links(version, ana):
    actions.publish(version.dataset, by=ana, now=NOW)
    link = 'href="/datasets/ro-corpus/1/files/page.html"'
    assert link in shown(page(), "/datasets/ro-corpus/")
    Dataset.objects.update(access_right=AccessRight.RESTRICTED)
    text = shown(page(), "/datasets/ro-corpus/")
    assert "page.html" in text
    assert link not in text
    assert link in shown(page(ana), "/datasets/ro-corpus/")
    keeping.purge_version(version, **dict(list(PURGE.items())[:2]), by=ana, now=NOW)
    assert link not in shown(page(ana), VERSION)


# What harvesters recommend ----------------------------------------------------------------------


def test_a_steward_reads_what_portals_recommend_and_where_to_answer_it(dataset, ana):
    text = shown(page(ana), "/datasets/ro-corpus/edit/")
    assert re.search(
        r'href="/datasets/ro-corpus/edit/coverage/">Say which countries the data speak of', text
    )
    actions.describe(dataset, facts={"places": ["ROU"]}, by=ana, now=NOW)
    assert "Say which countries" not in shown(page(ana), "/datasets/ro-corpus/edit/")


# Participants -----------------------------------------------------------------------------------


def test_an_operator_registers_a_participant_and_stops_it(operator, auditor):
    client = page(operator)
    assert "Nobody is registered." in shown(client, "/catalogue/participants/")
    made = client.post("/catalogue/participants/new/", PARTICIPANT)
    assert made.status_code == 201
    assert made["Cache-Control"] == "no-store"
    secrets = re.findall(r'<code class="secret"[^>]*>([^<]+)</code>', made.content.decode())
    assert len(secrets) == 2
    listed = shown(client, "/catalogue/participants/")
    assert "Datenraum Neustadt" in listed
    assert not any(one in listed for one in secrets)
    row = Participant.objects.get()
    seen = shown(page(auditor), "/catalogue/participants/")
    assert "Datenraum Neustadt" in seen
    assert "Stop listening" not in seen
    assert page(auditor).post(f"/catalogue/participants/{row.code}/stop/").status_code == 403
    assert page(auditor).get("/catalogue/participants/new/").status_code == 404
    client.post(f"/catalogue/participants/{row.code}/stop/")
    row.refresh_from_db()
    assert row.stopped_at is not None
    assert "Stop listening" not in shown(client, "/catalogue/participants/")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "", "name"),
        ("participant_id", "with a space", "without spaces"),
        ("kind", "circus", "kind"),
        ("country", "Mars", "country"),
        ("callback_base", "https://a.example/?q=1", "without a question"),
        ("callback_base", "javascript:alert(1)", "web address"),
    ],
)
def test_a_mistake_about_a_participant_is_told_and_the_rest_stays_typed(
    operator, field, value, words
):
    answer = page(operator).post("/catalogue/participants/new/", PARTICIPANT | {field: value})
    text = answer.content.decode()
    assert answer.status_code == 422
    assert words in text
    kept = "did:web:connector.example" if field != "participant_id" else "Datenraum Neustadt"
    assert f'value="{kept}"' in text
    assert not Participant.objects.exists()


def test_participants_are_no_business_of_others(ana, assessor):
    for person in (ana, assessor):
        for address in ("/catalogue/participants/", "/catalogue/participants/new/"):
            assert page(person).get(address).status_code == 404
    assert "/sign-in/" in page().get("/catalogue/participants/")["Location"]


# What is typed across a sign-in -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "typed", "words"),
    [
        (
            "/datasets/ro-corpus/edit/about/",
            {"title": "Scris o oră", "description": "Lung <b>text</b>", "seen": "0" * 16},
            ["Scris o oră", "Lung &lt;b&gt;text&lt;/b&gt;", 'name="seen" value="0000000000000000"'],
        ),
        ("/datasets/new/", {"title": "Set nou", "slug": "set-nou"}, ["Set nou", "set-nou"]),
        ("/datasets/ro-corpus/policy/", {"places": "RO MD", "delete_days": "7"}, ["RO MD"]),
        (f"{VERSION}purge/", {"reason": "Cerut la 3 mai"}, ["Cerut la 3 mai"]),
    ],
)
def test_what_was_typed_survives_the_end_of_the_session(version, ana, address, typed, words):
    ana.set_password("a password of this test")
    ana.save()
    client = page(ana, enforce_csrf_checks=True)
    client.get(address)
    Session.objects.all().delete()
    before = LogEntry.objects.count()
    token = client.cookies["csrftoken"].value
    away = client.post(address, typed | {"csrfmiddlewaretoken": token})["Location"]
    assert away.startswith("/sign-in/")
    assert LogEntry.objects.count() == before, "nothing is done for nobody"
    form = client.get(away)
    back = client.post(
        away,
        {
            "email": ana.email,
            "password": "a password of this test",
            "next": address,
            "csrfmiddlewaretoken": form.context["csrf_token"],
        },
    )
    assert back["Location"] == address
    text = shown(client, address)
    assert "what you typed is back" in text
    assert all(one in text for one in words), text
    assert not Purge.objects.exists()
    assert "is back" not in shown(client, address), "once"


def test_what_was_typed_is_not_shown_on_another_page_or_to_who_may_not(version, ana, stranger):
    client = page()
    client.post("/datasets/ro-corpus/edit/about/", {"title": "Secret title"})
    client.force_login(stranger)
    assert client.get("/datasets/ro-corpus/edit/about/").status_code == 404
    client = page()
    client.post("/datasets/ro-corpus/edit/about/", {"title": "Secret title"})
    client.force_login(ana)
    assert "Secret title" not in shown(client, "/datasets/ro-corpus/edit/contact/")
    assert "Secret title" in shown(client, "/datasets/ro-corpus/edit/about/")
