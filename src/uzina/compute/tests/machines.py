"""What the tests of clusters share: machines, looks, measured runs, a maintenance in a week."""

from datetime import UTC, datetime, timedelta

from uzina.compute import actions
from uzina.compute.models import Sample, Usage
from uzina.compute.ports import Inventory, Node

NOW = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)
TICK = timedelta(microseconds=1)
IN_A_WEEK = NOW + timedelta(days=7)


def window(**changes):
    facts = {
        "partition": "",
        "starts_at": IN_A_WEEK,
        "ends_at": IN_A_WEEK + timedelta(hours=8),
        "reason": "New firmware of the switches.",
    }
    return actions.Window(**facts | changes)


def node(name, partition="gpu", **changes):
    facts = {
        "state": "idle",
        "cpus": 64,
        "cpus_used": 0,
        "memory_mb": 500_000,
        "gpus": 4,
        "gpus_used": 0,
        "gpu_type": "a100",
    }
    return Node(name=name, partition=partition, **facts | changes)


def look(*nodes, partitions=(), queue=()):
    return Inventory(nodes, tuple(partitions), tuple(queue))


def sample(cluster, at, partition="gpu", **changes):
    facts = {"looks": 60, "full_looks": 0, "gpus": 480, "gpus_used": 120, "jobs_waiting": 30}
    return Sample.objects.create(
        cluster=cluster, partition=partition, hour_at=at, **facts | changes
    )


def usage(cluster, number, ended_at, *, wait_s=60, run_s=600, project=None, **changes):
    started_at = None if run_s is None else ended_at - timedelta(seconds=run_s)
    facts = {
        "cluster": cluster,
        "project": project,
        "row_key": f"{cluster.slug}/{number}",
        "native_id": str(number),
        "partition": "gpu",
        "user": "ana",
        "submitted_at": (started_at or ended_at) - timedelta(seconds=wait_s),
        "started_at": started_at,
        "ended_at": ended_at,
        "elapsed_s": run_s or 0,
        "nodes": 1,
        "cpus": 8,
        "gpus": 2,
        "state": "done",
        "raw": "",
        "read_at": ended_at,
    }
    return Usage.objects.create(**facts | changes)
