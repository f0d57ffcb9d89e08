"""What other portals harvest, kept in step."""

import json
from datetime import datetime

from django.db.models import QuerySet

from uzina.catalogue import queries, rules
from uzina.catalogue.actions.tags import retag
from uzina.catalogue.models import Dataset, Fragment, Version
from uzina.catalogue.rules import croissant, dcat, oai
from uzina.core.db import action
from uzina.core.promises import promise

TEXTS = ("ntriples", "chain", "dublin_core", "datacite", "croissant")


@action
def refresh(dataset: Dataset, *, now: datetime) -> None:
    """Write down again what is harvested of a dataset. Call it in the transaction of the change.

    Published data has a fragment; data withdrawn after that leaves a tombstone; drafts, the
    bundles of models and what was harvested elsewhere have neither. Nothing moves when nothing
    changed.
    """
    if dataset.kind is not rules.DatasetKind.DATA or dataset.source_id is not None:
        return
    kept = Fragment.objects.filter(dataset=dataset).first()
    if dataset.state is not rules.DatasetState.PUBLISHED:
        if kept is not None and kept.gone_at is None:
            _bury(kept, now=now)
        return

    record = queries.record_of(dataset)
    texts = {
        "ntriples": dcat.dataset_ntriples(record),
        "chain": dcat.chain_ntriples(record),
        "dublin_core": oai.dublin_core(record),
        "datacite": oai.datacite(record),
        "croissant": json.dumps(croissant.croissant(record), ensure_ascii=False),
    }
    digest = queries.state_of(*texts.values())
    if kept is not None and kept.digest == digest:
        return
    themes = f" {' '.join(one.code for one in record.themes)} "
    changed = {"themes": themes, "digest": digest, "changed_at": now, "gone_at": None}
    Fragment.objects.update_or_create(dataset=dataset, defaults=texts | changed)


def _bury(kept: Fragment, *, now: datetime) -> None:
    """Leave a tombstone where a dataset was."""
    for text in (*TEXTS, "digest"):
        setattr(kept, text, "")
    kept.changed_at = kept.gone_at = now
    kept.save()


def refresh_all(*, now: datetime) -> None:
    """Write down again what is harvested and searched of all data, one transaction each.

    For what changes without the data: the name of a holder, a licence's title, a vocabulary, the
    way records are written. Who harvests sees only what came out different.
    """
    rows = Dataset.objects.filter(kind=rules.DatasetKind.DATA).order_by("pk")
    for pk in rows.values_list("pk", flat=True).iterator(chunk_size=1000):
        _refresh_locked(pk, now=now)


def promise_derived(dataset: Dataset, *, now: datetime) -> None:
    """Have what was made of the data named after it, now that everybody sees it, or nobody does.

    Later and one by one: two of them published at once would wait for each other.
    """
    if _made_of(dataset).exists():
        promise(
            "catalogue.refresh_derived",
            key=f"derived:{dataset.slug}:{dataset.state}:{now.isoformat()}",
            now=now,
            slug=dataset.slug,
        )


def refresh_derived(slug: str, *, now: datetime) -> None:
    """Write down again what was made of a dataset, which is named there. Again is harmless."""
    for pk in _made_of(Dataset.objects.get(slug=slug)).values_list("dataset", flat=True).distinct():
        _refresh_locked(pk, now=now)


def _made_of(dataset: Dataset) -> QuerySet[Version]:
    found: QuerySet[Version] = Version.objects.filter(derived_from__dataset=dataset)
    return found.exclude(dataset=dataset).order_by("dataset")


@action
def _refresh_locked(pk: int, *, now: datetime) -> None:
    found = (
        Dataset.objects.select_for_update(of=("self",))
        .select_related("holder", "licence", "source")
        .get(pk=pk)
    )
    refresh(found, now=now)
    retag(found)
