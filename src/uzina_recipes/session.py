"""A notebook as a job: JupyterLab on the compute node, ended when nobody computes in it.

    python -m uzina_recipes session --run-dir DIR

Reads session.json ({"idle_s": seconds}), starts JupyterLab on a free port with a token of its own,
and writes where it listens into .door.json, which only the portal's proxy reads. It ends by itself
when no kernel and no terminal did anything for idle_s, when the file STOP appears, or by its time
limit. What it was asked and how it ended is in exit.json.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import datetime
from pathlib import Path
from typing import Any

IDLE_S = 1800
LOOK_EVERY_S = 2.0
START_WITHIN_S = 180.0
GRACE_S = 10.0
QUIET = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}
}
"""No questions about news: a compute node has no way to them."""


def main(run_dir: Path) -> int:
    """Run a session to its end; 0 unless it could not start."""
    if importlib.util.find_spec("jupyterlab") is None:
        leave(run_dir, "failed", "JupyterLab is not installed for the interpreter of the jobs.")
        return 1
    idle_s = float(read(run_dir / "session.json").get("idle_s", IDLE_S))
    code = os.environ.get("UZINA_JOB_KEY", run_dir.name).rpartition("-")[0].upper() or run_dir.name
    host, token, port = address(), secrets.token_urlsafe(32), free_port()
    base = f"/sessions/{code}/"
    server = start(run_dir, host=host, port=port, token=token, base=base)
    asked = Asked(f"http://{host}:{port}{base}api/", token)
    try:
        if not is_up(server, asked):
            leave(run_dir, "failed", "JupyterLab did not start. The log says more.")
            return 1
        door = {"host": host, "port": port, "token": token, "base": base}
        write(run_dir / ".door.json", door)
        reason = watch(run_dir, server, asked, idle_s=idle_s)
    finally:
        with contextlib.suppress(FileNotFoundError):
            (run_dir / ".door.json").unlink()
        end(server)
    leave(run_dir, "done", reason)
    return 0


def address() -> str:
    """Return where to listen: this machine only, unless a batch system gave us a node."""
    return socket.gethostname() if os.environ.get("SLURM_JOB_ID") else "127.0.0.1"


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def start(run_dir: Path, *, host: str, port: int, token: str, base: str) -> subprocess.Popen[bytes]:
    """Start JupyterLab in the run directory. The token goes by the environment, not by argv."""
    options = {
        "ServerApp.ip": host,
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.base_url": base,
        "ServerApp.root_dir": str(run_dir),
        "ServerApp.open_browser": False,
        "ServerApp.allow_remote_access": True,
        "ServerApp.allow_root": True,
        "ServerApp.quit_button": False,
        # Requests come through the portal's proxy only, which asks who it is; their Origin is its.
        "ServerApp.allow_origin": "*",
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
    }
    argv = [sys.executable, "-m", "jupyterlab"]
    argv += [f"--{name}={value}" for name, value in options.items()]
    home = run_dir / ".jupyter"
    (home / "labconfig").mkdir(mode=0o700, parents=True, exist_ok=True)
    write(home / "labconfig" / "default_setting_overrides.json", QUIET)
    return subprocess.Popen(
        argv,
        cwd=run_dir,
        env=os.environ
        | {
            "JUPYTER_TOKEN": token,
            "JUPYTER_CONFIG_DIR": str(home),
            "JUPYTER_DATA_DIR": str(home / "data"),
            "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
            "JUPYTER_PLATFORM_DIRS": "1",
        },
        start_new_session=True,
    )


class Asked:
    """The server's own API, asked without leaving a trace of activity."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.token = token

    def get(self, what: str) -> Any:
        """Return an answer. Raises OSError when there is none."""
        request = urllib.request.Request(  # noqa: S310 - http of our own making
            self.url + what, headers={"Authorization": f"token {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
            return json.load(answer)


def is_up(server: subprocess.Popen[bytes], asked: Asked) -> bool:
    """Wait until the server answers; False when it ended or took too long."""
    until = time.monotonic() + START_WITHIN_S
    while server.poll() is None and time.monotonic() < until:
        try:
            asked.get("status")
        except (OSError, ValueError):
            time.sleep(0.2)
        else:
            return True
    return False


def watch(run_dir: Path, server: subprocess.Popen[bytes], asked: Asked, *, idle_s: float) -> str:
    """Wait for an end and return why it came."""
    active_s = time.time()
    while server.poll() is None:
        if (run_dir / "STOP").exists():
            return "It was asked to stop."
        # A server too busy to answer is watched by its process all the same.
        with contextlib.suppress(OSError, ValueError, KeyError):
            active_s = max(active_s, last_activity_s(asked))
        if time.time() - active_s >= idle_s:
            return f"Nobody computed in it for {int(idle_s // 60)} minutes."
        time.sleep(LOOK_EVERY_S)
    return "JupyterLab was closed."


def last_activity_s(asked: Asked) -> float:
    """Return when a kernel or a terminal last did something; now while a kernel is busy.

    An open page is no activity: it asks for its kernels every few seconds for as long as it lies
    open in a browser.
    """
    found = [0.0]
    for kernel in asked.get("kernels"):
        if kernel["execution_state"] == "busy":
            return time.time()
        found.append(seconds(kernel["last_activity"]))
    found += [seconds(one["last_activity"]) for one in asked.get("terminals")]
    return max(found)


def seconds(text: str) -> float:
    """Return an instant of the API as epoch seconds."""
    return datetime.fromisoformat(text).timestamp()


def end(server: subprocess.Popen[bytes]) -> None:
    """End the server and its kernels: ask, wait, insist."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, number)
        try:
            server.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            continue
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)


def leave(run_dir: Path, state: str, reason: str) -> None:
    """Say how it ended."""
    write(run_dir / "exit.json", {"state": state, "resume": False, "step": 0, "reason": reason})
    print(reason, flush=True)  # noqa: T201 - the log of the job


def read(path: Path) -> dict[str, Any]:
    """Return the object in a file; empty when there is none."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def write(path: Path, value: dict[str, Any]) -> None:
    """Write an object so that readers find all of it or none; only our group may read it."""
    part = path.with_name(path.name + ".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(value, file)
    part.replace(path)
