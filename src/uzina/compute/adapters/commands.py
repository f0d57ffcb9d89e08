"""How one command reaches a cluster: the only thing that touches its world."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from uzina.compute.ports import SchedulerDown

NOT_FOUND, WRAPPER_REFUSED = 127, 77


@dataclass(frozen=True)
class Ran:
    """How a command ended. code is None when that is not known: it took too long and was killed,
    or the way to it broke while it ran.
    """

    code: int | None
    stdout: str
    stderr: str


class CommandRunner(Protocol):
    """Runs one command with a text, or bytes, on its standard input."""

    def __call__(
        self, argv: Sequence[str], stdin: str | bytes = "", *, timeout_s: float | None = None
    ) -> Ran:
        """Return how it ended; never raises for what the command does.

        timeout_s  None for the runner's own

        Raises SchedulerDown where it is certain that the command was never begun.
        """


@dataclass(frozen=True)
class LocalCommands:
    """Runs commands on this machine, in an environment of our own making.

    timeout_s  above the 10 s after which Slurm's own clients give up (MessageTimeout)
    """

    environment: Mapping[str, str]
    timeout_s: float = 30.0

    def __call__(
        self, argv: Sequence[str], stdin: str | bytes = "", *, timeout_s: float | None = None
    ) -> Ran:
        """Run argv; kill it with all its children when it takes longer than timeout_s."""
        limit_s = timeout_s or self.timeout_s
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(self.environment),
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            return Ran(NOT_FOUND, "", f"No such file or directory: '{argv[0]}' ({error.strerror})")
        with process:
            try:
                stdout, stderr = process.communicate(as_bytes(stdin), timeout=limit_s)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                return Ran(None, "", f"{argv[0]} was stopped after {limit_s:.0f} s")
        return Ran(process.returncode, as_text(stdout), as_text(stderr))


def as_user(
    run: CommandRunner, wrapper: Sequence[str], user: str, argv: Sequence[str], stdin: str = ""
) -> Ran:
    """Run a command as a user of the cluster, through deploy/uzina-as; "" is the factory's own.

    Raises SchedulerDown where the wrapper is not there, not allowed or refuses: nothing was done.
    """
    if not user:
        return run(argv, stdin)
    if not wrapper:
        msg = f"There is no wrapper to run commands as {user}."
        raise SchedulerDown(msg)
    ran = run([*wrapper, user, *argv], stdin)
    told = ran.stderr.strip()
    was_refused = ran.code == WRAPPER_REFUSED and told.startswith("uzina-as: ")
    is_missing = ran.code == NOT_FOUND and told.startswith("No such file or directory")
    is_forbidden = ran.code == 1 and all(one.startswith("sudo: ") for one in told.splitlines())
    if was_refused or is_missing or (told and is_forbidden):
        raise SchedulerDown(f"Nothing was done as {user}: {told[-400:]}")
    return ran


def as_bytes(stdin: str | bytes) -> bytes:
    """Return what goes to a standard input."""
    return stdin.encode() if isinstance(stdin, str) else stdin


def as_text(output: bytes) -> str:
    """Return what a command wrote, whatever bytes they are."""
    return output.decode("utf-8", "replace")


def client_environment(slurm_conf: str) -> dict[str, str]:
    """Return all that Slurm's clients, and through them the jobs, get of our environment."""
    environment = {
        "PATH": os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin"),
        "LANG": "C.UTF-8",
        "SLURM_TIME_FORMAT": "%s",
    }
    return environment | ({"SLURM_CONF": slurm_conf} if slurm_conf else {})
