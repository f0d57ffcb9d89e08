"""The operators' queue: what it finds, what it costs, and handing work out."""

import csv
import io
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from uzina.calls import actions, queries
from uzina.calls.models import Appeal, Application, Pause, Step
from uzina.calls.rules.steps import StepKind
from uzina.core.tests import NOW
from uzina.people import queries as people
from uzina.people.models import Organisation
from uzina.people.tests import deliver, make_person

pytestmark = pytest.mark.django_db

K = StepKind
DAY = timedelta(days=1)


def page(person):
    client = Client()
    client.force_login(person)
    return client


def judged(call, org, ana, *, kind=K.TECHNICAL_ASSESSMENT, due=None, state="open", **facts):
    """Put one application straight into a step: what the queue reads and no more."""
    application = Application.objects.create(
        call=call,
        applicant=ana,
        organisation=org,
        state="eligible",
        title=facts.pop("title", "A model"),
        months=1,
        gpu_ms=1,
        made_at=NOW,
        submitted_at=NOW,
        due_at=NOW,
        **facts,
    )
    step = Step.objects.create(
        application=application,
        kind=kind,
        position=2,
        state=state,
        opened_at=NOW,
        counts_from=NOW,
        due_at=due,
    )
    if state == "paused":
        Pause.objects.create(step=step, began_at=NOW)
    return step


def found(person, now=NOW, **wanted):
    return [
        one.application.title for one in queries.worklist(person, queries.Wanted(**wanted), now=now)
    ]


@pytest.fixture
def rows(call, org, ana):
    return {
        "late": judged(call, org, ana, title="late", due=NOW - DAY),
        "soon": judged(call, org, ana, title="soon", due=NOW + DAY),
        "asked": judged(call, org, ana, title="asked", due=NOW - DAY, state="paused"),
        "offered": judged(call, org, ana, title="offered", kind=K.ACCEPTANCE, due=NOW - DAY),
        "reserve": judged(
            call, org, ana, title="reserve", kind=K.DECISION, due=NOW - DAY, reserve_at=NOW
        ),
        "endless": judged(call, org, ana, title="endless", kind=K.PANEL),
    }


def test_an_appeal_is_the_applicants_time_until_it_is_filed(call, org, ana, operator):
    step = judged(call, org, ana, title="appeal", kind=K.APPEAL, due=NOW - DAY)
    assert found(operator, waiting="applicant") == ["appeal"]
    assert found(operator, is_late=True) == []
    assert list(queries.to_be_escalated(NOW)) == []

    Appeal.objects.create(
        application=step.application, grounds="It fits.", filed_by=ana, filed_at=NOW, due_at=NOW
    )

    assert found(operator, is_late=True) == found(operator, waiting="us") == ["appeal"]
    (row,) = queries.worklist(operator, queries.Wanted(), now=NOW)
    assert queries.is_late(row, NOW)
    assert list(queries.to_be_escalated(NOW)) == [step]


def test_the_first_due_comes_first_and_what_has_no_deadline_last(rows, operator):
    assert found(operator) == ["late", "asked", "offered", "reserve", "soon", "endless"]


def test_late_is_what_the_factory_owes_and_nothing_else(rows, operator):
    assert found(operator, is_late=True) == ["late"]
    assert found(operator, is_late=True, now=NOW - DAY - timedelta(microseconds=1)) == []
    assert found(operator, is_late=True, now=NOW - DAY) == ["late"]
    for name, step in rows.items():
        kept = Step.objects.select_related("application__appeal").get(pk=step.pk)
        assert queries.is_late(kept, NOW) is (name == "late")
    assert {
        one.code: one.late for one in queries.loads_by_step(operator, queries.Wanted(), now=NOW)
    } == {
        "technical_assessment": 1,
        "panel": 0,
        "decision": 0,
        "acceptance": 0,
    }


def test_the_queue_is_searched_by_all_that_is_said_of_a_row(rows, operator, assessor, call, org):
    actions.take_step(rows["soon"], by=assessor, now=NOW)

    assert found(operator, waiting="applicant") == ["asked", "offered"]
    assert found(operator, waiting="us") == ["late", "reserve", "soon", "endless"]
    assert found(operator, step="panel") == ["endless"]
    assert found(operator, step="nonsense") == found(operator)
    assert found(operator, owner=assessor.code) == ["soon"]
    assert found(assessor, owner="me") == ["soon"]
    assert len(found(operator, owner="none")) == 5
    assert found(operator, text="Ana P") == found(operator)
    assert found(operator, text=rows["late"].application.code.lower()) == ["late"]
    assert found(operator, text="%") == []
    assert found(operator, call="another") == []
    assert found(operator, call=call.slug, cut_off=1) == []
    (nobody, somebody) = queries.loads_by_owner(operator, queries.Wanted(), now=NOW)
    assert (nobody.code, nobody.count, nobody.late) == ("none", 5, 1)
    assert (somebody.name, somebody.count) == (assessor.name, 1)


