"""Rankings adopted and released: what is decided, who sees it when, who moves up."""

import threading
from datetime import timedelta

import pytest
from django.db import connections
from django.test import Client

from uzina.calls import actions, queries
from uzina.calls.models import Application, Award, Capacity, Decision, Ranking
from uzina.calls.rules.awards import period
from uzina.calls.rules.flows import ApplicationState, AwardState
from uzina.calls.rules.steps import StepKind
from uzina.calls.tests.ranked import (
    HOUR,
    LATER,
    adopted,
    at_step,
    ranked_call,
    released,
    reviewer,
    set_rules,
)
from uzina.core.errors import NotAllowed, Refused
from uzina.core.models import LogEntry, Promise
from uzina.core.tests import NOW
from uzina.ledger import actions as ledger
from uzina.people.models import Message, Project

pytestmark = pytest.mark.django_db


@pytest.fixture
def call(operator):
    return ranked_call(operator)


@pytest.fixture
def four(call, ana, org):
    """Four that wait for a ranking: two get all of 200,000 hours, one is reserve, one too weak."""
    return [
        at_step(call, ana, org, scores=scores, hours=hours, step=StepKind.RANKING)
        for scores, hours in (
            ([5, 5], 120_000),
            ([4, 5], 80_000),
            ([4, 4], 70_000),
            ([2, 3], 60_000),
        )
    ]


def states(applications):
    return [
        str(state)
        for state in Application.objects.filter(pk__in=[one.pk for one in applications])
        .order_by("pk")
        .values_list("state", flat=True)
    ]


def fresh(application):
    return Application.objects.select_related("call").get(pk=application.pk)


def signed_in(person):
    client = Client()
    client.force_login(person)
    return client


# Drafted and adopted ----------------------------------------------------------------------------


def test_a_ranking_is_drafted_adopted_and_sealed_with_a_pending_decision_on_each(
    call, four, operator
):
    ranking = adopted(call, operator)
    assert [one.outcome for one in Decision.objects.order_by("application")] == [
        "award",
        "award",
        "reserve",
        "decline",
    ]
    assert Decision.objects.filter(released_at__isnull=False).count() == 0
    assert states(four) == ["eligible"] * 4
    assert not Award.objects.exists()
    entry = LogEntry.objects.get(event="ranking.adopted")
    assert entry.facts["seal"] == ranking.seal
    reviews = ranking.inputs["applications"][0]["reviews"]
    assert [one["score_milli"] for one in reviews] == [5000, 5000]
    assert all(one["code"].startswith("REV-") for one in reviews)


def test_only_an_operator_drafts_adopts_discards_and_releases(call, four, ana, auditor, operator):
    cut_off = call.cut_offs.first()
    ranking = actions.draft_ranking(call, cut_off=cut_off, held_back={}, by=operator, now=LATER)
    for verb in (actions.adopt, actions.release, actions.discard):
        for person in (ana, auditor):
            with pytest.raises(NotAllowed):
                verb(ranking, by=person, now=LATER)
    with pytest.raises(NotAllowed):
        actions.draft_ranking(call, cut_off=cut_off, held_back={}, by=auditor, now=LATER)
    with pytest.raises(NotAllowed):
        actions.rerun(ranking, by=ana, now=LATER)
    assert Ranking.objects.get().state == "draft"


def test_a_draft_is_thrown_away_and_an_adopted_ranking_is_not(call, four, operator):
    cut_off = call.cut_offs.first()
    draft = actions.draft_ranking(call, cut_off=cut_off, held_back={}, by=operator, now=LATER)
    actions.discard(draft, by=operator, now=LATER)
    assert not Ranking.objects.exists()
    ranking = adopted(call, operator)
    for verb in (actions.discard, actions.adopt):
        with pytest.raises(Refused) as refused:
            verb(ranking, by=operator, now=LATER)
        assert refused.value.code == "ranking.adopt.not_now"


def test_a_draft_that_no_longer_says_what_is_there_is_not_adopted(call, four, operator):
    draft = actions.draft_ranking(
        call, cut_off=call.cut_offs.first(), held_back={}, by=operator, now=LATER
    )
    capacity = Capacity.objects.get(call=call)
    ledger.fund(capacity.account, amount=HOUR, reason="One more", key="one", by=operator, now=LATER)
    with pytest.raises(Refused) as refused:
        actions.adopt(draft, by=operator, now=LATER)
    assert refused.value.code == "ranking.adopt.changed_meanwhile"
    assert not Decision.objects.exists()


