import threading

import pytest
from django.db import connection, connections

from uzina.core.db import acting
from uzina.core.log import check_log, log
from uzina.core.models import LogEntry
from uzina.core.tests import NOW


@pytest.mark.django_db(transaction=True)
def test_sixteen_writers_queue_and_none_is_lost_or_locked_out():
    errors = []

    def write(name):
        try:
            for number in range(5):
                with acting():
                    log("thing.done", f"{name}-{number}", by=None, now=NOW)
        except Exception as error:  # noqa: BLE001 - shown by the assertion
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=write, args=(f"t{n}",)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert LogEntry.objects.count() == 80
    assert check_log().problems == []


@pytest.mark.django_db(transaction=True)
def test_the_write_lock_is_given_back_when_the_action_fails():
    for _ in range(3):
        with pytest.raises(ValueError, match="stop"), acting():
            log("thing.done", "A", by=None, now=NOW)
            raise ValueError("stop")
    with acting():
        log("thing.done", "B", by=None, now=NOW)
    assert LogEntry.objects.get().subject == "B"
    lock = getattr(connection, "write_lock", None)
    assert lock is None or lock.descriptor is None


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_is_closed_in_the_middle_gives_the_lock_back():
    def half():
        connection.set_autocommit(False)
        LogEntry.objects.exists()
        connection.close()

    thread = threading.Thread(target=half)
    thread.start()
    thread.join()
    with acting():
        log("thing.done", "A", by=None, now=NOW)
    assert LogEntry.objects.count() == 1
