"""Many writers at once, and writers that are killed, on real files and real servers."""

import json
import os
import random
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection

from uzina.core.errors import Refused
from uzina.core.log import check_log
from uzina.core.tests import NOW
from uzina.ledger import actions, queries
from uzina.ledger.models import Transfer
from uzina.ledger.rules import Balance, Charge

from .conftest import HOUR
from .writers import HELD, SPENT, USED

PROCESSES, THREADS, ROUNDS = 4, 4, 4
LIVES = 20


def environment():
    """What another process needs to work on the database of this test."""
    place = connection.settings_dict
    name = quote(str(place["NAME"]))
    if connection.vendor == "sqlite":
        url = f"sqlite:///{name}"
    else:
        user, secret = quote(place["USER"]), quote(place["PASSWORD"])
        url = f"postgresql://{user}:{secret}@{place['HOST']}:{place['PORT']}/{name}"
    return os.environ | {
        "UZINA_DATABASE_URL": url,
        "UZINA_SITE_SECRET_KEY": settings.SECRET_KEY,
        "DJANGO_SETTINGS_MODULE": os.environ["DJANGO_SETTINGS_MODULE"],
    }


def writer(verb, **asked):
    script = Path(__file__).with_name("writers.py")
    return subprocess.Popen(
        [sys.executable, str(script), verb, json.dumps(asked)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )


def reports(processes):
    """Wait for writers and return what each printed; none is left behind."""
    try:
        ended = [process.communicate(timeout=240) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    for process, (_out, err) in zip(processes, ended, strict=True):
        assert process.returncode == 0, err
    return [json.loads(out.splitlines()[-1]) for out, _err in ended]


def everything_balances():
    assert queries.check_books().problems == []
    assert check_log().problems == []
    return True


def test_sixteen_writers_on_one_account_lose_nothing(transactional_db, allocation):
    crowd = [
        writer("crowd", allocation=allocation.code, prefix=f"p{i}", threads=THREADS, rounds=ROUNDS)
        for i in range(PROCESSES)
    ]
    assert reports(crowd) == [{"errors": []}] * PROCESSES

    jobs = PROCESSES * THREADS * ROUNDS
    spent = jobs * SPENT
    assert queries.balance(allocation) == Balance(100 * HOUR, 100 * HOUR - spent, 0, spent, 0, 0)
    assert Transfer.objects.filter(kind="hold").count() == jobs
    assert everything_balances()


def test_sixteen_writers_never_hold_more_than_there_is(transactional_db, allocation):
    """Room for ten of sixteen: ten get it, six are refused, nobody waits in vain."""
    held, refused, errors = [], [], []
    barrier = threading.Barrier(16)

    def one(number):
        try:
            barrier.wait()
            actions.hold(
                allocation,
                amount=10 * HOUR,
                subject="JOB-1",
                key=f"hold:{number}",
                by=None,
                now=NOW,
            )
            held.append(number)
        except Refused as error:
            refused.append(error.code)
        except Exception as error:  # noqa: BLE001 - the test reports it
            errors.append(error)
        finally:
            connection.close()

    together(one, range(16))
    assert errors == []
    assert len(held) == 10
    assert refused == ["allocation.hold.too_big"] * 6
    assert queries.balance(allocation).free == 0
    assert everything_balances()


def test_one_key_sent_by_eight_at_once_books_once(transactional_db, allocation):
    found, errors = [], []
    barrier = threading.Barrier(8)

    def one(_number):
        try:
            barrier.wait()
            hold = actions.hold(
                allocation, amount=HELD, subject="JOB-1", key="one", by=None, now=NOW
            )
            settled = actions.settle(hold, used=USED, by=None, now=NOW)
            (direct,) = actions.charge([Charge(allocation, 5, "direct")], by=None, now=NOW)
            found.append((hold.pk, settled, direct.pk))
        except Exception as error:  # noqa: BLE001 - the test reports it
            errors.append(error)
        finally:
            connection.close()

    together(one, range(8))
    assert errors == []
    assert len(set(found)) == 1
    assert queries.balance(allocation).spent == USED + 5
    assert everything_balances()


def test_one_page_of_records_read_by_six_at_once_is_charged_once(
    transactional_db, project, capacity, allocation
):
    """Each reader takes the page in another order, as after a crash and a change of hands."""
    other = second(project, capacity, allocation)
    page = [
        Charge(which, 1 + i, f"r:{which.code}:{i}")
        for which in (allocation, other)
        for i in range(20)
    ]
    found, errors = [], []
    barrier = threading.Barrier(6)

    def one(number):
        try:
            asked = random.Random(number).sample(page, len(page))
            barrier.wait()
            booked = actions.charge(asked, by=None, now=NOW)
            found.append(sorted(transfer.pk for transfer in booked))
        except Exception as error:  # noqa: BLE001 - the test reports it
            errors.append(error)
        finally:
            connection.close()

    together(one, range(6))
    assert errors == []
    assert len(found) == 6
    assert len({tuple(one) for one in found}) == 1
    assert [queries.balance(which).spent for which in (allocation, other)] == [210, 210]
    assert everything_balances()


def test_one_key_sent_at_once_for_two_allocations_books_one_of_them(
    transactional_db, project, capacity, allocation
):
    other = second(project, capacity, allocation)
    found, refused = [], []
    barrier = threading.Barrier(2)

    def one(which):
        try:
            barrier.wait()
            actions.hold(which, amount=1, subject="JOB-1", key="shared", by=None, now=NOW)
            found.append(which)
        except Refused as error:
            refused.append(error.code)
        finally:
            connection.close()

    together(one, [allocation, other])
    assert len(found) == 1
    assert refused == ["transfer.post.key_reused"]
    assert everything_balances()


def test_batches_in_opposite_order_do_not_wait_for_each_other(
    transactional_db, project, capacity, allocation, operator
):
    other = second(project, capacity, allocation)
    errors = []
    rounds = 8

    def place(which, key):
        return actions.hold(which, amount=HELD, subject="JOB", key=key, by=None, now=NOW)

    def settle(order, name):
        holds = [place(which, f"{name}:{which.code}") for which in order]
        actions.settle_many([(hold, USED) for hold in holds], by=None, now=NOW)

    def charge(order, name):
        page = [Charge(which, USED, f"direct:{name}:{which.code}") for which in order]
        actions.charge(page, by=None, now=NOW)

    def top_up(order, name):
        for which in order:
            key = f"top:{name}:{which.code}"
            actions.top_up(which, amount=1, reason="x", key=key, by=operator, now=NOW)

    def one(job):
        verb, order = job
        try:
            for turn in range(rounds):
                verb(order, f"{order[0].code}:{turn}")
        except Exception as error:  # noqa: BLE001 - the test reports it
            errors.append(error)
        finally:
            connection.close()

    there, back = (allocation, other), (other, allocation)
    together(one, [(verb, order) for verb in (settle, charge, top_up) for order in (there, back)])
    assert errors == []
    for which in (allocation, other):
        assert queries.balance(which).spent == 4 * rounds * USED
    assert everything_balances()


def test_killing_the_writer_loses_and_doubles_nothing(transactional_db, allocation):
    seed = random.SystemRandom().randrange(10**9)
    process = writer("lives", allocation=allocation.code, lives=LIVES, seed=seed, at_least=LIVES)
    (found,) = reports([process])

    assert found["killed"] == LIVES, f"seed {seed}: {found}"
    acknowledged = found["acknowledged"]
    assert acknowledged >= LIVES
    holds = Transfer.objects.filter(kind="hold").values_list("key", flat=True)
    assert sorted(holds) == sorted(f"live-{i}" for i in range(acknowledged)), f"seed {seed}"
    assert queries.balance(allocation) == Balance(
        100 * HOUR, 100 * HOUR - acknowledged * SPENT, 0, acknowledged * SPENT, 0, 0
    )
    assert everything_balances()


def second(project, capacity, allocation):
    return actions.grant(
        project,
        capacity=capacity,
        amount=100 * HOUR,
        starts_at=allocation.starts_at,
        ends_at=allocation.ends_at,
        key="grant:AWD-2",
        by=None,
        now=NOW,
    )


def together(function, arguments):
    crew = [threading.Thread(target=function, args=(one,)) for one in arguments]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join(timeout=120)
    assert not any(thread.is_alive() for thread in crew)


@pytest.fixture(autouse=True)
def real_database(db):
    """A database in memory is one connection: it would prove nothing here."""
    assert connection.vendor != "sqlite" or not connection.is_in_memory_db()