def test_hours_that_are_held_back_are_not_given(call, four, operator):
    code = Capacity.objects.get(call=call).code
    draft = actions.draft_ranking(
        call,
        cut_off=call.cut_offs.first(),
        held_back={code: 1},
        by=operator,
        now=LATER,
    )
    assert [row["outcome"] for row in draft.result["applications"]] == [
        "award",
        "reserve",
        "reserve",
        "decline",
    ]
    assert actions.adopt(draft, by=operator, now=LATER).seal
    with pytest.raises(Refused) as refused:
        actions.draft_ranking(
            call, cut_off=call.cut_offs.first(), held_back={}, by=operator, now=LATER
        )
    assert refused.value.code == "ranking.draft.nothing"


def test_nobody_is_ranked_while_one_of_the_cut_off_is_still_judged(call, four, ana, org, operator):
    late = at_step(call, ana, org, scores=[4], hours=60_000, step=StepKind.PANEL)
    with pytest.raises(Refused) as refused:
        adopted(call, operator)
    assert refused.value.code == "ranking.draft.not_all_there"
    assert refused.value.facts["applications"] == late.code


def test_what_the_panel_agreed_ranks_before_the_mean_of_the_reviews(call, four, operator):
    from uzina.calls.models import Consensus
    from uzina.calls.tests.ranked import KEYS

    Consensus.objects.create(
        application=four[3],
        scores=dict.fromkeys(KEYS, 5000),
        score_milli=5000,
        made_by=operator,
        made_at=NOW,
    )
    ranking = adopted(call, operator)
    assert queries.rows_of(ranking)[four[3].code]["outcome"] == "award"


# Run again --------------------------------------------------------------------------------------


def test_the_record_is_run_again_and_tampering_is_noticed_and_stops_the_release(
    call, four, operator, auditor
):
    ranking = adopted(call, operator)
    assert actions.rerun(ranking, by=auditor, now=LATER).is_sound

    ranking.inputs["applications"][3]["scores"] = {"excellence": 5000}
    Ranking.objects.filter(pk=ranking.pk).update(inputs=ranking.inputs)
    ranking = Ranking.objects.get(pk=ranking.pk)
    assert not actions.rerun(ranking, by=None, now=LATER).is_sealed
    with pytest.raises(Refused) as refused:
        actions.release(ranking, by=operator, now=LATER)
    assert refused.value.code == "ranking.release.not_sound"
    assert states(four) == ["eligible"] * 4
    assert [
        entry.facts["is_sealed"] for entry in LogEntry.objects.filter(event="ranking.rerun")
    ] == [
        True,
        False,
    ]


# Pending, then released -----------------------------------------------------------------------


def seen_by(person, application):
    """Return all that an applicant can read of an application, on pages and by the API."""
    client = signed_in(person)
    answers = [
        client.get(path)
        for path in (
            f"/applications/{application.code}/",
            "/applications/",
            f"/api/v1/calls/applications/{application.code}",
            "/api/v1/calls/applications",
            "/account/messages/",
            "/",
        )
    ]
    assert [one.status_code for one in answers] == [200] * len(answers)
    return [one.content.decode() for one in answers]


def test_before_the_release_the_applicant_sees_the_same_whatever_was_decided(
    call, four, ana, operator
):
    ranking = adopted(call, operator)
    award, decline = four[0], four[3]
    pages = {}
    for one in (award, decline):
        pages[one] = [
            text.replace(one.code, "CODE").replace(one.title, "TITLE") for text in seen_by(ana, one)
        ]
        for text in pages[one]:
            assert ranking.code not in text
            for word in ('"decline"', "not_released", "reserve list", "Reserve list", "Declined"):
                assert word not in text
    assert [text.count("badge") for text in pages[award]] == [
        text.count("badge") for text in pages[decline]
    ]
    state = signed_in(ana).get(f"/api/v1/calls/applications/{decline.code}").json()
    assert (state["state"], state["decision"], state["award"]) == ("eligible", None, None)
    assert not Message.objects.filter(to=ana, kind__startswith="calls.").exists()
    assert not Promise.objects.filter(task__in=["calls.write_letter", "calls.mail_award"]).exists()


