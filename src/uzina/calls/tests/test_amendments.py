"""What becomes of an award after it was accepted."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from uzina.calls import actions, queries, tasks
from uzina.calls.models import Aid, Amendment, Award, Capacity, Obligation
from uzina.calls.rules import amendments, clock
from uzina.calls.rules.amendments import AmendmentKind
from uzina.core.errors import Invalid, NotAllowed, Refused
from uzina.core.models import LogEntry
from uzina.core.tests import NOW
from uzina.ledger import actions as ledger_actions
from uzina.ledger import queries as ledger
from uzina.ledger.models import Account, Allocation, Transfer
from uzina.people import actions as people
from uzina.people.models import Message, Project
from uzina.people.rules import MembershipKind, OrganisationKind

from .accepted import HOUR, accepted, free_hours, national, newcomer, offered

LATER = NOW + timedelta(days=20)
TICK = timedelta(microseconds=1)
WHY = "The data came late."
K = AmendmentKind


@pytest.fixture
def call(operator):
    return national(operator)


@pytest.fixture
def award(call, org, ana):
    return accepted(call, org, ana)


@pytest.fixture
def ion(award, ana):
    """A member of Ana's project who does not lead it."""
    ion = newcomer("ion@startup.example", "Ion Membru")
    people.add_member(award.project, ion, kind=MembershipKind.MEMBER, by=ana, now=NOW)
    return ion


def fresh(row):
    return type(row).objects.get(pk=row.pk)


def balance(award):
    return ledger.balance(Allocation.objects.get(project=award.project, resource__slug="gpu-hours"))


def ask(award, kind, by, *, now=LATER, reason=WHY, **facts):
    return actions.ask_amendment(award, kind=kind, facts=facts, reason=reason, by=by, now=now)


def amend(award, kind, by, *, now=LATER, reason=WHY, **facts):
    return actions.amend(award, kind=kind, facts=facts, reason=reason, by=by, now=now)


def approve(amendment, by, *, now=LATER, reason="Agreed."):
    return actions.approve_amendment(fresh(amendment), reason=reason, by=by, now=now)


def everything():
    models = (
        Award, Amendment, Obligation, Aid, Project, Account, Allocation, Transfer, LogEntry, Message
    )  # fmt: skip
    return [list(model.objects.order_by("pk").values()) for model in models]


def refusal(call, *args, **kwargs):
    """Return the code of a refusal, after making sure that it left no trace."""
    before = everything()
    with pytest.raises(Refused) as refused:
        call(*args, **kwargs)
    assert everything() == before
    assert str(refused.value)
    if isinstance(refused.value, Invalid):
        return [problem.code for problem in refused.value.problems]
    return refused.value.code


def test_an_extension_moves_the_hours_the_project_the_report_and_the_end_of_the_data(
    award, ana, operator
):
    asked = ask(award, K.EXTENSION, ana, months=2)
    assert (asked.state, fresh(award).ends_at) == ("asked", award.ends_at)
    approved = approve(asked, operator)
    award, ends_at = fresh(award), clock.after_months(NOW, 5)
    assert approved.state == "approved"
    assert award.ends_at == award.project.ends_at == ends_at
    assert (
        Allocation.objects.get(project=award.project, resource__slug="gpu-hours").ends_at == ends_at
    )
    assert Obligation.objects.get(award=award).due_at == clock.after_months(ends_at, 3)
    assert award.report_due_at == Obligation.objects.get(award=award).due_at
    assert award.data_deleted_at == ends_at + timedelta(days=30)
    told = Message.objects.get(kind="calls.amendment_decided")
    assert (told.to, "Agreed." in told.body) == (ana, True)


@pytest.mark.parametrize(("months", "code"), [(6, None), (7, "amendment.ask.too_long")])
def test_extensions_end_where_the_mode_says_all_together(award, operator, months, code):
    amend(award, K.EXTENSION, operator, months=1)
    if code is None:
        amend(fresh(award), K.EXTENSION, operator, months=months - 1)
        assert fresh(award).ends_at == clock.after_months(NOW, 3 + 6)
    else:
        found = refusal(amend, fresh(award), K.EXTENSION, operator, months=months - 1)
        assert found == code


def test_what_was_asked_is_checked_again_when_it_is_approved(award, ana, operator):
    asked = ask(award, K.EXTENSION, ana, months=5)
    Amendment.objects.filter(pk=asked.pk).update(kind=K.SUSPENSION)  # as if both had been asked
    amend(fresh(award), K.EXTENSION, operator, months=3)
    Amendment.objects.filter(pk=asked.pk).update(kind=K.EXTENSION)
    assert refusal(approve, asked, operator) == "amendment.ask.too_long"


