"""How fast the ledger books, on SQLite and PostgreSQL, beside what the machine could do at most.

    python benchmarks/ledger.py            # about three minutes; rewrites benchmarks/ledger.md
    python benchmarks/ledger.py --quick    # half a minute; prints only

One hot allocation throughout, the worst case. A transfer is two postings, two balances, a key
looked up and a line in the chained log.

single   one hold a transaction; its limit is the disk's fdatasync, for an acknowledged booking has
         reached the disk
batched  settle_many, 200 a transaction; its limit is executemany of the same rows by the bare
         driver, without a lock, a rule, a key or a chain
4, 16    as single, by so many processes at once

PostgreSQL is the server of UZINA_TEST_POSTGRES_URL, or a private one started for the run. The last
line is one JSON object.
"""

import argparse
import json
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

BATCH = 200
WRITERS = (4, 16)
DATABASES = ("sqlite", "postgresql")
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
TITLES = {"sqlite": "SQLite, WAL, FULL", "postgresql": "PostgreSQL, READ COMMITTED"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="short runs, table not rewritten")
    parser.add_argument("--measure", choices=DATABASES, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    seconds = 1.5 if asked.quick else 8.0
    if asked.measure:
        print(json.dumps(measure(seconds)))
        return 0
    # Not /tmp, which may be memory: a disk is what is measured.
    base = Path(os.environ.get("UZINA_FOLDERS_VAR", HERE.parent / "var" / "bench"))
    base.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="ledger-", dir=base))
    load_before = os.getloadavg()[0]
    try:
        found = {
            "sqlite": run("sqlite", f"sqlite:///{folder}/bench.sqlite3", folder, quick=asked.quick),
            "postgresql": on_postgres(folder, quick=asked.quick),
        }
    finally:
        shutil.rmtree(folder)
    loads = (load_before, os.getloadavg()[0])
    text = table(found, loads)
    print(text)
    if not asked.quick:
        (HERE / "ledger.md").write_text(text)
    print(json.dumps({"benchmark": "ledger", "quick": asked.quick, **found}))
    return 0


def on_postgres(folder: Path, *, quick: bool) -> dict[str, Any]:
    """Measure on a database of its own, on the server there is or one started for it."""
    import psycopg
    from services import postgres

    server = os.environ.get("UZINA_TEST_POSTGRES_URL")
    own = folder / "postgres"
    address = server or postgres.start(own)
    name = f"ledger_bench_{os.getpid()}"
    try:
        with psycopg.connect(address, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name}")
        try:
            parts = urlsplit(address)
            return run(
                "postgresql", urlunsplit(parts._replace(path=f"/{name}")), folder, quick=quick
            )
        finally:
            with psycopg.connect(address, autocommit=True) as admin:
                admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        if server is None:
            postgres.stop(own)


def run(database: str, url: str, folder: Path, *, quick: bool) -> dict[str, Any]:
    """Measure in a fresh process, which is set up for one database."""
    command = [sys.executable, __file__, "--measure", database, *(["--quick"] if quick else [])]
    environment = os.environ | {
        "UZINA_DATABASE_URL": url,
        "UZINA_FOLDERS_VAR": str(folder / "var"),
        "DJANGO_SETTINGS_MODULE": "uzina.root.settings",
    }
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, text=True, check=True, cwd=folder
    )
    return json.loads(done.stdout.splitlines()[-1])


# --- in the measuring process ---------------------------------------------------------------


def measure(seconds: float) -> dict[str, Any]:
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    from uzina.core.log import check_log
    from uzina.ledger import queries

    call_command("migrate", verbosity=0)
    code = open_allocation()
    found: dict[str, Any] = {"version": version()}
    found["fdatasync_per_s"] = round(fdatasyncs(min(seconds, 4)), 1)
    found["single"] = single(code, seconds)
    connection.close()
    for count in WRITERS:
        found[f"writers_{count}"] = writers(code, count, seconds)
    found["batched"] = batched(code, seconds)
    books, log = queries.check_books(), check_log()
    found["transfers"], found["problems"] = books.transfers, books.problems + log.problems
    found["executemany_per_s"] = round(bare(code, min(seconds, 4)), 1)
    found["single"]["of_fdatasync"] = ratio(found["single"], found["fdatasync_per_s"])
    found["batched"]["of_executemany"] = ratio(found["batched"], found["executemany_per_s"])
    return found


