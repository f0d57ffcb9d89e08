"""Calls: their capacities and cut-offs, those that move, hours that are added, calls that are spent."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from uzina.calls import actions, queries, tasks
from uzina.calls.actions import CallFacts, CapacityFacts
from uzina.calls.models import Application, Award, Call, CutOffMove, Editor
from uzina.calls.rules import cut_offs
from uzina.calls.rules.clock import Window
from uzina.calls.tests.conftest import MINUTE, assess, fill, make_call, submitted
from uzina.core.errors import Invalid, NotAllowed, Refused
from uzina.core.models import LogEntry, Promise
from uzina.core.tests import NOW
from uzina.ledger import queries as ledger_queries
from uzina.people.models import Message

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
MS = 3_600_000
BRUSSELS = "Europe/Brussels"
FIRST, LAST = NOW + 10 * DAY, NOW + 20 * DAY


def facts(**changed):
    values = {
        "mode": "large-scale",
        "slug": "large",
        "title_en": "Large Scale",
        "title_ro": "Large Scale",
        "opens_at": NOW - DAY,
        "cut_offs": [Window(NOW - DAY, FIRST), Window(FIRST, LAST)],
        "capacities": [
            CapacityFacts("Leonardo Booster", 300_000),
            CapacityFacts("LUMI-G", 100_000, cut_off=0),
            CapacityFacts("LUMI-G", 200_000, cut_off=1),
        ],
        "money_eur_cents": 500_000_00,
    }
    return CallFacts(**{**values, **changed})


@pytest.fixture
def large(operator):
    call = actions.create_call(facts(), by=operator, now=NOW)
    return actions.publish(call, by=operator, now=NOW)


def row(call):
    return queries.calls().get(pk=call.pk)


def drafted(call, org, by, now=NOW):
    return actions.start(call, organisation=org, by=by, now=now)


# --- making ---


def test_a_call_holds_its_capacity_by_partition_and_cut_off(large):
    found = queries.standings([row(large)])[large.pk]

    assert [
        (one.capacity.partition, one.capacity.cut_off and one.capacity.cut_off.closes_at, one.left)
        for one in found
    ] == [
        ("Leonardo Booster", None, 300_000 * MS),
        ("LUMI-G", FIRST, 100_000 * MS),
        ("LUMI-G", LAST, 200_000 * MS),
    ]
    assert all((one.funded, one.used, one.offered) == (one.left, 0, 0) for one in found)
    assert queries.money_left_eur_cents(row(large)) == 500_000_00
    assert ledger_queries.check_books().balanced


def test_the_cut_offs_that_the_mode_plans_are_the_call_s_own_from_then_on(operator):
    call = actions.create_call(
        facts(cut_offs=(), capacities=(), budget_gpu_hours=100_000, has_planned_cut_offs=True),
        by=operator,
        now=NOW,
    )

    closes = [one.closes_at for one in call.cut_offs.all()]
    assert closes == [
        cut_offs.instant_of(day, time(10), BRUSSELS)
        for day in (date(2026, 11, 30), date(2026, 12, 15), date(2027, 1, 4))
    ]


def test_a_partition_of_the_mode_brings_the_gpus_of_its_nodes(operator):
    call = actions.create_call(
        facts(
            mode="benchmark",
            cut_offs=(),
            capacities=[CapacityFacts("Karolina GPU", 100_000), CapacityFacts("Ours", 9_000_000)],
        ),
        by=operator,
        now=NOW,
    )

    assert [one.gpus_per_node for one in call.capacities.all()] == [8, 1]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"capacities": [CapacityFacts("A", 100_000), CapacityFacts("A", 1)]}, "partition"),
        ({"capacities": [CapacityFacts("A", 100_000, cut_off=2)]}, "cut_off"),
        ({"capacities": [CapacityFacts("A", 100_000, cut_off=-1)]}, "cut_off"),
        ({"capacities": [CapacityFacts("A" * 61, 100_000)]}, "partition"),
        ({"capacities": [CapacityFacts("A", 100_000, gpus_per_node=65)]}, "gpus_per_node"),
        (
            {"capacities": [CapacityFacts("A", 9_999_999, usable_from=NOW, usable_until=NOW)]},
            "usable_until",
        ),
        ({"money_eur_cents": 0}, "money_eur_cents"),
        ({"mode": "no-such"}, "mode"),
        ({"slug": "modes"}, "slug"),
        ({"slug": "cut-offs"}, "slug"),
    ],
)
def test_what_no_call_can_be_made_of_is_named_and_nothing_is_kept(operator, changed, field):
    with pytest.raises(Invalid) as invalid:
        actions.create_call(facts(**changed), by=operator, now=NOW)

    assert field in [one.field.rsplit(".", maxsplit=1)[-1] for one in invalid.value.problems]
    assert not Call.objects.exists()


def test_a_draft_says_what_deserves_a_look_before_it_is_published(operator):
    call = actions.create_call(
        facts(
            cut_offs=[Window(NOW - 2 * DAY, NOW)],
            opens_at=NOW - 2 * DAY,
            capacities=[CapacityFacts("Ours", 50_000)],
        ),
        by=operator,
        now=NOW,
    )

    codes = {one.code for one in queries.remarks(row(call), NOW)}
    assert codes == {"call.check.past", "call.check.too_little", "call.check.unverified"}
    earlier = {one.code for one in queries.remarks(row(call), NOW - SECOND)}
    assert "call.check.past" not in earlier


# --- cut-offs that move ---


def test_a_cut_off_moves_with_its_history_and_everybody_with_a_draft_is_told_once(
    large, operator, org, ana, stranger
):
    draft = drafted(large, org, ana)
    second = drafted(large, org, ana)
    Editor.objects.create(application=draft, person=stranger, made_at=NOW)
    cut_off, following = large.cut_offs.all()

    move = actions.move_cut_off(
        cut_off, closes_at=FIRST + DAY, reason=" The portal was down. ", by=operator, now=NOW
    )

    cut_off.refresh_from_db()
    following.refresh_from_db()
    assert (cut_off.closes_at, following.opens_at) == (FIRST + DAY, FIRST + DAY)
    kept = CutOffMove.objects.get()
    assert (kept.closes_at_before, kept.closes_at_after) == (FIRST, FIRST + DAY)
    assert (kept.reason, kept.moved_by) == ("The portal was down.", operator)
    promise = Promise.objects.get(task="calls.tell_cut_off_moved")
    assert promise.args == {"move": move.pk}

    tasks.tell_cut_off_moved(move=move.pk, now=NOW)
    tasks.tell_cut_off_moved(move=move.pk, now=NOW)

    messages = Message.objects.filter(kind="calls.cut_off_moved")
    assert {one.to for one in messages} == {ana, stranger}
    assert messages.count() == 2
    body = messages.get(to=ana).body
    assert "The portal was down." in body
    assert "3 December 2026" in body
    assert "4 December 2026" in body
    assert f"/applications/{draft.code}/" in body
    assert second.code not in body


def test_an_application_keeps_its_cut_off_when_that_moves(large, operator, org, ana):
    application = Application.objects.create(
        call=large,
        cut_off=large.cut_offs.first(),
        applicant=ana,
        organisation=org,
        state="submitted",
        made_at=NOW,
        submitted_at=NOW,
        due_at=NOW + DAY,
        months=3,
        gpu_ms=1,
    )

    actions.move_cut_off(
        application.cut_off, closes_at=FIRST + DAY, reason="Holidays", by=operator, now=NOW
    )

    application.refresh_from_db()
    assert application.cut_off == large.cut_offs.first()
    assert application.cut_off.closes_at == FIRST + DAY


def test_a_draft_may_be_handed_in_up_to_the_new_time(operator, org, ana):
    call = make_call(operator, cut_offs=[Window(NOW - DAY, FIRST)])
    draft = drafted(call, org, ana)
    fill(draft, by=ana)
    actions.move_cut_off(
        call.cut_offs.get(), closes_at=FIRST + DAY, reason="Holidays", by=operator, now=NOW
    )

    with pytest.raises(Refused) as refused:
        actions.submit(draft, by=ana, now=FIRST + DAY)
    assert refused.value.code == "application.submit.closed"
    handed_in = actions.submit(draft, by=ana, now=FIRST + DAY - SECOND)

    assert handed_in.cut_off == call.cut_offs.get()


@pytest.mark.parametrize(
    ("closes_at", "reason", "now", "code"),
    [
        (FIRST, "x", NOW, "cut_off.move.same"),
        (NOW, "x", NOW, "cut_off.move.past"),
        (LAST, "x", NOW, "cut_off.move.next"),
        (NOW + 6 * DAY, "x", NOW, "cut_off.move.too_soon"),
        (FIRST + DAY, "x", FIRST, "cut_off.move.passed"),
        (FIRST + DAY, "  ", NOW, "input.invalid"),
        (FIRST + DAY, "x" * 501, NOW, "input.invalid"),
    ],
)
def test_a_move_that_cannot_be_leaves_no_trace(large, operator, closes_at, reason, now, code):
    cut_off = large.cut_offs.first()
    entries = LogEntry.objects.count()

    with pytest.raises(Refused) as refused:
        actions.move_cut_off(cut_off, closes_at=closes_at, reason=reason, by=operator, now=now)

    assert refused.value.code == code
    cut_off.refresh_from_db()
    assert cut_off.closes_at == FIRST
    assert LogEntry.objects.count() == entries
    assert not Promise.objects.filter(task="calls.tell_cut_off_moved").exists()


def test_only_an_operator_moves_a_cut_off_and_not_in_an_archived_call(large, operator, ana):
    cut_off = large.cut_offs.first()
    with pytest.raises(NotAllowed, match="Only an operator"):
        actions.move_cut_off(cut_off, closes_at=LAST - DAY, reason="x", by=ana, now=NOW)
    actions.archive(large, by=operator, now=NOW)
    with pytest.raises(Refused) as refused:
        actions.move_cut_off(cut_off, closes_at=LAST - DAY, reason="x", by=operator, now=NOW)
    assert refused.value.code == "cut_off.move.archived"


# --- calls that are spent ---


@pytest.fixture
def small(operator):
    """A call with the hours of one package."""
    return make_call(operator, budget_gpu_hours=5000)


def fund(call, operator, hours=5000, key="one", now=NOW + MINUTE):
    return actions.fund_capacity(
        call.capacities.get(), gpu_hours=hours, reason="More time", key=key, by=operator, now=now
    )


def test_a_call_closes_itself_with_its_last_package_and_says_so_to_drafts(
    small, org, ana, assessor
):
    waiting = drafted(small, org, ana)
    fill(waiting, by=ana)
    application = submitted(small, org, ana)
    assert queries.open_calls(NOW) == [small]

    assess(application, assessor)

    small.refresh_from_db()
    assert small.spent_at == NOW + MINUTE
    assert queries.open_calls(NOW + MINUTE) == []
    assert not queries.is_open(row(small), NOW + MINUTE)
    for verb in (
        lambda: drafted(small, org, ana, now=NOW + MINUTE),
        lambda: actions.submit(waiting, by=ana, now=NOW + MINUTE),
    ):
        with pytest.raises(Refused, match="has given all its hours") as refused:
            verb()
        assert refused.value.code in {"application.start.spent", "application.submit.spent"}
    waiting.refresh_from_db()
    assert waiting.state == "draft"
    assert waiting.sections.count() == len(small.mode.sections)


def test_hours_that_come_back_open_the_call_again(small, org, ana, assessor):
    assess(submitted(small, org, ana), assessor)
    award = Award.objects.get()
    assert Call.objects.get().spent_at is not None

    actions.lapse(award, now=award.answer_by - SECOND)
    assert Call.objects.get().spent_at is not None
    actions.lapse(award, now=award.answer_by)

    assert Call.objects.get().spent_at is None
    assert drafted(small, org, ana, now=award.answer_by).state == "draft"
    events = LogEntry.objects.filter(subject=small.code).order_by("pk")
    assert [one.event for one in events][-2:] == ["call.spent", "call.reopened"]


def test_a_call_that_is_accepted_to_the_last_hour_stays_closed(small, org, ana, assessor):
    assess(submitted(small, org, ana), assessor)

    actions.accept(Award.objects.get(), by=ana, now=NOW + 2 * MINUTE)
    tasks.lapse_offers(now=NOW + 3 * MINUTE)

    assert Call.objects.get().spent_at == NOW + MINUTE
    (standing,) = queries.standings([row(small)])[small.pk]
    assert (standing.funded, standing.used, standing.offered, standing.left) == (
        5000 * MS,
        5000 * MS,
        0,
        0,
    )


def test_added_hours_open_a_spent_call_and_the_same_key_adds_once(
    small, operator, org, ana, assessor
):
    assess(submitted(small, org, ana), assessor)

    fund(small, operator, hours=4999)
    assert Call.objects.get().spent_at is not None
    fund(small, operator, hours=1, key="two")
    fund(small, operator, hours=1, key="two")

    assert Call.objects.get().spent_at is None
    (standing,) = queries.standings([row(small)])[small.pk]
    assert (standing.funded, standing.left) == (10_000 * MS, 5000 * MS)
    assert ledger_queries.check_books().balanced


def test_who_waits_is_offered_added_hours_before_the_call_opens_again(
    small, operator, org, ana, assessor
):
    first, second = submitted(small, org, ana), submitted(small, org, ana)
    assess(first, assessor)
    assess(second, assessor, now=NOW + 2 * MINUTE)
    assert Award.objects.count() == 1

    fund(small, operator, now=NOW + 3 * MINUTE)

    assert Award.objects.count() == 2
    assert Call.objects.get().spent_at is not None


@pytest.mark.parametrize(
    ("hours", "reason", "field"), [(0, "x", "gpu_hours"), (1, "", "reason"), (-1, "x", "gpu_hours")]
)
def test_hours_that_cannot_be_added_leave_no_trace(small, operator, hours, reason, field):
    with pytest.raises(Invalid) as invalid:
        actions.fund_capacity(
            small.capacities.get(),
            gpu_hours=hours,
            reason=reason,
            key="one",
            by=operator,
            now=NOW,
        )
    assert [one.field for one in invalid.value.problems] == [field]
    assert small.capacities.get().account.balance == 5000 * MS


def test_only_an_operator_adds_hours_and_not_to_an_archived_call(small, operator, ana):
    with pytest.raises(NotAllowed, match="Only an operator"):
        fund(small, ana)
    actions.archive(small, by=operator, now=NOW)
    with pytest.raises(Refused) as refused:
        fund(small, operator)
    assert refused.value.code == "call.fund.archived"


@pytest.mark.parametrize(("cents", "awards"), [(1_249_999, 0), (1_250_000, 1), (2_499_999, 1)])
def test_a_call_is_spent_when_its_money_is(operator, org, ana, assessor, cents, awards):
    call = make_call(operator, budget_gpu_hours=50_000)
    Call.objects.filter(pk=call.pk).update(money_eur_cents=cents)
    application, other = submitted(call, org, ana), submitted(call, org, ana)

    assess(application, assessor)
    assess(other, assessor)

    assert Award.objects.count() == awards
    assert Call.objects.get().spent_at == NOW + MINUTE


def test_capacity_of_a_cut_off_that_has_passed_keeps_no_call_open(operator):
    call = actions.create_call(
        facts(
            money_eur_cents=None,
            capacities=[
                CapacityFacts("A", 100_000, cut_off=0),
                CapacityFacts("A", 50_001, cut_off=1),
            ],
        ),
        by=operator,
        now=NOW,
    )
    actions.publish(call, by=operator, now=NOW)
    last = call.capacities.last()
    assert not queries.is_spent(row(call), FIRST)

    type(last.account).objects.filter(pk=last.account_id).update(balance=50_000 * MS)

    assert not queries.is_spent(row(call), FIRST - SECOND)
    assert queries.is_spent(row(call), FIRST)
    assert [one.pk for one in queries.to_be_settled(FIRST)] == [call.pk]
    assert queries.to_be_settled(FIRST - SECOND) == []


def test_a_call_that_grants_nothing_is_never_spent(operator):
    call = actions.create_call(
        facts(mode="expression-of-interest", cut_offs=(), capacities=(), money_eur_cents=None),
        by=operator,
        now=NOW,
    )
    actions.publish(call, by=operator, now=NOW)

    assert not queries.is_spent(row(call), NOW)
    assert queries.is_open(row(call), NOW)


# --- versions of modes ---


def text_of(**changed):
    text = queries.mode_versions("playground")[0].text
    for name, value in ({"version": '"two"', "valid_from": "2026-12-01"} | changed).items():
        before = next(line for line in text.splitlines() if line.startswith(f"{name} = "))
        text = text.replace(before, f"{name} = {value}", 1)
    return text


def test_a_version_that_an_operator_writes_is_used_from_its_day_on_and_changes_no_call(
    operator, call
):
    text = text_of(package_gpu_hours="6000")
    written = actions.write_mode(
        "playground", text=text, reason="New package", by=operator, now=NOW
    )

    assert (written.version, written.valid_from, written.text) == ("two", date(2026, 12, 1), text)
    assert call.mode.package_gpu_hours == 5000
    at = datetime(2026, 12, 1, tzinfo=UTC)
    later = actions.create_call(
        facts(
            mode="playground",
            slug="later",
            opens_at=at,
            cut_offs=(),
            capacities=(),
            budget_gpu_hours=6000,
        ),
        by=operator,
        now=at,
    )
    assert (later.mode.version, later.mode.package_gpu_hours) == ("two", 6000)
    call.refresh_from_db()
    assert Call.objects.get(pk=call.pk).mode.package_gpu_hours == 5000


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"valid_from": "2026-11-22"}, "valid_from"),
        ({"version": '"2026-11-22"'}, "version"),
        ({"version": '"' + "v" * 21 + '"'}, "version"),
        ({"slug": '"other"'}, "slug"),
        ({"order": '"lottery"'}, "order"),
    ],
)
def test_a_version_that_cannot_be_is_refused_by_path_and_nothing_is_kept(operator, changed, field):
    with pytest.raises(Invalid) as invalid:
        actions.write_mode("playground", text=text_of(**changed), reason="x", by=operator, now=NOW)

    assert [one.field for one in invalid.value.problems] == [field]
    assert len(queries.mode_versions("playground")) == 1


def test_only_an_operator_writes_a_mode(ana):
    with pytest.raises(NotAllowed, match="Only an operator"):
        actions.write_mode("playground", text=text_of(), reason="x", by=ana, now=NOW)
