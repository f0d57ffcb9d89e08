"""What other portals harvest, kept in step."""

import json
from datetime import datetime

from uzina.catalogue import queries, rules
from uzina.catalogue.models import Dataset, Fragment
from uzina.catalogue.rules import croissant, dcat, oai
from uzina.core.db import action

TEXTS = ("ntriples", "chain", "dublin_core", "datacite", "croissant")


@action
def refresh(dataset: Dataset, *, now: datetime) -> None:
    """Write down again what is harvested of a dataset. Call it in the transaction of the change.

    Published data has a fragment; data withdrawn after that leaves a tombstone; drafts and the
    bundles of models have neither. Nothing moves when nothing changed.
    """
    if dataset.kind is not rules.DatasetKind.DATA:
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
    """Write down again what is harvested of all published data, one transaction each.

    For what changes without the data: the name of a holder, a licence's title, a vocabulary, the
    way records are written. Who harvests sees only what came out different.
    """
    rows = Dataset.objects.filter(
        state=rules.DatasetState.PUBLISHED, kind=rules.DatasetKind.DATA
    ).order_by("pk")
    for pk in rows.values_list("pk", flat=True).iterator(chunk_size=1000):
        _refresh_locked(pk, now=now)


@action
def _refresh_locked(pk: int, *, now: datetime) -> None:
    found = (
        Dataset.objects.select_for_update(of=("self",))
        .select_related("holder", "licence")
        .get(pk=pk)
    )
    refresh(found, now=now)
