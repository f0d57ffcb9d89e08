"""What the agent of a cluster fetches and answers. It signs in with a secret of its own."""

import base64
import binascii
import hmac
import time
from typing import Annotated

from django.conf import settings
from django.http import Http404, HttpRequest
from django.utils.timezone import now
from ninja import Router, Schema
from ninja.security import HttpBearer
from pydantic import Field

from uzina.compute import actions, queries
from uzina.compute.models import AgentCommand
from uzina.core.errors import Invalid, Problem
from uzina.core.text import _

MOST_WAIT_S = 5.0
FIRST_LOOK_S, LONGEST_LOOK_S = 0.02, 0.1
MOST_STDERR = 20_000


class AgentAuth(HttpBearer):
    """Signs in the agent, which is no person and may do nothing else."""

    def authenticate(self, request: HttpRequest, token: str) -> str | None:  # noqa: ARG002 - ninja's signature
        """Return "agent" for the secret of config.toml, where commands go by an agent at all."""
        config = settings.UZINA.scheduler
        if config.transport != "agent" or not config.agent_token:
            return None
        is_ours = hmac.compare_digest(token.encode(), config.agent_token.encode())
        return "agent" if is_ours else None


router = Router(tags=["compute"], auth=AgentAuth())


class NextIn(Schema):
    """wait_s: how long to wait for a command where none is there, at most 5 s."""

    wait_s: Annotated[float, Field(ge=0, le=MOST_WAIT_S)] = MOST_WAIT_S


class CommandOut(Schema):
    """A command line to run. stdin is base64."""

    id: int
    argv: list[str]
    stdin: str
    timeout_s: float


class NextCommandOut(Schema):
    command: CommandOut | None


class AgentAnswerIn(Schema):
    """A piece of what a command wrote, base64, and with the last piece how it ended.

    code is null when it was killed because it took too long.
    """

    offset: Annotated[int, Field(ge=0, le=2**31)] = 0
    stdout: str = ""
    is_last: bool = True
    code: Annotated[int, Field(ge=-256, le=65_535)] | None = None
    stderr: Annotated[str, Field(max_length=MOST_STDERR)] = ""


class AnswerOut(Schema):
    state: str
    kept: int


@router.post("/agent/next", response=NextCommandOut)
def take_next(request, asked: NextIn):
    """Take the next command; null where none came in time."""
    cluster = queries.cluster()
    until, pause_s = time.monotonic() + asked.wait_s, FIRST_LOOK_S
    while True:
        found = None
        if queries.next_command(cluster, now=now()) is not None:
            found = actions.take_command(cluster, now=now())
        if found is not None:
            stdin = base64.b64encode(bytes(found.stdin)).decode()
            return {
                "command": {
                    "id": found.pk,
                    "argv": found.argv,
                    "stdin": stdin,
                    "timeout_s": found.timeout_s,
                }
            }
        if time.monotonic() >= until:
            return {"command": None}
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.1, LONGEST_LOOK_S)


@router.post("/agent/commands/{int:command_id}/result", response=AnswerOut)
def answer(request, command_id: int, answered: AgentAnswerIn):
    """Give back what a command wrote and how it ended."""
    try:
        stdout = base64.b64decode(answered.stdout, validate=True)
    except (binascii.Error, ValueError) as error:
        problem = Problem("stdout", "agent.answer.base64", _("Write what came out in base64."))
        raise Invalid([problem]) from error
    try:
        command = actions.answer_command(
            queries.cluster(),
            command_id,
            offset=answered.offset,
            stdout=stdout,
            is_last=answered.is_last,
            code=answered.code,
            stderr=answered.stderr,
            now=now(),
        )
    except AgentCommand.DoesNotExist as error:
        raise Http404 from error
    return {"state": command.state, "kept": len(bytes(command.stdout))}
