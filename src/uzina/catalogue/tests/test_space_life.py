"""What becomes of spaces with time: told, trashed, taken back, deleted for good."""

from datetime import timedelta

import pytest

from uzina.catalogue import actions as catalogue
from uzina.catalogue import queries as catalogue_queries
from uzina.catalogue import tasks
from uzina.catalogue.actions import filing, keeping, spaces
from uzina.catalogue.adapters import store
from uzina.catalogue.apps import STORAGE_NEWS
from uzina.catalogue.models import Item, Purge, Space, Tombstone
from uzina.catalogue.queries import spaces as queries
from uzina.catalogue.rules import spaces as rules
from uzina.catalogue.tests.test_spaces import is_sound, kept, sums
from uzina.core.errors import Invalid, NotAllowed, Refused
from uzina.core.models import LogEntry
from uzina.core.tests import NOW
from uzina.people import actions as people
from uzina.people.models import Message

TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)
KEEPING = rules.Keeping(scratch=60, grace=30, trash=14, respite=14)


@pytest.fixture
def found(project):
    return {one.kind: one for one in spaces.follow_project(project, now=NOW)}


@pytest.fixture
def scratch(found):
    return found["scratch"]


@pytest.fixture
def filled(scratch, ana):
    spaces.put_files(
        scratch,
        [kept("a/one.txt", b"one"), kept("a/b/two.txt", b"two!"), kept("c.txt", b"three")],
        by=ana,
        now=NOW,
    )
    return scratch


def paths(space):
    return sorted(Item.objects.live().filter(space=space).values_list("path", flat=True))


# Files -----------------------------------------------------------------------------------------


def test_a_folder_goes_to_the_trash_whole_and_comes_back(filled, ana):
    assert filing.trash(filled, ["a"], by=ana, now=NOW) == 2
    assert paths(filled) == ["c.txt"]
    assert sums(filled) == rules.Taken(5, 7, 0, 1, 2, 0)

    ids = list(Item.objects.trashed().values_list("pk", flat=True))
    filing.restore(filled, ids, by=ana, now=NOW)
    assert paths(filled) == ["a/b/two.txt", "a/one.txt", "c.txt"]
    assert sums(filled) == rules.Taken(12, 0, 0, 3, 0, 0)
    is_sound()


def test_small_and_capital_letters_are_two_folders(filled, ana):
    spaces.put_files(filled, [kept("A/one.txt", b"x")], by=ana, now=NOW)
    filing.trash(filled, ["A"], by=ana, now=NOW)
    assert paths(filled) == ["a/b/two.txt", "a/one.txt", "c.txt"]


def test_what_is_not_there_cannot_be_trashed(filled, ana):
    with pytest.raises(Refused) as refused:
        filing.trash(filled, ["c.txt", "nothing"], by=ana, now=NOW)
    assert refused.value.code == "item.find.unknown"
    assert len(paths(filled)) == 3


def test_a_file_does_not_come_back_over_another(filled, ana):
    filing.trash(filled, ["c.txt"], by=ana, now=NOW)
    spaces.put_files(filled, [kept("c.txt", b"other")], by=ana, now=NOW)
    trashed = Item.objects.trashed().get()
    with pytest.raises(Refused) as refused:
        filing.restore(filled, [trashed.pk], by=ana, now=NOW)
    assert refused.value.code == "item.restore.taken"
    is_sound()


def test_a_folder_moves_with_all_that_is_in_it(filled, ana):
    assert filing.move(filled, "a", to="z/y", by=ana, now=NOW) == 2
    assert paths(filled) == ["c.txt", "z/y/b/two.txt", "z/y/one.txt"]
    folders = set(Item.objects.live().values_list("folder", flat=True))
    assert folders == {"", "z/y/b", "z/y"}
    assert sums(filled).used_bytes == 12


@pytest.mark.parametrize(
    ("path", "to", "code"),
    [
        ("a", "a/b/c", "item.move.into_itself"),
        ("a", "a", "item.move.into_itself"),
        ("a", "c.txt", "item.move.taken"),
        ("c.txt", "a", "item.move.taken"),
        ("x", "y", "item.find.unknown"),
    ],
)
def test_moves_that_make_no_sense_are_refused(filled, ana, path, to, code):
    with pytest.raises(Refused) as refused:
        filing.move(filled, path, to=to, by=ana, now=NOW)
    assert refused.value.code == code
    assert len(paths(filled)) == 3


