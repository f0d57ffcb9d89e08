import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection, connections
from django.utils import timezone

from uzina.core import agenda, promises, rules
from uzina.core.db import acting
from uzina.core.errors import Refused
from uzina.core.models import LogEntry, Promise
from uzina.core.promises import Worker, claim, promise, retry
from uzina.core.rules import PromiseState

pytestmark = pytest.mark.django_db

NOW = timezone.now()
"""The worker reads the real clock, so what is promised here is due by it."""

calls = []


@pytest.fixture(autouse=True)
def tasks(monkeypatch):
    calls.clear()

    def find(name):
        def work(*, now, **args):
            calls.append((name, args))
            if name.startswith("core.fail"):
                raise ValueError("no luck")

        return work

    monkeypatch.setattr(promises, "find_task", find)


def make(key="k", task="core.work", **args):
    with acting():
        promise(task, key=key, now=NOW, **args)
    return Promise.objects.get(key=key)


def test_a_promise_is_kept_after_the_action():
    make(number=3)
    assert Worker("w").run_one()
    assert calls == [("core.work", {"number": 3})]
    assert Promise.objects.get().state is PromiseState.DONE
    assert not Worker("w").run_one()


def test_a_promise_of_an_action_that_failed_was_never_made():
    with pytest.raises(Refused), acting():
        promise("core.work", key="k", now=NOW)
        raise Refused("thing.do.no", "No.")
    assert not Promise.objects.exists()


def test_the_same_key_is_promised_once():
    make()
    make(other=1)
    assert Promise.objects.count() == 1


def test_a_promise_waits_for_its_time():
    with acting():
        promise("core.work", key="k", now=NOW, after=timedelta(hours=1))
    assert claim(worker="w", now=NOW + timedelta(hours=1) - timedelta(microseconds=1)) is None
    assert claim(worker="w", now=NOW + timedelta(hours=1)) is not None


def test_two_workers_never_hold_the_same_promise():
    make()
    assert claim(worker="a", now=NOW) is not None
    assert claim(worker="b", now=NOW) is None


def test_a_lease_that_ran_out_is_taken_over_and_the_first_worker_counts_no_more():
    make()
    first = claim(worker="a", now=NOW)
    assert claim(worker="b", now=NOW + rules.LEASE - timedelta(microseconds=1)) is None
    second = claim(worker="b", now=NOW + rules.LEASE)
    assert second.attempts == 2
    assert promises.done(first, now=NOW) is False
    assert promises.failed(first, error="late", now=NOW, jitter=0) is False
    assert promises.renew(first, now=NOW) is False
    assert promises.done(second, now=NOW) is True


def test_after_five_failures_a_promise_is_dead_and_a_person_revives_it(operator):
    make(task="core.fail")
    for attempt in range(1, rules.TRIES + 1):
        Promise.objects.update(run_at=NOW)
        assert Worker("w").run_one()
        assert len(calls) == attempt
    dead = Promise.objects.get()
    assert dead.state is PromiseState.DEAD
    assert "no luck" in dead.error
    assert not Worker("w").run_one()

    retry(dead, by=operator, now=NOW)
    assert LogEntry.objects.filter(event="promise.retried").count() == 1
    assert Worker("w").run_one()
    assert len(calls) == rules.TRIES + 1


def test_reviving_what_is_not_dead_does_nothing(operator):
    waiting = make()
    retry(waiting, by=operator, now=NOW)
    assert not LogEntry.objects.filter(event="promise.retried").exists()


def test_failures_are_tried_again_after_longer_and_longer():
    assert [rules.back_off(n, 0).total_seconds() for n in range(1, 7)] == [1, 4, 16, 64, 256, 600]
    assert rules.back_off(3, 1.0).total_seconds() == 24


def test_a_recurring_task_comes_back_and_never_dies(monkeypatch):
    monkeypatch.setattr(promises.agenda, "recurring", {"core.fail": 30})
    promises.plant_recurring(now=NOW)
    promises.plant_recurring(now=NOW)
    assert Promise.objects.count() == 1
    for _ in range(rules.TRIES + 2):
        Promise.objects.update(run_at=NOW)
        assert Worker("w").run_one()
    row = Promise.objects.get()
    assert row.state is PromiseState.WAITING
    assert row.run_at > timezone.now()


def test_a_task_that_does_not_exist_fails_in_words(monkeypatch):
    monkeypatch.undo()
    make(task="core.nothing_of_the_kind")
    Worker("w").run_one()
    assert "There is no task core.nothing_of_the_kind" in Promise.objects.get().error


