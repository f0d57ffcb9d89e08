"""Keeping a cluster's accounts in step: 3,000 allocations, 28,000 associations, and a first fill.

    python benchmarks/slurm_sync.py [--quick]

Two parts. In the first, Slurm is text: what `sacctmgr show assoc`, `sshare` and `sinfo` print for
3,000 accounts with 25,000 users in them is made here and read by our adapter, and its orders are
counted, so that the CPU and the SQL are ours alone. One pass of the worker's task is measured with
nothing to change, and with 1 % of everything different.

In the second, a real Slurm (the private one of the tests) is filled for the first time: by our
plan and adapter, and beside it by one `sacctmgr load` of a file with the same accounts, users and
limits below another account. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from submit import service

ROOT = Path(__file__).parent.parent
HOUR = 3_600_000
PARENT = "uzina"


def main() -> None:
    """Run both parts and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small, to see that it works")
    asked = parser.parse_args()
    accounts, users, filled = (300, 2_500, 10) if asked.quick else (3_000, 25_000, 150)
    with tempfile.TemporaryDirectory(prefix="uzina-sync-") as name:
        folder = Path(name)
        open_factory(folder)
        passes = measure_passes(accounts, users)
        bed = folder / "slurm"
        service("start", bed)
        try:
            conf = service("env", bed).split("SLURM_CONF=")[1].split()[0]
            fill = measure_fill(conf, filled)
        finally:
            service("stop", bed)
    report(accounts, users, passes, fill)


def open_factory(folder: Path) -> None:
    """Make an empty factory on the embedded SQLite, on disk."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "uzina.root.settings",
        "UZINA_DATABASE_URL": f"sqlite:///{folder}/uzina.sqlite3",
        "UZINA_FOLDERS_VAR": f"{folder}/var",
        "UZINA_STORE_FOLDER": f"{folder}/store",
        "UZINA_SCHEDULER_KIND": "slurm",
        "UZINA_SCHEDULER_RUN_ROOT": f"{folder}/runs",
        "UZINA_SCHEDULER_ACCOUNT": PARENT,
        "UZINA_SCHEDULER_ACCOUNTS": "project",
        "UZINA_SCHEDULER_IDENTITY": "person",
        "UZINA_SCHEDULER_REPAIR": "auto",
    }
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


# --- our own part -------------------------------------------------------------------------------


@dataclass
class Text:
    """A Slurm that is nothing but what its commands print; it does what it is ordered to.

    made_s  CPU seconds that the making of that text took, which are not ours
    """

    accounts: dict[str, Any] = field(default_factory=dict)
    orders: int = 0
    made_s: float = 0.0

    def __call__(
        self, argv: Sequence[str], stdin: str | bytes = "", *, timeout_s: float | None = None
    ) -> Any:
        """Answer the questions of the adapter; count its orders."""
        del stdin, timeout_s
        from uzina.compute.adapters.commands import Ran

        begun, said = time.process_time(), ""
        if argv[0] == "sshare":
            said = self.shares()
        elif argv[0] == "scontrol":
            said = "ClusterName = text"
        elif "show" in argv:
            said = self.associations()
        else:
            self.orders += 1
        self.made_s += time.process_time() - begun
        return Ran(0, said, "")

    def associations(self) -> str:
        from uzina.compute.adapters.slurm import accounts as adapter

        rows = [{"Account": PARENT, "ParentName": "root"}]
        for name, one in self.accounts.items():
            limits = f"gres/gpu={one.gpu_min}" if one.gpu_min is not None else ""
            rows.append(
                {
                    "Account": name,
                    "ParentName": PARENT,
                    "GrpTRESMins": limits,
                    "GrpSubmit": "0" if one.is_blocked else "",
                }
            )
            rows += [{"Account": name, "User": user} for user in sorted(one.users)]
        names = adapter.ASSOCIATION_FIELDS.split(",")
        return "\n".join("|".join(row.get(one, "") for one in names) for row in rows)

    def shares(self) -> str:
        return "\n".join(
            f"{name}||cpu=0,mem=0,billing={one.used_gpu_min},gres/gpu={one.used_gpu_min}"
            for name, one in self.accounts.items()
        )


@dataclass(frozen=True)
class Pass:
    """One pass of the worker's task."""

    cpu_s: float
    wall_s: float
    statements: int
    writes: list[str]
    orders: int
    steps: int