def test_a_folder_may_move_below_a_place_that_begins_like_it(filled, ana):
    filing.move(filled, "a", to="ab", by=ana, now=NOW)
    assert "ab/one.txt" in paths(filled)


def test_moving_to_another_space_takes_the_quota_along(found, filled, ana):
    filing.move(filled, "a", to="kept", into=found["project"], by=ana, now=NOW)
    assert (sums(filled).used_bytes, sums(found["project"]).used_bytes) == (5, 7)
    assert paths(found["project"]) == ["kept/b/two.txt", "kept/one.txt"]
    is_sound()


def test_what_does_not_fit_into_another_space_stays(found, filled, ana):
    Space.objects.filter(pk=found["project"].pk).update(byte_quota=6, byte_limit=6)
    with pytest.raises(Refused) as refused:
        filing.move(filled, "a", to="kept", into=found["project"], by=ana, now=NOW)
    assert refused.value.code == "space.reserve.no_room"
    assert len(paths(filled)) == 3
    is_sound()


# The clock -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "warned", "days"),
    [
        (30 * DAY + TICK, None, None),
        (30 * DAY, None, 30),
        (14 * DAY + TICK, 30, None),
        (14 * DAY, 30, 14),
        (3 * DAY, 14, 3),
        (2 * DAY, None, 3),
        (DAY + TICK, 3, None),
        (DAY, 3, 1),
        (TICK, 1, None),
        (timedelta(), None, None),
    ],
)
def test_people_are_told_30_14_3_and_1_days_before(left, warned, days):
    assert rules.warning(NOW, warned=warned, now=NOW - left) == days


def test_each_member_is_told_once(filled, ana):
    at = filled.expires_at - 14 * DAY
    assert keeping.warn(filled, now=at) == 14
    assert keeping.warn(filled, now=at) is None
    for _ in range(2):
        tasks.mail_space(space=filled.pk, person=ana.code, what="warned", days=14, now=at)
    message = Message.objects.get(kind="catalogue.space_warned")
    assert message.to == ana
    assert "14" in message.subject


def test_an_empty_space_warns_nobody(scratch):
    assert keeping.warn(scratch, now=scratch.expires_at - DAY) is None


@pytest.mark.parametrize(("early", "ended"), [(TICK, False), (timedelta(), True)])
def test_a_space_goes_to_the_trash_at_its_end_and_not_a_tick_before(filled, early, ended):
    assert keeping.end(filled, now=filled.expires_at - early) is ended
    filled.refresh_from_db()
    assert filled.state == ("trashed" if ended else "open")


@pytest.mark.parametrize(("early", "count"), [(TICK, 0), (timedelta(), 1)])
def test_scratch_is_tidied_by_last_use_and_not_a_tick_before(filled, ana, early, count):
    filing.note_use(filled, ["a/one.txt", "c.txt"], now=NOW + DAY)
    gone = keeping.tidy_scratch(filled, now=NOW + 60 * DAY - early)
    assert gone == count
    assert len(paths(filled)) == 3 - count
    is_sound()


def test_only_scratch_is_tidied(found, ana):
    spaces.put_files(found["project"], [kept("a", b"a")], by=ana, now=NOW)
    assert keeping.tidy_scratch(found["project"], now=NOW + 1000 * DAY) == 0


@pytest.mark.parametrize(("early", "count"), [(TICK, 0), (timedelta(), 2)])
def test_the_trash_is_emptied_after_its_time_and_not_a_tick_before(filled, ana, early, count):
    filing.trash(filled, ["a"], by=ana, now=NOW)
    assert keeping.purge_trash(filled, now=NOW + 14 * DAY - early) == count
    assert Tombstone.objects.count() == count
    assert sums(filled).trash_files == 2 - count
    is_sound()


