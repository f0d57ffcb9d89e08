#!/usr/bin/env python3
"""A private Slurm for tests: munge, MariaDB, slurmdbd, slurmctld and N slurmd in one folder.

    slurm.py start --folder DIR [--nodes 2] [--gpus 4]   start what does not run yet, then wait
    slurm.py env   --folder DIR                          print `export ...` lines for a shell
    slurm.py stop  --folder DIR                          end every process it started, keep the data

    slurm.py restart-controller --folder DIR             end slurmctld, start it again, wait
    slurm.py stop-controller    --folder DIR             end slurmctld; `start` starts it again
    slurm.py hang   --folder DIR [--daemon slurmdbd]     freeze a daemon: it neither answers nor ends
    slurm.py unhang --folder DIR [--daemon slurmdbd]     let it go on

There are two partitions: gpu (the default; N nodes n1, n2, ... with GPUs) and cpu (one node, c1).

Needs no systemd and touches nothing outside DIR but one link, /tmp/uzs-PORT -> DIR. The link does
two things: it reserves the block of 100 ports beginning at PORT (making a link is atomic, so two
testbeds never take one block), and it keeps socket paths below the 108 bytes the kernel allows and
free of spaces, which slurm.conf cannot quote.

Runs as root on Debian 12 (Slurm 22.05) and 13 (24.11). Packages: slurmctld slurmd slurmdbd
slurm-client slurm-wlm-basic-plugins slurm-wlm-mysql-plugin munge mariadb-server-core
mariadb-client-core.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

OWNER = "UZINA_SLURM_FOLDER"
"""Every daemon carries this in its environment; `stop` ends only processes that have it."""

PORT_BLOCKS = range(21000, 31000, 100)
"""Below Linux's ephemeral ports, which begin at 32768."""

CONTROLLER, ACCOUNTING, DATABASE, FIRST_NODE = 0, 1, 2, 10
"""Offsets within the block of ports."""

VERBS = ("start", "stop", "env", "restart-controller", "stop-controller", "hang", "unhang")

PROGRAMS = (
    *("munged", "munge", "mariadbd", "mariadb-install-db", "my_print_defaults"),
    *("slurmdbd", "slurmctld", "slurmd"),
    *("sbatch", "squeue", "sacct", "sinfo", "scancel", "scontrol", "sacctmgr"),
)


@dataclass(frozen=True)
class Bed:
    """One testbed: where it is, its ports, and how big the pretended machine is."""

    folder: str
    port: int
    nodes: int
    gpus: int
    cpus: int = 8
    memory_mb: int = 16000

    @property
    def root(self) -> Path:
        """The short name of the folder; every path in a configuration begins with it."""
        return Path(f"/tmp/uzs-{self.port}")

    @property
    def environment(self) -> dict[str, str]:
        keep = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
        path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
        return keep | {"PATH": path, "SLURM_CONF": f"{self.root}/etc/slurm.conf"}


def main() -> None:
    parser = argparse.ArgumentParser(description="A private Slurm for tests.")
    parser.add_argument("verb", choices=VERBS)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--gpus", type=int, default=4)
    parser.add_argument("--daemon", choices=["slurmdbd", "slurmctld"], default="slurmdbd")
    asked = parser.parse_args()
    folder = asked.folder.absolute()
    if asked.verb == "start":
        bed = remembered(folder) or reserve(folder, nodes=asked.nodes, gpus=asked.gpus)
        start(bed)
        return
    known = remembered(folder)
    if known is None:
        if asked.verb == "env":
            sys.exit(f"No Slurm was started in {folder}.")
        return
    if asked.verb == "stop":
        stop(known)
    elif asked.verb in {"hang", "unhang"}:
        is_hang = asked.verb == "hang"
        os.kill(running(known, asked.daemon), signal.SIGSTOP if is_hang else signal.SIGCONT)
    elif asked.verb.endswith("-controller"):
        end(running(known, "slurmctld"), patience_s=30)
        if asked.verb == "restart-controller":
            start_slurm(known)
    else:
        conf = known.environment["SLURM_CONF"]
        print(f"export SLURM_CONF={shlex.quote(conf)}")
        print(f"export UZINA_TEST_SLURM_CONF={shlex.quote(conf)}")


