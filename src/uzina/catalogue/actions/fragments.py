"""What other portals harvest, kept in step."""

import hashlib
from datetime import datetime

from uzina.catalogue import queries, rules
from uzina.catalogue.models import Dataset, Fragment
from uzina.catalogue.rules import dcat
from uzina.core.db import action


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
            kept.ntriples, kept.chain, kept.digest = "", "", ""
            kept.changed_at = kept.gone_at = now
            kept.save()
        return

    record = queries.record_of(dataset)
    ntriples, chain = dcat.dataset_ntriples(record), dcat.chain_ntriples(record)
    digest = hashlib.sha256(f"{ntriples}\n{chain}".encode()).hexdigest()
    if kept is not None and kept.digest == digest:
        return
    Fragment.objects.update_or_create(
        dataset=dataset,
        defaults={
            "ntriples": ntriples,
            "chain": chain,
            "digest": digest,
            "changed_at": now,
            "gone_at": None,
        },
    )