@pytest.mark.parametrize(("early", "state"), [(TICK, "trashed"), (timedelta(), "purged")])
def test_an_ended_space_is_deleted_after_its_time_and_not_a_tick_before(filled, early, state):
    end = filled.expires_at
    keeping.end(filled, now=end)
    while keeping.purge_space(filled, now=end + 14 * DAY - early) is not None:
        pass
    filled.refresh_from_db()
    assert filled.state == state
    assert Item.objects.exists() is (state == "trashed")
    is_sound()


def test_a_lead_takes_an_ended_space_back_once(filled, ana, operator):
    end = filled.expires_at
    keeping.end(filled, now=end)
    back = keeping.restore_space(filled, by=ana, now=end + DAY)
    assert (back.state, back.expires_at) == ("open", end + 15 * DAY)
    assert {one.kind: one for one in spaces.follow_project(back.project, now=end + DAY)}[
        "scratch"
    ].expires_at == end + 15 * DAY

    keeping.end(filled, now=end + 15 * DAY)
    with pytest.raises(Refused) as refused:
        keeping.restore_space(filled, by=ana, now=end + 16 * DAY)
    assert refused.value.code == "space.restore.had_respite"
    keeping.restore_space(filled, by=operator, now=end + 16 * DAY)
    assert len(paths(filled)) == 3


def test_only_a_lead_trashes_a_whole_space(filled, stranger):
    before = LogEntry.objects.count()
    with pytest.raises(NotAllowed):
        keeping.trash_space(filled, by=stranger, now=NOW)
    filled.refresh_from_db()
    assert (filled.state, LogEntry.objects.count()) == ("open", before)


def test_a_project_that_gets_more_time_gets_its_ended_spaces_back(filled, project):
    keeping.end(filled, now=filled.expires_at)
    project.ends_at += 90 * DAY
    project.save()
    spaces.follow_project(project, now=NOW)
    filled.refresh_from_db()
    assert (filled.state, filled.warned_days) == ("open", None)
    assert filled.expires_at == project.ends_at + 30 * DAY


def test_a_project_that_ends_early_ends_its_storage_early_and_its_people_are_told_anew(
    filled, project, operator
):
    regular = filled.expires_at
    keeping.warn(filled, now=regular - 3 * DAY)
    stopped = regular - 40 * DAY
    people.wind_up(project, by=operator, now=stopped)
    assert "project.wound_up" in STORAGE_NEWS
    tasks.follow_spaces(event="project.wound_up", subject=project.code, facts={}, now=stopped)
    filled.refresh_from_db()
    assert (filled.expires_at, filled.state) == (stopped + 30 * DAY, "open")
    assert filled.expires_at < regular

    assert keeping.warn(filled, now=stopped) == 30
    assert not keeping.end(filled, now=filled.expires_at - TICK)
    assert keeping.end(filled, now=filled.expires_at)


def test_what_an_award_promised_decides_the_end(project):
    project.data_days = 45
    project.save()
    made = spaces.follow_project(project, now=NOW)
    assert {one.expires_at for one in made} == {project.ends_at + 45 * DAY}


def test_nothing_goes_into_a_project_that_has_ended(filled, ana, project):
    with pytest.raises(Refused) as refused:
        spaces.reserve(filled, size=1, key="late", by=ana, now=project.ends_at)
    assert refused.value.code == "space.write.ended"
    spaces.reserve(filled, size=1, key="just", by=ana, now=project.ends_at - TICK)


# Bytes -----------------------------------------------------------------------------------------


def test_bytes_that_nothing_names_leave_the_store(filled, ana):
    sha256 = Item.objects.get(path="c.txt").sha256
    filing.trash(filled, ["c.txt"], by=ana, now=NOW)
    keeping.empty_trash(filled, by=ana, now=NOW)
    assert store().size(sha256) == 5

    assert keeping.remove_bytes(now=NOW) == 1
    assert store().size(sha256) is None
    stone = Tombstone.objects.get()
    assert (stone.subject, stone.reason, stone.by_code, stone.removed_at) == (
        f"{filled.reference}/c.txt",
        "deleted",
        ana.code,
        NOW,
    )


