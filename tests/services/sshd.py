#!/usr/bin/env python3
"""A private OpenSSH server for tests: own folder, own port, own keys, nothing else touched.

    sshd.py start --folder DIR    start it where it does not run yet; print `export ...` lines
    sshd.py stop  --folder DIR    end it and every connection it serves

Lets in the user who started it, by the key DIR/client, and nobody else; no dotfile of that user is
read. Package: openssh-server.
As root it needs /run/sshd, where its unprivileged part lives, and makes it.
"""

import argparse
import contextlib
import getpass
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PATIENCE_S = 30


def main() -> None:
    parser = argparse.ArgumentParser(description="A private OpenSSH server for tests.")
    parser.add_argument("verb", choices=["start", "stop"])
    parser.add_argument("--folder", type=Path, required=True)
    asked = parser.parse_args()
    folder = asked.folder.absolute()
    if asked.verb == "stop":
        stop(folder)
        return
    start(folder)
    settings = {
        "PORT": (folder / "port").read_text(),
        "USER": getpass.getuser(),
        "KEY": str(folder / "client"),
        "KNOWN_HOSTS": str(folder / "known_hosts"),
    }
    for name, value in settings.items():
        print(f"export UZINA_TEST_SSH_{name}={shlex.quote(value)}")


def start(folder: Path) -> None:
    """Start the server of a folder, on a port nobody has, and return when it answers."""
    program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        sys.exit("There is no sshd. Debian: openssh-server.")
    if runs(folder):
        return
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    for name in ("host", "client"):
        if not (folder / name).exists():
            keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name]
            subprocess.run([*keygen, "-f", folder / name], check=True)
    shutil.copyfile(folder / "client.pub", folder / "authorized_keys")
    for _try in range(5):
        port = free_port()
        (folder / "port").write_text(str(port))
        key = " ".join((folder / "host.pub").read_text().split()[:2])
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {key}\n")
        (folder / "sshd_config").write_text(configuration(folder, port))
        with (folder / "log").open("ab") as log:
            server = subprocess.Popen(
                [program, "-D", "-e", "-f", folder / "sshd_config"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        (folder / "pid").write_text(str(server.pid))
        until = time.monotonic() + PATIENCE_S
        while server.poll() is None and time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
                return
            time.sleep(0.05)
    sys.exit(f"sshd did not start:\n{(folder / 'log').read_text()[-2000:]}")


def configuration(folder: Path, port: int) -> str:
    return f"""\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
AllowUsers {getpass.getuser()}
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
PubkeyAuthentication yes
UsePAM no
StrictModes no
UseDNS no
SetEnv HOME={folder}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def runs(folder: Path) -> int:
    """Return the process id of the folder's server, 0 when it does not run."""
    with contextlib.suppress(OSError, ValueError):
        pid = int((folder / "pid").read_text())
        if str(folder / "sshd_config").encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    return 0


def stop(folder: Path) -> None:
    """End the server and what it serves."""
    pid = runs(folder)
    if not pid:
        return
    for child in children(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGTERM)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + PATIENCE_S
    while runs(folder) and time.monotonic() < until:
        time.sleep(0.05)
    (folder / "pid").unlink(missing_ok=True)


def children(pid: int) -> list[int]:
    """Return the processes that serve one connection each."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            words = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(words[1]) == pid:
                found.append(int(entry.name))
    return found


if __name__ == "__main__":
    main()
