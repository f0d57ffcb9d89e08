"""The agent of a cluster: it dials out to the factory, fetches commands and runs them here.

Nothing listens on the cluster. The agent runs a closed list of programs, by argument lists and
never by a shell, one after another, in an environment of its own; what it is sent to run can do
no more than its own Unix user may.
"""

import base64
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from uzina_client.problems import Problem, Unreachable
from uzina_client.transport import Json, Transport

PROGRAMS = frozenset(
    {"sbatch", "squeue", "sacct", "sacctmgr", "scancel", "sinfo", "sshare", "date", "uzina-as"}
)
SCONTROL = frozenset({"show", "ping"})
"""What scontrol may be told: it can also end a whole cluster."""
WRAPPER = "sudo -n /usr/local/sbin/uzina-as"
WAIT_S = 5.0
PIECE = 1_000_000
"""Of what a command wrote, in one request."""
MOST_STDERR = 20_000
MOST_TIMEOUT_S = 600.0
LONGEST_PAUSE_S = 30.0


@dataclass(frozen=True)
class Ended:
    """How a command ended; code is None when it was killed because it took too long."""

    code: int | None
    stdout: bytes
    stderr: str


def why_not(argv: Sequence[str], wrapper: Sequence[str]) -> str:
    """Return why a command is not run, "" when it may be."""
    words = list(argv)
    if not words or not all(isinstance(one, str) and "\0" not in one for one in words):
        return "is no command"
    if wrapper and words[: len(wrapper)] == list(wrapper):
        return ""
    if words[0] == "scontrol":
        verbs = [one for one in words[1:] if not one.startswith("-")]
        return "" if verbs and verbs[0] in SCONTROL else "scontrol only shows and pings"
    return "" if words[0] in PROGRAMS else f"{words[0]!r} is not on the agent's list"


def environment(own: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return all that the programs get of the agent's environment. Its token is not in it."""
    made = {
        "PATH": own.get("PATH", "/usr/local/bin:/usr/bin:/bin"),
        "LANG": "C.UTF-8",
        "SLURM_TIME_FORMAT": "%s",
    }
    return made | ({"SLURM_CONF": own["SLURM_CONF"]} if own.get("SLURM_CONF") else {})


def execute(argv: Sequence[str], stdin: bytes, *, timeout_s: float) -> Ended:
    """Run a program; kill it with all its children when it takes longer than timeout_s."""
    given = environment()
    program = shutil.which(argv[0], path=given["PATH"])
    if program is None:
        return Ended(127, b"", f"No such file or directory: '{argv[0]}'")
    try:
        process = subprocess.Popen(
            argv,
            executable=program,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=given,
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        return Ended(127, b"", f"No such file or directory: '{argv[0]}' ({error.strerror})")
    with process:
        try:
            stdout, stderr = process.communicate(stdin, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return Ended(None, b"", f"{argv[0]} was stopped after {timeout_s:.0f} s")
    told = stderr.decode("utf-8", "replace").replace("\0", "�")
    return Ended(process.returncode, stdout, told[-MOST_STDERR:])


class Agent:
    """Fetches commands of one factory and runs them, one after another."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        wrapper: str = WRAPPER,
        tell: Callable[[str], None] = lambda _text: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.portal = Transport(url, token, tries=1, timeout_s=WAIT_S + 30)
        self.wrapper = wrapper.split()
        self.tell, self.sleep = tell, sleep

    def serve(self) -> None:
        """Fetch and run until the process ends. Raises Problem when the factory refuses us."""
        pause_s = 0.0
        while True:
            try:
                self.turn()
                pause_s = 0.0
            except (Unreachable, Problem) as problem:
                is_ours = isinstance(problem, Problem) and problem.status in {
                    HTTPStatus.UNAUTHORIZED,
                    HTTPStatus.FORBIDDEN,
                }
                if is_ours:
                    raise
                pause_s = min(LONGEST_PAUSE_S, max(0.25, pause_s * 2))
                self.tell(f"{problem} Again in {pause_s:.1f} s.")
                self.sleep(pause_s * (0.5 + random.random() / 2))  # noqa: S311 - not a secret

    def turn(self) -> bool:
        """Fetch a command, run it and answer; False where there was none."""
        found = self._post("/compute/agent/next", {"wait_s": WAIT_S})["command"]
        if found is None:
            return False
        argv = found["argv"]
        problem = why_not(argv, self.wrapper)
        if problem:
            ended = Ended(126, b"", f"The agent did not run it: {problem}")
        else:
            timeout_s = min(float(found["timeout_s"]), MOST_TIMEOUT_S)
            ended = execute(argv, base64.b64decode(found["stdin"]), timeout_s=timeout_s)
        self.tell(f"{found['id']} {argv[0] if argv else ''} ended with {ended.code}")
        self._answer(found["id"], ended)
        return True

    def _answer(self, command_id: int, ended: Ended) -> None:
        """Give back what a command wrote, a piece at a time, until the factory has all of it."""
        pieces = range(0, max(1, len(ended.stdout)), PIECE)
        for offset in pieces:
            piece = ended.stdout[offset : offset + PIECE]
            is_last = offset == pieces[-1]
            body: dict[str, Any] = {
                "offset": offset,
                "stdout": base64.b64encode(piece).decode(),
                "is_last": is_last,
                "code": ended.code if is_last else None,
                "stderr": ended.stderr if is_last else "",
            }
            if not self._keep_trying(f"/compute/agent/commands/{command_id}/result", body):
                return

    def _keep_trying(self, path: str, body: Json) -> bool:
        """Answer until it is heard; False when nobody waits for it any more."""
        pause_s = 0.25
        while True:
            try:
                self._post(path, body)
            except Unreachable as away:
                cause: Exception = away
            except Problem as problem:
                if problem.status < HTTPStatus.INTERNAL_SERVER_ERROR and problem.status != (
                    HTTPStatus.TOO_MANY_REQUESTS
                ):
                    self.tell(f"An answer was not taken: {problem}")
                    return False
                cause = problem
            else:
                return True
            self.tell(f"{cause} Again in {pause_s:.1f} s.")
            self.sleep(pause_s)
            pause_s = min(LONGEST_PAUSE_S, pause_s * 2)

    def _post(self, path: str, body: Json) -> Json:
        return self.portal.send("POST", path, json_body=body).json()
