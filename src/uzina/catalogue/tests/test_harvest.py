"""Harvesting other portals over real HTTP: what is kept, what is told, what does no harm."""

import gzip
import itertools
import json
from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser

from uzina.catalogue import actions, queries, rules
from uzina.catalogue.adapters.web import Web, is_public
from uzina.catalogue.models import Dataset, Fragment, Licence, SearchEntry, Source
from uzina.catalogue.ports import PortalDown, PortalRefused
from uzina.catalogue.rules import harvest as harvest_rules
from uzina.catalogue.tests.portal import (
    JSON,
    SEARCH,
    TURTLE,
    again,
    ckan,
    package,
    run,
    turtle,
)
from uzina.core.errors import Invalid, NotAllowed, Refused
from uzina.core.models import LogEntry, Promise
from uzina.core.tests import NOW

pytestmark = pytest.mark.django_db


def counts(harvest):
    return (harvest.new, harvest.changed, harvest.unchanged, harvest.gone, harvest.broken)


# What is kept -----------------------------------------------------------------------------------


def test_a_ckan_portal_is_harvested_page_by_page(portal, add):
    ckan(portal, [package(number) for number in range(250)])
    done = run(add())
    assert (counts(done), done.pages, done.is_complete) == ((250, 0, 0, 0, 0), 3, True)
    dataset = Dataset.objects.get(source_uri=f"{portal.url}/dataset/4a1b-7")
    assert dataset.title == "Stații de transport public 7"
    assert dataset.licence.slug == "cc-by-4.0"
    assert dataset.language_codes == ["ro"]
    assert dataset.themes == ["TRAN"]
    assert dataset.creators == [{"name": "Primăria Iași", "url": ""}]
    assert dataset.contact_email == "date@primaria.example"
    assert dataset.landing_url == f"{portal.url}/dataset/transport-7"
    assert dataset.origin["formats"] == ["CSV", "JSON"]
    assert dataset.made_at.year == 2024
    assert LogEntry.objects.filter(event="source.harvested").count() == 1


def test_what_was_harvested_is_found_like_our_own(portal, add):
    ckan(portal, [package(1)])
    source = add()
    run(source)
    wanted = rules.wanted("statii", {"source": [source.code], "format": ["CSV"]}, "")
    found = queries.search(wanted, seen_by=AnonymousUser(), limit=5)
    assert [one.title for one in found.items] == ["Stații de transport public 1"]
    assert found.counts["licence"] == {"cc-by-4.0": 1}


def test_the_next_harvest_tells_new_changed_unchanged_and_gone(portal, add):
    ckan(portal, [package(1), package(2), package(3)])
    source = add()
    run(source)
    ckan(portal, [package(1), package(2, title="Alt titlu"), package(4)])
    assert counts(again(source)) == (1, 1, 1, 1, 0)
    states = dict(Dataset.objects.filter(source=source).values_list("source_uri", "state"))
    assert states[f"{portal.url}/dataset/4a1b-3"] == "withdrawn"
    assert Dataset.objects.get(source_uri=f"{portal.url}/dataset/4a1b-2").title == "Alt titlu"
    ckan(portal, [package(number) for number in (1, 2, 3, 4)])
    assert counts(again(source))[:3] == (0, 2, 2)
    assert Dataset.objects.filter(source=source, state="published").count() == 4


def test_a_dcat_catalogue_is_followed_by_hydra(portal, add):
    base = "https://data.example/d"
    turtle(portal, "/catalog", [(f"{base}/1", "Unu")], following=f"{portal.url}/catalog?page=2")
    turtle(portal, "/catalog?page=2", [(f"{base}/2", "Doi")], total=2)
    done = run(add("dcat", f"{portal.url}/catalog"))
    assert (counts(done), done.is_complete, done.problems) == ((2, 0, 0, 0, 0), True, [])
    assert set(Dataset.objects.values_list("title", flat=True)) == {"Unu", "Doi"}


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        (
            "application/ld+json",
            b'{"@id": "https://d.example/1", "@type": "http://www.w3.org/ns/dcat#Dataset",'
            b' "http://purl.org/dc/terms/title": {"@value": "Unu", "@language": "ro"}}',
        ),
        (
            "application/rdf+xml",
            b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
            b'xmlns:dct="http://purl.org/dc/terms/" xmlns:dcat="http://www.w3.org/ns/dcat#">'
            b'<dcat:Dataset rdf:about="https://d.example/1"><dct:title xml:lang="ro">Unu'
            b"</dct:title></dcat:Dataset></rdf:RDF>",
        ),
    ],
)
def test_other_syntaxes_say_the_same(portal, add, media_type, body):
    portal.answers["/feed"] = (200, {"Content-Type": media_type}, body)
    assert run(add("dcat", f"{portal.url}/feed")).new == 1
    assert Dataset.objects.get().title == "Unu"
    assert Dataset.objects.get().licence.slug == "not-stated"


