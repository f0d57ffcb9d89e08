"""Expressions of interest: admitted or declined, told, and listed for the consortium."""

import csv
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from uzina.calls import actions, queries
from uzina.calls.models import Application, Conflict, Decision, PanelSeat, Step
from uzina.calls.rules.flows import ApplicationState
from uzina.calls.rules.steps import StepState
from uzina.calls.tests.conftest import changed, make_call, submitted
from uzina.core.errors import Invalid, NotAllowed, Refused
from uzina.core.models import LogEntry
from uzina.core.tests import NOW
from uzina.people import actions as people
from uzina.people.models import Message
from uzina.people.rules import OrganisationKind

pytestmark = pytest.mark.django_db

BASE = "/api/v1/calls"
JSON = "application/json"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def call(operator):
    return make_call(
        operator,
        mode="expression-of-interest",
        slug="consortium",
        budget_gpu_hours=0,
        opens_at=LONG_AGO,
    )


def express(call, org, person, *, title="A model for schools"):
    project = changed("project", title=title)
    if call.mode.kind == "interest":
        del project["months"]
    return submitted(call, org, person, project=project)


@pytest.fixture
def interest(call, org, ana):
    return express(call, org, ana)


@pytest.fixture
def panellist(call, assessor):
    PanelSeat.objects.create(call=call, person=assessor, made_at=NOW)
    return assessor


def test_an_expression_of_interest_asks_no_hours_and_waits_for_a_person(interest):
    assert (interest.state, interest.gpu_ms) == (ApplicationState.ELIGIBLE, 0)
    assert not hasattr(interest, "award")


def test_an_admitted_organisation_is_told_and_gets_no_award(interest, operator, ana):
    admitted = actions.admit_interest(interest, reason="Welcome.", by=operator, now=NOW)
    assert (admitted.state, admitted.ended_at) == (ApplicationState.ADMITTED, NOW)
    decision = Decision.objects.get(application=interest)
    assert (decision.outcome, decision.rule, decision.released_at) == ("admit", "interest", NOW)
    assert not hasattr(Application.objects.get(pk=interest.pk), "award")
    assert not Step.objects.filter(
        application=interest, state__in=[StepState.OPEN, StepState.WAITING]
    ).exists()
    message = Message.objects.get(kind="calls.joined")
    assert message.to == ana
    assert "Welcome." in message.body
    assert LogEntry.objects.get(event="application.joined").actor == operator.code


def test_a_declined_one_is_told_why(interest, panellist):
    with pytest.raises(Invalid) as refused:
        actions.decline_interest(interest, reason="  ", by=panellist, now=NOW)
    assert refused.value.problems[0].code == "interest.decide.reason_missing"
    assert not Decision.objects.exists()
    declined = actions.decline_interest(interest, reason="We are full.", by=panellist, now=NOW)
    assert declined.state is ApplicationState.DECLINED
    assert Decision.objects.get().inputs == {"decided_by": panellist.code, "reason": "We are full."}


def test_what_is_decided_is_not_decided_again(interest, operator):
    actions.admit_interest(interest, reason="", by=operator, now=NOW)
    for decide in (actions.admit_interest, actions.decline_interest):
        with pytest.raises(Refused) as refused:
            decide(interest, reason="Again", by=operator, now=NOW)
        assert refused.value.code == "application.join.not_now"


def test_strangers_and_those_with_an_interest_do_not_decide(interest, stranger, panellist, ana):
    for person in (stranger, ana):
        with pytest.raises(NotAllowed) as refused:
            actions.admit_interest(interest, reason="", by=person, now=NOW)
        assert refused.value.code == "interest.decide.not_yours"
    Conflict.objects.create(
        person=panellist, application=interest, kind="declared", is_declared=True, found_at=NOW
    )
    with pytest.raises(NotAllowed) as refused:
        actions.admit_interest(interest, reason="", by=panellist, now=NOW)
    assert refused.value.code == "interest.decide.conflict"


def test_an_application_for_hours_is_not_admitted_this_way(operator, org, ana):
    application = express(make_call(operator), org, ana)
    with pytest.raises(Refused) as refused:
        actions.admit_interest(application, reason="", by=operator, now=NOW)
    assert refused.value.code == "interest.decide.no_interest"


