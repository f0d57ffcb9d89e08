"""What is kept of a cluster: whether it answers, which machines it has."""

from collections import Counter, defaultdict
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from uzina.compute import rules
from uzina.compute.models import Cluster, Partition, Sample
from uzina.compute.ports import Inventory, Node
from uzina.core.db import action
from uzina.core.log import log

ANSWER_EVERY = timedelta(seconds=30)
"""How often the time of the last answer is written down while all is well."""


@action
def begin_poll(cluster: Cluster, *, now: datetime, every: timedelta) -> bool:
    """Take the turn to ask the cluster; False when it was asked a moment ago."""
    cluster = Cluster.objects.select_for_update().get(pk=cluster.pk)
    if cluster.poll_next_at is not None and now < cluster.poll_next_at:
        return False
    cluster.polled_at, cluster.poll_next_at = now, now + every
    cluster.save(update_fields=["polled_at", "poll_next_at"])
    return True


@action
def end_poll(cluster: Cluster, *, next_at: datetime) -> None:
    """Let the cluster rest after it was asked: no look before next_at."""
    Cluster.objects.filter(pk=cluster.pk, poll_next_at__lt=next_at).update(poll_next_at=next_at)


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
    """Keep what machines there are, by partition, and add this look to the sums of the hour.

    Eight statements at most, however many partitions there are.
    """
    cluster = Cluster.objects.select_for_update().get(pk=cluster.pk)
    nodes: dict[str, list[Node]] = defaultdict(list)
    for node in inventory.nodes:
        nodes[node.partition[:80]].append(node)
    queue: dict[str, Counter[str]] = defaultdict(Counter)
    for seen in inventory.queue:
        counted = {name: getattr(seen, name) for name in QUEUE}
        queue[seen.partition[:80]].update(counted)
        queue[""].update(counted)
    before = {one.name: one for one in Partition.objects.filter(cluster=cluster)}
    limits = {one.name[:80]: one for one in inventory.partitions}
    rows = []
    for name in sorted(nodes):
        row = _partition(cluster, name, nodes[name], queue[name], now=now)
        row.drained = _drained(nodes[name], before.get(name), now=now)
        if (limit := limits.get(name)) is not None:
            row.is_up, row.is_default = limit.is_up, limit.is_default
            row.max_time_s = limit.max_time_s
        rows.append(row)
    Partition.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["cluster", "name"],
        update_fields=COUNTED,
    )
    if gone := before.keys() - nodes.keys():
        Partition.objects.filter(cluster=cluster, name__in=gone).delete()
    each_once = {node.name: node for node in inventory.nodes}.values()
    whole = _partition(cluster, "", each_once, queue[""], now=now)
    _add_look(cluster, [whole, *rows], now=now)
    cluster.counted_at = now
    cluster.save(update_fields=["counted_at"])


QUEUE = ("jobs_running", "jobs_waiting", "gpus_wanted")
SUMS = ("gpus", "gpus_used", "cpus", "cpus_used", *QUEUE)
COUNTED = [
    field.name
    for field in Partition._meta.fields  # noqa: SLF001 - Django's documented door to the columns
    if field.name not in {"id", "cluster", "name"}
]


def _partition(
    cluster: Cluster, name: str, nodes: Collection[Node], queue: Counter[str], *, now: datetime
) -> Partition:
    up = [node for node in nodes if node.state in rules.TAKES_JOBS]
    return Partition(
        cluster=cluster,
        name=name,
        nodes=len(nodes),
        nodes_up=len(up),
        cpus=sum(node.cpus for node in nodes),
        cpus_used=sum(node.cpus_used for node in nodes),
        gpus=sum(node.gpus for node in nodes),
        gpus_used=sum(node.gpus_used for node in nodes),
        gpus_free=sum(max(0, node.gpus - node.gpus_used) for node in up),
        cpus_free=sum(max(0, node.cpus - node.cpus_used) for node in up),
        memory_mb=sum(node.memory_mb for node in nodes),
        gpu_type=max((node.gpu_type[:40] for node in nodes if node.gpus), default=""),
        groups=_groups(nodes),
        counted_at=now,
        **{name: queue[name] for name in QUEUE},
    )


def _groups(nodes: Collection[Node]) -> list[dict[str, str | int]]:
    """Return the nodes by sort of GPU and state."""
    sums: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for node in nodes:
        sums[node.gpu_type, node.state].update(nodes=1, gpus=node.gpus, gpus_used=node.gpus_used)
    return [
        {"gpu_type": gpu_type, "state": state, **sums[gpu_type, state]}
        for gpu_type, state in sorted(sums)
    ]


def _drained(
    nodes: Collection[Node], before: Partition | None, *, now: datetime
) -> list[dict[str, str]]:
    """Return the nodes that take no jobs, each since when it was first seen so, for that reason."""
    known = {(one["name"], one["reason"]): one["since"] for one in before.drained} if before else {}
    return [
        {
            "name": node.name,
            "state": node.state,
            "reason": node.reason,
            "since": known.get((node.name, node.reason), now.isoformat()),
        }
        for node in nodes
        if node.state not in rules.TAKES_JOBS
    ]


def _add_look(cluster: Cluster, seen: list[Partition], *, now: datetime) -> None:
    """Add a look at the partitions to the samples of the hour. Its caller holds the cluster."""
    hour_at = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    found = Sample.objects.filter(cluster=cluster, hour_at=hour_at)
    samples = {one.partition: one for one in found}
    for one in seen:
        sample = samples.setdefault(
            one.name, Sample(cluster=cluster, partition=one.name, hour_at=hour_at)
        )
        sample.looks += 1
        sample.full_looks += rules.is_full(
            gpus=one.gpus,
            gpus_free=one.gpus_free,
            cpus_free=one.cpus_free,
            jobs_waiting=one.jobs_waiting,
        )
        for name in SUMS:
            setattr(sample, name, getattr(sample, name) + getattr(one, name))
    Sample.objects.bulk_create(
        [samples[one.name] for one in seen],
        update_conflicts=True,
        unique_fields=["cluster", "partition", "hour_at"],
        update_fields=["looks", "full_looks", *SUMS],
    )


HISTORY_KEPT = timedelta(days=731)
"""An allocation lives a year at most and its final report is due within the next: until then
somebody may ask why hours were not used. 17,500 hours a partition are some 2 MB."""


@action
def forget_samples(*, now: datetime) -> None:
    """Drop the hours that began longer ago than history is kept."""
    Sample.objects.filter(hour_at__lt=now - HISTORY_KEPT).delete()
