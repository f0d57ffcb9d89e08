"""The list of datasets, and the page of one: what is found, shown and kept from whom."""

import hashlib
import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from uzina.catalogue import actions, queries, rules
from uzina.catalogue.adapters import store
from uzina.catalogue.models import Dataset, SearchEntry
from uzina.core.errors import Invalid
from uzina.core.tests import NOW

pytestmark = pytest.mark.django_db


def found(person, q="", chosen=None, sort="", cursor="", limit=20):
    wanted = rules.wanted(q, chosen or {}, sort)
    return queries.search(wanted, seen_by=person, limit=limit, cursor=cursor)


def slugs(page):
    return [one.slug for one in page.items]


def page(person=None):
    client = Client()
    if person is not None:
        client.force_login(person)
    return client


@pytest.fixture
def send():
    """Put bytes into the store, as a job does; return the row of a manifest."""

    def send(_person, path, body):
        sha256 = hashlib.sha256(body).hexdigest()
        store().put(sha256, iter([body]), size=len(body))
        return {"path": path, "bytes": len(body), "sha256": sha256}

    return send


@pytest.fixture
def filled(register, send, ana):
    """Publish a dataset with one file."""

    def filled(slug, *, files=None, **given):
        dataset = register(slug, **given)
        sent = [send(ana, path, body) for path, body in (files or {"a.txt": b"Text."}).items()]
        actions.add_version(dataset, files=sent, note="What changed.", by=None, now=NOW)
        return actions.publish(dataset, by=ana, now=NOW)

    return filled


def test_what_has_the_word_in_its_title_comes_before_what_speaks_of_it(register, ana):
    register("first", title="Știri")
    register("second", title="Meteo", description="Ştiri despre vreme.")
    register("third", title="Stiriade")
    assert slugs(found(ana, "stiri")) == ["first", "third", "second"]
    assert slugs(found(ana, '"stiri"')) == ["first", "second"]


def test_all_words_have_to_be_there_and_the_holder_and_other_languages_count(register, ana, org):
    dataset = register("weather", title="Meteo", description="Vreme.", languages=["ro"])
    dataset.translations = {"en": {"title": "Weather", "description": "Measured hourly."}}
    dataset.keywords, dataset.creators = ["ploaie"], [{"name": "Agenția", "url": ""}]
    dataset.save()
    actions.retag(Dataset.objects.select_related("licence", "holder").get(pk=dataset.pk))
    for word in ("weather", "hourly", "ploaie", "agentia", "weather meteo", "limba vie"):
        assert slugs(found(ana, word)) == ["weather"], word
    assert slugs(found(ana, "weather snow")) == []


def test_orders(filled, ana):
    filled("small", title="B", files={"a.txt": b"x"})
    filled("large", title="A", files={"a.txt": b"x" * 50})
    assert slugs(found(ana, sort="newest")) == ["large", "small"]
    assert slugs(found(ana, sort="title")) == ["large", "small"]
    assert slugs(found(ana, sort="size")) == ["large", "small"]
    filled("fresh", title="C", files={"a.txt": b"xy"})
    assert slugs(found(ana, sort="newest")) == ["fresh", "large", "small"]
    assert slugs(found(ana, sort="size")) == ["large", "fresh", "small"]


def test_each_page_continues_the_one_before(register, ana):
    for number in range(5):
        register(f"d{number}", title=f"T{number}")
    seen, cursor = [], ""
    while True:
        one = found(ana, sort="title", limit=2, cursor=cursor)
        seen += slugs(one)
        cursor = one.following
        if not cursor:
            break
    assert seen == ["d0", "d1", "d2", "d3", "d4"]


def test_a_new_version_and_a_withdrawal_are_known_at_once(filled, ana, stranger, send):
    dataset = filled("news")
    assert found(stranger).counts["format"] == {"TXT": 1}
    sent = [send(ana, "a.csv", b"a,b\n1,2\n")]
    actions.add_version(dataset, files=sent, note="What changed.", by=None, now=NOW)
    assert found(stranger).counts["format"] == {"CSV": 1}
    actions.withdraw(dataset, reason="Wrong.", by=ana, now=NOW)
    assert found(stranger).total == 0
    assert found(ana).total == 1


def test_drafts_of_others_are_neither_found_nor_counted(register, ana, stranger):
    register()
    nobody = found(stranger)
    assert (nobody.total, nobody.about, nobody.counts) == (0, 0, {})
    assert found(ana).total == 1


def test_a_refused_registration_leaves_no_entry(register):
    register()
    with pytest.raises(Invalid):
        register()
    assert SearchEntry.objects.count() == 1


