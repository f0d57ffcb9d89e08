"""State aid: three years to the day, exactly at the ceiling, one undertaking."""

import csv
import io
import json
import threading
from datetime import date, timedelta

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from uzina.calls import actions, queries
from uzina.calls.models import Aid, Award
from uzina.calls.rules import aid
from uzina.core.errors import Invalid, NotAllowed, Refused
from uzina.core.models import LogEntry
from uzina.core.tests import NOW
from uzina.ledger.models import Allocation
from uzina.people import actions as people
from uzina.people.models import Project, RelatedEnterprise

from .accepted import national, offered

DAY = timedelta(days=1)
TODAY = NOW.date()
CEILING = 30_000_000
"""EUR 300,000."""

days = st.dates(date(2024, 1, 1), date(2045, 12, 31))


def declare(organisation, cents, *, by, granted_on=TODAY, basis="de_minimis", state="RO", now=NOW):
    facts = actions.AidFacts(
        title="Regional fund",
        member_state=state,
        basis=basis,
        granted_on=granted_on,
        value_eur_cents=cents,
        aid_eur_cents=cents,
    )
    return actions.declare_aid(organisation, facts, by=by, now=now)


@pytest.fixture
def offer(operator, org, ana):
    """An award of 1,000 GPU-hours: EUR 2,500 of de minimis aid."""
    return offered(national(operator), org, ana)


def standing(org, asked=0, now=NOW):
    return queries.standing(org, asked_eur_cents=asked, now=now)


# --- the rule


@pytest.mark.parametrize(
    ("granted_on", "last"),
    [
        (date(2023, 6, 30), date(2026, 6, 30)),
        (date(2024, 2, 29), date(2027, 2, 28)),
        (date(2025, 2, 28), date(2028, 2, 28)),
        (date(2025, 3, 1), date(2028, 3, 1)),
        (date(2023, 12, 31), date(2026, 12, 31)),
    ],
)
def test_a_grant_counts_for_three_years_to_the_day(granted_on, last):
    assert aid.last_day(granted_on, years=3) == last
    assert not aid.counts(granted_on, granted_on - DAY, years=3)
    assert aid.counts(granted_on, granted_on, years=3)
    assert aid.counts(granted_on, last, years=3)
    assert not aid.counts(granted_on, last + DAY, years=3)


@given(day=days, later=days)
def test_what_was_granted_later_counts_at_least_as_long(day, later):
    if day <= later:
        assert aid.last_day(day, years=3) <= aid.last_day(later, years=3)


grants = st.lists(st.builds(aid.Grant, days, st.integers(1, CEILING)), max_size=12)


@given(grants=grants, asked=st.integers(1, CEILING * 2), day=days)
def test_the_ceiling_holds_over_every_three_years_and_a_day_to_wait_for_is_the_first(
    grants, asked, day
):
    found = aid.standing(grants, asked_eur_cents=asked, day=day, ceilings=queries.ceilings())
    in_window = sum(
        one.eur_cents
        for one in grants
        if one.granted_on <= day <= aid.last_day(one.granted_on, years=3)
    )
    assert found.received_eur_cents == in_window
    assert found.passes == (in_window + asked > CEILING)
    if found.free_on is not None:
        assert found.passes
        assert aid.received(grants, found.free_on, years=3) + asked <= CEILING
    if not found.passes or asked > CEILING:
        assert found.free_on is None


@given(st.lists(st.text(max_size=8), min_size=1, max_size=6), st.data())
def test_an_undertaking_is_the_same_seen_from_each_of_its_members(names, data):
    known = dict(enumerate(names))
    linked = {
        pk: data.draw(st.lists(st.sampled_from(names), max_size=3), label=f"links of {pk}")
        for pk in known
    }
    one = aid.undertaking(0, known, linked)
    assert 0 in one
    for pk in one:
        assert aid.undertaking(pk, known, linked) == one


def test_the_ceiling_of_the_file_is_that_of_the_regulation():
    (found,) = queries.ceilings()
    assert (found.eur_cents, found.years) == (CEILING, 3)
    assert "2023/2831" in found.source


# --- acceptance


@pytest.mark.parametrize(
    ("before", "passes"), [(CEILING - 250_000, False), (CEILING - 249_999, True)]
)
def test_an_award_that_reaches_the_ceiling_is_accepted_and_one_cent_more_is_not(
    offer, org, ana, before, passes
):
    declare(org, before, by=ana)
    if not passes:
        award = actions.accept(offer, by=ana, now=NOW)
        granted = Aid.objects.get(about=award.code)
        assert (granted.granted_on, granted.aid_eur_cents) == (TODAY, 250_000)
        assert standing(org).left_eur_cents == 0
        return
    before_all = [list(m.objects.values()) for m in (Award, Aid, Project, Allocation, LogEntry)]
    with pytest.raises(Refused, match="wait until 2029-11-24") as refused:
        actions.accept(offer, by=ana, now=NOW)
    assert refused.value.code == "award.accept.de_minimis_ceiling"
    after = [list(m.objects.values()) for m in (Award, Aid, Project, Allocation, LogEntry)]
    assert after == before_all


