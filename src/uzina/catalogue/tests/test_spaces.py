"""Room in spaces: set aside, filled, given back, and never more than the quota."""

import hashlib

import pytest

from uzina.catalogue.actions import spaces as actions
from uzina.catalogue.adapters import store
from uzina.catalogue.models import Item, Reservation, Space
from uzina.catalogue.queries import spaces as space_queries
from uzina.catalogue.rules import spaces as rules
from uzina.core.errors import Invalid, NotAllowed, Refused
from uzina.core.models import LogEntry
from uzina.core.tests import NOW


@pytest.fixture
def spaces(project):
    return {one.kind: one for one in actions.follow_project(project, now=NOW)}


@pytest.fixture
def scratch(spaces):
    return shrunk(spaces["scratch"], size=100, files=3)


def shrunk(space, *, size, files):
    Space.objects.filter(pk=space.pk).update(
        byte_quota=size, file_quota=files, byte_limit=size, file_limit=files
    )
    space.refresh_from_db()
    return space


def kept(path, body):
    """Bytes in the store, as a file of a manifest."""
    sha256 = hashlib.sha256(body).hexdigest()
    store().put(sha256, iter([body]), size=len(body))
    return rules.file(path, size=len(body), sha256=sha256)


def sums(space):
    return Space.objects.get(pk=space.pk).taken


def is_sound():
    found = space_queries.check_spaces()
    assert found.problems == []
    return found


def test_reserving_again_with_the_same_key_gives_the_same_room_once(scratch, ana):
    first = actions.reserve(scratch, size=60, key="u1", by=ana, now=NOW)
    again = actions.reserve(scratch, size=60, key="u1", by=ana, now=NOW)

    assert first == again
    assert sums(scratch) == rules.Taken(0, 0, 60, 0, 0, 1)
    is_sound()


def test_a_key_of_another_size_is_refused(scratch, ana):
    actions.reserve(scratch, size=60, key="u1", by=ana, now=NOW)
    with pytest.raises(Refused) as refused:
        actions.reserve(scratch, size=61, key="u1", by=ana, now=NOW)
    assert refused.value.code == "space.reserve.key_reused"


@pytest.mark.parametrize(("size", "fits"), [(100, True), (101, False)])
def test_room_is_given_up_to_the_last_byte(scratch, ana, size, fits):
    if fits:
        actions.reserve(scratch, size=size, key="u1", by=ana, now=NOW)
        return
    before = LogEntry.objects.count()
    with pytest.raises(Refused, match="room for 100 more bytes and this needs 101") as refused:
        actions.reserve(scratch, size=size, key="u1", by=ana, now=NOW)
    assert refused.value.code == "space.reserve.no_room"
    assert not Reservation.objects.exists()
    assert sums(scratch) == rules.Taken(0, 0, 0, 0, 0, 0)
    assert LogEntry.objects.count() == before


@pytest.mark.parametrize(("files", "code"), [(3, None), (4, "space.reserve.too_many_files")])
def test_so_many_files_and_not_one_more(scratch, ana, files, code):
    if code is None:
        actions.reserve(scratch, size=1, files=files, key="u1", by=ana, now=NOW)
        return
    with pytest.raises(Refused) as refused:
        actions.reserve(scratch, size=1, files=files, key="u1", by=ana, now=NOW)
    assert refused.value.code == code


def test_settling_puts_the_files_and_frees_what_was_not_needed(scratch, ana):
    actions.reserve(scratch, size=80, files=2, key="u1", by=ana, now=NOW)
    (item,) = actions.settle("u1", files=[kept("a/b.txt", b"x" * 30)], by=ana, now=NOW)

    assert (item.path, item.folder, item.bytes, item.put_by) == ("a/b.txt", "a", 30, ana)
    assert sums(scratch) == rules.Taken(30, 0, 0, 1, 0, 0)
    assert actions.settle("u1", files=[kept("a/b.txt", b"x" * 30)], by=ana, now=NOW) == [item]
    is_sound()


