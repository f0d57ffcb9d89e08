"""The cost of watching thousands of queued jobs: ours beside `squeue` alone.

    python benchmarks/watch.py [--jobs 9900] [--seconds 60]

Starts the private Slurm of the tests, takes its partition down so that jobs wait, and submits them
through the factory in bursts. Then `compute.watch` is called as the worker calls it, a second after
it last ended, for so many seconds, and what it used is told as CPU seconds a minute: of our process
and of the commands it called. Beside it `squeue`, called as often and read by nobody. Slurm takes
10,000 jobs at most as it comes (MaxJobCount), hence 9,900. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from submit import SPEC, Clock, factory, post, service, slurm

BURST = 450


def main() -> None:
    """Fill the queue, watch it, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=9900)
    parser.add_argument("--seconds", type=int, default=60)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="uzina-watch-") as folder:
        bed = Path(folder) / "slurm"
        service("start", bed)
        try:
            conf = service("env", bed).split("SLURM_CONF=")[1].split()[0]
            measure(Path(folder), conf, count=asked.jobs, seconds=asked.seconds)
        finally:
            service("stop", bed)


def measure(folder: Path, conf: str, *, count: int, seconds: int) -> None:
    client, project = factory(folder, conf)
    slurm(conf, "scontrol", "update", "partitionname=gpu", "state=down")
    fill(client, project, count)

    from django.db import connection
    from django.test.utils import CaptureQueriesContext
    from django.utils import timezone

    from uzina.compute import tasks

    tasks.watch(now=timezone.now())  # imports, and the first sight of every job
    time.sleep(30)
    looks = []
    until = time.monotonic() + seconds
    clock = Clock()
    while time.monotonic() < until:
        began = time.monotonic()
        with CaptureQueriesContext(connection) as captured:
            tasks.watch(now=timezone.now())
        if len(captured) > STATEMENTS_OF_NO_LOOK:
            looks.append((time.monotonic() - began, len(captured)))
        time.sleep(1)
    ours = clock.took(1)
    clock = Clock()
    for _look in looks:
        alone(conf)
    bare = clock.took(1)
    report(count, seconds, looks, ours, bare)


STATEMENTS_OF_NO_LOOK = 3
"""How many it takes at most to learn that it is not time yet."""


def fill(client: object, project: str, count: int) -> None:
    """Submit the jobs and hand them over."""
    from uzina.core.promises import Worker

    left = count
    while left:
        burst = min(BURST, left)
        specs = {"project": project, "specs": [SPEC] * burst}
        post(client, "/api/v1/compute/jobs/batch", specs)
        left -= burst
        worker = Worker("benchmark")
        while worker.run_one():
            pass
    from uzina.compute.models import Job

    if Job.objects.filter(state="queued").count() != count:
        sys.exit("Not every job waits.")


def alone(conf: str) -> None:
    environment = os.environ | {"SLURM_CONF": conf, "SLURM_TIME_FORMAT": "%s"}
    argv = ["squeue", "-h", "-r", "-t", "all", "-o", "%i|%T|%r|%V|%S|%e|%j"]
    subprocess.run(argv, env=environment, check=True, capture_output=True)


def report(
    count: int, seconds: int, looks: list[tuple[float, int]], ours: object, bare: object
) -> None:
    """Print the table, then one JSON object."""
    if not looks:
        sys.exit("It never looked.")
    scale = 60 / seconds
    rows = (("watch", ours), (f"squeue alone, {len(looks)} times", bare))
    longest = max(wall for wall, _statements in looks)
    statements = max(number for _wall, number in looks)
    print("# Watching queued jobs\n")
    print(
        f"{count:,} jobs wait; {seconds} s of watching, {len(looks)} looks, the longest "
        f"{longest:.2f} s and {statements} statements. Embedded SQLite on disk. "
        f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f}. `python benchmarks/watch.py` makes this page.\n"
    )
    print("| | our CPU s a minute | CPU s of commands a minute | both, share of a core |")
    print("|---|---:|---:|---:|")
    for name, took in rows:
        own, children = took.cpu_s * scale, took.children_s * scale  # type: ignore[attr-defined]
        share = (own + children) / 60
        print(f"| {name} | {own:.2f} | {children:.2f} | {share:.1%} |")
    print(
        "\nA look that took longer than half a second is followed by a rest of five times as "
        "long, so watching takes a sixth of a core at most, however many jobs wait.\n"
    )
    result = {
        "benchmark": "watch",
        "jobs": count,
        "looks_per_minute": round(len(looks) * scale, 1),
        "statements": statements,
        "cpu_s_per_minute": round((ours.cpu_s + ours.children_s) * scale, 2),  # type: ignore[attr-defined]
        "squeue_cpu_s_per_minute": round((bare.cpu_s + bare.children_s) * scale, 2),  # type: ignore[attr-defined]
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
