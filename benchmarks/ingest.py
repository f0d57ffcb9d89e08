"""Accounting records into the books: ours beside the time `sacct` itself needs to print them.

    python benchmarks/ingest.py [--quick]

Starts the private Slurm of the tests, runs one real job, and copies its row in Slurm's own database
into 100,000 runs of 40 accounts with other ids, times, GPUs and cores. Then, on the same machine:

sacct  the command our adapter gives, its output thrown away
ours   what it printed, read, stored and booked: 40 projects, one transfer for each and page
again  the same text once more, when everything is kept already

The books are proved equal to a sum over Slurm's table. The last line is one JSON object.
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
from datetime import UTC, datetime, timedelta
from pathlib import Path

from submit import service

ROOT = Path(__file__).parent.parent
ACCOUNTS = 40
GOAL = 1.5
COPY = """
INSERT INTO uzina_job_table ({columns})
SELECT {values} FROM seq_1_to_{count}, (SELECT * FROM uzina_job_table LIMIT 1) AS one
"""


def main() -> None:
    """Run it and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few records, to see that it works")
    parser.add_argument("--ours", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.ours:
        print(json.dumps(ours(json.loads(asked.ours))))
        return
    count = 2_000 if asked.quick else 100_000
    with tempfile.TemporaryDirectory(prefix="uzina-ingest-") as folder:
        bed = Path(folder) / "slurm"
        service("start", bed)
        try:
            conf = service("env", bed).split("SLURM_CONF=")[1].split()[0]
            report(measure(Path(folder), bed, conf, count))
        finally:
            service("stop", bed)


def slurm(conf: str, *argv: str) -> str:
    environment = os.environ | {"SLURM_CONF": conf, "SLURM_TIME_FORMAT": "%s"}
    done = subprocess.run(argv, env=environment, check=True, capture_output=True, text=True)
    return done.stdout


def sql(bed: Path, statement: str) -> list[list[str]]:
    """Ask Slurm's database."""
    socket = f"--socket={bed}/run/database.socket"
    argv = ["mariadb", "--no-defaults", socket, "-uroot", "-N", "-B", "slurm", "-e", statement]
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


def measure(folder: Path, bed: Path, conf: str, count: int) -> dict[str, object]:
    """Fill Slurm's accounting and return what each kind of work took."""
    slurm(conf, "sbatch", "--wait", "--wrap=true", "--mem=100M", "--output=/dev/null")
    first_s = int(time.time()) - 80_000
    accounts = ",".join(f"uz-prj-{number}" for number in range(ACCOUNTS))
    slurm(conf, "sacctmgr", "-iQ", "add", "account", accounts)
    slurm(conf, "sacctmgr", "-iQ", "add", "user", "root", f"account={accounts}")
    fill(bed, count, first_s)
    from uzina.compute.adapters.slurm import jobs

    window = jobs.window(first_s - 3600, None, jobs.TERMINAL)
    argv = jobs.sacct_argv(*window)
    took = []
    for _round in range(3):
        began, used = time.perf_counter(), children()
        text = slurm(conf, *argv)
        took.append((time.perf_counter() - began, children() - used))
    (folder / "sacct.txt").write_text(text)
    found: dict[str, object] = {
        "records": len(text.splitlines()),
        "bytes": len(text),
        "sacct_s": statistics.median(wall for wall, _cpu in took),
        "sacct_cpu_s": statistics.median(cpu for _wall, cpu in took),
    }
    urls = {"SQLite": f"sqlite:///{folder}/uzina.sqlite3"}
    if server := os.environ.get("UZINA_TEST_POSTGRES_URL"):
        urls["PostgreSQL"] = server
    booked = int(sql(bed, COST)[0][0])
    for name, url in urls.items():
        found[name] = one = in_process(folder, url)
        if one["booked_gpu_ms"] != booked:
            sys.exit(f"{name}: {one}; in Slurm's table {booked}")
    return found


COST = """
SELECT SUM((time_end - time_start) * GREATEST(
  1000 * SUBSTRING_INDEX(tres_alloc, '1001=', -1), 50 * cpus_req))
FROM uzina_job_table WHERE account LIKE 'uz-prj-%'
"""


def fill(bed: Path, count: int, first_s: int) -> None:
    """Copy the row of the one real job into many runs."""
    account = f"CONCAT('uz-prj-', seq % {ACCOUNTS})"
    changed = {
        "account": account,
        "id_assoc": "(SELECT id_assoc FROM uzina_assoc_table AS a WHERE a.user = 'root' "
        f"AND a.acct = {account})",
        "job_name": "CONCAT('train-', seq % 97, '.sh')",
        "id_job": "seq + 1000",
        "cpus_req": "8 << (seq % 4)",
        "time_submit": f"{first_s} + seq * 60000 DIV {count}",
        "time_eligible": f"{first_s} + seq * 60000 DIV {count}",
        "time_start": f"{first_s} + seq * 60000 DIV {count} + seq % 300",
        "time_end": f"{first_s} + seq * 60000 DIV {count} + seq % 300 + (seq * 7919) % 9000",
        "tres_alloc": "CONCAT('1=', 8 << (seq % 4), ',2=', 65536 << (seq % 4), ',4=1,5=',"
        " 8 << (seq % 4), ',1001=', 1 << (seq % 4))",
        "state": "IF(seq % 20 = 0, 5, 3)",
    }
    columns = [row[0] for row in sql(bed, "SHOW COLUMNS FROM uzina_job_table")]
    columns.remove("job_db_inx")
    names = ", ".join(f"`{name}`" for name in columns)
    values = ", ".join(changed.get(name, f"one.`{name}`") for name in columns)
    sql(bed, COPY.format(columns=names, values=values, count=count))


def children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def in_process(folder: Path, url: str) -> dict[str, float]:
    """Measure ours in a process of its own, with a database of its own."""
    asked = json.dumps({"url": url, "folder": str(folder), "text": str(folder / "sacct.txt")})
    argv = [sys.executable, __file__, "--ours", asked]
    done = subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def ours(asked: dict[str, str]) -> dict[str, float]:
    """Read, store and book the text; return seconds and what was booked."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "uzina.root.settings",
        "UZINA_DATABASE_URL": fresh(asked["url"]),
        "UZINA_FOLDERS_VAR": f"{asked['folder']}/var",
    }
    import django

    django.setup()
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    now = datetime.now(UTC)
    open_projects(now)
    from uzina.compute import actions, queries
    from uzina.compute.adapters.slurm import jobs
    from uzina.compute.ports import UsagePage
    from uzina.ledger.queries import booked_by_project, check_books

    text = Path(asked["text"]).read_text()
    cluster = queries.cluster()
    clock = time.perf_counter()
    rows = tuple(row for row in jobs.read_usage(text) if jobs.is_told(row))
    parsed = time.perf_counter()
    made = actions.measure(cluster, page=UsagePage(rows, 1), now=now)
    stored = time.perf_counter()
    actions.measure(cluster, page=UsagePage(rows, 1), now=now)
    again = time.perf_counter()
    from dataclasses import replace

    more = tuple(replace(row, native_id=f"9{row.native_id}") for row in rows[:4000])
    spent = sum(booked_by_project().values())
    with CaptureQueriesContext(connection) as asked_of:
        actions.measure(cluster, page=UsagePage(more, 1), now=now)
    problems = check_books().problems
    if problems:
        sys.exit("\n".join(problems))
    return {
        "made": made,
        "parse_s": parsed - clock,
        "store_s": stored - parsed,
        "again_s": again - stored,
        "statements": len(asked_of) * 1000 / max(1, len(more)),
        "booked_gpu_ms": spent,
    }


def fresh(url: str) -> str:
    """Return the address of an empty database; on a server it is made."""
    if url.startswith("sqlite"):
        return url
    import psycopg

    name = f"uzina_ingest_{os.getpid()}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
    return f"{url.rpartition('/')[0]}/{name}"


def open_projects(now: datetime) -> None:
    """Migrate, and open a project with an account and hours for each account of the log."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    from uzina.compute import actions as compute
    from uzina.compute import queries as compute_queries
    from uzina.ledger import actions as ledger
    from uzina.ledger import queries as ledger_queries
    from uzina.people import actions as people
    from uzina.people.rules import OrganisationKind

    hours = 10**6 * 3_600_000
    by = {"by": None, "now": now}
    ana = people.register(
        email="ana@example.org", name="Ana", password=os.urandom(16).hex(), language="en", now=now
    )
    facts = people.OrganisationFacts(name="Example", kind=OrganisationKind.STARTUP, country="RO")
    org = people.register_organisation(facts, by=ana, now=now)
    period = {"starts_at": now - timedelta(days=30), "ends_at": now + timedelta(days=90)}
    capacity = ledger.open_capacity(
        owner="CAL",
        title="Call",
        resource=ledger_queries.gpu_hours(),
        amount=hours * ACCOUNTS,
        key="open",
        **by,
    )
    for number in range(ACCOUNTS):
        project = people.open_project(
            org, title=f"Project {number}", lead=ana, award_code="", **period, **by
        )
        ledger.grant(
            project, capacity=capacity, amount=hours, key=f"grant-{number}", **period, **by
        )
        name = f"uz-prj-{number}"
        compute.note_account(compute_queries.cluster(), project, name=name, now=now)


def report(found: dict[str, object]) -> None:
    """Print the table, then one JSON object."""
    records, alone = found["records"], found["sacct_s"]
    print("# Accounting records into the books\n")
    print(
        f"{records:,} runs of {ACCOUNTS} accounts in the accounting of a real Slurm, copied there "
        "from one real job's row; what `sacct` prints of them is read, stored and booked, and the "
        "books are equal to a sum over Slurm's own table. "
        f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f}. `python benchmarks/ingest.py` makes this page.\n"
    )
    print("| | seconds | records/s | × sacct |")
    print("|---|---:|---:|---:|")
    result: dict[str, object] = {
        "benchmark": "ingest",
        "records": records,
        "sacct_s": round(alone, 2),
        "sacct_cpu_s": round(found["sacct_cpu_s"], 2),
    }
    line("sacct alone, printing them", alone, records, alone)
    for name in ("SQLite", "PostgreSQL"):
        if name not in found:
            continue
        one = found[name]
        total = one["parse_s"] + one["store_s"]
        line(f"ours, {name}: reading the text", one["parse_s"], records, alone)
        line(f"ours, {name}: storing and booking", one["store_s"], records, alone)
        line(f"**ours, {name}: together**", total, records, alone)
        line(f"ours, {name}: the same again, nothing new", one["again_s"], records, alone)
        key = name.lower()
        result[f"{key}_s"], result[f"{key}_ratio"] = round(total, 2), round(total / alone, 2)
        result[f"{key}_statements_per_1000"] = round(one["statements"], 1)
    worst = max(value for name, value in result.items() if name.endswith("_ratio"))
    verdict = "reached" if worst <= GOAL else "not reached here"
    print(
        f"\nThe goal is 1.5 × the time of sacct: {verdict}. A page of 4,000 new records takes "
        f"{4 * found['SQLite']['statements']:.0f} statements.\n"
    )
    print(json.dumps(result))


def line(name: str, seconds: float, records: int, alone: float) -> None:
    print(f"| {name} | {seconds:.2f} | {records / seconds:,.0f} | {seconds / alone:.2f} |")


if __name__ == "__main__":
    main()
