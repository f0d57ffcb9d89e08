"""From a submission to "accepted" by Slurm: ours beside bare `sbatch` on the same Slurm.

    python benchmarks/submit.py [--quick]

Starts the private Slurm of the tests and takes its partition down, so that jobs are accepted and
wait: starting them would measure slurmd. Each round submits the same jobs three times, in turns:

bare   `sbatch` with the words and the script our adapter makes, one after another
single POST /api/v1/compute/jobs with a token (hold, log, promise in one transaction), once a job,
       then one worker that hands them over and notes that they were accepted
burst  the same jobs by one POST /api/v1/compute/jobs/batch, then the worker

CPU seconds of our process and of the `sbatch` processes are told apart. The database is the
embedded SQLite with its production settings, on disk. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

ROOT = Path(__file__).parent.parent
SERVICE = ROOT / "tests" / "services" / "slurm.py"
SPEC = {
    "name": "Benchmark",
    "command": ["true"],
    "gpus": 1,
    "cpus": 1,
    "memory_mb": 100,
    "time_limit_s": 60,
}


@dataclass(frozen=True)
class Took:
    """Seconds for one job, on average over a round: wall, CPU of ours, CPU of child processes."""

    wall_s: float
    cpu_s: float
    children_s: float

    @property
    def all_cpu_s(self) -> float:
        return self.cpu_s + self.children_s

    def __add__(self, other: Took) -> Took:
        return Took(
            self.wall_s + other.wall_s,
            self.cpu_s + other.cpu_s,
            self.children_s + other.children_s,
        )


Submit = Callable[[object, str, int], None]


class Clock:
    """Measures one stretch of work."""

    def __init__(self) -> None:
        self.wall, self.cpu, self.children = time.perf_counter(), time.process_time(), children()

    def took(self, count: int) -> Took:
        return Took(
            (time.perf_counter() - self.wall) / count,
            (time.process_time() - self.cpu) / count,
            (children() - self.children) / count,
        )


def children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few jobs, to see that it works")
    asked = parser.parse_args()
    rounds, count = (2, 20) if asked.quick else (3, 500)
    with tempfile.TemporaryDirectory(prefix="uzina-submit-") as folder:
        bed = Path(folder) / "slurm"
        service("start", bed)
        try:
            conf = service("env", bed).split("SLURM_CONF=")[1].split()[0]
            report(measure(Path(folder), conf, rounds=rounds, count=count), rounds, count)
        finally:
            service("stop", bed)


def service(verb: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, str(SERVICE), verb, "--folder", str(folder)],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def slurm(conf: str, *argv: str) -> str:
    environment = os.environ | {"SLURM_CONF": conf}
    done = subprocess.run(argv, env=environment, check=True, capture_output=True, text=True)
    return done.stdout


def measure(folder: Path, conf: str, *, rounds: int, count: int) -> dict[str, list[Took]]:
    """Return what each kind of work took in each round."""
    client, project = factory(folder, conf)
    slurm(conf, "scontrol", "update", "partitionname=gpu", "state=down")
    found: dict[str, list[Took]] = {name: [] for name in ROWS}
    # A first job of each kind, not counted: imports, connections, caches.
    bare(folder, conf, 1)
    ours(client, project, 1, submit_singly)
    ours(client, project, 2, submit_at_once)
    for _round in range(rounds):
        found["bare"].append(bare(folder, conf, count))
        for name, submit in (("single", submit_singly), ("burst", submit_at_once)):
            submitted, handed_over = ours(client, project, count, submit)
            found[f"{name}_submit"].append(submitted)
            found[f"{name}_hand_over"].append(handed_over)
    waiting = slurm(conf, "squeue", "-h", "-t", "PD", "-o", "%i").split()
    if len(waiting) != 3 * rounds * count + 4:
        sys.exit(f"{len(waiting)} jobs wait in Slurm; {3 * rounds * count + 4} were submitted.")
    slurm(conf, "scancel", "--account=uzina")
    return found


def factory(folder: Path, conf: str) -> tuple[object, str]:
    """Open a factory with a database of its own; returns an API client and a project's code."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "uzina.root.settings",
        "UZINA_DATABASE_URL": f"sqlite:///{folder}/uzina.sqlite3",
        "UZINA_FOLDERS_VAR": f"{folder}/var",
        "UZINA_STORE_FOLDER": f"{folder}/store",
        "UZINA_SCHEDULER_KIND": "slurm",
        "UZINA_SCHEDULER_RUN_ROOT": f"{folder}/runs",
        "UZINA_SCHEDULER_SLURM_CONF": conf,
        "UZINA_SCHEDULER_ACCOUNT": "uzina",
    }
    import django
    from django.core.management import call_command
    from django.test import Client
    from django.utils import timezone

    django.setup()
    call_command("migrate", verbosity=0)
    from uzina.ledger import actions as ledger
    from uzina.ledger import queries as ledger_queries
    from uzina.people import actions as people
    from uzina.people.rules import OrganisationKind

    now = timezone.now()
    ana = people.register(
        email="ana@example.org", name="Ana", password=uuid.uuid4().hex, language="en", now=now
    )
    facts = people.OrganisationFacts(name="Example", kind=OrganisationKind.STARTUP, country="RO")
    org = people.register_organisation(facts, by=ana, now=now)
    period = {"starts_at": now - timedelta(days=1), "ends_at": now + timedelta(days=90)}
    project = people.open_project(
        org, title="Benchmark", lead=ana, award_code="", by=None, now=now, **period
    )
    amount = 10_000 * 3_600_000
    resource_ = ledger_queries.gpu_hours()
    by = {"by": None, "now": now}
    capacity = ledger.open_capacity(
        owner="CAL", title="Call", resource=resource_, amount=amount, key="open", **by
    )
    ledger.grant(project, capacity=capacity, amount=amount, key="grant", **period, **by)
    issued = people.issue_token(ana, name="b", lifetime=timedelta(days=1), by=ana, now=now)
    headers = {"Authorization": f"Bearer {issued.secret}"}
    return Client(headers=headers, SERVER_NAME="127.0.0.1"), project.code