def test_only_who_works_for_the_factory_sees_the_queue(rows, operator, assessor, auditor, ana, org):
    for person in (operator, assessor, auditor):
        assert page(person).get("/queue/").status_code == 200
        assert page(person).get("/queue.csv").status_code == 200
    for person in (ana, make_person("rita@uni.example", "Rita Reviewer", "reviewer")):
        assert page(person).get("/queue/").status_code == 404
        assert page(person).get("/queue.csv").status_code == 404
        assert page(person).post("/queue/hand-out/").status_code == 404
    assert Client().get("/queue/").status_code == 302
    org.affiliations.create(person=assessor, is_representative=False)
    assert found(assessor) == []


def test_the_page_says_how_late_and_who_is_waited_for(rows, operator):
    shown = page(operator).get("/queue/").content.decode()

    assert "6 applications are under way." in shown
    assert "The clock stands still" in shown
    assert "Waiting for the applicant since" in shown
    assert page(operator).get("/queue/?q=nothing-such").content.decode().count("Nothing fits") == 1
    for address in (
        "/queue/?cut_off=x&page=zz&owner=nobody",
        "/queue/?cut_off=99999999999999999999",
    ):
        assert page(operator).get(address).status_code == 200


def statements(client, address):
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


FILTERS = (
    "",
    "?call=playground&step=technical_assessment",
    "?owner=me",
    "?owner=none&late=yes",
    "?waiting=applicant",
    "?waiting=us&q=model",
)


@pytest.mark.parametrize("address", FILTERS)
def test_the_queue_costs_as_many_statements_for_sixty_as_for_twenty(
    call, org, ana, operator, address
):
    call.cut_offs.create(opens_at=NOW, closes_at=NOW + DAY)
    client = page(operator)

    def more(count):
        for number in range(count):
            state = "paused" if number % 4 == 0 else "open"
            step = judged(call, org, ana, due=NOW - number * DAY, state=state)
            if number % 3 == 0:
                step.owner = operator
                step.save()

    more(20)
    few = statements(client, f"/queue/{address}")
    more(40)
    many = statements(client, f"/queue/{address}")

    assert few == many <= 15


def test_the_table_has_no_formulas_and_all_rows(call, org, ana, operator):
    Organisation.objects.filter(pk=org.pk).update(name="=HYPERLINK(0)")
    for number in range(60):
        judged(call, org, ana, title=f"+{number}", due=NOW)

    body = page(operator).get("/queue.csv").content.decode()

    table = list(csv.DictReader(io.StringIO(body)))
    assert len(table) == 60
    assert {one["step"] for one in table} == {"technical_assessment"}
    assert all(one["title"].startswith("'+") for one in table)
    assert all(one["organisation"] == "'=HYPERLINK(0)" for one in table)


def test_many_are_given_at_once_with_one_message_and_the_rest_is_said(
    rows, operator, assessor, ana, org
):
    answer = page(operator).post(
        "/queue/hand-out/",
        {
            "application": [rows[name].application.code for name in ("late", "soon", "endless")],
            "to": assessor.code,
            "next": "/queue/?late=yes",
        },
        follow=True,
    )

    assert answer.redirect_chain == [("/queue/?late=yes", 302)]
    shown = answer.content.decode()
    assert "2 applications are now with Andrei Assessor." in shown
    assert "worked on by somebody with another role" in shown
    deliver()
    (told,) = people.messages_about(rows["late"].application.code)
    assert (told.to, told.kind) == (assessor, "calls.step_given")
    assert "2 applications" in told.body


def test_an_assessor_takes_and_never_from_a_colleague(rows, operator, assessor):
    other = make_person("other@factory.example", "Oana Other", "assessor")
    actions.take_step(rows["late"], by=other, now=NOW)
    codes = [rows[name].application.code for name in ("late", "soon")]

    shown = page(assessor).post(
        "/queue/hand-out/", {"application": codes, "next": "https://evil.example/"}, follow=True
    )

    assert shown.redirect_chain == [("/queue/", 302)]
    assert "Oana Other has taken this one." in shown.content.decode()
    assert found(assessor, owner="me") == ["soon"]
    assert page(assessor).post("/queue/hand-out/", {"to": operator.code, "application": codes})
    assert found(operator, owner="me") == []


def test_pages_of_the_queue_by_cursor_are_the_queue(rows, call, org, ana, operator):
    for number in range(7):
        judged(call, org, ana, title=f"n{number}", due=NOW if number % 2 else None)
    whole = queries.worklist(operator, queries.Wanted(), now=NOW)

    got, cursor = [], ""
    while cursor is not None:
        part, cursor = queries.first_due(whole, limit=3, cursor=cursor)
        got += part

    assert got == list(whole)
