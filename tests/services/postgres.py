"""A private PostgreSQL for tests and benchmarks: one cluster in one folder, nothing else touched.

    python tests/services/postgres.py start --folder var/test/postgres   # prints its address
    python tests/services/postgres.py url   --folder var/test/postgres
    python tests/services/postgres.py stop  --folder var/test/postgres

The address is what UZINA_DATABASE_URL takes. Needs the server's binaries (Debian: postgresql) and
the standard library. The cluster keeps its data between stop and start; delete the folder to be
rid of it. PostgreSQL refuses to run as root, so for root it runs as `postgres` or `nobody`.
"""

import argparse
import fcntl
import hashlib
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

ROLE = DATABASE = "uzina"
SOCKET_PATH_MAX = 90
"""A Unix socket's whole path fits in 107 bytes (sun_path, unix(7)), its name takes the rest."""

READY_S = 60
STOP_S = 30
TRIES = 5

ROLE_SETTINGS = {
    "lock_timeout": "5s",
    "statement_timeout": "30s",
    "idle_in_transaction_session_timeout": "60s",
}
"""What a production role is given as well (docs/stack): nobody waits for ever on anybody."""


class ServiceError(Exception):
    """The service cannot be started or stopped; the text says why and what to do."""


@dataclass(frozen=True)
class Cluster:
    """Where one cluster lives and how to reach it. Kept as cluster.json in the folder."""

    home: str
    user: str
    password: str
    port: int

    @property
    def data(self) -> Path:
        """The data directory, which is also the working directory of every server process."""
        return Path(self.home) / "data"

    @property
    def url(self) -> str:
        """The address as Django and libpq take it; the password is hexadecimal."""
        return f"postgresql://{ROLE}:{self.password}@127.0.0.1:{self.port}/{DATABASE}"


def start(folder: Path) -> str:
    """Make the cluster if there is none, start it if it is down, and return its address."""
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        cluster = read(folder) or create(folder)
        for attempt in range(TRIES):
            time.sleep(attempt * 0.5)
            if is_ready(cluster):
                return cluster.url
            # After a kill -9 of the postmaster its backends still drain, and a restart beside
            # them is refused. The port stays, for clients that wait, unless somebody took it.
            end_processes(cluster)
            if not is_free(cluster.port):
                cluster = save(folder, replace(cluster, port=free_port()))
            if launch(cluster, folder):
                return cluster.url
    log = (folder / "server.log").read_text(errors="replace")[-2000:]
    raise ServiceError(f"PostgreSQL did not start in {TRIES} tries. End of its log:\n{log}")


def stop(folder: Path) -> None:
    """Stop the cluster and wait until no process of it is left. Doing it twice is fine."""
    folder = folder.resolve()
    if not folder.is_dir():
        return
    with locked(folder):
        if cluster := read(folder):
            end_processes(cluster)


def url(folder: Path) -> str:
    """Return the address of a cluster made by start(), running or not."""
    cluster = read(folder.resolve())
    if cluster is None:
        raise ServiceError(f"There is no cluster in {folder}: start one first.")
    return cluster.url


# --- making one -----------------------------------------------------------------------------


def create(folder: Path) -> Cluster:
    """Run initdb, then give the role its database and its time-outs in single-user mode."""
    user = ordinary_user()
    home = reachable_home(folder, user)
    cluster = Cluster(str(home), user, secrets.token_hex(16), free_port())
    if cluster.data.exists():
        shutil.rmtree(cluster.data)  # left by a run that died before cluster.json was written
    password_file = home / "password"
    password_file.write_text(cluster.password)
    password_file.chmod(0o600)
    own(password_file, user)
    initdb = [
        *(binary("initdb"), "--pgdata", str(cluster.data)),
        *("--username", "postgres", "--auth", "scram-sha-256", "--pwfile", str(password_file)),
        *("--encoding", "UTF8", "--locale", "C.UTF-8", "--no-instructions"),
    ]
    run_as(user, initdb, cwd=home)
    password_file.unlink()
    statements = [
        f"CREATE ROLE {ROLE} LOGIN CREATEDB PASSWORD '{cluster.password}'",
        *(f"ALTER ROLE {ROLE} SET {name} = '{value}'" for name, value in ROLE_SETTINGS.items()),
        f"CREATE DATABASE {DATABASE} OWNER {ROLE}",
    ]
    single = [binary("postgres"), "--single", "-D", str(cluster.data), "postgres"]
    run_as(user, single, cwd=home, text="\n".join(statements) + "\n")
    return save(folder, cluster)


