"""Commands for an agent on a cluster host, which dials out to fetch them: no port is opened there.

A command is a row that waits. Whoever wants to take it and whoever gives it up change its state by
one conditional UPDATE, so it is either taken once or certainly never (SchedulerDown). A command
that was taken and did not come back has no known end (code None).
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection
from django.utils import timezone

from uzina.compute.adapters.commands import Ran, as_bytes, as_text
from uzina.compute.models import AgentCommand, Cluster
from uzina.compute.ports import SchedulerDown

WAIT_S = 30.0
"""A command that no agent took for so long is given up, by us or by whoever comes to take it."""
GRACE_S = 15.0
"""The agent ends a command at its limit; so much later we stop waiting for its answer."""
NOT_RUN = 126
KEPT = timedelta(days=1)
FIRST_LOOK_S, LONGEST_LOOK_S = 0.02, 0.25


@dataclass(frozen=True)
class AgentCommands:
    """Runs commands through the agent of a cluster, in the agent's own environment."""

    cluster: str
    kind: str
    timeout_s: float = 30.0
    wait_s: float = WAIT_S

    def __call__(
        self, argv: Sequence[str], stdin: str | bytes = "", *, timeout_s: float | None = None
    ) -> Ran:
        """Leave the command for the agent and wait for its end."""
        if connection.in_atomic_block:
            raise RuntimeError("a command for the agent cannot be seen before the commit")
        limit_s = timeout_s or self.timeout_s
        now = timezone.now()
        cluster, _made = Cluster.objects.get_or_create(
            slug=self.cluster, defaults={"kind": self.kind}
        )
        AgentCommand.objects.filter(cluster=cluster, made_at__lt=now - KEPT).delete()
        made = AgentCommand.objects.create(
            cluster=cluster,
            argv=[str(word) for word in argv],
            stdin=as_bytes(stdin),
            timeout_s=limit_s,
            made_at=now,
        )
        given_up_at = time.monotonic() + self.wait_s
        pause_s = FIRST_LOOK_S
        while True:
            made.refresh_from_db()
            if made.state == "done":
                break
            if made.state == "expired" or (
                made.state == "waiting" and time.monotonic() > given_up_at and _expire(made)
            ):
                made.delete()
                msg = f"The agent of {self.cluster} took no command for {self.wait_s:.0f} s"
                raise SchedulerDown(msg)
            if made.state == "taken" and time.monotonic() > given_up_at + limit_s + GRACE_S:
                return Ran(None, "", f"The agent of {self.cluster} took {argv[0]} and was lost")
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.1, LONGEST_LOOK_S)
        ran = Ran(made.code, as_text(bytes(made.stdout)), made.stderr)
        made.delete()
        if ran.code == NOT_RUN and ran.stderr.startswith("The agent did not run it"):
            raise SchedulerDown(ran.stderr)
        return ran


def _expire(command: AgentCommand) -> bool:
    """Give a command up, unless somebody was faster and took it."""
    waiting = AgentCommand.objects.filter(pk=command.pk, state="waiting")
    return waiting.update(state="expired", done_at=timezone.now()) == 1