def bare(folder: Path, conf: str, count: int) -> Took:
    """Submit with sbatch alone, as our adapter would call it."""
    from uzina.compute import rules
    from uzina.compute.adapters import slurm as adapter
    from uzina.compute.adapters.commands import LocalCommands, client_environment

    spec = rules.parse_spec(SPEC)
    run = LocalCommands(client_environment(conf))
    run_dir = folder / "bare"
    (run_dir / "logs").mkdir(parents=True, exist_ok=True)
    made = []
    for _number in range(count):
        key = f"bare-{uuid.uuid4().hex}"
        argv = adapter.sbatch_argv(spec, key=key, run_dir=run_dir, account="uzina", partition="")
        made.append((argv, adapter.batch_script(spec, key=key, run_dir=run_dir)))
    clock = Clock()
    for argv, script in made:
        ran = run(argv, script)
        if ran.code != 0:
            sys.exit(f"sbatch failed: {ran.stderr}")
    return clock.took(count)


def ours(client: object, project: str, count: int, submit: Submit) -> tuple[Took, Took]:
    """Submit over the API, then hand over; returns what each half took."""
    from uzina.compute.models import Job
    from uzina.core.promises import Worker

    clock = Clock()
    submit(client, project, count)
    submitted = clock.took(count)
    worker, clock = Worker("benchmark"), Clock()
    while worker.run_one():
        pass
    handed_over = clock.took(count)
    if Job.objects.filter(state="created").exists():
        sys.exit("Not every job was accepted.")
    return submitted, handed_over


def submit_singly(client: object, project: str, count: int) -> None:
    for _number in range(count):
        post(client, "/api/v1/compute/jobs", {"project": project, "spec": SPEC})


def submit_at_once(client: object, project: str, count: int) -> None:
    post(client, "/api/v1/compute/jobs/batch", {"project": project, "specs": [SPEC] * count})


def post(client: object, address: str, body: dict[str, object]) -> None:
    reply = client.post(  # type: ignore[attr-defined]
        address,
        body,
        content_type="application/json",
        headers={"Idempotency-Key": uuid.uuid4().hex},
    )
    if reply.status_code != 201:
        sys.exit(f"Refused: {reply.content!r}")


def report(found: dict[str, list[Took]], rounds: int, count: int) -> None:
    """Print the table, then one JSON object."""
    middle = {name: median(rows) for name, rows in found.items()}
    for name in ("single", "burst"):
        pairs = zip(found[f"{name}_submit"], found[f"{name}_hand_over"], strict=True)
        middle[name] = median([a + b for a, b in pairs])
    print("# From a submission to accepted by Slurm\n")
    print(
        f"{rounds} rounds of {count} jobs in turns, medians of the rounds; one process, one half "
        f"after the other; embedded SQLite on disk. {platform.python_implementation()} "
        f"{platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}. "
        "`python benchmarks/submit.py` makes this page.\n"
    )
    print("| | jobs/s | wall ms a job | our CPU ms a job | CPU ms of sbatch a job |")
    print("|---|---:|---:|---:|---:|")
    for name, title in (ROWS | TOTALS).items():
        took = middle[name]
        print(
            f"| {title} | {1 / took.wall_s:.1f} | {took.wall_s * 1e3:.1f} | {took.cpu_s * 1e3:.1f} "
            f"| {took.children_s * 1e3:.1f} |"
        )
    bare = middle["bare"]
    rates = {name: bare.wall_s / middle[name].wall_s for name in TOTALS}
    costs = {name: middle[name].all_cpu_s / bare.all_cpu_s for name in TOTALS}
    print(
        f"\nBeside bare sbatch, a burst has {rates['burst']:.2f} of the rate and takes "
        f"{costs['burst']:.2f} times the CPU, ours and sbatch's together; single submissions "
        f"{rates['single']:.2f} and {costs['single']:.2f}. The goal is 0.8 and 1.3, for bursts. For the "
        "difference a job has its hours held in the ledger, its lines in the sealed log, its run "
        "directory, and is handed over once whatever breaks. A busy factory submits 0.1 jobs a "
        "second.\n"
    )
    result = {"benchmark": "submit", "jobs": rounds * count}
    for name, took in middle.items():
        result[f"{name}_per_s"] = round(1 / took.wall_s, 1)
        result[f"{name}_cpu_ms"] = round(took.all_cpu_s * 1e3, 2)
    for name in TOTALS:
        result |= {f"{name}_rate": round(rates[name], 3), f"{name}_cpu": round(costs[name], 3)}
    print(json.dumps(result))


def median(rows: list[Took]) -> Took:
    return Took(*(statistics.median(getattr(one, name) for one in rows) for name in FIELDS))


ROWS = {
    "bare": "bare sbatch",
    "single_submit": "single: API, until 201",
    "single_hand_over": "single: worker, until accepted",
    "burst_submit": "burst: API, until 201",
    "burst_hand_over": "burst: worker, until accepted",
}
TOTALS = {"single": "single: both", "burst": "burst: both"}
FIELDS = ("wall_s", "cpu_s", "children_s")

if __name__ == "__main__":
    main()
