"""A factory in one command: a small parent that keeps the web server and the worker alive.

The parent imports no Django, so it stays small. It restarts what dies, hands SIGTERM and SIGINT
on, and gives up (exit 1) when one child dies five times in a minute. Each child asks the kernel
to be told when the parent dies, so that not even kill -9 of the parent leaves an orphan.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType

PR_SET_PDEATHSIG = 1
"""Linux prctl(2): the signal a process gets when its parent dies."""

DEATHS, WITHIN_S = 5, 60.0
GRACE_S = 20.0


def dies_with_parent(parent: int) -> Callable[[], None]:
    """Return what a child runs before it becomes the program: end when the parent ends."""
    libc = ctypes.CDLL(None, use_errno=True)

    def prepare() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return prepare


@dataclass
class Child:
    """One process that is kept alive."""

    name: str
    argv: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=DEATHS))

    def start(self) -> None:
        """Start the process."""
        self.process = subprocess.Popen(
            self.argv,
            # The parent has one thread, so what runs between fork and exec is safe.
            preexec_fn=dies_with_parent(os.getpid()),  # noqa: PLW1509
            start_new_session=True,
        )
        say(f"{self.name} started (process {self.process.pid})")


def say(text: str) -> None:
    """Print a line of the parent's own."""
    print(f"uzina-admin serve: {text}", file=sys.stderr, flush=True)  # noqa: T201 - its log


def web_argv(host: str, port: int) -> list[str]:
    """Return the command of the web server: one process, four threads (decision 0002)."""
    return [
        *(sys.executable, "-m", "granian", "--interface", "wsgi"),
        *("--host", host, "--port", str(port), "--workers", "1", "--blocking-threads", "4"),
        *("--no-ws", "--log-level", "warning", "uzina.root.wsgi:application"),
    ]


def worker_argv() -> list[str]:
    """Return the command of the worker."""
    return [sys.executable, "-m", "uzina.root.admin", "worker"]


def proxy_argv() -> list[str]:
    """Return the command of the way into notebooks."""
    return [sys.executable, "-m", "uzina.root.admin", "proxy"]


def keep_alive(children: Sequence[Child]) -> int:
    """Run the children until a signal asks to stop; return the exit status."""
    stopping: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        stopping.append(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    status = 0
    for child in children:
        child.start()
    while not stopping:
        time.sleep(0.1)
        for child in children:
            if child.process is None or child.process.poll() is None:
                continue
            now = time.monotonic()
            child.deaths.append(now)
            say(f"{child.name} ended with {child.process.returncode}")
            sweep(child.process)
            if len(child.deaths) == DEATHS and now - child.deaths[0] < WITHIN_S:
                say(f"{child.name} died {DEATHS} times in a minute; giving up")
                stopping.append(signal.SIGTERM)
                status = 1
                break
            child.start()
    end(children)
    return status


def end(children: Sequence[Child]) -> None:
    """Ask the children to end, wait, and end those that do not."""
    running = [child.process for child in children if child.process is not None]
    for process in running:
        if process.poll() is None:
            process.terminate()
    deadline = time.monotonic() + GRACE_S
    for process in running:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        sweep(process)
    say("stopped")


def sweep(process: subprocess.Popen[bytes]) -> None:
    """End what a dead child left behind in its process group.

    The web server's own workers outlive it when it is killed, and would go on answering. Jobs of
    the local scheduler have sessions of their own and are not touched.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