def test_an_extension_ends_with_the_hours_of_its_call(award, operator):
    Capacity.objects.update(usable_until=clock.after_months(NOW, 4))
    assert refusal(amend, award, K.EXTENSION, operator, months=2) == "amendment.ask.capacity_over"
    amend(fresh(award), K.EXTENSION, operator, months=1)


@pytest.mark.parametrize(
    ("offset", "code"), [(-TICK, None), (timedelta(), "amendment.ask.not_running")]
)
def test_an_award_is_changed_until_it_ends(award, operator, offset, code):
    now = award.ends_at + offset
    if code is None:
        amend(award, K.EXTENSION, operator, now=now, months=1)
    else:
        assert refusal(amend, award, K.EXTENSION, operator, now=now, months=1) == code


@pytest.mark.parametrize(("hours", "code"), [(500, None), (501, "amendment.ask.too_much")])
def test_a_top_up_comes_from_the_call_and_is_at_most_what_the_mode_allows(
    award, operator, hours, code
):
    if code is not None:
        assert refusal(amend, award, K.TOP_UP, operator, gpu_hours=hours) == code
        return
    amend(award, K.TOP_UP, operator, gpu_hours=200)
    amend(award, K.TOP_UP, operator, gpu_hours=hours - 200)
    assert balance(award).granted == 1500 * HOUR
    assert free_hours(award.application.call) == 8500
    award = fresh(award)
    assert (award.gpu_ms, award.value_eur_cents) == (1000 * HOUR, 1500 * 250)
    assert [one.aid_eur_cents for one in Aid.objects.order_by("pk")] == [250_000, 50_000, 75_000]


def test_a_top_up_never_takes_what_is_offered_to_others(call, award, org, ana, operator):
    offered(call, org, ana, hours=8900)
    assert free_hours(call) == 100
    asked = ask(award, K.TOP_UP, ana, gpu_hours=101)
    assert refusal(approve, asked, operator) == "amendment.approve.not_free"
    actions.refuse_amendment(fresh(asked), reason="Ask for less.", by=operator, now=LATER)
    amend(award, K.TOP_UP, operator, gpu_hours=100)
    assert free_hours(call) == 0


def test_a_reduction_gives_free_hours_back_and_no_others(call, award, ana, operator):
    assert refusal(amend, award, K.REDUCTION, operator, gpu_hours=1001) == (
        "allocation.reduce.too_big"
    )
    approve(ask(award, K.REDUCTION, ana, gpu_hours=400), operator)
    assert balance(award).granted == 600 * HOUR
    assert free_hours(call) == 9400
    assert ledger.check_books().problems == []


def test_a_pause_freezes_the_hours_and_going_on_thaws_them(award, ana, operator):
    amend(award, K.SUSPENSION, operator)
    assert fresh(award).suspended_at == LATER
    assert (
        Allocation.objects.get(project=award.project, resource__slug="gpu-hours").state == "frozen"
    )
    assert refusal(amend, fresh(award), K.SUSPENSION, operator) == (
        "amendment.ask.suspended_already"
    )
    approve(ask(fresh(award), K.RESUMPTION, ana), operator)
    assert fresh(award).suspended_at is None
    assert (
        Allocation.objects.get(project=award.project, resource__slug="gpu-hours").state == "active"
    )
    assert refusal(amend, fresh(award), K.RESUMPTION, operator) == "amendment.ask.not_suspended"


def test_an_early_end_ends_the_period_of_the_storage_and_takes_no_room_from_its_files(
    award, ana, operator
):
    project = award.its_project
    held = ledger.storage_mb(project)
    (storage,) = ledger.storage_allocations(project)
    approve(ask(fresh(award), K.EARLY_END, ana), operator)
    storage.refresh_from_db()
    assert (storage.state, storage.ends_at > LATER) == ("ended", True)
    assert ledger.storage_mb(project) == held > 0
    assert ledger.check_books().balanced