def test_the_list_costs_the_same_whatever_it_holds(filled, ana):
    def cost():
        with CaptureQueriesContext(connection) as asked:
            assert page().get("/datasets/?q=text&language=ro&language=en").status_code == 200
        return len(asked)

    filled("one")
    few = cost()
    for number in range(4):
        filled(f"more{number}", files={f"{number}.csv": b"a,b\n1,2\n"})
    assert cost() == few <= 8


def test_the_list_narrows_by_its_own_links_and_widens_by_its_chips(filled):
    filled("ro-news", title="Ziare", languages=["ro"])
    filled("en-news", title="Papers", languages=["en"])
    shown = page().get("/datasets/").content.decode()
    link = next(one for one in re.findall(r'href="(\?[^"]*)"', shown) if one == "?language=ro")
    narrowed = page().get(f"/datasets/{link}").content.decode()
    assert "Ziare" in narrowed
    assert "Papers" not in narrowed
    assert 'class="chip" href="?"' in narrowed


def test_an_empty_answer_says_why(filled):
    filled("ro-news", title="Ziare", description="Texte.", languages=["ro"])
    told = page().get("/datasets/?q=xylofon").content.decode()
    assert "No dataset has a word that begins with “xylofon”" in told
    told = page().get("/datasets/?q=ziare&theme=TRAN").content.decode()
    assert "1 dataset would be there" in told
    filled("other", title="Meteo", description="Vreme.")
    told = page().get("/datasets/?q=ziare+meteo").content.decode()
    assert "no dataset has all of them" in told


@pytest.mark.parametrize(
    "query",
    [
        "q=%C8%98%CC%A7",
        "q=" + "a" * 3000,
        "cursor=1-1&cursor=x",
        "language=%27%3B--",
        "sort=nope",
        "theme=" + "A" * 500,
        "&".join(f"language=x{n}" for n in range(500)),
        "q=%25_%5C%22",
        "year=99999999999999999999",
    ],
)
def test_no_address_upsets_the_list(filled, query):
    filled("news")
    assert page().get(f"/datasets/?{query}").status_code == 200


def test_titles_are_text_in_the_list_and_on_the_page(filled):
    filled("odd", title="<script>alert(1)</script>", description="<img src=x onerror=alert(1)>")
    for path in ("/datasets/", "/datasets/odd/"):
        shown = page().get(path).content.decode()
        assert "<script>alert" not in shown
        assert "<img src=x" not in shown
        assert "&lt;script&gt;alert(1)" in shown


def test_the_page_shows_a_sample_and_statistics_of_public_data(filled, send, ana):
    dataset = filled("table", files={"a.csv": b"name,age\nAna,7\n", "page.html": b"<b>x</b>"})
    shown = page().get("/datasets/table/").content.decode()
    assert "<td>Ana</td>" in shown
    assert "Size by file format" in shown
    sent = [send(ana, "page.html", b"<script>alert(2)</script>")]
    actions.add_version(
        dataset,
        files=sent,
        note="What changed.",
        by=None,
        now=NOW,
        facts={"documents": 3, "by_language": {"ro": 2, "en": 1}},
    )
    shown = page().get("/datasets/table/").content.decode()
    assert "&lt;script&gt;alert(2)" in shown
    assert "<script>alert(2)" not in shown
    assert "Documents by language" in shown


def test_neither_sample_nor_statistics_of_restricted_data_are_shown_to_others(filled, ana):
    dataset = filled("secret", files={"a.csv": b"name,age\nAna Secret,7\n"})
    Dataset.objects.filter(pk=dataset.pk).update(access_right=rules.AccessRight.RESTRICTED)
    shown = page().get("/datasets/secret/").content.decode()
    assert "Ana Secret" not in shown
    assert "Size by file format" not in shown
    assert "nothing of them is shown here" in shown
    assert "Ana Secret" in page(ana).get("/datasets/secret/").content.decode()


def test_the_page_costs_the_same_whatever_it_shows(filled, send, ana):
    dataset = filled("news")

    def cost():
        with CaptureQueriesContext(connection) as asked:
            assert page().get("/datasets/news/").status_code == 200
        return len(asked)

    few = cost()
    for number in range(4):
        sent = [send(ana, f"{number}.txt", f"{number}".encode())]
        actions.add_version(dataset, files=sent, note="What changed.", by=None, now=NOW)
    assert cost() == few


def test_a_dataset_without_a_version_has_a_page(register, ana):
    register()
    assert page(ana).get("/datasets/ro-corpus/").status_code == 200
