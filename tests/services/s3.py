#!/usr/bin/env python3
"""A private S3 for tests: the server of moto, in one folder, nothing else touched.

    s3.py start --folder DIR    start it where it does not run yet
    s3.py env   --folder DIR    print `export ...` lines: address and bucket
    s3.py stop  --folder DIR    end it; what it kept was in its memory and is gone

Package: moto[server]. It checks no SHA-256 that it is sent, so a test of ours may not rely on it.
"""

import argparse
import contextlib
import http.client
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PATIENCE_S = 120
BUCKET = "uzina"


def main() -> None:
    parser = argparse.ArgumentParser(description="A private S3 for tests.")
    parser.add_argument("verb", choices=["start", "env", "stop"])
    parser.add_argument("--folder", type=Path, required=True)
    asked = parser.parse_args()
    folder = asked.folder.absolute()
    if asked.verb == "stop":
        stop(folder)
    elif asked.verb == "start":
        start(folder)
    else:
        print(f"export UZINA_TEST_S3_URL={shlex.quote(url(folder))}")
        print(f"export UZINA_TEST_S3_BUCKET={BUCKET}")


def start(folder: Path) -> None:
    """Start the server of a folder, on a port nobody has, and return when it answers."""
    if process_of(folder) is not None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    (folder / "port").write_text(str(port))
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (folder / "server.log").open("ab") as log:
        server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            start_new_session=True,
            env=os.environ | {"TMPDIR": str(folder)},
        )
    (folder / "pid").write_text(str(server.pid))
    end = time.monotonic() + PATIENCE_S
    while server.poll() is None and time.monotonic() < end:
        if answers(port):
            return
        time.sleep(0.1)
    sys.exit(f"moto did not start. Its log:\n{(folder / 'server.log').read_text()[-2000:]}")


def answers(port: int) -> bool:
    """Make the bucket; False while nobody listens."""
    wire = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        wire.request(
            "PUT",
            f"/{BUCKET}",
            headers={"Content-Type": "application/octet-stream", "Content-Length": "0"},
        )
        return wire.getresponse().status in {200, 409}
    except OSError:
        return False
    finally:
        wire.close()


def stop(folder: Path) -> None:
    """End the server and wait until it is gone. Doing it twice is fine."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        end = time.monotonic() + PATIENCE_S / 10
        while (process := process_of(folder)) is not None and time.monotonic() < end:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, sign)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(process, os.WNOHANG)
            time.sleep(0.05)


def process_of(folder: Path) -> int | None:
    """Return the server's process while it runs."""
    try:
        process = int((folder / "pid").read_text())
        command = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        at_home = Path(f"/proc/{process}/cwd").readlink() == folder
    except (OSError, ValueError):
        return None
    return process if b"moto.server" in command and state != "Z" and at_home else None


def url(folder: Path) -> str:
    """Return the address of the server."""
    return f"http://127.0.0.1:{(folder / 'port').read_text().strip()}"


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