def ordinary_user() -> str:
    """Return the user the server runs as: oneself, or for root somebody without rights."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise ServiceError("There is neither a user postgres nor nobody to run PostgreSQL as.")


def reachable_home(folder: Path, user: str) -> Path:
    """Return where the data goes: the folder, or one under /tmp where root's folder is closed.

    A clone under /root is the usual case: no other user can pass through it.
    """
    home = folder / "cluster"
    home.mkdir(exist_ok=True)
    own(home, user)
    home.chmod(0o700)
    if can_reach(home, user):
        return home
    home.rmdir()
    mark = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    home = Path(tempfile.gettempdir()) / f"uzina-postgres-{mark}"
    home.mkdir(mode=0o700, exist_ok=True)
    if home.stat().st_uid not in {0, pwd.getpwnam(user).pw_uid}:
        raise ServiceError(f"{home} belongs to somebody else: move it away and start again.")
    own(home, user)
    return home


def can_reach(path: Path, user: str) -> bool:
    """Say whether the user may enter the folder, by trying."""
    done = subprocess.run(
        [*become(user), "test", "-x", str(path)], check=False, capture_output=True, cwd="/"
    )
    return done.returncode == 0


# --- running it -----------------------------------------------------------------------------


def launch(cluster: Cluster, folder: Path) -> bool:
    """Start the server and wait until it takes connections; False if it ended before that."""
    write_settings(cluster)
    with (folder / "server.log").open("ab") as log:
        server = subprocess.Popen(
            [*become(cluster.user), binary("postgres"), "-D", str(cluster.data)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=cluster.home,
            start_new_session=True,
            env=clean_environment(),
        )
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        if is_ready(cluster):
            return True
        if server.poll() is not None:
            return False
        time.sleep(0.05)
    raise ServiceError(f"PostgreSQL was not ready after {READY_S} s; see {folder}/server.log.")


def write_settings(cluster: Cluster) -> None:
    """Write what this start decides (port, socket folder) beside what initdb chose."""
    sockets = Path(cluster.home) / "socket"
    if len(str(sockets)) <= SOCKET_PATH_MAX:
        sockets.mkdir(exist_ok=True)
        own(sockets, cluster.user)
        sockets.chmod(0o700)
        socket_setting = f'"{sockets}"'
    else:
        socket_setting = ""
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": cluster.port,
        "unix_socket_directories": socket_setting,
        "max_connections": 80,
        "shared_buffers": "64MB",
        "max_wal_size": "256MB",
        "log_min_messages": "warning",
    }
    lines = (
        f"{name} = '{str(value).replace(chr(39), chr(39) * 2)}'" for name, value in settings.items()
    )
    path = cluster.data / "postgresql.auto.conf"
    path.write_text("\n".join(lines) + "\n")
    own(path, cluster.user)


def is_ready(cluster: Cluster) -> bool:
    """Say whether the postmaster of this data directory runs and takes connections."""
    try:
        lines = (cluster.data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    status_line = 7  # LOCK_FILE_LINE_PM_STATUS in PostgreSQL's miscadmin.h, counted from zero
    if len(lines) <= status_line or lines[status_line].strip() != "ready":
        return False
    if int(lines[0]) not in processes(cluster) or int(lines[3]) != cluster.port:
        return False
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", cluster.port)) == 0


def end_processes(cluster: Cluster) -> None:
    """End every process of the cluster: fast shutdown, then immediate, then by force."""
    for sign in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        signal_postmaster(cluster, sign)
        deadline = time.monotonic() + STOP_S / 3
        while time.monotonic() < deadline:
            if not processes(cluster):
                return
            time.sleep(0.05)
    raise ServiceError(f"Processes of {cluster.data} do not end: {processes(cluster)}.")


def signal_postmaster(cluster: Cluster, sign: signal.Signals) -> None:
    """Signal the postmaster; where it is gone, its orphans one by one."""
    left = processes(cluster)
    try:
        postmaster = int((cluster.data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        postmaster = 0
    targets = [postmaster] if postmaster in left and sign != signal.SIGKILL else left
    for pid in targets:
        try:
            os.kill(pid, sign)
        except ProcessLookupError:
            continue


def processes(cluster: Cluster) -> list[int]:
    """Return the ids of all processes of this cluster.

    Every server process works in the data directory, so nobody else's can be meant.
    """
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            at_home = (entry / "cwd").readlink() == cluster.data
            is_zombie = (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            continue
        if at_home and not is_zombie:
            found.append(int(entry.name))
    return found


# --- small parts ----------------------------------------------------------------------------


def binary(name: str) -> str:
    """Return the newest server binary of that name: Debian's folders first, then PATH."""
    debian = Path("/usr/lib/postgresql")
    versions = [p for p in debian.glob("*/bin") if p.parent.name.isdigit() and (p / name).exists()]
    if versions:
        return str(max(versions, key=lambda p: int(p.parent.name)) / name)
    if found := shutil.which(name):
        return found
    raise ServiceError(f"PostgreSQL's {name} is not here. On Debian: apt-get install postgresql.")


