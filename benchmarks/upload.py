"""A file on its way in: `uzina data push` beside a plain copy on the same disk.

    python benchmarks/upload.py [--quick]

Writes one file of random bytes and brings it, in turns, three rounds:

cp      `cp` of it, and its bytes flushed to the disk: nothing is checked
copy    read, hashed by SHA-256, written, flushed: a plain copy that knows what it copied
push    `uzina data push` to a served factory whose store is a folder of the same disk: over HTTP,
        each part by its CRC-32, the whole by its SHA-256 at both ends, flushed, then a version
s3      the same, an eighth of the size, where the store is an S3: moto's server of the tests
pull    `uzina data pull` of it from the folder, compared with its SHA-256, flushed

CPU seconds are of all processes: the client, the portal's web server and worker; of `s3` without
moto's own. Peak memory is that of the client and of the web server. benchmarks/upload.md is written
anew unless --quick is given; the last line is one JSON object.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
GOAL = 0.6
PIECE = 1 << 20
ROUNDS = 3
SMALLER = 8
"""So many times smaller is the file for the S3, which keeps it three times over in its memory."""
SETUP = """
import json
from datetime import timedelta
import django
django.setup()
from django.utils.timezone import now
from uzina.people import actions as people
from uzina.people.rules import OrganisationKind
ana = people.register(
    email="ana@bench.example", name="Ana", password="a password of the benchmark", language="en",
    now=now(),
)
facts = people.OrganisationFacts(
    name="Bench SRL", kind=OrganisationKind.STARTUP, country="RO", headcount=8,
    turnover_eur=400_000, balance_eur=250_000,
)
organisation = people.register_organisation(facts, by=ana, now=now())
project = people.open_project(
    organisation, title="Bench", lead=ana, starts_at=now() - timedelta(days=1),
    ends_at=now() + timedelta(days=90), award_code="", by=None, now=now(),
)
token = people.issue_token(ana, name="bench", lifetime=timedelta(days=1), by=ana, now=now())
print(json.dumps({"project": project.code, "token": token.secret}))
"""
COMMAND = """
import resource, sys
from uzina_client import cli
code = cli.run(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(used.ru_utime + used.ru_stime, peak, file=sys.stderr)
sys.exit(code)
"""


@dataclass
class Took:
    """What one way took, each round."""

    bytes: int
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    client_kib: int = 0
    server_kib: int = 0

    @property
    def wall(self) -> float:
        return statistics.median(self.seconds)

    @property
    def rate(self) -> float:
        """Megabytes a second."""
        return self.bytes / 1e6 / self.wall


class Served:
    """A factory that serves, and a dataset to push to."""

    def __init__(self, folder: Path, store: dict[str, str]) -> None:
        from uzina.root.demo import Factory

        self.factory = Factory.at(folder, {"store": store}, usual=0)
        self.factory.open()
        done = subprocess.run(
            [sys.executable, "-c", SETUP],
            env=self.factory.environment | {"DJANGO_SETTINGS_MODULE": "uzina.root.settings"},
            check=True,
            capture_output=True,
            text=True,
        )
        self.known = json.loads(done.stdout)
        self.factory.start()

    def data(self, *words: str) -> tuple[float, int]:
        """Run `uzina data …`; return its CPU seconds and its peak memory in KiB."""
        home = self.factory.folder / f"home-{uuid.uuid4().hex[:8]}"
        environment = self.factory.environment | {
            "UZINA_TOKEN": self.known["token"],
            "UZINA_URL": self.factory.url,
            "XDG_CONFIG_HOME": str(home),
            "XDG_CACHE_HOME": str(home),
        }
        done = subprocess.run(
            [sys.executable, "-c", COMMAND, "data", *words],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(done.stderr)
        cpu, peak = done.stderr.splitlines()[-1].split()
        return float(cpu), int(peak)

    def push(self, path: Path) -> tuple[str, float, int]:
        """Push a file to a new dataset; return its name, the client's CPU seconds and memory."""
        slug = f"bench-{uuid.uuid4().hex[:8]}"
        more = ["--title", "Bench", "--description", "Bench.", "--language", "en"]
        more += ["--licence", "cc0-1.0", "--project", self.known["project"]]
        return slug, *self.data("push", slug, str(path), *more, "--note", "Bench.")

    def used(self) -> tuple[float, int]:
        """Return the CPU seconds of the server's processes so far, and the largest peak in KiB."""
        cpu, peak = 0.0, 0
        for process in children(self.factory.process.pid):
            place = Path(f"/proc/{process}")
            fields = (place / "stat").read_text().rpartition(")")[2].split()
            cpu += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            lines = (place / "status").read_text().splitlines()
            peak = max(peak, *(int(one.split()[1]) for one in lines if one.startswith("VmHWM")))
        return cpu, peak


def children(parent: int) -> list[int]:
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                fields = (place / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == parent:
                found += [int(place.name), *children(int(place.name))]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small file once: it works")
    asked = parser.parse_args()
    size, rounds = (64 << 20, 1) if asked.quick else (1 << 30, ROUNDS)
    place = ROOT / "var"
    place.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-upload-", dir=place) as folder:
        text, result = report(measure(Path(folder), size, rounds), size, rounds)
    page = f"{text}\n{json.dumps(result)}\n"
    print(page, end="")
    if not asked.quick:
        Path(__file__).with_suffix(".md").write_text(page)


def measure(folder: Path, size: int, rounds: int) -> dict[str, Took]:
    path, small = folder / "file.bin", folder / "small.bin"
    took = {name: Took(size) for name in ("cp", "copy", "push", "pull")}
    took["s3"] = Took(size // SMALLER)
    with s3(folder / "s3") as store:
        on_folder, on_s3 = Served(folder / "folder", {}), Served(folder / "away", store)
        try:
            for round_ in range(rounds):
                write(path, size, seed=round_)
                timed(took["cp"], lambda: plain(path, folder / "copy.bin"))
                timed(took["copy"], lambda: hashed(path, folder / "copy.bin"))
                slug = pushed(took["push"], on_folder, path)
                pulled(took["pull"], on_folder, slug, folder / "back", path)
                write(small, size // SMALLER, seed=1000 + round_)
                pushed(took["s3"], on_s3, small)
        finally:
            on_folder.factory.stop()
            on_s3.factory.stop()
    return took


def write(path: Path, size: int, *, seed: int) -> None:
    """Write bytes that are in no store yet, and have the disk done with them."""
    block = random.Random(seed).randbytes(8 << 20)
    with path.open("wb") as file:
        for at in range(0, size, len(block)):
            file.write(at.to_bytes(8, "big") + block[8:])
        file.flush()
        os.fsync(file.fileno())
    os.sync()


def plain(path: Path, target: Path) -> None:
    subprocess.run(["cp", str(path), str(target)], check=True)
    flush(target)
    target.unlink()


def hashed(path: Path, target: Path) -> None:
    digest = hashlib.sha256()
    with path.open("rb") as source, target.open("wb") as copy:
        while piece := source.read(PIECE):
            digest.update(piece)
            copy.write(piece)
    flush(target)
    target.unlink()


def flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def timed(took: Took, work: Callable[[], None]) -> None:
    before, began = own_cpu(), time.perf_counter()
    work()
    took.seconds.append(time.perf_counter() - began)
    took.cpu.append(own_cpu() - before)


def own_cpu() -> float:
    own, ended = (
        resource.getrusage(resource.RUSAGE_SELF),
        resource.getrusage(resource.RUSAGE_CHILDREN),
    )
    return own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime


def pushed(took: Took, served: Served, path: Path) -> str:
    before, began = served.used()[0], time.perf_counter()
    slug, cpu, peak = served.push(path)
    _note(took, served, time.perf_counter() - began, before, cpu, peak)
    return slug


def pulled(took: Took, served: Served, slug: str, back: Path, path: Path) -> None:
    before, began = served.used()[0], time.perf_counter()
    cpu, peak = served.data("pull", slug, str(back))
    _note(took, served, time.perf_counter() - began, before, cpu, peak)
    if (back / path.name).stat().st_size != path.stat().st_size:
        sys.exit("what came back has another size")
    shutil.rmtree(back)


def _note(took: Took, served: Served, wall: float, before: float, cpu: float, peak: int) -> None:
    used, server_kib = served.used()
    took.seconds.append(wall)
    took.cpu.append(cpu + used - before)
    took.client_kib = max(took.client_kib, peak)
    took.server_kib = max(took.server_kib, server_kib)


@contextmanager
def s3(folder: Path) -> Iterator[dict[str, str]]:
    """Start the S3 of the tests; give the settings of its bucket."""
    service = [sys.executable, str(ROOT / "tests" / "services" / "s3.py")]
    subprocess.run([*service, "start", "--folder", str(folder)], check=True)
    try:
        url = f"http://127.0.0.1:{(folder / 'port').read_text()}"
        given = {"kind": "s3", "endpoint": url, "bucket": "uzina", "region": "us-east-1"}
        yield given | {"access_key": "key", "secret_key": "secret"}
    finally:
        subprocess.run([*service, "stop", "--folder", str(folder)], check=True)


def report(took: dict[str, Took], size: int, rounds: int) -> tuple[str, dict[str, object]]:
    names = {
        "cp": "`cp`, flushed",
        "copy": "a copy with SHA-256, flushed",
        "push": "**push**, store in a folder",
        "pull": "pull, store in a folder",
        "s3": "push, store in an S3 (moto's server)",
    }
    peer = took["copy"].rate
    told = (
        f"One file of {size / 1e6:,.0f} MB of random bytes, {rounds} rounds in turns, medians; all on "
        "one machine and one disk. "
        f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f}. `python benchmarks/upload.py` makes this page and says what "
        "each row is.\n"
    )
    lines = [
        "# A file on its way in, beside a plain copy\n",
        told,
        "| | seconds | MB/s | × the copy with SHA-256 | CPU s | peak client | peak server |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    result: dict[str, object] = {"benchmark": "upload", "bytes": size, "rounds": rounds}
    for name, title in names.items():
        one = took[name]
        cpu = statistics.median(one.cpu)
        ratio = one.rate / peer
        peaks = " | ".join(
            f"{kib / 1024:.0f} MiB" if kib else "" for kib in (one.client_kib, one.server_kib)
        )
        lines.append(
            f"| {title} | {one.wall:.2f} | {one.rate:.0f} | {ratio:.2f} | {cpu:.1f} | {peaks} |"
        )
        result |= {f"{name}_s": round(one.wall, 2), f"{name}_ratio": round(ratio, 2)}
        result[f"{name}_cpu_s"] = round(cpu, 2)
    verdict = "reached" if took["push"].rate / peer >= GOAL else "not reached here"
    lines.append(
        f"\nThe goal is {GOAL} × the throughput of the copy with SHA-256: {verdict}. Throughput is of "
        "the whole command, its start included. moto's server checks, keeps and copies in Python and "
        "in memory: its row says that the way past the portal works, not how fast an S3 is.\n"
    )
    return "\n".join(lines), result


if __name__ == "__main__":
    main()