def test_the_release_moves_all_together_and_leaves_the_reserve_in_rank_order(call, four, operator):
    released(call, operator)
    assert states(four) == ["awarded", "awarded", "eligible", "declined"]
    assert fresh(four[2]).reserve_rank == 3
    assert fresh(four[2]).reserve_at == LATER
    assert Decision.objects.filter(released_at=LATER).count() == 4
    awards = list(Award.objects.order_by("pk"))
    assert [one.gpu_ms // HOUR for one in awards] == [120_000, 80_000]
    assert {one.answer_by for one in awards} == {LATER + timedelta(days=14)}
    assert [one.value_eur_cents for one in awards] == [120_000 * 250, 80_000 * 250]
    steps = dict(four[3].steps.values_list("kind", "state"))
    assert (steps[StepKind.DECISION], steps[StepKind.APPEAL]) == ("skipped", "open")
    kinds = Promise.objects.filter(task="calls.write_letter").values_list("args", flat=True)
    assert sorted(one["kind"] for one in kinds) == ["award", "award", "decline", "reserve"]


def test_who_withdrew_after_the_adoption_is_left_out_and_the_hours_move_up(
    call, four, ana, operator
):
    ranking = adopted(call, operator)
    actions.withdraw(four[1], by=ana, now=LATER)
    actions.release(ranking, by=operator, now=LATER)
    assert states(four) == ["awarded", "withdrawn", "awarded", "declined"]
    assert Decision.objects.get(application=four[1]).released_at is None


def test_eligibility_is_asked_again_at_the_release(call, four, org, operator):
    ranking = adopted(call, operator)
    type(org).objects.filter(pk=org.pk).update(country="XX")
    actions.release(ranking, by=operator, now=LATER)
    assert states(four) == ["declined", "declined", "declined", "declined"]
    decision = Decision.objects.get(application=four[0])
    assert (decision.outcome, decision.rule) == ("decline", "eligibility_at_award")
    assert not Award.objects.exists()


def test_pending_awards_are_not_promised_to_anybody_else(call, four, operator):
    capacity = Capacity.objects.select_related("account", "call").get(call=call)
    assert queries.free_gpu_ms(capacity) == 200_000 * HOUR
    adopted(call, operator)
    assert queries.free_gpu_ms(capacity) == 0
    assert queries.ranking_inputs(call, call.cut_offs.first())["capacities"][0]["gpu_hours"] == 0


# Answered, and the reserve ----------------------------------------------------------------------


def test_hours_that_are_refused_go_to_the_next_on_the_reserve_list(call, four, ana, operator):
    released(call, operator)
    actions.refuse(Award.objects.get(application=four[1]), by=ana, now=LATER)
    moved = Award.objects.get(application=four[2])
    assert (moved.gpu_ms, moved.state) == (70_000 * HOUR, AwardState.OFFERED)
    assert fresh(four[2]).reserve_at is None
    assert Decision.objects.get(application=four[2]).outcome == "reserve"
    assert Promise.objects.filter(task="calls.mail_moved_up").count() == 1
    before = Award.objects.count()
    assert actions.offer_next(call, now=LATER) == []
    assert Award.objects.count() == before


def test_the_reserve_moves_when_an_offer_lapses_at_its_deadline_and_not_before(
    call, four, operator
):
    released(call, operator)
    award = Award.objects.get(application=four[1])
    actions.lapse(award, now=award.answer_by - timedelta(microseconds=1))
    assert not Award.objects.filter(application=four[2]).exists()
    actions.lapse(award, now=award.answer_by)
    assert Award.objects.get(application=four[2]).gpu_ms == 70_000 * HOUR


def test_strictly_the_first_of_the_reserve_waits_for_enough_and_nobody_behind_it_overtakes(
    call, ana, org, operator
):
    rows = [
        at_step(call, ana, org, scores=[score], hours=hours, step=StepKind.RANKING)
        for score, hours in ((5, 180_000), (4, 190_000), (3, 15_000))
    ]
    released(call, operator)
    capacity = Capacity.objects.get(call=call)
    for number, amount in enumerate((169_999, 1)):
        ledger.fund(
            capacity.account,
            amount=amount * HOUR,
            reason="More",
            key=f"more{number}",
            by=operator,
            now=LATER,
        )
        actions.offer_next(call, now=LATER)
        assert Award.objects.filter(application=rows[1]).exists() == (number == 1)
        assert not Award.objects.filter(application=rows[2]).exists()


def test_a_part_is_offered_at_the_line_where_the_call_allows_it(call, ana, org, operator):
    call = set_rules(
        call,
        least_share_percent=60,
        sources={**call.rules["sources"], "least_share_percent": "This test"},
    )
    rows = [
        at_step(call, ana, org, scores=[score], hours=120_000, step=StepKind.RANKING)
        for score in (5, 4)
    ]
    released(call, operator)
    assert Award.objects.get(application=rows[1]).gpu_ms == 80_000 * HOUR
    assert fresh(rows[1]).gpu_ms == 120_000 * HOUR


def test_the_money_of_a_call_limits_its_awards_together(operator, ana, org):
    call = ranked_call(operator, money_eur_cents=120_000 * 250)
    rows = [
        at_step(call, ana, org, scores=[score], hours=60_000, step=StepKind.RANKING)
        for score in (5, 4, 3)
    ]
    ranking = released(call, operator)
    assert states(rows) == ["awarded", "awarded", "eligible"]
    assert queries.rows_of(ranking)[rows[2].code]["why"]["kind"] == "money"
    actions.refuse(Award.objects.get(application=rows[0]), by=ana, now=LATER)
    assert Award.objects.get(application=rows[2]).gpu_ms == 60_000 * HOUR


def test_the_fallback_partition_that_was_named_is_used(operator, ana, org):
    call = ranked_call(
        operator,
        hours=0,
        capacities=[
            actions.CapacityFacts("Booster", 100_000, cut_off=0),
            actions.CapacityFacts("Data", 60_000, cut_off=0),
        ],
    )
    named = {"partition": "Booster", "fallback_partition": "Data", "step": StepKind.RANKING}
    rows = [at_step(call, ana, org, scores=[score], hours=60_000, **named) for score in (5, 4)]
    released(call, operator)
    partitions = [Award.objects.get(application=one).capacity.partition for one in rows]
    assert partitions == ["Booster", "Data"]


def test_accepting_keeps_the_version_of_the_terms_and_grants_the_hours(call, four, ana, operator):
    released(call, operator)
    award = actions.accept(Award.objects.get(application=four[0]), by=ana, now=LATER)
    assert award.terms == queries.terms_version(call)
    assert LogEntry.objects.get(event="award.accepted").facts["terms"] == award.terms
    capacity = Capacity.objects.select_related("account").get(call=call)
    assert capacity.account.balance == 80_000 * HOUR
    assert Project.objects.get(pk=award.project_id).ends_at == award.ends_at


def test_an_award_is_used_within_the_period_of_its_capacity():
    day = timedelta(days=1)
    assert period(NOW, months=3, usable_from=NOW + day, usable_until=None)[0] == NOW + day
    assert period(NOW, months=3, usable_from=None, usable_until=NOW + day) == (NOW, NOW + day)
    tick = timedelta(microseconds=1)
    assert period(NOW + day - tick, months=3, usable_from=None, usable_until=NOW + day) == (
        NOW + day - tick,
        NOW + day,
    )
    with pytest.raises(Refused) as refused:
        period(NOW + day, months=3, usable_from=None, usable_until=NOW + day)
    assert refused.value.code == "award.accept.period_over"


# Messages and letters leave together ----------------------------------------------------------


def test_the_messages_of_a_ranking_are_held_until_its_last_letter_is_made(
    call, four, ana, operator
):
    from uzina.calls import tasks

    ranking = released(call, operator)
    jobs = list(Promise.objects.filter(task="calls.write_letter").order_by("pk"))
    for job in jobs[:-1]:
        tasks.write_letter(**job.args, now=LATER)
    batch = Message.objects.filter(batch=ranking.code)
    assert {str(one.state) for one in batch} == {"held"}
    tasks.write_letter(**jobs[-1].args, now=LATER)
    assert {str(one.state) for one in batch.all()} == {"queued"}
    assert sorted(batch.values_list("kind", flat=True)) == [
        "calls.award",
        "calls.award",
        "calls.decline",
        "calls.reserve",
    ]
    for job in jobs:
        tasks.write_letter(**job.args, now=LATER)
    assert batch.all().count() == 4
    decline = batch.get(kind="calls.decline").body
    assert "The score is 2.5, and at least 3 is needed." in decline
    assert "You can appeal once" in decline


# What is never exceeded -----------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_accepting_and_topping_up_at_once_never_grants_more_than_there_is(operator, ana, org):
    from uzina.ledger.models import Allocation

    call = ranked_call(operator)
    rows = [
        at_step(call, ana, org, scores=[5], hours=65_000, step=StepKind.RANKING) for _ in range(3)
    ]
    released(call, operator)
    first = actions.accept(Award.objects.get(application=rows[0]), by=ana, now=LATER)
    allocation = Allocation.objects.get(project=first.project, resource__slug="gpu-hours")
    barrier, unexpected = threading.Barrier(4), []

    def attempt(work):
        try:
            barrier.wait(timeout=60)
            work()
        except Refused:
            pass
        except Exception as error:  # noqa: BLE001 - told below
            unexpected.append(error)
        finally:
            connections.close_all()

    def accept(row):
        actions.accept(Award.objects.get(application=row), by=ana, now=LATER)

    def top_up(number):
        ledger.top_up(
            allocation,
            amount=40_000 * HOUR,
            reason="More",
            key=f"top{number}",
            by=operator,
            now=LATER,
        )

    works = [
        lambda: accept(rows[1]),
        lambda: accept(rows[2]),
        lambda: top_up(1),
        lambda: top_up(2),
    ]
    threads = [threading.Thread(target=attempt, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert unexpected == []
    capacity = Capacity.objects.select_related("account").get(call=call)
    accepted = Award.objects.filter(state=AwardState.ACCEPTED).count()
    assert capacity.account.balance >= 0
    granted = 200_000 * HOUR - capacity.account.balance
    assert granted >= accepted * 65_000 * HOUR
    assert granted <= 200_000 * HOUR


def test_three_rounds_of_refusals_never_promise_more_than_the_capacity(call, ana, org, operator):
    rows = [
        at_step(call, ana, org, scores=[score], hours=hours, step=StepKind.RANKING)
        for score, hours in ((5, 90_000), (5, 110_000), (4, 60_000), (4, 70_000), (3, 80_000))
    ]
    released(call, operator)
    for _round in range(3):
        standing = Award.objects.filter(state__in=[AwardState.OFFERED, AwardState.ACCEPTED])
        assert sum(one.gpu_ms for one in standing) <= 200_000 * HOUR
        actions.refuse(standing.order_by("pk").first(), by=ana, now=LATER)
    assert ApplicationState.ELIGIBLE in {fresh(one).state for one in rows} or (
        Award.objects.count() == len(rows)
    )


# Pages -----------------------------------------------------------------------------------------


def test_an_operator_tries_drafts_adopts_releases_and_runs_again_on_the_pages(
    call, four, operator, auditor, ana
):
    client = signed_in(operator)
    code = Capacity.objects.get(call=call).code
    path = "/rankings/large-scale/1/"
    page = client.get(path).content.decode()
    assert page.index(four[0].code) < page.index("The cut line") < page.index(four[2].code)
    tried = {
        f"capacity-{code}": "300000",
        "weight-excellence": "1",
        "weight-impact": "1",
        "weight-implementation": "1",
        "rule": "strict",
        "least_share_percent": "100",
        "threshold": "3",
    }
    more = client.get(path, tried).content.decode()
    assert "was: reserve list" in more
    assert "cannot be adopted" in more
    assert client.post(path, tried).status_code == 422
    assert not Ranking.objects.exists()

    answer = client.post(path, tried | {f"capacity-{code}": "200000"})
    place = answer["Location"]
    assert signed_in(auditor).get(place).status_code == 200
    assert signed_in(ana).get(place).status_code == 404
    client.post(f"{place}adopt/")
    assert "no applicant sees any of it" in client.get(place).content.decode()
    answer = client.post(f"{place}rerun/", follow=True)
    assert "the same came out" in answer.content.decode()
    client.post(f"{place}release/")
    assert states(four) == ["awarded", "awarded", "eligible", "declined"]
    pair = client.get(f"{place}why/", {"one": four[1].code, "other": four[2].code})
    assert "its score is 4.5, the other" in pair.content.decode()
    alone = client.get(f"{place}why/", {"one": four[2].code}).content.decode()
    assert "With 70,000 GPU-hours more" in alone


def test_the_pages_of_rankings_ask_as_often_for_many_as_for_few(
    call, four, ana, org, operator, django_assert_max_num_queries
):
    client = signed_in(operator)
    with django_assert_max_num_queries(14) as few:
        client.get("/rankings/large-scale/1/")
    reviewer(0)
    for number in range(20):
        at_step(call, ana, org, scores=[4, 5], hours=60_000 + number, step=StepKind.RANKING)
    with django_assert_max_num_queries(14) as many:
        assert client.get("/rankings/large-scale/1/").status_code == 200
    assert len(many) == len(few)
    ranking = adopted(call, operator)
    with django_assert_max_num_queries(12):
        assert client.get(f"/rankings/{ranking.code}/").status_code == 200