@pytest.mark.parametrize("is_paused", [False, True])
def test_an_early_end_gives_the_rest_back_and_brings_the_report_forward(
    call, award, ana, operator, is_paused
):
    allocation = Allocation.objects.get(project=award.project, resource__slug="gpu-hours")
    held = ledger_actions.hold(
        allocation, amount=100 * HOUR, subject="JOB-1", key="h", by=None, now=NOW
    )
    ledger_actions.settle(held, used=100 * HOUR, by=None, now=NOW)
    if is_paused:
        amend(award, K.SUSPENSION, operator)
    approve(ask(fresh(award), K.EARLY_END, ana), operator)
    award = fresh(award)
    assert (award.ends_at, award.ended_early_at, award.suspended_at) == (LATER, LATER, None)
    assert (award.project.state, award.project.ends_at) == ("closing", LATER)
    assert fresh(allocation).state == "ended"
    assert balance(award) == ledger.rules.Balance(100 * HOUR, 0, 0, 100 * HOUR, 0, 0)
    assert free_hours(call) == 9900
    assert Obligation.objects.get(award=award).due_at == clock.after_months(LATER, 3)
    assert ledger.check_books().problems == []
    assert refusal(amend, award, K.EXTENSION, operator, months=1) == "amendment.ask.not_running"


@pytest.fixture
def taker(ion):
    return people.register_organisation(
        people.OrganisationFacts(
            name="Alt Start SRL",
            kind=OrganisationKind.STARTUP,
            country="RO",
            city="Iași",
            headcount=5,
            turnover_eur=1,
            balance_eur=1,
        ),
        by=ion,
        now=NOW,
    )


def test_a_transfer_asks_the_rules_again_and_is_aid_to_who_takes_over(award, taker, ana, operator):
    approve(ask(award, K.TRANSFER, ana, organisation=taker.code), operator)
    assert fresh(award.project).organisation == taker
    granted = Aid.objects.get(organisation=taker)
    assert granted.aid_eur_cents == 250_000


def test_nobody_takes_over_who_does_not_qualify(award, taker, ana, operator):
    asked = ask(award, K.TRANSFER, ana, organisation=taker.code)
    type(taker).objects.filter(pk=taker.pk).update(country="US")
    assert refusal(approve, asked, operator) == "amendment.approve.not_eligible"
    stranger = ask
    code = refusal(stranger, award, K.TRANSFER, ana, organisation="ORG-NOBODY")
    assert code == "amendment.ask.unknown_organisation"
    own = award.project.organisation.code
    code = refusal(ask, award, K.TRANSFER, ana, organisation=own)
    assert code == "amendment.ask.unknown_organisation"


def test_a_member_becomes_lead_and_the_lead_before_has_no_say_any_more(award, ion, ana, operator):
    assert refusal(ask, award, K.CHANGE_OF_LEAD, ana, lead=operator.code) == (
        "amendment.ask.not_member"
    )
    approve(ask(award, K.CHANGE_OF_LEAD, ana, lead=ion.code), operator)
    assert refusal(ask, award, K.EXTENSION, ana, months=1) == "amendment.ask.not_lead"
    assert Award.objects.followed_by(ion).get() == award
    ask(award, K.EXTENSION, ion, months=1)


def test_only_a_lead_asks_and_only_an_operator_decides(
    award, ion, ana, stranger, operator, assessor, auditor
):
    for person in (ion, stranger, assessor, auditor):
        with pytest.raises(NotAllowed):
            ask(award, K.EXTENSION, person, months=1)
    asked = ask(award, K.EXTENSION, ana, months=1)
    for person in (ana, ion, stranger, assessor, auditor):
        for do in (approve, lambda one, by: actions.refuse_amendment(
            one, reason="x", by=by, now=LATER
        )):  # fmt: skip
            with pytest.raises(NotAllowed):
                do(asked, person)
        with pytest.raises(NotAllowed):
            amend(award, K.EXTENSION, person, months=1)
    with pytest.raises(NotAllowed):
        actions.withdraw_amendment(asked, by=operator, now=LATER)
    actions.withdraw_amendment(asked, by=ana, now=LATER)
    assert refusal(approve, asked, operator) == "amendment.approve.not_now"


def test_one_wish_of_a_kind_waits_at_a_time_and_each_has_a_reason(award, ana, operator):
    assert refusal(ask, award, K.EXTENSION, ana, months=1, reason=" ") == [
        "amendment.reason.missing"
    ]
    assert refusal(ask, award, K.EXTENSION, ana, months=0) == ["amendment.months.range"]
    assert refusal(ask, award, K.TOP_UP, ana, gpu_hours=True) == ["amendment.gpu_hours.range"]
    asked = ask(award, K.EXTENSION, ana, months=1)
    assert refusal(ask, award, K.EXTENSION, ana, months=2) == "amendment.ask.asked_already"
    assert refusal(approve, asked, operator, reason="") == ["amendment.reason.missing"]
    actions.refuse_amendment(asked, reason="No.", by=operator, now=LATER)
    assert "No." in Message.objects.get(kind="calls.amendment_decided").body
    ask(award, K.EXTENSION, ana, months=2)