def measure_passes(accounts: int, users: int) -> dict[str, Pass]:
    """Return what a pass takes: on an empty cluster, with nothing to change, with 1 % different."""
    from uzina.compute import adapters, queries
    from uzina.compute.adapters.slurm import SlurmScheduler
    from uzina.compute.ports import Inventory

    make_rows(accounts, users)
    text = Text()
    batch = SlurmScheduler(slurm_conf="", account=PARENT, partition="", run=text)
    applied: list[Any] = []

    def apply(steps: Sequence[Any]) -> tuple[str, ...]:
        applied.extend(steps)
        SlurmScheduler.apply(batch, steps)
        obey(text, steps)
        return ()

    batch.apply = apply  # type: ignore[method-assign]
    batch.inventory = lambda: Inventory(())  # type: ignore[method-assign]
    adapters.scheduler = lambda: batch  # type: ignore[assignment]
    found = {"first": one_pass(text, applied)}
    one_pass(text, applied)
    found["nothing"] = one_pass(text, applied)
    disturb(text, one_percent=max(1, accounts // 100))
    found["one_percent"] = one_pass(text, applied)
    found["after"] = one_pass(text, applied)
    left = queries.drifts(queries.cluster()).count()
    if left or found["after"].steps:
        sys.exit(f"{left} differences were left.")
    return found


def make_rows(accounts: int, users: int) -> None:
    """Make projects with an allocation each, and people in five projects each."""
    from django.utils import timezone

    from uzina.compute import queries
    from uzina.compute.models import SiteUser
    from uzina.ledger import queries as ledger
    from uzina.ledger.models import Account, Allocation
    from uzina.people.models import Membership, Organisation, Person, Project

    chance, now = random.Random(1), timezone.now()
    org = Organisation.objects.create(
        code="ORG-BENCH1", name="Example", kind="startup", country="RO", made_at=now
    )
    period = {"starts_at": now - timedelta(days=1), "ends_at": now + timedelta(days=90)}
    projects = Project.objects.bulk_create(
        Project(code=f"PRJ-{one:06d}", title="B", organisation=org, made_at=now, **period)
        for one in range(accounts)
    )
    resource = ledger.gpu_hours()
    capacity = Account.objects.create(kind="capacity", resource=resource, owner="CAL")
    allocations = Allocation.objects.bulk_create(
        Allocation(
            code=f"ALL-{one:06d}", project=project, resource=resource, capacity=capacity,
            state="active", made_at=now, **period,
        )
        for one, project in enumerate(projects)
    )  # fmt: skip
    Account.objects.bulk_create(
        Account(
            kind=kind, resource=resource, allocation=one,
            balance=chance.randint(1, 5_000) * HOUR if kind == "free" else 0,
        )
        for one in allocations
        for kind in ("free", "held", "spent", "expired", "overrun")
    )  # fmt: skip
    persons = Person.objects.bulk_create(
        Person(code=f"PER-{one:06d}", email=f"p{one}@example.org", name=f"P {one}", made_at=now)
        for one in range(users // 5)
    )
    cluster = queries.cluster()
    SiteUser.objects.bulk_create(
        SiteUser(cluster=cluster, person=person, name=f"user{one}", made_at=now)
        for one, person in enumerate(persons)
    )
    Membership.objects.bulk_create(
        Membership(project=project, person=person, kind="member")
        for person in persons
        for project in chance.sample(projects, 5)
    )


def obey(text: Text, steps: Sequence[Any]) -> None:
    """Change the accounts as Slurm would."""
    from uzina.compute.rules import AccountSeen

    none: frozenset[str] = frozenset()
    for step in steps:
        one: Any = text.accounts.get(step.account)
        if step.verb == "add_account":
            text.accounts[step.account] = AccountSeen(
                step.account, PARENT, none, none, None, None, 0, 0, is_blocked=False
            )
        elif step.verb == "limit":
            text.accounts[step.account] = replace(one, gpu_min=step.gpu_min)
        elif step.verb == "add_user":
            text.accounts[step.account] = replace(one, users=one.users | step.users)
        elif step.verb in {"block", "unblock"}:
            text.accounts[step.account] = replace(one, is_blocked=step.verb == "block")


def disturb(text: Text, *, one_percent: int) -> None:
    """Take 1 % of the accounts away, 1 % of the limits and a user of another 1 %; count on 1 %."""
    names = list(text.accounts)
    for name in names[:one_percent]:
        del text.accounts[name]
    for name in names[one_percent : 2 * one_percent]:
        text.accounts[name] = replace(text.accounts[name], gpu_min=1)
    for name in names[2 * one_percent : 3 * one_percent]:
        users = frozenset(sorted(text.accounts[name].users)[1:])
        text.accounts[name] = replace(text.accounts[name], users=users)
    for name in names[3 * one_percent : 4 * one_percent]:
        text.accounts[name] = replace(text.accounts[name], used_gpu_min=60)


def one_pass(text: Text, applied: list[Any]) -> Pass:
    """Run the worker's task once, with the making of Slurm's text taken off."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext
    from django.utils import timezone

    from uzina.compute import tasks

    orders, steps, made = text.orders, len(applied), text.made_s
    cpu, wall = time.process_time(), time.perf_counter()
    with CaptureQueriesContext(connection) as said:
        tasks.reconcile(now=timezone.now())
    writes = [
        one["sql"].split(" SET ")[0][:80]
        for one in said.captured_queries
        if one["sql"].split()[0] in {"UPDATE", "INSERT", "DELETE"} or " times: " in one["sql"][:20]
    ]
    return Pass(
        cpu_s=time.process_time() - cpu - (text.made_s - made),
        wall_s=time.perf_counter() - wall,
        statements=sum(
            not one["sql"].startswith(("BEGIN", "COMMIT")) for one in said.captured_queries
        ),
        writes=writes,
        orders=text.orders - orders,
        steps=len(applied) - steps,
    )


# --- the first fill -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Fill:
    """How long it took to make accounts on a real Slurm, and to look at them again."""

    accounts: int
    ours_s: float
    load_s: float
    again_s: float
    version: str


def measure_fill(conf: str, count: int) -> Fill:
    """Fill a Slurm with accounts of two users and different limits, in both ways."""
    from uzina.compute import rules
    from uzina.compute.adapters.commands import LocalCommands, client_environment
    from uzina.compute.adapters.slurm import SlurmScheduler

    run = LocalCommands(client_environment(conf), timeout_s=3600)

    def must(*argv: str) -> str:
        ran = run(argv)
        if ran.code != 0:
            sys.exit(f"{argv}: {ran.stdout}{ran.stderr}")
        return str(ran.stdout)

    for parent in ("ours", "bare"):
        must("sacctmgr", "-i", "add", "account", parent, "Description=b", "Organization=b")
    batch = SlurmScheduler(slurm_conf=conf, account="ours", partition="", run=run)
    me = getpass.getuser()
    wanted = [
        rules.AccountWanted(f"uz-{one:05d}", frozenset({me, f"u{one // 5}"}), (one + 1) * HOUR)
        for one in range(count)
    ]

    def differences() -> list[Any]:
        return rules.compare(wanted, batch.limits(), rate=rules.Rate(), parent="ours")

    begun = time.perf_counter()
    refused = batch.apply(rules.plan_accounts(differences()))
    left = differences()
    ours_s = time.perf_counter() - begun
    if refused or left:
        sys.exit(f"Refused: {refused}; left: {left[:3]}")
    begun = time.perf_counter()
    differences()
    again_s = time.perf_counter() - begun
    load_s = load(must, run, wanted)
    return Fill(count, ours_s, load_s, again_s, must("sbatch", "--version").split()[-1])


def load(must: Any, run: Any, wanted: Sequence[Any]) -> float:
    """Return the seconds of one `sacctmgr load` of the same content."""
    cluster = must("sacctmgr", "-nP", "show", "cluster", "format=cluster").split()[0]
    lines = [f"Cluster - '{cluster}'", "Parent - 'root'", "Account - 'bare'"]
    lines.append("Parent - 'bare'")
    for one in wanted:
        minutes = one.left_gpu_ms // 60_000
        lines.append(f"Account - 'l{one.name}':GrpTRESMins=gres/gpu={minutes}")
    for one in wanted:
        lines.append(f"Parent - 'l{one.name}'")
        lines += [f"User - '{user}'" for user in sorted(one.users)]
    with tempfile.NamedTemporaryFile("w", suffix=".cfg") as file:
        file.write("\n".join([*lines, ""]))
        file.flush()
        begun = time.perf_counter()
        ran = run(["sacctmgr", "-i", "load", file.name])
        took = time.perf_counter() - begun
    made = must("sacctmgr", "-nP", "show", "assoc", "wopl", "format=account,user").splitlines()
    mine = [line for line in made if line.startswith("luz-")]
    if ran.code != 0 or len(mine) != len(wanted) + sum(len(one.users) for one in wanted):
        sys.exit(f"load: {ran.code} {ran.stdout[-500:]}{ran.stderr[-500:]}, {len(mine)} made")
    return took


# --- the report ---------------------------------------------------------------------------------


def report(accounts: int, users: int, passes: dict[str, Pass], fill: Fill) -> None:
    """Print the tables, then one JSON object."""
    print("# Keeping a cluster's accounts in step\n")
    print(
        f"{accounts} projects with an allocation each, {accounts + users} associations. "
        f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f}. `python benchmarks/slurm_sync.py` makes this page.\n"
    )
    print("## Our part: one pass of the worker, Slurm being text\n")
    print("| | CPU s | SQL statements | of them writes | steps | orders to Slurm |")
    print("|---|---:|---:|---:|---:|---:|")
    names = {
        "first": "first fill, all of it missing",
        "nothing": "nothing to change",
        "one_percent": "1 % of accounts, limits, users different, 1 % counted on",
    }
    for key, name in names.items():
        one = passes[key]
        print(
            f"| {name} | {one.cpu_s:.2f} | {one.statements} | {len(one.writes)} | {one.steps} "
            f"| {one.orders} |"
        )
    print(
        "\nStatements without BEGIN and COMMIT. Goal: a difference in at most 10 CPU s and 20 statements; nothing to change writes "
        "nothing but the time of the look.\n"
    )
    print(f"## A first fill of a real Slurm {fill.version}\n")
    print(f"{fill.accounts} accounts with a limit of their own and two users each.\n")
    print("| | s | ms an account |")
    print("|---|---:|---:|")
    for name, took in (
        ("one `sacctmgr load` of a file", fill.load_s),
        ("ours: look, plan, order, read back", fill.ours_s),
        ("ours: look again, nothing to change", fill.again_s),
    ):
        print(f"| {name} | {took:.1f} | {took / fill.accounts * 1e3:.0f} |")
    print(f"\nOurs takes {fill.ours_s / fill.load_s:.2f} of the time of `load`.\n")
    print(
        json.dumps(
            {
                "benchmark": "slurm-sync",
                "associations": accounts + users,
                "nothing_cpu_s": round(passes["nothing"].cpu_s, 2),
                "nothing_sql": passes["nothing"].statements,
                "nothing_writes": len(passes["nothing"].writes),
                "one_percent_cpu_s": round(passes["one_percent"].cpu_s, 2),
                "one_percent_sql": passes["one_percent"].statements,
                "fill_accounts": fill.accounts,
                "fill_ours_s": round(fill.ours_s, 1),
                "fill_load_s": round(fill.load_s, 1),
                "fill_ratio": round(fill.ours_s / fill.load_s, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