@pytest.mark.parametrize(("shift", "passes"), [(timedelta(), True), (-DAY, False)])
def test_aid_of_three_years_ago_counts_on_its_day_and_no_longer_the_day_after(
    offer, org, ana, shift, passes
):
    three_years_ago = date(TODAY.year - 3, TODAY.month, TODAY.day) + shift
    declare(org, CEILING, by=ana, granted_on=three_years_ago)
    assert standing(org, 1).passes is passes


def test_the_day_is_the_factorys_own(offer, org, ana):
    """Half past eleven at night in Greenwich is the next day in Bucharest."""
    late = NOW.replace(hour=22, minute=30)
    award = actions.accept(offer, by=ana, now=late)
    assert Aid.objects.get(about=award.code).granted_on == TODAY + DAY


def test_what_is_no_aid_is_not_entered(operator, org, ana):
    call = national(operator, mode="playground", slug="p")
    actions.accept(offered(call, org, ana), by=ana, now=NOW)
    assert not Aid.objects.exists()


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        ({}, True),
        ({"basis": "gber_28"}, False),
        ({"state": "DE"}, False),
    ],
)
def test_only_de_minimis_aid_of_the_same_member_state_is_summed(org, ana, change, counts):
    declare(org, 100, by=ana, **change)
    assert bool(standing(org).received_eur_cents) is counts


def test_linked_enterprises_are_one_undertaking(offer, org, ana, stranger):
    other = people.register_organisation(
        people.OrganisationFacts(name="MAMĂ  Holding S.A.", kind="sme", country="RO"),
        by=stranger,
        now=NOW,
    )
    declare(other, CEILING, by=stranger)
    assert not standing(org, 1).passes
    RelatedEnterprise.objects.create(
        organisation=org,
        name="Mamă Holding SA",
        relation="linked",
        share_percent=80,
        headcount=1,
        turnover_eur=1,
        balance_eur=1,
    )
    assert standing(org, 1).passes
    assert standing(other).received_eur_cents == CEILING
    with pytest.raises(Refused, match="would pass the ceiling"):
        actions.accept(offer, by=ana, now=NOW)


def test_two_linked_organisations_that_accept_at_once_never_pass_the_ceiling(
    transactional_db, operator, org, ana, stranger
):
    other = people.register_organisation(
        people.OrganisationFacts(name="Soră SRL", kind="sme", country="RO"), by=stranger, now=NOW
    )
    RelatedEnterprise.objects.create(
        organisation=org,
        name="Soră SRL",
        relation="linked",
        share_percent=80,
        headcount=1,
        turnover_eur=1,
        balance_eur=1,
    )
    declare(org, CEILING - 250_000, by=ana)
    works = [
        (offered(national(operator), org, ana), ana),
        (offered(national(operator, slug="n2"), other, stranger), stranger),
    ]
    done, errors = [], []
    barrier = threading.Barrier(2)

    def one(offer, person):
        try:
            barrier.wait()
            actions.accept(offer, by=person, now=NOW)
            done.append("accepted")
        except Refused as refused:
            done.append(refused.code)
        except Exception as error:  # noqa: BLE001 - the test reports it
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(done) == ["accepted", "award.accept.de_minimis_ceiling"]
    assert standing(org).received_eur_cents == CEILING


# --- declaring, voiding, exporting


def test_only_who_represents_an_organisation_declares_for_it(org, ana, stranger, operator, auditor):
    for person in (stranger, auditor):
        with pytest.raises(NotAllowed):
            declare(org, 100, by=person)
    declare(org, 100, by=ana)
    declare(org, 100, by=operator)


def test_every_mistake_of_a_declaration_is_told_at_once(org, ana):
    facts = actions.AidFacts(" ", "US", "gift", TODAY + DAY, 100, 101)
    with pytest.raises(Invalid) as invalid:
        actions.declare_aid(org, facts, by=ana, now=NOW)
    assert [one.field for one in invalid.value.problems] == [
        "title", "member_state", "basis", "granted_on", "aid_eur_cents"
    ]  # fmt: skip
    assert not Aid.objects.exists()


def test_a_void_row_stays_in_the_register_and_counts_no_more(org, ana, operator):
    row = declare(org, 100, by=ana)
    for person in (ana,):
        with pytest.raises(NotAllowed):
            actions.void_aid(row, reason="x", by=person, now=NOW)
    with pytest.raises(Invalid):
        actions.void_aid(row, reason=" ", by=operator, now=NOW)
    actions.void_aid(row, reason="Entered twice", by=operator, now=NOW)
    assert standing(org).received_eur_cents == 0
    assert queries.register_entries()[0]["void"] is True
    with pytest.raises(Refused, match="void already"):
        actions.void_aid(row, reason="x", by=operator, now=NOW)


