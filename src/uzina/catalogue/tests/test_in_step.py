"""What harvesters and the search are told is what a dataset says of itself, after every action."""

import inspect
import json
from datetime import timedelta

import mlcroissant
import pytest

from uzina.catalogue import actions, queries, tasks
from uzina.catalogue.actions import datasets, keeping, layouts, terms, versions
from uzina.catalogue.models import Dataset, Fragment, SearchEntry
from uzina.catalogue.rules.odrl import Terms
from uzina.core.models import Promise
from uzina.core.tests import NOW

FRAGMENT = ("ntriples", "chain", "dublin_core", "datacite", "croissant", "themes", "gone_at")
ENTRY = ("title", "words", "tags", "bytes", "newest_at")


def kept(table, columns, dataset):
    return table.objects.filter(dataset=dataset).values(*columns).first()


def check_in_step(slug):
    """Compare what is kept of a dataset with what is written where nothing was kept before."""
    dataset = Dataset.objects.select_related("holder", "licence", "source").get(slug=slug)
    for table, columns, write in (
        (Fragment, FRAGMENT, lambda: actions.refresh(dataset, now=NOW)),
        (SearchEntry, ENTRY, lambda: actions.retag(dataset)),
    ):
        told = kept(table, columns, dataset)
        row = table.objects.filter(dataset=dataset).first()
        if row is None or getattr(row, "gone_at", None) is not None:
            assert told is None or not any(told[name] for name in FRAGMENT[:5])
            assert dataset.state != "published"
            continue
        row.delete()
        write()
        assert told == kept(table, columns, dataset)


def steps(dataset, project, ana, send):
    """Give what can be done to a dataset, by the actions it shows, in an order that goes."""

    def again():
        return Dataset.objects.get(pk=dataset.pk)

    def newest():
        return again().versions.order_by("-number").first()

    def said(**facts):
        return lambda: actions.describe(again(), facts=facts, by=ana, now=NOW)

    def add(path, body):
        files = [send(ana, path, body)]
        return lambda: actions.add_version(again(), files=files, note="More.", by=ana, now=NOW)

    def offer(**facts):
        return lambda: actions.offer_policy(
            again(), terms=Terms(**facts), is_automatic=False, shows_sample=True, by=ana, now=NOW
        )

    def lay_out():
        actions.read_layouts(dataset.slug, newest().number, now=NOW)

    table, records = b"town,people\nIasi,3\n", b'{"text": "a", "year": 2020}\n'
    return [
        (datasets.describe, said(title="Ziare", themes=["EDUC"], keywords=["presă"])),
        (versions.add_version, add("a.csv", table)),
        (layouts.read_layouts, lay_out),
        (datasets.publish, lambda: actions.publish(again(), by=ana, now=NOW)),
        (datasets.describe, said(licence="cc0-1.0", languages=["en"])),
        (datasets.describe, said(translations={"ro": {"title": "Știri", "description": "Noi."}})),
        (versions.add_version, add("b.jsonl", records * 2)),
        (layouts.read_layouts, lay_out),
        (
            datasets.describe,
            said(access_right="restricted", answers={"purposes_allowed": "Cercetare."}),
        ),
        (terms.offer_policy, offer()),
        (terms.offer_policy, offer(countries=("RO",))),
        (versions.open_version, lambda: actions.open_version(newest(), by=ana, now=NOW)),
        (versions.close_version, lambda: actions.close_version(newest(), by=ana, now=NOW)),
        (
            keeping.purge_version,
            lambda: keeping.purge_version(
                newest(), basis="erasure", reason="Asked for.", by=ana, now=NOW
            ),
        ),
        (datasets.describe, said(access_right="public")),
        (versions.add_version, add("c.csv", table * 2)),
        (datasets.withdraw, lambda: actions.withdraw(again(), reason="Old.", by=ana, now=NOW)),
    ]


def test_after_every_action_what_is_told_is_what_is_so(dataset, project, ana, send):
    check_in_step(dataset.slug)
    done = {datasets.register_dataset}
    for verb, act in steps(dataset, project, ana, send):
        act()
        check_in_step(dataset.slug)
        done.add(verb)
    shown = {
        one
        for module in (datasets, versions)
        for name, one in inspect.getmembers(module, inspect.isfunction)
        if hasattr(one, "__wrapped__") and one.__module__ == module.__name__ and name[0] != "_"
    }
    assert shown <= done


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated")
def test_files_that_were_given_up_are_neither_told_nor_found(dataset, ana, send, client):
    files = [send(ana, "a.csv", b"town\nIasi\n")]
    version = actions.add_version(dataset, files=files, note="", by=ana, now=NOW)
    actions.publish(dataset, by=ana, now=NOW)
    assert "format:CSV" in SearchEntry.objects.get(dataset=dataset).tags
    later = NOW + timedelta(days=1)
    keeping.purge_version(version, basis="erasure", reason="Asked.", by=ana, now=later)

    told = Fragment.objects.get(dataset=dataset)
    assert "a.csv" not in told.ntriples
    assert told.changed_at == later
    entry = SearchEntry.objects.get(dataset=dataset)
    assert (entry.bytes, "format:CSV" in entry.tags) == (0, False)
    assert queries.shape_advice(dataset) is not None
    document = json.loads(queries.croissant(dataset.slug, base="http://127.0.0.1:8000"))
    assert not mlcroissant.Dataset(document).metadata.ctx.issues.errors
    assert client.get(f"/datasets/{dataset.slug}/").status_code == 200


@pytest.mark.parametrize("state", ["published", "withdrawn"])
def test_what_data_were_made_of_is_named_as_soon_as_everybody_sees_it(register, ana, send, state):
    source, made = register("source"), register("made")
    files = [send(ana, "a.csv", b"a\n1\n")]
    first = actions.add_version(source, files=files, note="", by=ana, now=NOW)
    files = [send(ana, "b.csv", b"b\n2\n")]
    actions.add_version(made, files=files, note="", by=ana, now=NOW, derived_from=[first])
    actions.publish(made, by=ana, now=NOW)
    assert "datasets/source/" not in Fragment.objects.get(dataset=made).ntriples
    actions.publish(source, by=ana, now=NOW)
    if state == "withdrawn":
        actions.withdraw(Dataset.objects.get(slug="source"), reason="Old.", by=ana, now=NOW)

    for promised in Promise.objects.filter(task="catalogue.refresh_derived").order_by("pk"):
        tasks.refresh_derived(**promised.args, now=NOW)
    named = "datasets/source/" in Fragment.objects.get(dataset=made).ntriples
    assert named == (state == "published")
    check_in_step("made")


def test_a_holder_who_is_renamed_is_found_by_the_new_name_by_the_next_day(dataset, project):
    holder = project.organisation
    type(holder).objects.filter(pk=holder.pk).update(name="Nou Institut SRL")
    actions.refresh_all(now=NOW + timedelta(days=1))
    assert "nou institut" in SearchEntry.objects.get(dataset=dataset).words