# --- where and which ports ---------------------------------------------------------------------


def remembered(folder: Path) -> Bed | None:
    """Return the testbed of a folder, with its link in place, or None where there is none."""
    try:
        bed = Bed(**json.loads((folder / "bed.json").read_text()))
    except FileNotFoundError:
        return None
    with contextlib.suppress(FileExistsError):
        bed.root.symlink_to(folder)
    if bed.root.readlink() != folder:
        # Another testbed took the block while this one was stopped: take a new one.
        (folder / "bed.json").unlink()
        return None
    return bed


def reserve(folder: Path, *, nodes: int, gpus: int) -> Bed:
    """Take a block of ports that nobody listens on and remember it in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    blocks = list(PORT_BLOCKS)
    turn = hash(str(folder)) % len(blocks)
    for port in blocks[turn:] + blocks[:turn]:
        bed = Bed(folder=str(folder), port=port, nodes=nodes, gpus=gpus)
        with contextlib.suppress(OSError):
            if bed.root.is_symlink() and not (bed.root / "bed.json").exists():
                bed.root.unlink()  # its folder was deleted
        try:
            bed.root.symlink_to(folder)
        except FileExistsError:
            continue
        if all(is_free(port + offset) for offset in (0, 1, 2, *range(10, 11 + nodes))):
            (folder / "bed.json").write_text(json.dumps(asdict(bed)))
            return bed
        bed.root.unlink()
    sys.exit("No free block of ports for Slurm.")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


# --- configuration -----------------------------------------------------------------------------


def configure(bed: Bed) -> None:
    """Write every configuration file. Secrets are made once and kept."""
    root = bed.root
    for name in ("etc", "run", "log", "state/controller", "state/devices"):
        (root / name).mkdir(parents=True, exist_ok=True)
    secret(root / "etc/munge.key", secrets.token_bytes(1024))
    secret(root / "etc/database.password", secrets.token_hex(16).encode())
    password = (root / "etc/database.password").read_text()
    devices(bed)
    write(root / "etc/cgroup.conf", "CgroupPlugin=cgroup/v1\n")
    write(root / "etc/gres.conf", gres_conf(bed))
    write(root / "etc/slurm.conf", slurm_conf(bed))
    write(root / "etc/slurmdbd.conf", slurmdbd_conf(bed, password), mode=0o600)
    write(root / "etc/init.sql", init_sql(password), mode=0o600)
    write(root / "etc/my.cnf", my_cnf(bed))


def secret(path: Path, content: bytes) -> None:
    if not path.exists():
        path.touch(mode=0o600)
        path.write_bytes(content)


def write(path: Path, text: str, *, mode: int = 0o644) -> None:
    path.touch(mode=mode)
    path.write_text(text)


def devices(bed: Bed) -> None:
    """Make the files that stand for GPUs: character devices, or plain files without root."""
    for index in range(bed.gpus):
        path = bed.root / f"state/devices/gpu{index}"
        if not path.exists():
            try:
                os.mknod(path, 0o20666, os.makedev(1, 3))
            except PermissionError:
                path.touch()


def gres_conf(bed: Bed) -> str:
    if not bed.gpus:
        return ""
    return (
        f"NodeName=n[1-{bed.nodes}] Name=gpu File={bed.root}/state/devices/gpu[0-{bed.gpus - 1}]\n"
    )


def slurm_conf(bed: Bed) -> str:
    host = socket.gethostname().split(".")[0]
    root, port = bed.root, bed.port
    lines = {
        "ClusterName": "uzina",
        "SlurmctldHost": f"{host}(127.0.0.1)",
        "SlurmctldPort": port + CONTROLLER,
        "SlurmUser": "root",
        "SlurmdUser": "root",
        "AuthType": "auth/munge",
        "AuthInfo": f"socket={root}/run/munge.socket",
        "StateSaveLocation": f"{root}/state/controller",
        "SlurmdSpoolDir": f"{root}/state/spool.%n",
        "SlurmctldPidFile": f"{root}/run/slurmctld.pid",
        "SlurmdPidFile": f"{root}/run/slurmd.%n.pid",
        "SlurmctldLogFile": f"{root}/log/slurmctld.log",
        "SlurmdLogFile": f"{root}/log/slurmd.%n.log",
        "ProctrackType": "proctrack/linuxproc",
        "TaskPlugin": "task/none",
        "MpiDefault": "none",
        "ReturnToService": 2,
        "SlurmdParameters": "config_overrides",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_Core_Memory",
        "DefMemPerCPU": 100,
        "JobAcctGatherType": "jobacct_gather/linux",
        "JobAcctGatherFrequency": "task=5",
        "AccountingStorageType": "accounting_storage/slurmdbd",
        "AccountingStorageHost": "127.0.0.1",
        "AccountingStoragePort": port + ACCOUNTING,
        # Clients reach slurmdbd through this second setting, not through AuthInfo.
        "AccountingStoragePass": f"{root}/run/munge.socket",
        "AccountingStorageEnforce": "associations,limits,qos,safe",
        "AccountingStoreFlags": "job_comment",
        "SchedulerType": "sched/backfill",
        "SchedulerParameters": "batch_sched_delay=0,bf_interval=5,sched_interval=5",
        # Allocations are budgets, not fair share: what was used must never decay.
        "PriorityType": "priority/multifactor",
        "PriorityDecayHalfLife": 0,
        "PriorityUsageResetPeriod": "NONE",
        "PriorityFlags": "MAX_TRES",
        "KillWait": 5,
        "MinJobAge": 60,
    }
    if is_loopback(host):
        # Slurm binds to one address only by its own name; elsewhere it listens on all.
        lines["CommunicationParameters"] = "NoCtldInAddrAny,NoInAddrAny"
    gres = ""
    if bed.gpus:
        lines |= {"GresTypes": "gpu", "AccountingStorageTRES": "gres/gpu"}
        gres = f"Gres=gpu:{bed.gpus} "
    first, last = port + FIRST_NODE, port + FIRST_NODE + bed.nodes - 1
    node = f"NodeHostname={host} NodeAddr=127.0.0.1 CPUs={bed.cpus} RealMemory={bed.memory_mb}"
    # In thousandths of a GPU: 20 cores keep one GPU from others, and Slurm cuts off fractions.
    limits = "MaxTime=INFINITE DefaultTime=01:00:00 State=UP TRESBillingWeights=CPU=50"
    return "\n".join(
        [
            *(f"{name}={value}" for name, value in lines.items()),
            f"NodeName=n[1-{bed.nodes}] {node} Port=[{first}-{last}] {gres}State=UNKNOWN",
            f"NodeName=c1 {node} Port={last + 1} State=UNKNOWN",
            f"PartitionName=gpu Nodes=n[1-{bed.nodes}] Default=YES {limits},GRES/gpu=1000",
            f"PartitionName=cpu Nodes=c1 {limits}",
            "",
        ]
    ).replace(f"Port=[{first}-{first}]", f"Port={first}")


def is_loopback(host: str) -> bool:
    try:
        return socket.gethostbyname(host).startswith("127.")
    except OSError:
        return False


def slurmdbd_conf(bed: Bed, password: str) -> str:
    root = bed.root
    return f"""\