def test_a_licence_filter_takes_only_what_is_under_it(portal, add):
    ckan(portal, [package(1), package(2, license_id="other", license_url="", license_title="")])
    done = run(add(licences=["cc-by-4.0"]))
    assert (done.new, done.left_out) == (1, 1)


def test_no_steward_can_choose_the_licence_of_what_names_none(portal, add, register):
    ckan(portal, [package(1, license_id=None, license_url=None, license_title=None)])
    run(add())
    assert Licence.objects.filter(slug="not-stated").exists()
    with pytest.raises(Invalid):
        register(licence="not-stated")


def test_harvested_data_are_read_only_here_and_not_handed_on(portal, add, operator, ana):
    ckan(portal, [package(1)])
    run(add())
    dataset = Dataset.objects.get()
    for person in (operator, ana):
        with pytest.raises(NotAllowed):
            actions.withdraw(dataset, reason="Mine.", by=person, now=NOW)
    assert not Fragment.objects.filter(dataset=dataset).exists()


# The clock and the people -----------------------------------------------------------------------


def test_the_clock_begins_a_harvest_when_its_hours_are_over(portal, add):
    ckan(portal, [package(1)])
    source = add(every_hours=2)
    run(source)
    assert actions.plan_harvests(now=NOW + timedelta(hours=2, microseconds=-1)) == 0
    assert actions.plan_harvests(now=NOW + timedelta(hours=2)) == 1
    assert actions.plan_harvests(now=NOW + timedelta(hours=9)) == 0
    run(source)
    actions.pause_source(source, by=None, now=NOW)
    assert actions.plan_harvests(now=NOW + timedelta(hours=99)) == 0


def test_one_harvest_of_a_portal_at_a_time(portal, add):
    ckan(portal, [package(1)])
    source = add()
    with pytest.raises(Refused) as refused:
        actions.harvest_now(source, by=None, now=NOW)
    assert refused.value.code == "source.harvest.running"
    assert source.harvests.count() == 1


def test_only_operators_say_what_is_harvested(portal, add, org, ana):
    ckan(portal, [])
    source = add()
    for act in (actions.harvest_now, actions.pause_source, actions.resume_source):
        with pytest.raises(NotAllowed):
            act(source, by=ana, now=NOW)
    with pytest.raises(NotAllowed):
        actions.add_source(
            title="Mine",
            url="https://x.example",
            kind="ckan",
            every_hours=1,
            licences=[],
            owner=org,
            by=ana,
            now=NOW,
        )
    assert Source.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"title": " "}, "title"),
        ({"url": "ftp://x.example"}, "url"),
        ({"url": "javascript:alert(1)"}, "url"),
        ({"kind": "oai"}, "kind"),
        ({"every_hours": 0}, "every_hours"),
        ({"every_hours": 24 * 31 + 1}, "every_hours"),
        ({"licences": ["nope"]}, "licences.0"),
    ],
)
def test_mistakes_in_a_portal_are_told_and_leave_nothing(portal, add, change, field):
    with pytest.raises(Invalid) as invalid:
        add(**change)
    assert [one.field for one in invalid.value.problems] == [field]
    assert not Source.objects.exists()
    assert not Promise.objects.filter(task="catalogue.harvest_page").exists()


def test_a_page_that_is_done_is_not_done_twice(portal, add):
    """A killed worker's task runs again: from the page that was not written, without doubles."""
    ckan(portal, [package(number) for number in range(150)])
    source = add()
    harvest = source.harvests.get()
    actions.harvest_page(harvest.code, page=0, now=NOW)
    actions.harvest_page(harvest.code, page=0, now=NOW)
    harvest.refresh_from_db()
    assert (harvest.pages, harvest.new) == (1, 100)
    done = run(source)
    assert (done.new, done.seen, Dataset.objects.count()) == (150, 150, 150)
    assert SearchEntry.objects.count() == 150


def test_a_portal_that_is_away_is_asked_three_times_and_loses_nothing(portal, add):
    ckan(portal, [package(1)])
    source = add()
    run(source)
    portal.answers[SEARCH] = (503, {}, b"")
    done = again(source)
    assert (done.is_complete, done.gone, done.tries) == (False, 0, 3)
    assert "503" in done.problems[0]["why"]
    assert Dataset.objects.get().state == "published"


def test_a_portal_that_loses_most_at_once_is_believed_the_second_time(portal, add):
    ckan(portal, [package(number) for number in range(20)])
    source = add()
    run(source)
    ckan(portal, [package(1)])
    assert again(source).gone == 0
    assert Dataset.objects.filter(state="published").count() == 20
    assert again(source).gone == 19


# What does no harm ------------------------------------------------------------------------------


def why(harvest):
    return " ".join(one["why"] for one in harvest.problems)


