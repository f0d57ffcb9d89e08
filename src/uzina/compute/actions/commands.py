"""Commands for the agent of a cluster: taken once, answered once."""

from datetime import datetime

from uzina.compute import queries
from uzina.compute.models import AgentCommand, Cluster
from uzina.core.db import action
from uzina.core.errors import Refused
from uzina.core.text import _


@action
def take_command(cluster: Cluster, *, now: datetime) -> AgentCommand | None:
    """Take the next command, if there is one; nobody else will get it."""
    Cluster.objects.select_for_update().get(pk=cluster.pk)
    found = queries.next_command(cluster, now=now)
    if found is None:
        return None
    waiting = AgentCommand.objects.filter(pk=found.pk, state="waiting")
    if waiting.update(state="taken", taken_at=now) == 0:
        return None  # who waited for it has just given it up
    found.refresh_from_db()
    return found


@action
def answer_command(
    cluster: Cluster,
    command_id: int,
    *,
    offset: int,
    stdout: bytes,
    is_last: bool,
    code: int | None,
    stderr: str,
    now: datetime,
) -> AgentCommand:
    """Keep a piece of what a command wrote and, with the last, how it ended. Again is harmless.

    offset  of the piece in the whole; pieces come in their order
    code    None when it was killed because it took too long

    Raises AgentCommand.DoesNotExist where nobody waits any more, Refused agent.answer.not_taken,
    agent.answer.gap.
    """
    command = AgentCommand.objects.select_for_update().get(cluster=cluster, pk=command_id)
    if command.state == "done":
        return command
    if command.state != "taken":
        raise Refused("agent.answer.not_taken", _("This command was not taken by an agent."))
    kept = bytes(command.stdout)
    if offset > len(kept):
        raise Refused("agent.answer.gap", _("A piece before this one is missing."))
    command.stdout = kept[:offset] + stdout
    if is_last:
        command.state, command.code, command.done_at = "done", code, now
        command.stderr = stderr
    command.save()
    return command