def test_the_register_is_exported_safe_from_formulas(offer, org, ana, operator, client):
    type(org).objects.filter(pk=org.pk).update(name="=1+1")
    actions.accept(offer, by=ana, now=NOW)
    client.force_login(operator)
    text = client.get("/aid/register.csv").content.decode()
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["beneficiary"] == "'=1+1"
    assert (row["aid_eur"], row["granted_on"]) == ("2500.00", TODAY.isoformat())
    assert (row["legal_basis"], row["member_state"], row["source"]) == (
        "de_minimis",
        "RO",
        "granted",
    )


# --- doors


def test_the_page_of_an_organisation_says_what_is_left_and_takes_declarations(
    org, ana, stranger, client
):
    address = f"/organisations/{org.code}/aid/"
    client.force_login(ana)
    sent = {
        "title": "Fond <b>regional</b>",
        "member_state": "RO",
        "basis": "de_minimis",
        "granted_on_day": "1",
        "granted_on_month": "3",
        "granted_on_year": "2026",
        "value_eur": "1000",
        "aid_eur": "1000.50",
    }
    assert client.post(address, sent).status_code == 422
    shown = client.post(address, sent | {"aid_eur": "999.99"}, follow=True)
    assert shown.status_code == 200
    assert "&lt;b&gt;regional" in shown.content.decode()
    row = Aid.objects.get()
    assert (row.aid_eur_cents, row.granted_on) == (99_999, date(2026, 3, 1))
    client.force_login(stranger)
    assert client.get(address).status_code == 404
    assert client.post(address, sent).status_code == 404


def test_the_register_is_for_operators_and_auditors(
    org, ana, operator, auditor, assessor, client, api
):
    row = declare(org, 100, by=ana)
    for person, status in ((operator, 200), (auditor, 200), (ana, 404), (assessor, 404)):
        client.force_login(person)
        assert client.get("/aid/").status_code == status
        assert client.get("/aid/register.csv").status_code == status
        assert api(person).get("/api/v1/calls/aid").status_code == status
    client.force_login(auditor)
    assert client.get(f"/aid/{row.code}/void/").status_code == 404
    client.force_login(operator)
    assert client.post(f"/aid/{row.code}/void/", {"reason": ""}).status_code == 422
    assert client.post(f"/aid/{row.code}/void/", {"reason": "Twice"}).status_code == 302
    assert client.get("/aid/").status_code == 200
    assert Aid.objects.get().voided_at is not None


def test_the_api_declares_and_tells_the_standing(org, ana, stranger, operator, api):
    address = f"/api/v1/calls/organisations/{org.code}/aid"
    body = {
        "title": "Fund",
        "member_state": "RO",
        "basis": "de_minimis",
        "granted_on": (timezone.now() - 30 * DAY).date().isoformat(),
        "value_eur_cents": 100,
        "aid_eur_cents": 100,
    }

    def post(client, **more):
        return client.post(
            address,
            json.dumps(body | more),
            content_type="application/json",
            headers={"Idempotency-Key": f"k{len(more)}"},
        )

    assert post(api(stranger)).status_code == 404
    assert post(api(ana), basis="gift").status_code == 422
    made = post(api(ana))
    assert made.status_code == 201
    told = api(ana).get(address).json()
    assert (told["received_eur_cents"], told["left_eur_cents"]) == (100, CEILING - 100)
    assert [one["code"] for one in told["grants"]] == [made.json()["code"]]
    void = f"/api/v1/calls/aid/{made.json()['code']}/void"
    for client, status in ((api(ana), 403), (api(stranger), 404), (api(operator), 200)):
        reply = client.post(void, json.dumps({"reason": "x"}), content_type="application/json")
        assert reply.status_code == status


@pytest.mark.parametrize(
    ("before", "word"),
    [
        (CEILING * 8 // 10 - 250_001, None),
        (CEILING * 8 // 10 - 250_000, "your organisation has"),
        (CEILING - 249_999, "cannot be accepted"),
    ],
)
def test_an_offer_warns_before_the_ceiling_and_says_that_it_would_be_passed(
    offer, org, ana, client, before, word
):
    today = queries.day_of(timezone.now())
    declare(org, before, by=ana, granted_on=today, now=timezone.now())
    client.force_login(ana)
    page = client.get(f"/awards/{offer.code}/").content.decode()
    assert "List value: 2,500.00 euro" in page
    for warning in ("your organisation has", "cannot be accepted"):
        assert (warning in page) is (warning == word)


def test_a_draft_warns_too(operator, org, ana, client):
    call = national(operator)
    draft = actions.start(call, organisation=org, by=ana, now=NOW)
    actions.save_section(
        draft, section="work", answers={"gpu_hours": 1000}, version=0, by=ana, now=NOW
    )
    today = queries.day_of(timezone.now())
    declare(org, CEILING, by=ana, granted_on=today, now=timezone.now())
    client.force_login(ana)
    page = client.get(f"/applications/{draft.code}/check/").content.decode()
    assert "cannot be accepted" in page