def test_endless_new_pages_end_at_the_cap(portal, add):
    numbers = itertools.count()

    def answer(path):
        turtle(
            portal,
            path,
            [(f"https://d.example/{next(numbers)}", "Una")],
            following=f"{portal.url}/feed?page={next(numbers)}",
        )
        made = portal.answers.pop(path)
        portal.answers["/feed"] = answer
        return made

    portal.answers["/feed"] = answer
    done = run(add("dcat", f"{portal.url}/feed"))
    assert (done.pages, done.is_complete) == (6, False)
    assert "more than 6 pages" in why(done)


def test_pages_in_a_circle_end_when_they_come_back(portal, add):
    turtle(portal, "/a", [("https://d.example/1", "A")], following=f"{portal.url}/b")
    turtle(portal, "/b", [("https://d.example/2", "B")], following=f"{portal.url}/a")
    done = run(add("dcat", f"{portal.url}/a"))
    assert (done.pages, done.new, done.is_complete) == (2, 2, False)
    assert "circle" in why(done)


def test_a_portal_that_repeats_itself_is_not_read_for_ever(portal, add):
    same = json.dumps(
        {"success": True, "result": {"count": 10**6, "results": [package(1)]}}
    ).encode()
    portal.answers[SEARCH] = (200, JSON, same)
    done = run(add())
    assert (done.new, done.is_complete) == (1, False)
    assert "says again" in why(done)


def test_a_next_page_on_another_machine_is_not_read(portal, add):
    turtle(portal, "/a", [("https://d.example/1", "A")], following="http://192.0.2.1/b")
    done = run(add("dcat", f"{portal.url}/a"))
    assert "another machine" in why(done)
    assert not done.is_complete


def test_a_body_without_end_is_cut_off(portal, add):
    portal.answers["/a"] = lambda _path: (200, TURTLE, itertools.repeat(b"# " * 50_000))
    done = run(add("dcat", f"{portal.url}/a"))
    assert "longer than 2 MB" in why(done)


def test_a_gzip_bomb_is_unpacked_no_further_than_the_cap(portal, add):
    bomb = gzip.compress(b"0" * 200_000_000, 1)
    portal.answers["/a"] = (200, TURTLE | {"Content-Encoding": "gzip"}, bomb)
    assert "longer than 2 MB" in why(run(add("dcat", f"{portal.url}/a")))


def test_entities_of_xml_are_never_unfolded(portal, add):
    entities = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    bomb = (
        f'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a0 "ha">{entities}]>'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">&a9;</rdf:RDF>'
    )
    portal.answers["/a"] = (200, {"Content-Type": "application/rdf+xml"}, bomb.encode())
    assert "XML entities" in why(run(add("dcat", f"{portal.url}/a")))


def test_a_remote_context_is_never_fetched(portal, add):
    body = json.dumps({"@context": f"{portal.url}/context", "@id": "https://d.example/1"})
    portal.answers["/a"] = (200, {"Content-Type": "application/ld+json"}, body.encode())
    done = run(add("dcat", f"{portal.url}/a"))
    assert "cannot be read" in why(done)
    assert portal.asked == ["/a"]


def test_nesting_that_bursts_the_parser_stops_only_the_parser(portal, add):
    body = b'{"http://b":' * 20_000 + b"1" + b"}" * 20_000
    portal.answers["/a"] = (200, {"Content-Type": "application/ld+json"}, body)
    done = run(add("dcat", f"{portal.url}/a"))
    assert (done.new, done.is_complete, len(done.problems)) == (0, False, 1)


def test_nesting_without_end_in_json_is_told(portal, add):
    portal.answers[SEARCH] = (200, JSON, b"[" * 500_000)
    assert "not what CKAN" in why(run(add()))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"<html>",
        b'{"success": false}',
        b'{"success": true, "result": {"results": 7}}',
        b'{"success": true, "result": []}',
    ],
)
def test_an_answer_that_is_no_search_is_told(portal, add, body):
    portal.answers[SEARCH] = (200, JSON, body)
    done = run(add())
    assert (done.is_complete, Dataset.objects.count(), len(done.problems)) == (False, 0, 1)


@pytest.mark.parametrize(
    "broken",
    [
        None,
        7,
        {},
        {"id": "x" * 500},
        {"id": "1", "title": "", "name": ""},
        {"id": "1", "title": "<b></b>", "name": None},
        {"id": "\ud800", "title": ["x"], "name": 3},
    ],
)
def test_a_broken_record_is_told_and_the_others_are_kept(portal, add, broken):
    ckan(portal, [package(1), broken, package(2)])
    done = run(add())
    assert (done.new, done.broken, len(done.problems)) == (2, 1, 1)


