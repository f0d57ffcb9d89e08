import pytest

from uzina.core.errors import Invalid
from uzina.core.models import LogEntry
from uzina.core.paging import paged
from uzina.core.tests import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def seven():
    for seq in range(1, 8):
        LogEntry.objects.create(seq=seq, at=NOW, event="e", subject="s", seal="x")


def test_pages_follow_each_other_newest_first_without_gap_or_overlap(seven):
    seen, cursor = [], ""
    while cursor is not None:
        page = paged(LogEntry.objects.all(), limit=3, cursor=cursor)
        seen.append([entry.seq for entry in page["items"]])
        cursor = page["next"]
    assert seen == [[7, 6, 5], [4, 3, 2], [1]]


def test_the_last_full_page_has_no_next(seven):
    assert paged(LogEntry.objects.all(), limit=7)["next"] is None


@pytest.mark.parametrize("limit", [0, 201, -1])
def test_a_limit_out_of_range_is_refused(limit):
    with pytest.raises(Invalid):
        paged(LogEntry.objects.all(), limit=limit)


@pytest.mark.parametrize("cursor", ["x", "-1", "9" * 19, "٣"])
def test_a_cursor_of_ones_own_making_is_refused(cursor):
    with pytest.raises(Invalid):
        paged(LogEntry.objects.all(), cursor=cursor)