def test_a_mode_without_it_allows_no_extension_but_operators_may_protect_the_machine(
    operator, org, ana
):
    award = accepted(national(operator, mode="playground", slug="p"), org, ana)
    for person, do in ((ana, ask), (operator, amend)):
        assert refusal(do, award, K.EXTENSION, person, months=1) == "amendment.ask.not_allowed"
    mode = award.application.call.mode
    assert amendments.kinds_for(mode, is_operator=True, is_suspended=True)[-2:] == [
        K.RESUMPTION,
        K.EARLY_END,
    ]


def test_where_the_mode_says_so_an_extension_waits_for_an_accepted_interim_report(
    operator, org, ana
):
    call = national(operator)
    rules = {**call.rules, "amendments": [
        {"kind": "extension", "most_months": 3, "needs_report": True}
    ]}  # fmt: skip
    type(call).objects.filter(pk=call.pk).update(rules=rules)
    award = accepted(fresh(call), org, ana)
    asked = ask(award, K.EXTENSION, ana, months=3)
    interim = Obligation.objects.get(award=award, kind="interim")
    assert interim.due_at == award.ends_at
    assert refusal(approve, asked, operator) == "amendment.approve.report_missing"
    actions.submit_report(interim, by=ana, now=LATER)
    assert refusal(approve, asked, operator) == "amendment.approve.report_missing"
    actions.accept_report(interim, by=operator, now=LATER)
    approve(asked, operator)
    assert fresh(award).ends_at == clock.after_months(NOW, 6)


def test_a_refused_step_in_the_middle_undoes_the_whole_change(award, ana, operator):
    """The aid is entered and the hours are moved before the project refuses: all or nothing."""
    asked = ask(award, K.EXTENSION, ana, months=1)
    Project.objects.filter(pk=award.project.pk).update(state="closing")
    assert refusal(approve, asked, operator) == "project.extend.not_now"


def test_a_project_is_wound_up_when_its_time_is_over_and_not_a_moment_before(award):
    tasks.watch_obligations(now=award.ends_at - TICK)
    assert fresh(award.project).state == "active"
    for _again in range(2):
        tasks.watch_obligations(now=award.ends_at)
    assert fresh(award.project).state == "closing"
    assert LogEntry.objects.filter(event="award.ended").count() == 1


# --- doors: they read the clock, so their award begins now


@pytest.fixture
def running(call, org, ana):
    return accepted(call, org, ana, now=timezone.now())


@pytest.fixture
def maria(running, ana):
    """A member who does not lead."""
    maria = newcomer("maria@startup.example", "Maria Membru")
    people.add_member(running.project, maria, kind=MembershipKind.MEMBER, by=ana, now=NOW)
    return maria


def test_a_lead_asks_on_the_page_and_an_operator_decides(
    running, maria, ana, stranger, operator, auditor, client
):
    page = f"/awards/{running.code}/changes/"
    for person, status in ((stranger, 404), (maria, 200), (ana, 200), (operator, 200)):
        client.force_login(person)
        assert client.get(page).status_code == status
        asks = client.get(f"{page}extension/").status_code
        assert asks == (200 if person in {ana, operator} else 404)
    client.force_login(ana)
    assert client.get(f"{page}resumption/").status_code == 404
    assert client.get(f"{page}nonsense/").status_code == 404
    assert client.post(f"{page}extension/", {"months": "7", "reason": "x"}).status_code == 422
    sent = {"months": "2", "reason": "<i>Late</i> data"}
    assert client.post(f"{page}extension/", sent).status_code == 302
    (asked,) = Amendment.objects.all()
    assert "&lt;i&gt;Late" in client.get(page).content.decode()
    decide = f"/changes/{asked.code}/"
    for person in (ana, maria, stranger, auditor):
        client.force_login(person)
        assert client.get(decide).status_code == 404
        assert client.get("/changes/").status_code == (200 if person == auditor else 404)
    client.force_login(operator)
    assert asked.code in client.get("/changes/").content.decode()
    assert client.post(decide, {"decision": "approve", "reason": ""}).status_code == 422
    assert client.post(decide, {"decision": "approve", "reason": "Fine."}).status_code == 302
    assert fresh(asked).state == "approved"
    assert client.get(decide).status_code == 302
    done = client.post(f"{page}top_up/", {"gpu_hours": "100", "reason": "More data"})
    assert done.status_code == 302
    assert balance(running).granted == 1100 * HOUR


