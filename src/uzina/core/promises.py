"""The promise queue: work that a transaction promises and a worker does after it.

Leases in one table. A claim is one UPDATE ... RETURNING; an outcome counts only from the worker
and attempt that hold the lease. After kill -9 the lease runs out and another worker takes over,
so a task runs at least once and must not mind running twice (measured beside four libraries that
lost the task or left it running for ever: docs/decisions/0002).
"""

import importlib
import logging
import random
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from uzina.core import agenda, rules
from uzina.core.db import action, scope
from uzina.core.models import Promise
from uzina.core.rules import PromiseState

logger = logging.getLogger(__name__)


def promise(
    task: str, *, key: str, now: datetime, after: timedelta | None = None, **args: Any
) -> None:
    """Promise that `uzina.<module>.tasks.<name>` will be called with args and now.

    task   "<module>.<name>"
    key    unique: promising the same key again is nothing new
    after  how long to wait first

    Raises RuntimeError outside an action: a promise that outlives a rolled-back transaction
    would be a lie.
    """
    if not scope().depth:
        msg = f"promise({task!r}) outside an action"
        raise RuntimeError(msg)
    Promise.objects.get_or_create(
        key=key,
        defaults={
            "task": task,
            "args": args,
            "run_at": now + (after or timedelta()),
            "made_at": now,
        },
    )


def promise_many(task: str, *, each: Mapping[str, Mapping[str, Any]], now: datetime) -> None:
    """Promise a task many times, in one statement. each: the arguments, by key.

    Raises RuntimeError outside an action, as promise() does.
    """
    if not scope().depth:
        msg = f"promise_many({task!r}) outside an action"
        raise RuntimeError(msg)
    Promise.objects.bulk_create(
        [
            Promise(task=task, key=key, args=dict(args), run_at=now, made_at=now)
            for key, args in each.items()
        ],
        ignore_conflicts=True,
    )


def plant_recurring(*, now: datetime) -> None:
    """Make sure that each recurring task has its row, with today's period."""
    for task, seconds in agenda.recurring.items():
        row, made = Promise.objects.get_or_create(
            key=f"every:{task}",
            defaults={"task": task, "repeat_s": seconds, "run_at": now, "made_at": now},
        )
        if not made and row.repeat_s != seconds:
            Promise.objects.filter(pk=row.pk).update(repeat_s=seconds)


def claim(*, worker: str, now: datetime, lease: timedelta = rules.LEASE) -> Promise | None:
    """Take the promise that has been due longest, or one whose lease ran out. None if none is due."""
    table = Promise._meta.db_table  # noqa: SLF001 - Django's documented door to the table name
    skip = "FOR UPDATE SKIP LOCKED" if connection.vendor == "postgresql" else ""
    sql = f"""
        UPDATE {table}
           SET state = 'leased', worker = %s, leased_until = %s, attempts = attempts + 1
         WHERE id = (SELECT id FROM {table}
                      WHERE (state = 'waiting' AND run_at <= %s)
                         OR (state = 'leased' AND leased_until <= %s)
                      ORDER BY run_at, id LIMIT 1 {skip})
        RETURNING id
    """  # noqa: S608 - only the table's name is put in
    field = Promise._meta.get_field("run_at")  # noqa: SLF001 - as above
    instant = field.get_db_prep_value(now, connection)
    until = field.get_db_prep_value(now + lease, connection)
    if not _is_due(now):
        return None
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, [worker, until, instant, instant])
        row = cursor.fetchone()
    return Promise.objects.get(pk=row[0]) if row else None


def claim_more(
    held: Promise, *, most: int, now: datetime, lease: timedelta = rules.LEASE
) -> list[Promise]:
    """Take further promises of the same task that are due and were never tried, oldest first."""
    table = Promise._meta.db_table  # noqa: SLF001 - as in claim()
    skip = "FOR UPDATE SKIP LOCKED" if connection.vendor == "postgresql" else ""
    # Materialized, since a plan that asked the sub-query again for each row would step past LIMIT:
    # each time it skips what it has locked before.
    sql = f"""
        WITH due AS MATERIALIZED (
            SELECT id FROM {table}
             WHERE state = 'waiting' AND run_at <= %s AND task = %s AND attempts = 0
             ORDER BY run_at, id LIMIT %s {skip})
        UPDATE {table}
           SET state = 'leased', worker = %s, leased_until = %s, attempts = 1
         WHERE id IN (SELECT id FROM due)
        RETURNING id
    """  # noqa: S608 - only the table's name is put in
    field = Promise._meta.get_field("run_at")  # noqa: SLF001 - as in claim()
    instant = field.get_db_prep_value(now, connection)
    until = field.get_db_prep_value(now + lease, connection)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, [instant, held.task, most, held.worker, until])
        found = [pk for (pk,) in cursor.fetchall()]
    return list(Promise.objects.filter(pk__in=found).order_by("run_at", "pk"))


