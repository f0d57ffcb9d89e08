"""An accounting log into a fresh factory: `uzina-admin replay` of 50,000 runs.

    python benchmarks/replay.py [--quick] [FILE.swf ...]

The log is made here from a seed, in Standard Workload Format: lengths of runs, sizes and gaps
follow log-normal, power-of-two and exponential draws, users are uneven. No machine has run it, and
its header says so. Real logs can be named as files: the Parallel Workloads Archive has many. Each
is booked into SQLite and, where UZINA_TEST_POSTGRES_URL names a server, into PostgreSQL; a replay
counts only when every total equals the sum over the file. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

HEADER = """; Version: 2.2
; Computer: none
; Note: made by benchmarks/replay.py from a seed; no machine has run this
; UnixStartTime: 1767225600
"""


def main() -> None:
    """Replay each log on each database and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small log, to see that it works")
    parser.add_argument("files", nargs="*", type=Path)
    asked = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="uzina-replay-") as name:
        folder = Path(name)
        made = folder / "made.swf"
        made.write_text("".join(log(1_000 if asked.quick else 50_000)))
        for path in [made, *asked.files]:
            rows += [replay(path, folder, database) for database in databases()]
    report(rows)


def log(count: int) -> Iterator[str]:
    """Yield the lines of a made log, the same every time."""
    chance = random.Random(1)
    yield HEADER
    at = 0
    for job in range(1, count + 1):
        at += int(chance.expovariate(1 / 90))
        status = chance.choices((1, 0, 5), (85, 10, 5))[0]
        wait = int(chance.expovariate(1 / 1200))
        ran = min(172_800, int(chance.lognormvariate(6.5, 2)))
        procs = 2 ** min(9, int(chance.expovariate(1 / 3)))
        user = int(chance.paretovariate(0.8)) % 300
        line = [job, at, wait, ran, procs, -1, -1, procs, ran * 2, -1, status]
        yield " ".join(map(str, [*line, user, user % 40, -1, 1, user % 3 + 1, -1, -1])) + "\n"


def databases() -> list[str]:
    """Return what there is to book into."""
    return ["SQLite", *(["PostgreSQL"] if os.environ.get("UZINA_TEST_POSTGRES_URL") else [])]


def replay(path: Path, folder: Path, database: str) -> dict[str, object]:
    """Book one log into one fresh database, in a process of its own."""
    place = folder / f"{path.stem}-{database}"
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("UZINA_")
    }
    if database == "PostgreSQL":
        environment["UZINA_DATABASE_URL"] = fresh()
    argv = [sys.executable, "-m", "uzina.root.admin", "replay", str(path), "--folder", str(place)]
    began, used = time.perf_counter(), children()
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    took, cpu = time.perf_counter() - began, children() - used
    counted = re.findall(r"^booked ([\d,]+) runs in", done.stdout, re.MULTILINE)
    if done.returncode != 0 or not counted:
        sys.exit(done.stdout + done.stderr)
    return {
        "log": path.name,
        "database": database,
        "runs": int(counted[0].replace(",", "")),
        "seconds": round(took, 1),
        "cpu_s": round(cpu, 1),
    }


def fresh() -> str:
    """Make an empty database on the server of the tests."""
    import psycopg

    server = os.environ["UZINA_TEST_POSTGRES_URL"]
    name = f"uzina_replay_{os.getpid()}_{time.monotonic_ns()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{server.rpartition('/')[0]}/{name}"


def children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def report(rows: list[dict[str, object]]) -> None:
    """Print the table, then one JSON object."""
    print("# An accounting log into a fresh factory\n")
    print(
        "`uzina-admin replay`: migrations, projects, people and allocations, every run stored and "
        "booked, every total proved equal to a sum over the file, the books and the log checked. "
        "`made.swf` is made from a seed by the benchmark; no machine has run it. "
        f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f}. `python benchmarks/replay.py` makes this page.\n"
    )
    print("| log | database | runs | seconds | CPU seconds of ours | runs/s |")
    print("|---|---|---:|---:|---:|---:|")
    for row in rows:
        rate = row["runs"] / row["seconds"]
        print(
            f"| {row['log']} | {row['database']} | {row['runs']:,} | {row['seconds']} "
            f"| {row['cpu_s']} | {rate:,.0f} |"
        )
    print("\nThe goal is 50,000 runs in 120 s.\n")
    print(json.dumps({"benchmark": "replay", "rows": rows}))


if __name__ == "__main__":
    main()