def test_titles_and_keywords_are_made_plain_and_short(portal, add, client):
    hostile = package(
        1,
        title="<script>alert(1)</script>Ti\u202etlu\x00 " + "x" * 500,
        notes="<img src=x onerror=alert(2)>" + "y" * 50_000,
        tags=[{"name": f"k{number}"} for number in range(20_000)],
        maintainer_email="javascript:alert(3)",
        resources=[{"format": "<b>CSV", "size": "9" * 40}] * 2_000,
        extras="no list",
    )
    ckan(portal, [hostile])
    assert run(add()).new == 1
    dataset = Dataset.objects.get()
    assert len(dataset.title) <= 200
    assert "<" not in dataset.title
    assert "\u202e" not in dataset.title
    assert len(dataset.description) <= 20_000
    assert len(dataset.keywords) == 50
    assert dataset.contact_email == ""
    shown = client.get(f"/datasets/{dataset.slug}/").content.decode()
    assert "<img src=x" not in shown
    assert "<script>alert" not in shown


def test_a_name_that_is_taken_becomes_longer(portal, add, register):
    uri = f"{portal.url}/dataset/4a1b-1"
    taken = harvest_rules.slug_of("Stații de transport public 1", uri)
    register(taken)
    ckan(portal, [package(1)])
    assert run(add()).new == 1
    assert Dataset.objects.get(source_uri=uri).slug.startswith(taken[:40])
    assert Dataset.objects.count() == 2


def test_a_portal_that_lies_about_its_total_makes_nothing_gone(portal, add):
    ckan(portal, [package(1), package(2)])
    source = add()
    run(source)
    portal.answers[SEARCH] = lambda path: (
        200,
        JSON,
        json.dumps(
            {
                "success": True,
                "result": {"count": 500, "results": [package(1)] if "start=0&" in path else []},
            }
        ).encode(),
    )
    done = again(source)
    assert (done.gone, done.is_complete) == (0, False)
    assert "says it has 500" in why(done)


def test_our_own_data_that_come_back_are_not_taken(portal, add):
    own = settings.UZINA.site.url
    turtle(portal, "/a", [(f"{own}/datasets/x/", "A noastră"), ("https://d.example/1", "Alta")])
    done = run(add("dcat", f"{portal.url}/a"))
    assert (done.new, done.left_out) == (1, 1)
    assert "harvested from here" in why(done)


def test_the_same_record_twice_on_a_page_is_one_dataset(portal, add):
    ckan(portal, [package(1), package(1)])
    run(add())
    assert Dataset.objects.count() == 1


# The web ----------------------------------------------------------------------------------------


def web(**given):
    return Web(**({"most_bytes": 10**6, "timeout_s": 10, "may_private": False} | given))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "fe80::1",
        "fc00::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ],
)
def test_addresses_inside_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1"])
def test_addresses_of_the_internet_are_public(address):
    assert is_public(address)


def test_this_machine_is_not_read_unless_the_operator_allows_it(portal):
    portal.answers["/a"] = (200, TURTLE, b"")
    for url in (f"{portal.url}/a", portal.url.replace("127.0.0.1", "localhost") + "/a"):
        with pytest.raises(PortalRefused, match="private network"):
            web().get(url, accept="*/*")
    assert portal.asked == []


def test_a_redirect_inwards_is_not_followed(portal, monkeypatch):
    """The first address counts as public here, so that only the redirect is judged."""
    portal.answers["/a"] = (302, {"Location": "http://10.0.0.1/secret"}, b"")
    monkeypatch.setattr("uzina.catalogue.adapters.web.is_public", lambda one: one == "127.0.0.1")
    with pytest.raises(PortalRefused, match="private network"):
        web().get(f"{portal.url}/a", accept="*/*")


@pytest.mark.parametrize(
    "where", ["file:///etc/passwd", "gopher://x", "http://u:p@127.0.0.1/", "http://[", "//"]
)
def test_a_redirect_to_what_is_no_web_address_is_not_followed(portal, where):
    portal.answers["/a"] = (302, {"Location": where}, b"")
    with pytest.raises((PortalRefused, PortalDown)):
        web(may_private=True).get(f"{portal.url}/a", accept="*/*")


def test_redirects_end(portal):
    portal.answers["/a"] = (302, {"Location": "/a"}, b"")
    with pytest.raises(PortalRefused, match="redirects"):
        web(may_private=True).get(f"{portal.url}/a", accept="*/*")


@pytest.mark.parametrize(
    ("coding", "body"), [("gzip", b"not gzip"), ("br", b"x"), ("gzip", gzip.compress(b"xy")[:-4])]
)
def test_a_body_that_is_not_packed_as_it_says_is_told(portal, coding, body):
    portal.answers["/a"] = (200, {"Content-Encoding": coding}, body)
    with pytest.raises((PortalRefused, PortalDown)):
        web(may_private=True).get(f"{portal.url}/a", accept="*/*")
