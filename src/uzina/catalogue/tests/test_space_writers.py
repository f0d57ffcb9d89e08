"""Many at once at the edge of a quota: never over it, and nothing lost."""

import threading

import pytest
from django.db import connection

from uzina.catalogue.actions import spaces
from uzina.catalogue.models import Item, Space
from uzina.catalogue.queries import spaces as queries
from uzina.catalogue.tests.test_spaces import kept
from uzina.core.errors import Refused
from uzina.core.tests import NOW

WRITERS, EACH, SIZE, FIT = 8, 4, 10, 13


@pytest.mark.django_db(transaction=True)
def test_eight_writers_fill_a_space_to_the_last_byte_and_not_beyond(project, ana):
    space = {one.kind: one for one in spaces.follow_project(project, now=NOW)}["scratch"]
    room = SIZE * FIT + SIZE - 1
    Space.objects.filter(pk=space.pk).update(byte_quota=room, byte_limit=room)
    file = kept("same", b"x" * SIZE)
    told, refusals, wrong = [], [], []
    start = threading.Barrier(WRITERS)

    def write(writer):
        try:
            start.wait(60)
            for number in range(EACH):
                path, key = f"{writer}/{number}", f"{writer}-{number}"
                try:
                    spaces.reserve(space, size=SIZE, key=key, by=ana, now=NOW)
                    one = type(file)(path, file.bytes, file.sha256, file.media_type)
                    spaces.settle(key, files=[one], by=ana, now=NOW)
                    told.append(path)
                except Refused as refused:
                    refusals.append(refused.code)
        except BaseException as error:  # noqa: BLE001 - told by the test, whatever it is
            wrong.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(one,)) for one in range(WRITERS)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(300)

    assert wrong == []
    assert len(told) == FIT
    assert refusals == ["space.reserve.no_room"] * (WRITERS * EACH - FIT)
    assert sorted(told) == sorted(Item.objects.live().values_list("path", flat=True))
    space.refresh_from_db()
    assert (space.used_bytes, space.reserved_bytes) == (SIZE * FIT, 0)
    assert queries.check_spaces().problems == []