AuthType=auth/munge
AuthInfo=socket={root}/run/munge.socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={bed.port + ACCOUNTING}
SlurmUser=root
LogFile={root}/log/slurmdbd.log
PidFile={root}/run/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={bed.port + DATABASE}
StorageUser=slurm
StoragePass={password}
StorageLoc=slurm
"""


def init_sql(password: str) -> str:
    return f"""\
CREATE DATABASE IF NOT EXISTS slurm;
CREATE OR REPLACE USER slurm@127.0.0.1 IDENTIFIED BY '{password}';
GRANT ALL ON slurm.* TO slurm@127.0.0.1;
"""


def my_cnf(bed: Bed) -> str:
    root = bed.root
    return f"""\
[mysqld]
datadir={root}/state/database
socket={root}/run/database.socket
pid-file={root}/run/mariadbd.pid
log-error={root}/log/mariadbd.log
bind-address=127.0.0.1
port={bed.port + DATABASE}
user=root
skip-name-resolve
init-file={root}/etc/init.sql
innodb_buffer_pool_size=64M
innodb_log_file_size=32M
innodb_flush_log_at_trx_commit=2
innodb_lock_wait_timeout=900
"""


# --- start -------------------------------------------------------------------------------------


def start(bed: Bed) -> None:
    """Start what does not run yet and return when every node takes jobs."""
    began = time.monotonic()
    path = bed.environment["PATH"]
    missing = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    if missing:
        sys.exit(f"Slurm for tests needs these programs: {', '.join(missing)}.\n{__doc__}")
    configure(bed)
    start_munge_and_database(bed)
    start_slurm(bed)
    took = time.monotonic() - began
    print(f"Slurm runs: {bed.nodes} nodes with {bed.gpus} GPUs each, up in {took:.1f} s.")


def start_munge_and_database(bed: Bed) -> None:
    root = bed.root
    if not runs(bed, "munged"):
        for stale in (root / "run").glob("munge.socket*"):
            stale.unlink()
        daemon(
            bed, "munged", "--force", "--num-threads=2", f"--key-file={root}/etc/munge.key",
            f"--socket={root}/run/munge.socket", f"--pid-file={root}/run/munged.pid",
            f"--log-file={root}/log/munged.log", f"--seed-file={root}/state/munge.seed",
        )  # fmt: skip
    if not runs(bed, "mariadbd"):
        if not (root / "state/database/mysql").is_dir():
            call(
                bed, "mariadb-install-db", "--no-defaults", "--force", "--user=root",
                f"--datadir={root}/state/database", "--skip-test-db", "--skip-name-resolve",
                "--auth-root-authentication-method=socket",
            )  # fmt: skip
        daemon(bed, "mariadbd", f"--defaults-file={root}/etc/my.cnf", wait=False)
    wait(bed, "munge", 10, lambda: answers(bed, "munge", "-S", f"{root}/run/munge.socket", "-n"))
    wait(bed, "MariaDB", 60, lambda: not is_free(bed.port + DATABASE))


def start_slurm(bed: Bed) -> None:
    if not runs(bed, "slurmdbd"):
        daemon(bed, "slurmdbd")
    show_cluster = ("sacctmgr", "-nP", "show", "cluster", "format=cluster")
    wait(bed, "slurmdbd", 90, lambda: answers(bed, *show_cluster))
    if "uzina" not in call(bed, *show_cluster).split():
        call(bed, "sacctmgr", "-iQ", "add", "cluster", "uzina")
    accounts = ("sacctmgr", "-nP", "show", "assoc", "account=uzina", "user=root", "format=account")
    if not call(bed, *accounts).strip():
        # Asked before the controller starts, so that it reads them and no push is needed.
        add = ("sacctmgr", "-iQ", "add")
        call(bed, *add, "account", "uzina", "Description=uzina", "Organization=uzina")
        call(bed, *add, "user", "root", "account=uzina", "DefaultAccount=uzina", check=False)
    if not runs(bed, "slurmctld"):
        daemon(bed, "slurmctld")
    for node in node_names(bed):
        if not runs(bed, f"slurmd.{node}"):
            (bed.root / f"state/spool.{node}").mkdir(exist_ok=True)
            daemon(bed, "slurmd", "-N", node)
    wait(bed, "slurmctld", 60, lambda: answers(bed, "scontrol", "ping"))
    call(bed, "sacctmgr", "-iQ", "modify", "user", "root", "set", "DefaultAccount=uzina",
         check=False)  # fmt: skip
    wait(bed, "the nodes", 90, lambda: nodes_ready(bed))


def node_names(bed: Bed) -> list[str]:
    return [*(f"n{number}" for number in range(1, bed.nodes + 1)), "c1"]


def nodes_ready(bed: Bed) -> bool:
    states = call(bed, "sinfo", "-hN", "-o", "%t", check=False).split()
    return len(states) == len(node_names(bed)) and set(states) <= {"idle", "mix", "alloc", "comp"}


def daemon(bed: Bed, *argv: str, wait: bool = True) -> None:
    """Start a program that puts itself in the background, or, unless wait, one that does not."""
    with (bed.root / "log" / f"{argv[0]}.start.log").open("ab") as log:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=bed.environment | {OWNER: bed.folder},
            cwd="/",
            start_new_session=True,
        )
    if wait and process.wait() != 0:
        sys.exit(f"{argv[0]} did not start; see {bed.folder}/log.")


def call(bed: Bed, *argv: str, check: bool = True) -> str:
    done = subprocess.run(
        argv, env=bed.environment, capture_output=True, text=True, timeout=120, check=False
    )
    if check and done.returncode != 0:
        sys.exit(f"{shlex.join(argv)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def answers(bed: Bed, *argv: str) -> bool:
    try:
        done = subprocess.run(
            argv, env=bed.environment, capture_output=True, timeout=10, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def wait(bed: Bed, what: str, seconds: float, ready: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            sys.exit(f"{what} did not come up in {seconds:.0f} s; see {bed.folder}/log.")
        time.sleep(0.05)


# --- stop --------------------------------------------------------------------------------------


def stop(bed: Bed) -> None:
    """Cancel what runs, end the daemons in order and prove that no process is left."""
    if runs(bed, "slurmctld") and answers(bed, "scontrol", "ping"):
        answers(bed, "scancel", "--account=uzina")
        with contextlib.suppress(subprocess.TimeoutExpired):
            for _ in range(100):
                if not call(bed, "squeue", "-h", "-t", "R,CG", "-o", "%i", check=False).strip():
                    break
                time.sleep(0.1)
    nodes = [f"slurmd.{node}" for node in node_names(bed)]
    for name in ("slurmctld", *nodes, "slurmdbd", "mariadbd", "munged"):
        pid = runs(bed, name)
        if pid:
            os.kill(pid, signal.SIGCONT)  # it may hang
            end(pid, patience_s=15)
    for attempt in range(40):
        left = list(owned(bed))
        if not left:
            break
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM if attempt < 20 else signal.SIGKILL)
        time.sleep(0.1)
    for file in (bed.root / "run").iterdir():
        file.unlink()
    bed.root.unlink()
    print("Slurm stopped.")


def runs(bed: Bed, name: str) -> int:
    """Return the process id of one of our daemons, 0 when it does not run."""
    try:
        pid = int((bed.root / f"run/{name}.pid").read_text())
    except (FileNotFoundError, ValueError):
        return 0
    return pid if is_ours(bed, pid) else 0


def running(bed: Bed, name: str) -> int:
    """Return the process id of one of our daemons, which has to run."""
    return runs(bed, name) or sys.exit(f"{name} does not run in {bed.folder}.")


def is_ours(bed: Bed, pid: int) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
    return f"{OWNER}={bed.folder}".encode() in environment


def owned(bed: Bed) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and is_ours(bed, int(entry.name)):
            yield int(entry.name)


def end(pid: int, *, patience_s: float) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        until = time.monotonic() + patience_s
        while time.monotonic() < until:
            if is_zombie(pid):
                return
            os.kill(pid, 0)
            time.sleep(0.02)
        os.kill(pid, signal.SIGKILL)


def is_zombie(pid: int) -> bool:
    """Ended, and waiting for a slow init to notice."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


if __name__ == "__main__":
    main()