def ratio(part: dict[str, Any], limit: float) -> float:
    return round(part["transfers_per_s"] / limit, 3)


def version() -> str:
    from django.db import connection

    if connection.vendor == "sqlite":
        return sqlite3.sqlite_version
    connection.ensure_connection()
    return ".".join(map(str, divmod(connection.pg_version, 10000)))


def open_allocation() -> str:
    from uzina.ledger import actions, queries
    from uzina.people import actions as people
    from uzina.people.rules import OrganisationKind

    person = people.register(
        email="bench@example.org", name="B", password="a long pass phrase", language="en", now=NOW
    )
    org = people.register_organisation(
        people.OrganisationFacts(name="B", kind=OrganisationKind.STARTUP, country="RO"),
        by=person,
        now=NOW,
    )
    period = {"starts_at": NOW - timedelta(days=1), "ends_at": NOW + timedelta(days=1)}
    project = people.open_project(
        org, title="B", lead=person, award_code="", by=None, now=NOW, **period
    )
    capacity = actions.open_capacity(
        owner="CAL-1",
        title="",
        resource=queries.gpu_hours(),
        amount=10**12,
        key="open",
        by=None,
        now=NOW,
    )
    granted = actions.grant(
        project, capacity=capacity, amount=10**12, key="grant", by=None, now=NOW, **period
    )
    return granted.code


def hold(allocation: Any, key: str) -> Any:
    from uzina.ledger import actions

    return actions.hold(allocation, amount=10, subject=key, key=key, by=None, now=NOW)


def timed(work: Callable[[int], Any], seconds: float) -> tuple[list[float], float, float]:
    """Repeat work(number) for so long; return each time, the CPU used and the wall time."""
    times = []
    cpu, start = time.process_time(), time.perf_counter()
    while (began := time.perf_counter()) - start < seconds:
        work(len(times))
        times.append(time.perf_counter() - began)
    return times, time.process_time() - cpu, time.perf_counter() - start