@pytest.mark.django_db(transaction=True)
def test_many_workers_do_each_promise_once():
    with acting():
        for number in range(40):
            promise("core.work", key=f"k{number}", now=NOW, number=number)

    def work(name):
        try:
            while Worker(name).run_one():
                pass
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(args["number"] for _, args in calls) == list(range(40))


WORKER = """
import sys, time, django
from django.conf import settings
django.setup()
from django.db import connection
connection.settings_dict["NAME"] = sys.argv[1]
from datetime import timedelta
from uzina.core import promises
from uzina.core.db import acting
from uzina.core.log import log
from uzina.core.models import LogEntry

def find(name):
    def work(*, now, key):
        with acting():
            if not LogEntry.objects.filter(subject=key).exists():
                log("thing.done", key, by=None, now=now)
        print("did", flush=True)
        time.sleep(60)
    return work

promises.find_task = find
promises.Worker("killed", lease=timedelta(seconds=2)).run_one()
"""


@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_in_mid_task_is_taken_over_and_the_effect_happens_once(monkeypatch):
    with acting():
        promise("core.work", key="k", now=timezone.now(), number=1)
    Promise.objects.update(args={"key": "thing-1"})
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "uzina.root.settings",
        "UZINA_SITE_SECRET_KEY": settings.SECRET_KEY,
    }
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(connection.settings_dict["NAME"])],
        stdout=subprocess.PIPE,
        env=environment,
    )
    assert process.stdout.readline() == b"did\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert Promise.objects.get().state is PromiseState.LEASED

    done = []

    def find(name):
        def work(*, now, key):
            with acting():
                if not LogEntry.objects.filter(subject=key).exists():
                    done.append(key)

        return work

    monkeypatch.setattr(promises, "find_task", find)
    deadline = time.monotonic() + 30
    while not Worker("heir").run_one():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    row = Promise.objects.get()
    assert (row.state, row.attempts, done) == (PromiseState.DONE, 2, [])
    assert LogEntry.objects.filter(subject="thing-1").count() == 1


@pytest.fixture
def three_at_once(monkeypatch):
    monkeypatch.setitem(agenda.together, "core.work", 3)
    monkeypatch.setitem(agenda.together, "core.fail", 3)


def test_a_task_that_takes_many_gets_what_is_due_in_one_call(three_at_once):
    for number in range(4):
        make(key=f"k{number}", number=number)
    make(key="other", task="core.other")
    worker = Worker("w")

    assert worker.run_one()
    assert calls == [("core.work_many", {"each": [{"number": n} for n in range(3)]})]
    assert Promise.objects.filter(state=PromiseState.DONE).count() == 3

    calls.clear()
    while worker.run_one():
        pass
    assert calls == [("core.work", {"number": 3}), ("core.other", {})]


def test_no_more_are_taken_than_asked_when_the_database_last_counted_one(three_at_once):
    make(key="first")
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {Promise._meta.db_table}")
    for number in range(5):
        make(key=f"k{number}", number=number)
    first = claim(worker="w", now=NOW)

    assert len(promises.claim_more(first, most=2, now=NOW)) == 2


def test_what_failed_among_many_is_tried_again_by_itself(three_at_once):
    for number in range(3):
        make(key=f"k{number}", task="core.fail", number=number)
    assert Worker("w").run_one()
    assert {row.attempts for row in Promise.objects.all()} == {1}
    assert {row.state for row in Promise.objects.all()} == {PromiseState.WAITING}
    calls.clear()

    Promise.objects.update(run_at=NOW)
    assert Worker("w").run_one()

    assert calls == [("core.fail", {"number": 0})]


def test_many_taken_at_once_are_taken_over_one_by_one_when_their_worker_is_gone(three_at_once):
    for number in range(3):
        make(key=f"k{number}", number=number)
    first = claim(worker="dead", now=NOW)
    held = [first, *promises.claim_more(first, most=2, now=NOW)]
    assert len(held) == 3
    assert claim(worker="b", now=NOW + rules.LEASE - timedelta(seconds=1)) is None

    taken = claim(worker="b", now=NOW + rules.LEASE)
    assert taken is not None
    assert promises.done(*held, now=NOW)

    taken.refresh_from_db()
    assert taken.state is PromiseState.LEASED
    assert Promise.objects.filter(state=PromiseState.DONE).count() == 2