def test_what_was_promised_is_kept_though_the_quota_fell_meanwhile(scratch, ana):
    actions.reserve(scratch, size=80, key="u1", by=ana, now=NOW)
    space = Space.objects.get(pk=scratch.pk)
    space.byte_quota = space.file_quota = 0
    actions.lower_limit(space)
    space.save()

    actions.settle("u1", files=[kept("a.txt", b"x" * 80)], by=ana, now=NOW)
    assert sums(scratch).used_bytes == 80
    with pytest.raises(Refused):
        actions.reserve(scratch, size=1, key="u2", by=ana, now=NOW)
    is_sound()


def test_released_room_is_free_again_and_cannot_be_settled(scratch, ana):
    actions.reserve(scratch, size=80, key="u1", by=ana, now=NOW)
    actions.release("u1", now=NOW)
    actions.release("u1", now=NOW)
    actions.release("never", now=NOW)

    assert sums(scratch) == rules.Taken(0, 0, 0, 0, 0, 0)
    with pytest.raises(Refused) as refused:
        actions.settle("u1", files=[kept("a.txt", b"x")], by=ana, now=NOW)
    assert refused.value.code == "space.settle.unknown"
    is_sound()


def test_bytes_that_are_not_in_the_store_cannot_be_settled(scratch, ana):
    actions.reserve(scratch, size=80, key="u1", by=ana, now=NOW)
    ghost = rules.file("a.txt", size=5, sha256="0" * 64)
    with pytest.raises(Invalid) as refused:
        actions.settle("u1", files=[ghost], by=ana, now=NOW)
    assert [one.code for one in refused.value.problems] == ["item.bytes.missing"]
    assert sums(scratch).reserved_bytes == 80
    assert not Item.objects.exists()
    is_sound()


def test_a_file_that_is_replaced_goes_to_the_trash(scratch, ana):
    actions.put_files(scratch, [kept("a.txt", b"old")], by=ana, now=NOW)
    actions.put_files(scratch, [kept("a.txt", b"newer")], by=ana, now=NOW)

    assert sums(scratch) == rules.Taken(5, 3, 0, 1, 1, 0)
    assert Item.objects.trashed().get().why == "replaced"
    is_sound()


def test_the_same_file_again_changes_nothing(scratch, ana):
    (first,) = actions.put_files(scratch, [kept("a.txt", b"old")], by=ana, now=NOW)
    (again,) = actions.put_files(scratch, [kept("a.txt", b"old")], by=ana, now=NOW)
    assert first == again
    assert sums(scratch) == rules.Taken(3, 0, 0, 1, 0, 0)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("a.txt/b", "item.path.file_and_folder"),
        ("../b", "item.path.unsafe"),
        ("/b", "item.path.unsafe"),
        ("x\\b", "item.path.unsafe"),
    ],
)
def test_hostile_and_impossible_places_are_refused(scratch, ana, path, code):
    actions.put_files(scratch, [kept("a.txt", b"old")], by=ana, now=NOW)
    sha256 = hashlib.sha256(b"old").hexdigest()
    with pytest.raises(Invalid) as refused:
        actions.put_files(scratch, [rules.File(path, 3, sha256, "text/plain")], by=ana, now=NOW)
    assert [one.code for one in refused.value.problems] == [code]


def test_a_folder_cannot_become_a_file(scratch, ana):
    actions.put_files(scratch, [kept("a/b.txt", b"old")], by=ana, now=NOW)
    with pytest.raises(Invalid):
        actions.put_files(scratch, [kept("a", b"old")], by=ana, now=NOW)
    actions.put_files(scratch, [kept("A", b"old")], by=ana, now=NOW)


def test_strangers_cannot_reserve(scratch, stranger):
    with pytest.raises(NotAllowed):
        actions.reserve(scratch, size=1, key="u1", by=stranger, now=NOW)


def test_the_grant_of_an_award_is_shared_among_the_spaces():
    given = rules.quotas(
        999,
        percents={
            rules.SpaceKind.SCRATCH: 40,
            rules.SpaceKind.PROJECT: 40,
            rules.SpaceKind.DATASET: 20,
        },
        bytes_per_file=100,
        least_files=2,
    )
    assert [one.bytes for one in given.values()] == [399, 399, 199]
    assert [one.files for one in given.values()] == [3, 3, 2]