def become(user: str) -> list[str]:
    """Return the words before a command that make root run it as the user."""
    if os.geteuid() != 0:
        return []
    who = pwd.getpwnam(user)
    return ["setpriv", f"--reuid={who.pw_uid}", f"--regid={who.pw_gid}", "--clear-groups", "--"]


def run_as(user: str, command: list[str], *, cwd: Path, text: str = "") -> None:
    """Run a command as the user; raise ServiceError with what it said if it fails."""
    done = subprocess.run(
        [*become(user), *command],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=clean_environment(),
    )
    # postgres --single goes on after a failed statement and exits 0.
    if done.returncode or "ERROR:" in done.stderr:
        raise ServiceError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")


def clean_environment() -> dict[str, str]:
    """Return the environment without the PG… variables of whoever calls."""
    return {k: v for k, v in os.environ.items() if not k.startswith("PG")} | {"LC_ALL": "C.UTF-8"}


def own(path: Path, user: str) -> None:
    """Give the path to the user, when we are root and can."""
    if os.geteuid() == 0:
        who = pwd.getpwnam(user)
        os.chown(path, who.pw_uid, who.pw_gid)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Say whether a server could listen on the port of 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def read(folder: Path) -> Cluster | None:
    """Return the folder's cluster, or None where none was made."""
    try:
        return Cluster(**json.loads((folder / "cluster.json").read_text()))
    except FileNotFoundError:
        return None


def save(folder: Path, cluster: Cluster) -> Cluster:
    """Write cluster.json, whole or not at all, readable by its owner only."""
    draft = folder / "cluster.json.new"
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(asdict(cluster)))
    draft.replace(folder / "cluster.json")
    return cluster


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one start or stop at a time work on the folder."""
    with (folder / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def main(argv: list[str]) -> int:
    """Run one of start, stop, url; say what went wrong in one line and return 1."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("verb", choices=["start", "stop", "url"])
    parser.add_argument("--folder", type=Path, required=True)
    asked = parser.parse_args(argv)
    try:
        if asked.verb == "stop":
            stop(asked.folder)
        else:
            print(start(asked.folder) if asked.verb == "start" else url(asked.folder))
    except ServiceError as error:
        print(f"postgres: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