def test_a_wish_is_taken_back_on_the_page(running, ana, maria, client):
    asked = ask(running, K.CHANGE_OF_LEAD, ana, now=timezone.now(), lead=maria.code)
    address = f"/changes/{asked.code}/withdraw/"
    client.force_login(maria)
    assert client.post(address).status_code == 403
    client.force_login(ana)
    assert client.get(address).status_code == 405
    assert client.post(address).status_code == 302
    assert fresh(asked).state == "withdrawn"


def test_the_api_says_what_may_be_asked_and_takes_it(running, ana, maria, stranger, operator, api):
    address = f"/api/v1/calls/awards/{running.code}/amendments"

    def send(client, path, body, key="k"):
        return client.post(
            path, body, content_type="application/json", headers={"Idempotency-Key": key}
        )

    assert api(stranger).get(address).status_code == 404
    assert api(maria).get(address).json()["kinds"] == []
    kinds = {one["kind"]: one for one in api(ana).get(address).json()["kinds"]}
    assert (kinds["extension"]["most_months"], kinds["top_up"]["most_percent"]) == (6, 50)
    assert "resumption" not in kinds
    body = {"kind": "extension", "months": 1, "reason": WHY}
    assert send(api(stranger), address, body).status_code == 404
    assert send(api(maria), address, body).status_code == 403
    assert send(api(ana), address, {"kind": "extension", "reason": WHY}).status_code == 422
    made = send(api(ana), address, body).json()
    assert made["allowed"] == ["approve", "refuse", "withdraw"]
    approve_at = f"/api/v1/calls/amendments/{made['code']}/approve"
    assert send(api(ana), approve_at, {"reason": "x"}).status_code == 403
    assert api(ana).get("/api/v1/calls/amendments").status_code == 404
    waiting = api(operator).get("/api/v1/calls/amendments").json()["items"]
    assert [one["code"] for one in waiting] == [made["code"]]
    assert send(api(operator), approve_at, {"reason": "x"}).json()["state"] == "approved"
    assert send(api(operator), approve_at, {"reason": "x"}, "other").status_code == 409
    direct = send(api(operator), address, {"kind": "top_up", "gpu_hours": 10, "reason": "x"})
    assert (direct.status_code, direct.json()["state"]) == (201, "approved")


@given(
    months=st.integers(1, 24),
    most=st.integers(0, 24),
    before=st.integers(0, 24),
    n=st.integers(1, 60),
)
def test_extensions_never_pass_what_the_mode_allows(months, most, before, n):
    held = amendments.Held(
        months, HOUR, before, 0, NOW, clock.after_months(NOW, months), False, None
    )
    spec = amendments.AmendmentSpec("extension", most, 0, needs_report=False)
    try:
        amendments.check(K.EXTENSION, {"months": n}, spec, held)
    except Refused:
        assert before + n > most
    else:
        assert before + n <= most


@given(
    first=st.integers(1, 10**12), percent=st.integers(0, 1000), before=st.integers(0, 10**12),
    more=st.integers(1, 10**12),
)  # fmt: skip
def test_top_ups_never_pass_what_the_mode_allows(first, percent, before, more):
    held = amendments.Held(3, first, 0, before, NOW, NOW, False, None)
    spec = amendments.AmendmentSpec("top_up", 0, percent, needs_report=False)
    try:
        amendments.check(K.TOP_UP, {"gpu_ms": more}, spec, held)
    except Refused:
        assert (before + more) * 100 > first * percent
    else:
        assert (before + more) * 100 <= first * percent


def test_a_top_up_and_an_acceptance_at_once_never_grant_more_than_there_is(
    transactional_db, operator, org, ana
):
    """9,000 left: an offer of 8,800 and a top-up of 300 were both asked for; one may come."""
    call = national(operator)
    award = accepted(call, org, ana)
    asked = ask(award, K.TOP_UP, ana, gpu_hours=300)
    offer = offered(call, org, ana, hours=8800)
    done, errors = [], []
    barrier = threading.Barrier(2)

    def one(name, do):
        try:
            barrier.wait()
            do()
            done.append(name)
        except Refused as refused:
            done.append(refused.code)
        except Exception as error:  # noqa: BLE001 - the test reports it
            errors.append(error)
        finally:
            connection.close()

    works = {
        "accept": lambda: actions.accept(offer, by=ana, now=LATER - timedelta(days=10)),
        "top_up": lambda: approve(asked, operator),
    }
    threads = [threading.Thread(target=one, args=item) for item in works.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(done) == ["accept", "amendment.approve.not_free"]
    assert free_hours(call) == 200
    assert ledger.check_books().problems == []
    assert queries.held(fresh(award)).more_gpu_ms == 0