def _is_due(now: datetime) -> bool:
    """Look before taking the write lock, so that an idle worker never makes a writer wait."""
    waiting = Promise.objects.filter(state=PromiseState.WAITING, run_at__lte=now)
    return (
        waiting.exists()
        or Promise.objects.filter(state=PromiseState.LEASED, leased_until__lte=now).exists()
    )


def renew(*held: Promise, now: datetime, lease: timedelta = rules.LEASE) -> bool:
    """Prolong the leases of one call; False when none is ours any more."""
    return bool(_ours(*held).update(leased_until=now + lease))


def done(*each: Promise, now: datetime) -> bool:
    """Note the outcome of one call; False when another worker has taken its promises over."""
    held = each[0]
    if held.repeat_s is not None:
        return bool(
            _ours(held).update(
                state=PromiseState.WAITING,
                run_at=now + timedelta(seconds=held.repeat_s),
                attempts=0,
                worker="",
                leased_until=None,
                error="",
            )
        )
    return bool(
        _ours(*each).update(state=PromiseState.DONE, ended_at=now, leased_until=None, error="")
    )


def failed(held: Promise, *, error: str, now: datetime, jitter: float) -> bool:
    """Note a failure: try again later, or give up after TRIES. A recurring task never gives up."""
    changes: dict[str, Any] = {"error": error[-8000:], "leased_until": None, "worker": ""}
    if held.repeat_s is None and held.attempts >= rules.TRIES:
        changes |= {"state": PromiseState.DEAD, "ended_at": now}
    else:
        changes |= {
            "state": PromiseState.WAITING,
            "run_at": now + rules.back_off(min(held.attempts, rules.TRIES), jitter),
        }
    return bool(_ours(held).update(**changes))


@action
def retry(dead: Promise, *, by: Any, now: datetime) -> None:
    """Give a dead promise five more tries. The door asks who may; the log says who did."""
    from uzina.core.log import log

    revived = Promise.objects.filter(pk=dead.pk, state=PromiseState.DEAD).update(
        state=PromiseState.WAITING, attempts=0, run_at=now, ended_at=None
    )
    if revived:
        log("promise.retried", dead.key[:80], by=by, now=now, task=dead.task)


def _ours(*held: Promise) -> Any:
    """Keep those of the promises of one call whose lease is still held: same worker and attempt."""
    return Promise.objects.filter(
        pk__in=[one.pk for one in held],
        worker=held[0].worker,
        attempts=held[0].attempts,
        state=PromiseState.LEASED,
    )


def find_task(name: str) -> Callable[..., None]:
    """Return the function behind "<module>.<name>".

    Raises LookupError when there is none, which fails the promise in words.
    """
    module, _, function = name.rpartition(".")
    try:
        tasks = importlib.import_module(f"uzina.{module}.tasks")
        return getattr(tasks, function)  # type: ignore[no-any-return]
    except (ImportError, AttributeError) as error:
        msg = f"There is no task {name}: {error}"
        raise LookupError(msg) from error


@dataclass
class Worker:
    """Does promises one after another, renewing the leases of those in hand.

    name  unique among workers: host, process and a random part
    """

    name: str
    lease: timedelta = rules.LEASE

    def run_one(self) -> bool:
        """Do one promise, or one call's worth of a task that takes many; False when none is due.

        Never raises for what a task raises.
        """
        first = claim(worker=self.name, now=timezone.now(), lease=self.lease)
        if first is None:
            return False
        held = [first, *self._more(first)]
        ended = threading.Event()
        keeper = threading.Thread(target=self._keep, args=(held, ended), daemon=True)
        keeper.start()
        try:
            _call(held)
        except Exception:
            logger.exception("promise %s failed (attempt %d)", first, first.attempts)
            ended.set()
            keeper.join()
            for one in held:
                failed(
                    one,
                    error=traceback.format_exc(),
                    now=timezone.now(),
                    jitter=random.random(),  # noqa: S311 - spreads retries, guards nothing
                )
        else:
            ended.set()
            keeper.join()
            done(*held, now=timezone.now())
        return True

    def _more(self, first: Promise) -> list[Promise]:
        most = agenda.together.get(first.task, 1)
        if most == 1 or first.attempts > 1:
            return []
        return claim_more(first, most=most - 1, now=timezone.now(), lease=self.lease)

    def _keep(self, held: list[Promise], ended: threading.Event) -> None:
        try:
            while not ended.wait(self.lease.total_seconds() / 3):
                if not renew(*held, now=timezone.now(), lease=self.lease):
                    return
        finally:
            connection.close()


def _call(held: Sequence[Promise]) -> None:
    first = held[0]
    if len(held) == 1:
        find_task(first.task)(**first.args, now=timezone.now())
    else:
        find_task(f"{first.task}_many")(each=[one.args for one in held], now=timezone.now())
