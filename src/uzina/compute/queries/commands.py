"""Reads about the commands that wait for the agent of a cluster."""

from datetime import datetime, timedelta

from uzina.compute.adapters.agent import GRACE_S, WAIT_S
from uzina.compute.models import AgentCommand, Cluster


def next_command(cluster: Cluster, *, now: datetime) -> AgentCommand | None:
    """Return the command to take next: the oldest that waits, while none is being run.

    One at a time and in their order, whatever the number of agents: a look-up that follows a lost
    submission must not overtake it. A command whose limit is long over holds up nobody.
    """
    ours = AgentCommand.objects.filter(cluster=cluster)
    for taken in ours.filter(state="taken").only("taken_at", "timeout_s"):
        if taken.taken_at and now < taken.taken_at + timedelta(seconds=taken.timeout_s + GRACE_S):
            return None
    recent = ours.filter(state="waiting", made_at__gt=now - timedelta(seconds=WAIT_S))
    return recent.order_by("pk").first()  # type: ignore[no-any-return]
