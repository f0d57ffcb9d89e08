"""Looking at the machines: what there is, what is free, what waits."""

from datetime import datetime

from uzina.compute import actions, adapters, queries
from uzina.compute.ports import SchedulerDown


def count(*, now: datetime) -> None:
    """Look at the cluster's machines and its queue, also while no job of ours is open."""
    cluster = queries.cluster()
    try:
        inventory = adapters.scheduler().inventory()
    except SchedulerDown as down:
        actions.note_silence(cluster, detail=str(down), now=now)
        return
    actions.count(cluster, inventory=inventory, now=now)
    actions.note_answer(cluster, now=now)


def forget_samples(*, now: datetime) -> None:
    """Drop the history that is older than it is kept."""
    actions.forget_samples(now=now)
