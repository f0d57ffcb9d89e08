"""Booking the accounting log of another system into a fresh factory, and proving the books by it.

Groups (accounts) become organisations with one project each, users become people, and each project
gets an allocation of what its group used. Every run is booked the way a run past the portal is.
"""

import os
import re
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PAGE = 4000
KINDS = ("user", "account", "partition")


@dataclass
class Sum:
    """What was used: runs, seconds from start to end, core-seconds, device-seconds, GPU-ms."""

    runs: int = 0
    elapsed_s: int = 0
    core_s: int = 0
    gpu_s: int = 0
    gpu_ms: int = 0


@dataclass
class Direct:
    """Sums over a log alone, by user, account and partition: the ledger has no part in them."""

    by: dict[str, dict[str, Sum]] = field(
        default_factory=lambda: {kind: defaultdict(Sum) for kind in KINDS}
    )
    members: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    first_s: int = 2**62
    last_s: int = 0

    def add(self, row: Any) -> None:
        """Count one run. A GPU-millisecond figure of its own: 20 cores go with one GPU."""
        is_free = row.state in {"NODE_FAIL", "BOOT_FAIL", "PREEMPTED"}
        core_s, gpu_s = row.cpus * row.elapsed_s, row.gpus * row.elapsed_s
        for kind in KINDS:
            one = self.by[kind][getattr(row, kind)]
            one.runs += 1
            one.elapsed_s += row.elapsed_s
            one.core_s += core_s
            one.gpu_s += gpu_s
            one.gpu_ms += 0 if is_free else max(gpu_s * 1000, core_s * 50)
        self.members[row.account][row.user] += 1
        self.first_s = min(self.first_s, row.submitted_s)
        self.last_s = max(self.last_s, row.ended_s)


def run(path: Path, folder: Path) -> int:
    """Book a log and print what came of it; 0 when the books say what the log says."""
    url = os.environ.get("UZINA_DATABASE_URL", "")
    if not url:
        database = folder.absolute() / "uzina.sqlite3"
        if database.exists():
            return _no(f"{database} is there already. Name a fresh --folder.")
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["UZINA_DATABASE_URL"] = f"sqlite:///{database}"
    os.environ.setdefault("UZINA_FOLDERS_VAR", str(folder.absolute() / "var"))
    os.environ["UZINA_SCHEDULER_NAME"] = "replay"

    import django

    django.setup()
    from django.db import connection

    if connection.introspection.table_names():
        return _no(f"The database at {urlsplit(url).path.lstrip('/')} is not empty.")
    return _replay(path)


def _no(reason: str) -> int:
    _say(reason)
    return 2


def _replay(path: Path) -> int:
    from uzina.compute import queries
    from uzina.root import accounting_logs as logs

    began, direct, tally = time.monotonic(), Direct(), logs.Tally()
    try:
        for row in logs.read(path, tally, zone=queries.zone()):
            direct.add(row)
    except (OSError, logs.NotALog) as error:
        return _no(f"{path} cannot be read: {error}")
    if not tally.rows:
        return _no(f"{path} has no run that could be booked.")
    _say(f"{path.name}: {tally.rows:,} runs from {_day(direct.first_s)} to {_day(direct.last_s)}")
    _tell(tally)

    now = datetime.fromtimestamp(direct.last_s + 1, tz=UTC)
    _open(direct, now=now)
    said = time.monotonic()
    _say(f"opened {len(direct.members):,} projects in {said - began:.1f} s")
    booked = 0
    for page in _pages(logs.read(path, logs.Tally(), zone=queries.zone())):
        booked += _measure(page, now=now)
        if time.monotonic() > said + 5:
            said = time.monotonic()
            _say(f"{booked:,} of {tally.rows:,} runs booked")
    took = time.monotonic() - began
    _say(f"booked {booked:,} runs in {took:.1f} s, {booked / took:,.0f} runs a second")
    wrong = list(_prove(direct))
    for line in wrong[:20]:
        _say(f"WRONG {line}")
    if not wrong:
        _say("Every total equals the sum over the file, to the second. The books balance.")
    return 1 if wrong else 0


