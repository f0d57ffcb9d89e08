"""The export of the whole catalogue takes the memory of a batch, whatever there is to export."""

import tracemalloc

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from uzina.catalogue import queries
from uzina.catalogue.models import Dataset, Fragment
from uzina.core.tests import NOW

BATCH, KB = 4, 1000
LINE = "<urn:a> <urn:b> <urn:c> .\n"


@pytest.fixture
def fill(dataset):
    """Publish many datasets whose fragments are of 100 kB each."""

    def fill(count):
        columns = {
            one.attname: getattr(dataset, one.attname)
            for one in Dataset._meta.concrete_fields
            if one.attname not in {"id", "slug"}
        }
        made = Dataset.objects.bulk_create(
            Dataset(slug=f"d{at:04}", **columns | {"state": "published", "published_at": NOW})
            for at in range(count)
        )
        text = LINE * (100 * KB // len(LINE))
        Fragment.objects.bulk_create(
            Fragment(dataset=one, ntriples=text, digest="0" * 64, changed_at=NOW) for one in made
        )

    return fill


def peak(pieces):
    """Return how much is held at most while pieces are taken and let go, and how many bytes came."""
    tracemalloc.start()
    try:
        size = sum(len(one) for one in pieces)
        return tracemalloc.get_traced_memory()[1], size
    finally:
        tracemalloc.stop()


def test_the_whole_catalogue_is_exported_in_the_memory_of_two_batches(fill, client, monkeypatch):
    monkeypatch.setattr(queries.feeds, "BATCH", BATCH)
    fill(30)
    answer = client.get("/catalog/full.nt")
    assert answer.streaming
    held, size = peak(answer.streaming_content)
    assert size > 30 * 99 * KB
    assert held < (2 * BATCH + 6) * 100 * KB


@pytest.mark.parametrize("count", [BATCH - 1, BATCH, 3 * BATCH + 1])
def test_each_batch_of_the_export_is_one_statement_and_each_dataset_comes_once(
    fill, monkeypatch, count
):
    monkeypatch.setattr(queries.feeds, "BATCH", BATCH)
    fill(count)
    with CaptureQueriesContext(connection) as asked:
        pieces = list(queries.catalog_dump(name="Fabrica", base="https://fabrica.example"))
    assert len(asked) == count // BATCH + 1
    told = [one for one in pieces if "catalog#dataset" in one or "/datasets/d" in one]
    slugs = {f"d{at:04}" for at in range(count)}
    assert sorted(slug for one in told for slug in slugs if f"/datasets/{slug}/" in one) == sorted(
        slugs
    )