def test_a_member_of_the_panel_sees_nothing_of_what_they_have_an_interest_in(
    call, interest, panellist, operator, api, client
):
    actions.admit_interest(interest, reason="", by=operator, now=NOW)
    paths = [
        f"{BASE}/calls/consortium/interests", f"{BASE}/calls/consortium/members",
    ]  # fmt: skip
    pages = ["/calls/consortium/interests/", "/calls/consortium/members/",
             "/calls/consortium/members.csv"]  # fmt: skip
    client.force_login(panellist)

    def seen():
        replies = [api(panellist).get(path).content.decode() for path in paths]
        return [interest.code in one for one in replies] + [
            interest.organisation.name in client.get(path).content.decode() for path in pages
        ]

    assert seen() == [True] * 5
    Conflict.objects.create(
        person=panellist, application=interest, kind="declared", is_declared=True, found_at=NOW
    )
    assert seen() == [False] * 5
    assert client.get(f"/calls/consortium/interests/{interest.code}/").status_code == 404
    where = f"{BASE}/calls/consortium/interests/{interest.code}/admit"
    assert api(panellist).post(where, {}, content_type=JSON).status_code == 404


def test_applicants_and_strangers_find_no_list(interest, ana, stranger, api, client):
    for person in (ana, stranger):
        client.force_login(person)
        for path in ("interests/", "members/", "members.csv", f"interests/{interest.code}/"):
            assert client.get(f"/calls/consortium/{path}").status_code == 404
        for path in ("interests", "members"):
            assert api(person).get(f"{BASE}/calls/consortium/{path}").status_code == 404


def test_it_is_decided_on_a_page_and_by_the_api(interest, call, operator, stranger, api, client):
    client.force_login(operator)
    where = f"/calls/consortium/interests/{interest.code}/"
    assert "Decide and tell the applicant" in client.get(where).content.decode()
    refused = client.post(where, {"is_admitted": "no", "reason": ""})
    assert (refused.status_code, "Tell the applicant why" in refused.content.decode()) == (
        422,
        True,
    )
    assert client.post(where, {"is_admitted": "yes", "reason": ""}).status_code == 302

    other = people.register_organisation(
        people.OrganisationFacts(
            name="Alta SRL", kind=OrganisationKind.STARTUP, country="RO", vat_number="", pic="",
            headcount=5, turnover_eur=0, balance_eur=0,
        ),
        by=stranger,
        now=NOW,
    )  # fmt: skip
    second = express(call, other, stranger)
    declined = api(operator).post(
        f"{BASE}/calls/consortium/interests/{second.code}/decline",
        {"reason": "<b>No</b>"},
        content_type=JSON,
    )
    assert (declined.status_code, declined.json()["state"]) == (200, "declined")
    page = client.get(f"/calls/consortium/interests/{second.code}/").content.decode()
    assert "&lt;b&gt;No&lt;/b&gt;" in page
    members = api(operator).get(f"{BASE}/calls/consortium/members").json()["items"]
    assert [one["code"] for one in members] == [interest.code]
    assert members[0]["contact_email"] == "ana@startup.example"


def test_the_table_of_members_runs_no_formula(call, ana, org, operator, client):
    interest = express(call, org, ana, title='=HYPERLINK("http://evil.example")')
    actions.admit_interest(interest, reason="", by=operator, now=now())
    client.force_login(operator)
    sent = client.get("/calls/consortium/members.csv")
    assert sent["Content-Disposition"] == 'attachment; filename="consortium-members.csv"'
    head, row = csv.reader(sent.content.decode().splitlines())
    assert row[head.index("title")] == '\'=HYPERLINK("http://evil.example")'
    assert row[head.index("organisation")] == "Limbă Vie SRL"


def test_lists_cost_as_many_queries_for_one_as_for_three(
    call, interest, operator, org, ana, client
):
    client.force_login(operator)

    def counted(path):
        with CaptureQueriesContext(connection) as statements:
            assert client.get(path).status_code == 200
        return len(statements)

    actions.admit_interest(interest, reason="", by=operator, now=NOW)
    paths = ("/calls/consortium/interests/", "/calls/consortium/members/")
    client.get(paths[0])
    before = [counted(path) for path in paths]
    for _ in range(2):
        actions.admit_interest(express(call, org, ana), reason="", by=operator, now=NOW)
    assert [counted(path) for path in paths] == before
    assert max(before) <= 12
    assert queries.members(call, operator).count() == 3