def _open(direct: Direct, *, now: datetime) -> None:
    """Bring the database up to date and open what the log names."""
    from django.conf import settings

    # Nobody is told these passwords, so there is nothing to protect by a slow hash.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    from uzina.compute import actions as compute
    from uzina.compute import queries as compute_queries
    from uzina.core.db import acting
    from uzina.ledger import actions as ledger
    from uzina.ledger import queries as ledger_queries
    from uzina.people import actions as people
    from uzina.people.rules import MembershipKind, OrganisationKind
    from uzina.root import opening

    opening.bring_up_to_date(now=now)
    starts_at = datetime.fromtimestamp(direct.first_s, tz=UTC)
    ends_at = now + timedelta(days=1)
    total = sum(one.gpu_ms for one in direct.by["account"].values())
    cluster = compute_queries.cluster()
    with acting():
        capacity = ledger.open_capacity(
            owner="CAL-REPLAY",
            title="Replay",
            resource=ledger_queries.gpu_hours(),
            amount=total + len(direct.members) + 1,
            key="replay:capacity",
            by=None,
            now=now,
        )
        persons = {
            user: people.register(
                email=f"user-{number}@replay.invalid",
                name=_name(user),
                password=secrets.token_urlsafe(24),
                language="en",
                now=now,
            )
            for number, user in enumerate(sorted(direct.by["user"]))
        }
        for account, users in sorted(direct.members.items()):
            lead, *others = [persons[user] for user, _runs in users.most_common()]
            organisation = people.register_organisation(
                people.OrganisationFacts(
                    name=_name(account), kind=OrganisationKind.UNIVERSITY, country="RO"
                ),
                by=lead,
                now=now,
            )
            project = people.open_project(
                organisation,
                title=_name(account),
                lead=lead,
                starts_at=starts_at,
                ends_at=ends_at,
                award_code="",
                by=None,
                now=now,
            )
            for person in others:
                people.add_member(project, person, kind=MembershipKind.MEMBER, by=lead, now=now)
            used = direct.by["account"][account].gpu_ms
            ledger.grant(
                project,
                capacity=capacity,
                amount=max(1, used),
                starts_at=starts_at,
                ends_at=ends_at,
                key=f"replay:{project.code}",
                by=None,
                now=now,
            )
            compute.note_account(cluster, project, name=account, now=now)


def _name(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()[:80] or "unknown"


def _pages(rows: Iterator[Any]) -> Iterator[tuple[Any, ...]]:
    while page := tuple(islice(rows, PAGE)):
        yield page


def _measure(rows: tuple[Any, ...], *, now: datetime) -> int:
    from uzina.compute import actions, queries
    from uzina.compute.ports import UsagePage

    cursor_s = max(row.ended_s for row in rows)
    return actions.measure(queries.cluster(), page=UsagePage(rows, cursor_s), now=now)


def _prove(direct: Direct) -> Iterator[str]:
    """Yield what the books say otherwise than the log, and print the totals."""
    from uzina.compute import queries
    from uzina.core.log import check_log
    from uzina.ledger.queries import check_books

    for kind in KINDS:
        kept = {name: Sum(*figures) for name, *figures in queries.summed(kind)}
        expected = direct.by[kind]
        _print_totals(kind, kept)
        for name in sorted(kept.keys() | expected.keys()):
            ours, theirs = kept.get(name, Sum()), expected.get(name, Sum())
            if ours != theirs:
                yield f"{kind} {name}: booked {ours}, in the file {theirs}"
    spent = dict(queries.spent_by_account())
    for name, one in direct.by["account"].items():
        if spent.get(name, 0) != one.gpu_ms:
            yield f"account {name}: spent {spent.get(name, 0)}, in the file {one.gpu_ms}"
    yield from check_books().problems
    yield from check_log().problems


SHOWN = 10


def _print_totals(kind: str, sums: dict[str, Sum]) -> None:
    _say(f"\n{kind:<20}{'runs':>10}{'hours':>14}{'core-hours':>16}{'GPU-hours':>16}")
    ordered = sorted(sums.items(), key=lambda one: -one[1].gpu_ms)
    for name, one in ordered[:SHOWN]:
        _say(_line(name or "-", one))
    if rest := [one for _name_, one in ordered[SHOWN:]]:
        _say(_line(f"{len(rest)} others", _together(rest)))
    _say(_line("together", _together(sums.values())))


def _together(sums: Iterable[Sum]) -> Sum:
    total = Sum()
    for one in sums:
        for name in vars(total):
            setattr(total, name, getattr(total, name) + getattr(one, name))
    return total


def _line(name: str, one: Sum) -> str:
    hours, cores, gpus = one.elapsed_s / 3600, one.core_s / 3600, one.gpu_ms / 3_600_000
    return f"{name[:19]:<20}{one.runs:>10,}{hours:>14,.2f}{cores:>16,.2f}{gpus:>16,.2f}"


def _tell(tally: Any) -> None:
    for count, what in (
        (tally.steps, "steps and parts of runs, which their run's line has the sum of"),
        (tally.is_open, "runs that are not over"),
        (tally.repeated, "lines about a run that had its line already"),
        (tally.bad, "lines that say nothing that could be booked"),
    ):
        if count:
            _say(f"passed over {count:,} {what}")
    if tally.bad_lines:
        more = ", ..." if tally.bad > len(tally.bad_lines) else ""
        _say(f"  lines {', '.join(map(str, tally.bad_lines))}{more}")


def _day(second: int) -> str:
    return f"{datetime.fromtimestamp(second, tz=UTC):%Y-%m-%d}"


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - command