def summary(times: list[float], cpu: float, wall: float) -> dict[str, float]:
    ordered = sorted(times)
    return {
        "transfers_per_s": round(len(times) / wall, 1),
        "p50_ms": round(1000 * ordered[len(ordered) // 2], 1),
        "p99_ms": round(1000 * ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 1),
        "worst_ms": round(1000 * ordered[-1], 1),
        "client_cpu_ms": round(1000 * cpu / len(times), 2),
    }


def single(code: str, seconds: float) -> dict[str, float]:
    from uzina.ledger import queries

    allocation = queries.allocation(code)
    hold(allocation, "warm")
    return summary(*timed(lambda number: hold(allocation, f"single-{number}"), seconds))


def writers(code: str, count: int, seconds: float) -> dict[str, float]:
    """Book from so many forked processes at once."""
    from uzina.ledger import queries

    start_at = time.time() + 0.3 + count * 0.05
    pipes = []
    for writer in range(count):
        reader, sink = os.pipe()
        if os.fork() == 0:
            os.close(reader)
            status = 1
            try:
                allocation = queries.allocation(code)
                time.sleep(max(0, start_at - time.time()))
                done = timed(lambda n: hold(allocation, f"w{count}-{writer}-{n}"), seconds)  # noqa: B023
                with os.fdopen(sink, "w") as out:
                    json.dump(done, out)
                status = 0
            finally:
                os._exit(status)
        os.close(sink)
        pipes.append(reader)
    times: list[float] = []
    cpu, wall = 0.0, 0.0
    for reader in pipes:
        with os.fdopen(reader) as lines:
            own, own_cpu, own_wall = json.load(lines)
        times += own
        cpu, wall = cpu + own_cpu, max(wall, own_wall)
    for _writer in range(count):
        _pid, status = os.wait()
        if status:
            msg = f"a writer ended with {status}"
            raise SystemExit(msg)
    return summary(times, cpu, wall)


def batched(code: str, seconds: float) -> dict[str, float]:
    """Settle 200 holds a transaction, each used up: one transfer each."""
    from uzina.ledger import actions, queries
    from uzina.ledger.models import Transfer

    settled = set(Transfer.objects.filter(hold__isnull=False).values_list("hold", flat=True))
    waiting = [one for one in Transfer.objects.filter(kind="hold") if one.pk not in settled]
    allocation = queries.allocation(code)
    while len(waiting) < BATCH * seconds * 12:
        waiting += hold_many(allocation, len(waiting))
    batches = [waiting[i : i + BATCH] for i in range(0, len(waiting) - BATCH, BATCH)]

    def settle(number: int) -> None:
        actions.settle_many([(one, one.amount) for one in batches[number]], by=None, now=NOW)

    times, cpu, wall = timed_at_most(settle, seconds, len(batches))
    found = summary(times, cpu, wall)
    found["transfers_per_s"] = round(found["transfers_per_s"] * BATCH, 1)
    found["client_cpu_ms"] = round(found["client_cpu_ms"] / BATCH, 3)
    return found


def hold_many(allocation: Any, first: int) -> list[Any]:
    """Place 1,000 holds in one booking, so that there is enough to settle. Not measured."""
    from uzina.core.db import acting
    from uzina.ledger import rules
    from uzina.ledger.actions.books import Booking, locked_allocation, post

    booking = Booking(None, NOW)
    with acting():
        _row, accounts = locked_allocation(allocation.pk)
        found = [
            booking.move(
                rules.TransferKind.HOLD,
                accounts["free"],
                accounts["held"],
                10,
                f"many-{first}-{number}",
                "",
                subject=f"many-{first}-{number}",
            )
            for number in range(1000)
        ]
        post(booking)
    return found


def timed_at_most(
    work: Callable[[int], Any], seconds: float, most: int
) -> tuple[list[float], float, float]:
    """As timed(), and no longer than there is work."""
    times: list[float] = []
    cpu, start = time.process_time(), time.perf_counter()
    for number in range(most):
        began = time.perf_counter()
        if began - start >= seconds:
            break
        work(number)
        times.append(time.perf_counter() - began)
    return times, time.process_time() - cpu, time.perf_counter() - start


# --- the limits -----------------------------------------------------------------------------


def fdatasyncs(seconds: float) -> float:
    """Append 4 KiB and force it to the disk, again and again, where the database lies."""
    block = os.urandom(4096)
    with tempfile.NamedTemporaryFile(dir=".") as file:
        times, _cpu, wall = timed(
            lambda _number: (os.write(file.fileno(), block), os.fdatasync(file.fileno())), seconds
        )
    return len(times) / wall


def bare(code: str, seconds: float) -> float:
    """Write what a batch of 200 settlements writes, by the driver alone; rows a second."""
    from django.db import connection

    from uzina.ledger import queries
    from uzina.ledger.models import Account, Transfer

    allocation = queries.allocation(code)
    held, spent = (
        Account.objects.get(allocation=allocation, kind=kind).pk for kind in ("held", "spent")
    )
    last = Transfer.objects.order_by("-pk").values_list("pk", flat=True)[0]
    transfer_id = last + 1_000_000
    mark = "?" if connection.vendor == "sqlite" else "%s"
    at = "2026-11-23 09:00:00+00:00" if connection.vendor == "postgresql" else "2026-11-23 09:00:00"
    seal, facts = (
        "0" * 64,
        json.dumps({"key": "single-1", "spent": 10, "released": 0, "overrun": 0}),
    )

    def insert(table: str, columns: str) -> str:
        marks = ",".join([mark] * (columns.count(",") + 1))
        return f"INSERT INTO {table} ({columns}) VALUES ({marks})"

    transfers = insert(
        "ledger_transfer",
        "id,kind,key,fingerprint,amount,allocation_id,subject,reason,at,by_code",
    )
    postings = insert("ledger_posting", "transfer_id,account_id,amount")
    entries = insert("core_logentry", "seq,at,event,subject,actor,via,facts,seal")
    balance = f"UPDATE ledger_account SET balance = balance + {mark} WHERE id = {mark}"
    cursor = connection.connection.cursor()

    def batch(number: int) -> None:
        ids = range(transfer_id + number * BATCH, transfer_id + (number + 1) * BATCH)
        cursor.execute("BEGIN IMMEDIATE" if connection.vendor == "sqlite" else "BEGIN")
        cursor.executemany(
            transfers,
            [
                (
                    i,
                    "spend",
                    f"single-{i}#spent",
                    seal,
                    10,
                    allocation.pk,
                    f"single-{i}",
                    "",
                    at,
                    "",
                )
                for i in ids
            ],
        )
        sides = [(i, account, side) for i in ids for account, side in ((held, -10), (spent, 10))]
        cursor.executemany(postings, sides)
        cursor.executemany(
            entries, [(i, at, "hold.settled", code, "", "", facts, seal) for i in ids]
        )
        cursor.executemany(balance, [(0, held), (0, spent)])
        cursor.execute("COMMIT")

    times, _cpu, wall = timed(batch, seconds)
    return len(times) * BATCH / wall


# --- the table ------------------------------------------------------------------------------


def table(found: dict[str, dict[str, Any]], loads: tuple[float, float]) -> str:
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    about = (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {memory_gib:.0f} GiB, "
        f"Python {platform.python_version()}, load {loads[0]:.1f} before and {loads[1]:.1f} after. "
        "Made by `python benchmarks/ledger.py`."
    )
    what = (
        "A transfer is two postings, two balances, a key looked up and a line in the chained log; "
        "all on one hot allocation. Single: one a transaction, beside the disk's `fdatasync` of "
        "4 KiB. Batched: `settle_many`, 200 a transaction, beside `executemany` of the same rows "
        "by the bare driver. Both limits are from the same run."
    )
    lines = [
        "# The ledger: transfers a second",
        "",
        about,
        "",
        what,
        "",
        "| | " + " | ".join(f"{TITLES[one]} ({found[one]['version']})" for one in DATABASES) + " |",
        "|---|" + "---|" * len(DATABASES),
    ]

    def row(title: str, value: Callable[[dict[str, Any]], str]) -> None:
        lines.append(f"| {title} | " + " | ".join(value(found[one]) for one in DATABASES) + " |")

    row("fdatasync a second (limit)", lambda one: f"{one['fdatasync_per_s']:,.0f}")
    row("**single**, transfers/s", lambda one: f"**{one['single']['transfers_per_s']:,.0f}**")
    row("of the limit", lambda one: f"{one['single']['of_fdatasync']:.0%}")
    for name, title in [
        ("single", "1 writer"),
        *((f"writers_{n}", f"{n} writers") for n in WRITERS),
    ]:
        row(f"{title}: transfers/s", lambda one, n=name: f"{one[n]['transfers_per_s']:,.0f}")
        row(
            f"{title}: p50 / p99 / worst, ms",
            lambda one, n=name: (
                f"{one[n]['p50_ms']:.0f} / {one[n]['p99_ms']:.0f} / {one[n]['worst_ms']:.0f}"
            ),
        )
    row("client CPU, ms a transfer, single", lambda one: f"{one['single']['client_cpu_ms']:.1f}")
    row("executemany, transfers/s (limit)", lambda one: f"{one['executemany_per_s']:,.0f}")
    row("**batched**, transfers/s", lambda one: f"**{one['batched']['transfers_per_s']:,.0f}**")
    row("of the limit", lambda one: f"{one['batched']['of_executemany']:.0%}")
    row("client CPU, ms a transfer, batched", lambda one: f"{one['batched']['client_cpu_ms']:.2f}")
    row("transfers booked and proved after it", lambda one: f"{one['transfers']:,}")
    row("problems in books and log", lambda one: str(len(one["problems"])))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
