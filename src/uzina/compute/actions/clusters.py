"""What is kept of a cluster: whether it answers, which machines it has."""

from collections import defaultdict
from datetime import datetime, timedelta

from uzina.compute.models import Cluster, Partition
from uzina.compute.ports import Inventory
from uzina.core.db import action
from uzina.core.log import log

ANSWER_EVERY = timedelta(seconds=30)
"""How often the time of the last answer is written down while all is well."""


@action
def begin_poll(cluster: Cluster, *, now: datetime, every: timedelta) -> bool:
    """Take the turn to ask the cluster; False when it was asked a moment ago."""
    cluster = Cluster.objects.select_for_update().get(pk=cluster.pk)
    if cluster.polled_at is not None and now < cluster.polled_at + every:
        return False
    cluster.polled_at = now
    cluster.save(update_fields=["polled_at"])
    return True


@action
def note_answer(cluster: Cluster, *, now: datetime) -> None:
    """Note that the cluster answers; in the log only when it had been silent."""
    cluster = Cluster.objects.select_for_update().get(pk=cluster.pk)
    if cluster.silent_since is not None:
        log("cluster.answered", cluster.slug, by=None, now=now, silent_since=cluster.silent_since)
    elif cluster.answered_at is not None and now < cluster.answered_at + ANSWER_EVERY:
        return
    cluster.answered_at, cluster.silent_since = now, None
    cluster.save(update_fields=["answered_at", "silent_since"])


@action
def note_silence(cluster: Cluster, *, detail: str, now: datetime) -> None:
    """Note that the cluster does not answer. What is known of its jobs stays as it is."""
    cluster = Cluster.objects.select_for_update().get(pk=cluster.pk)
    if cluster.silent_since is None:
        cluster.silent_since = now
        cluster.save(update_fields=["silent_since"])
        log("cluster.fell_silent", cluster.slug, by=None, now=now, detail=detail[:500])


@action
def count(cluster: Cluster, *, inventory: Inventory, now: datetime) -> None:
    """Keep what machines there are, by partition."""
    cluster = Cluster.objects.select_for_update().get(pk=cluster.pk)
    by_partition = defaultdict(list)
    for node in inventory.nodes:
        by_partition[node.partition[:80]].append(node)
    for name, nodes in by_partition.items():
        Partition.objects.update_or_create(
            cluster=cluster,
            name=name,
            defaults={
                "nodes": len(nodes),
                "nodes_up": sum(node.state in {"idle", "mixed", "allocated"} for node in nodes),
                "cpus": sum(node.cpus for node in nodes),
                "cpus_used": sum(node.cpus_used for node in nodes),
                "gpus": sum(node.gpus for node in nodes),
                "gpus_used": sum(node.gpus_used for node in nodes),
                "memory_mb": sum(node.memory_mb for node in nodes),
                "counted_at": now,
            },
        )
    Partition.objects.filter(cluster=cluster).exclude(name__in=by_partition).delete()
    cluster.counted_at = now
    cluster.save(update_fields=["counted_at"])