def test_bytes_that_another_file_names_stay(filled, ana):
    spaces.put_files(filled, [kept("copy.txt", b"three")], by=ana, now=NOW)
    filing.trash(filled, ["c.txt"], by=ana, now=NOW)
    keeping.empty_trash(filled, by=ana, now=NOW)
    assert keeping.remove_bytes(now=NOW) == 0
    assert store().size(Item.objects.get(path="copy.txt").sha256) == 5
    assert Tombstone.objects.get().is_spared


def test_bytes_of_a_version_stay_until_the_version_gives_them_up(filled, version, ana):
    body = b"Bun\xc4\x83 ziua\n" * 10
    spaces.put_files(filled, [kept("copy.txt", body)], by=ana, now=NOW)
    sha256 = Item.objects.get(path="copy.txt").sha256
    filing.trash(filled, ["copy.txt"], by=ana, now=NOW)
    keeping.empty_trash(filled, by=ana, now=NOW)
    keeping.remove_bytes(now=NOW + 8 * DAY)
    assert store().size(sha256) == len(body)

    made = keeping.purge_version(
        version, basis="erasure", reason="Asked by the person.", by=ana, now=NOW
    )
    keeping.remove_bytes(now=NOW + 8 * DAY)
    assert store().size(sha256) is None
    version.refresh_from_db()
    assert (version.purge, version.file_count) == (made, 2)
    assert catalogue_queries.check_versions() == []
    with pytest.raises(Refused) as refused:
        catalogue_queries.contents(version, "ro/a.txt")
    assert refused.value.code == "version.use.purged"
    with pytest.raises(Refused) as refused:
        keeping.purge_version(version, basis="erasure", reason="Again.", by=ana, now=NOW)
    assert refused.value.code == "version.purge.done"


def test_a_version_is_given_up_only_with_a_basis_and_a_reason_by_its_holder(version, ana, stranger):
    with pytest.raises(Invalid) as refused:
        keeping.purge_version(version, basis="whim", reason=" ", by=ana, now=NOW)
    assert {one.field for one in refused.value.problems} == {"basis", "reason"}
    with pytest.raises(NotAllowed):
        keeping.purge_version(version, basis="order", reason="Why.", by=stranger, now=NOW)
    assert not Purge.objects.exists()
    assert not Tombstone.objects.exists()


def test_what_was_just_sent_is_not_taken_away_from_who_sent_it(filled, ana, send):
    row = send(ana, "x", b"three")
    filing.trash(filled, ["c.txt"], by=ana, now=NOW)
    keeping.empty_trash(filled, by=ana, now=NOW)
    keeping.remove_bytes(now=NOW + rules.UPLOAD_NAMES - TICK)
    assert store().size(row["sha256"]) == 5


def test_a_purge_that_was_killed_goes_on_where_it_stopped(filled, ana, monkeypatch):
    filing.trash(filled, ["a", "c.txt"], by=ana, now=NOW)
    keeping.purge_trash(filled, now=NOW + 14 * DAY)
    sha256s = list(Tombstone.objects.values_list("sha256", flat=True))
    real = type(store()).remove

    def dies_after_one(self, sha256):
        real(self, sha256)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(type(store()), "remove", dies_after_one)
        with pytest.raises(KeyboardInterrupt):
            keeping.remove_bytes(now=NOW + 14 * DAY)
    assert not Tombstone.objects.filter(removed_at__isnull=False).exists()

    tasks.keep_spaces(now=NOW + 14 * DAY)
    assert all(store().size(one) is None for one in sha256s)
    assert not Tombstone.objects.filter(removed_at=None).exists()
    is_sound()


def test_the_models_made_of_a_version_are_found_through_every_step(version, register, ana, send):
    clean = register(slug="clean")
    middle = catalogue.add_version(
        clean, files=[send(ana, "a", b"1")], note="", by=ana, now=NOW, derived_from=[version]
    )
    model = catalogue.add_version(
        register(slug="model", kind="model"),
        files=[send(ana, "w", b"2")],
        note="",
        by=ana,
        now=NOW,
        derived_from=[middle],
    )
    assert queries.made_from(version) == [middle, model]
