import pytest
from django.conf import settings
from django.db import connection

from uzina.core import log as log_module
from uzina.core.agenda import subscribe, subscribers
from uzina.core.db import acting, action
from uzina.core.errors import Refused
from uzina.core.log import check_log, log, note_head
from uzina.core.models import LogEntry, LogHead, Promise
from uzina.core.tests import NOW

pytestmark = pytest.mark.django_db


def write(*subjects):
    with acting():
        for subject in subjects:
            log("thing.done", subject, by=None, now=NOW, number=len(subject))


def test_entries_are_chained_in_order():
    write("A", "B")
    write("C")
    assert list(LogEntry.objects.order_by("seq").values_list("seq", "subject")) == [
        (1, "A"),
        (2, "B"),
        (3, "C"),
    ]
    checked = check_log()
    assert (checked.entries, checked.problems) == (3, [])


def test_a_log_entry_outside_an_action_is_a_bug():
    with pytest.raises(RuntimeError, match="outside an action"):
        log("thing.done", "A", by=None, now=NOW)


def test_an_action_that_fails_leaves_no_entry():
    @action
    def fail():
        log("thing.done", "A", by=None, now=NOW)
        raise Refused("thing.do.no", "No.")

    with pytest.raises(Refused):
        fail()
    assert not LogEntry.objects.exists()


def test_a_part_that_fails_takes_only_its_own_entries_with_it():
    with acting():
        log("thing.done", "kept", by=None, now=NOW)
        with pytest.raises(Refused), acting():
            log("thing.done", "lost", by=None, now=NOW)
            raise Refused("thing.do.no", "No.")
    assert list(LogEntry.objects.values_list("subject", flat=True)) == ["kept"]


def test_an_edit_is_noticed():
    write("A", "B", "C")
    LogEntry.objects.filter(seq=2).update(subject="X")
    assert check_log().problems == ["Entry 2 (thing.done X) was changed or moved."]


def test_a_changed_fact_is_noticed():
    write("A")
    LogEntry.objects.filter(seq=1).update(facts={"number": 2})
    assert len(check_log().problems) == 1


def test_a_deletion_is_noticed():
    write("A", "B", "C")
    LogEntry.objects.filter(seq=2).delete()
    assert check_log().problems[0] == "Entry 2 is missing: after 1 comes 3."


def test_a_swap_is_noticed():
    write("A", "B", "C")
    first, second = LogEntry.objects.filter(seq__in=(1, 2)).order_by("seq")
    LogEntry.objects.filter(seq=1).update(subject=second.subject, seal=second.seal)
    LogEntry.objects.filter(seq=2).update(subject=first.subject, seal=first.seal)
    assert len(check_log().problems) == 3


def test_a_cut_off_end_is_noticed():
    write("A", "B", "C")
    LogEntry.objects.filter(seq=3).delete()
    assert check_log().problems == ["The log ends at 2, but 3 entries were written."]


def test_an_entry_written_while_the_log_is_checked_is_no_fault(monkeypatch):
    write("A", "B")
    seal = log_module.rules.seal
    late = iter([True])

    def sealed(*given):
        if next(late, False):
            write("C")
        return seal(*given)

    monkeypatch.setattr(log_module.rules, "seal", sealed)
    assert check_log().problems == []
    assert LogHead.objects.get().seq == 3


def test_an_entry_beyond_the_head_is_noticed():
    write("A")
    old = LogHead.objects.get()
    write("B")
    LogHead.objects.update(seq=old.seq, seal=old.seal)
    assert check_log().problems == ["The log ends at 2, but 1 entries were written."]


def test_an_end_cut_off_together_with_its_head_is_noticed_by_the_note_outside():
    write("A", "B")
    old = LogHead.objects.get()
    write("C")
    note_head()
    LogEntry.objects.filter(seq=3).delete()
    LogHead.objects.update(seq=old.seq, seal=old.seal)
    problems = check_log().problems
    assert len(problems) == 1
    assert "outside the database at entry 3" in problems[0]


def test_the_head_is_noted_once_for_each_growth():
    write("A")
    note_head()
    note_head()
    lines = (settings.UZINA.folders.var / "log-heads.txt").read_text().splitlines()
    assert len(lines) == 1


def test_news_is_promised_to_those_who_subscribed():
    subscribe("thing.praised", "core.praise")
    try:
        with acting():
            log("thing.praised", "A", by=None, now=NOW, by_how_much=3)
    finally:
        del subscribers["thing.praised"]
    promised = Promise.objects.get(task="core.praise")
    assert promised.args == {
        "event": "thing.praised",
        "subject": "A",
        "facts": {"by_how_much": 3},
    }


def test_writing_an_action_costs_a_fixed_number_of_queries(django_assert_num_queries):
    write("first")
    expected = 4 + 2 * connection.features.uses_savepoints
    with django_assert_num_queries(expected):
        write("A", "B", "C", "D", "E")
