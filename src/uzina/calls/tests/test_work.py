"""Pages and API of what happens to an application between submission and decision."""

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from uzina.calls import actions, queries
from uzina.calls.models import Application, Question, Step
from uzina.calls.rules.steps import StepKind
from uzina.calls.tests.conftest import assess, changed, make_call, submitted
from uzina.calls.tests.test_steps import with_steps
from uzina.people.tests import deliver

pytestmark = pytest.mark.django_db

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def call(operator):
    """A call that is open by the clock on the wall, which the doors read."""
    return make_call(operator, opens_at=LONG_AGO)


@pytest.fixture
def eligible(call, org, ana):
    return submitted(call, org, ana, now=timezone.now())


def page(person):
    client = Client()
    client.force_login(person)
    return client


def read(client, address):
    answer = client.get(address)
    assert answer.status_code == 200, answer.content.decode()[:500]
    return answer.content.decode()


def test_a_question_goes_to_the_applicant_and_its_answer_back_on_pages(
    eligible, assessor, ana, stranger
):
    host, startup = page(assessor), page(ana)
    address = f"/applications/{eligible.code}/"

    asked = host.post(f"{address}office/ask/", {"text": "Which <b>licence</b>?"})
    assert asked.status_code == 302
    assert "Wait for the answer" in read(host, f"/assessments/{eligible.code}/")
    deliver()
    shown = read(startup, address)
    assert "Answer our question." in shown
    assert "Our clock stands still since" in shown
    assert "Which &lt;b&gt;licence&lt;/b&gt;?" in shown
    assert "a question to you" in shown
    question = Question.objects.get()
    answer_at = f"{address}questions/{question.code}/"
    assert f'class="ds-button" href="{answer_at}"' in shown
    assert page(stranger).get(answer_at).status_code == 404
    assert host.get(answer_at).status_code == 404
    assert startup.post(answer_at, {"text": " "}).status_code == 422
    assert "5 working days left" in read(startup, answer_at)

    assert startup.post(answer_at, {"text": "CC BY"}).status_code == 302

    shown = read(startup, address)
    assert "Our clock stood still from" in shown
    assert "CC BY" in shown
    assert "An engineer of the host assesses your application." in shown
    assert "CC BY" in read(host, address)


def test_who_asked_goes_on_without_an_answer(eligible, assessor, operator, ana):
    work = f"/applications/{eligible.code}/office/"
    page(operator).post(f"{work}ask/", {"text": "Which licence?"})
    refused = page(assessor).post(f"{work}act/end-waiting/", follow=True).content.decode()
    assert "Only who asked, or an operator, can end the waiting." in refused

    page(operator).post(f"{work}act/end-waiting/")

    question = Question.objects.get()
    assert question.closed_by == operator
    shown = read(page(ana), f"/applications/{eligible.code}/questions/{question.code}/")
    assert "Nobody waits for an answer any more" in shown


def test_work_is_for_those_who_do_it(eligible, ana, stranger, auditor, assessor, operator, org):
    address = f"/applications/{eligible.code}/office/"

    for person in (ana, stranger, auditor):
        assert page(person).get(address).status_code == 404
        assert page(person).post(f"{address}act/take/").status_code == 404
    for person in (assessor, operator):
        assert page(person).get(address).status_code == 200
    assert page(assessor).post(f"{address}act/nonsense/").status_code == 404
    assert page(assessor).post(f"{address}ask/", {"text": ""}).status_code == 422
    org.affiliations.create(person=assessor, is_representative=False)
    assert page(assessor).get(address).status_code == 404
    assert not Question.objects.exists()


def test_taking_and_giving_back_on_pages(eligible, assessor, ana):
    work = f"/applications/{eligible.code}/office/"
    host = page(assessor)

    host.post(f"{work}act/take/")
    assert queries.step_under_way(eligible).owner == assessor
    assert "Andrei Assessor" in read(host, "/assessments/")
    host.post(f"{work}act/give-back/")
    assert queries.step_under_way(eligible).owner is None


def test_a_redirect_on_pages_leads_the_applicant_to_the_draft(eligible, operator, assessor, ana):
    make_call(operator, slug="second", opens_at=LONG_AGO, title_en="The second call")
    host = page(assessor)
    work = f"/applications/{eligible.code}/office/"
    assert "Jülich" in read(host, work)
    assert host.post(f"{work}redirect/", {"to": "call:none", "reason": "x"}).status_code == 422
    assert host.post(f"{work}redirect/", {"to": "call:second"}).status_code == 422

    host.post(f"{work}redirect/", {"to": "call:second", "reason": "It fits there."})

    draft = Application.objects.get(state="draft")
    shown = read(page(ana), f"/applications/{eligible.code}/")
    assert "Look at the draft in The second call" in shown
    assert "It fits there." in shown
    assert f'href="/applications/{draft.code}/"' in shown


def test_a_redirect_to_another_factory_offers_the_whole_application_as_a_file(
    eligible, operator, ana
):
    page(operator).post(
        f"/applications/{eligible.code}/office/redirect/",
        {"to": "factory:JAIF", "reason": "Bigger."},
    )

    shown = read(page(ana), f"/applications/{eligible.code}/")
    assert "apply with it at JAIF" in shown
    assert f'href="/applications/{eligible.code}/export.pdf"' in shown


def test_an_operator_checks_and_lets_a_rule_pass_on_pages(call, org, ana, operator):
    with_steps(
        call,
        ("completeness", "rule", 0),
        ("eligibility", "operator", 1),
        ("technical_assessment", "assessor", 2),
        ("decision", "rule", 0),
    )
    application = submitted(
        call, org, ana, now=timezone.now(), team=changed("team", contract_covers=False)
    )
    address = f"/applications/{application.code}/"
    office = page(operator)
    assert "An operator of the factory checks eligibility" in read(page(ana), address)
    assert "It passes this check" not in read(office, f"{address}office/")

    office.post(f"{address}office/exempt/", {"rule": "contract", "reason": "A letter is here."})
    assert "It passes this check" in read(office, f"{address}office/")
    office.post(f"{address}office/act/confirm/")

    shown = read(page(ana), address)
    assert "Eligible by an exception that an operator allowed" in shown
    assert "A letter is here." in shown


def test_an_operator_declines_in_a_check_and_the_applicant_reads_why(call, org, ana, operator):
    with_steps(call, ("completeness", "operator", 1), ("appeal", "panel", 0))
    application = submitted(call, org, ana, now=timezone.now())

    page(operator).post(
        f"/applications/{application.code}/office/reject/", {"reason": "The plan is empty."}
    )

    shown = read(page(ana), f"/applications/{application.code}/")
    assert "The plan is empty." in shown
    assert "Time to appeal" in shown


def test_an_assessment_moves_the_work_to_another_partition_of_the_call(
    operator, org, ana, assessor
):
    call = make_call(
        operator,
        opens_at=LONG_AGO,
        slug="two",
        budget_gpu_hours=0,
        capacities=[
            actions.CapacityFacts("Booster", 10_000),
            actions.CapacityFacts("Frontier", 10_000),
        ],
    )
    application = submitted(
        call,
        org,
        ana,
        now=timezone.now(),
        work=changed("work", partition="Booster"),
    )
    shown = read(page(assessor), f"/assessments/{application.code}/")
    assert "Recommended partition" in shown
    assert "From 1 to 5,000." in shown
    answers = {
        "is_fitting": "yes",
        "is_ready": "yes",
        "is_justified": "yes",
        "recommended_gpu_hours": "100",
    }
    nowhere = answers | {"recommended_partition": "Nowhere"}
    assert page(assessor).post(f"/assessments/{application.code}/", nowhere).status_code == 422

    page(assessor).post(
        f"/assessments/{application.code}/", answers | {"recommended_partition": "Frontier"}
    )

    award = Application.objects.get(pk=application.pk).award
    assert (award.capacity.partition, award.gpu_ms) == ("Frontier", 360_000_000)


def test_a_step_that_is_late_is_admitted_on_the_applicants_page(eligible, ana):
    Step.objects.filter(kind=StepKind.TECHNICAL_ASSESSMENT).update(due_at=LONG_AGO)

    shown = read(page(ana), f"/applications/{eligible.code}/")

    assert "We should have done this by then." in shown


def test_the_note_for_the_host_is_for_the_host(eligible, assessor, ana, stranger, operator):
    eligible.editors.create(person=stranger, made_at=timezone.now())
    assess(eligible, assessor, now=timezone.now())
    assessment = eligible.assessment
    assessment.note = "Watch this one."
    assessment.save()

    for person, is_shown in ((ana, False), (stranger, False), (operator, True), (assessor, True)):
        shown = read(page(person), f"/applications/{eligible.code}/")
        assert ("Watch this one." in shown) is is_shown


def test_the_applicants_page_costs_no_more_with_a_longer_story(eligible, assessor, ana):
    client, address = page(ana), f"/applications/{eligible.code}/"

    def statements():
        with CaptureQueriesContext(connection) as captured:
            read(client, address)
        return len(captured)

    for _warm in range(2):
        few = statements()
    for _one in range(3):
        question = actions.ask(
            Application.objects.get(pk=eligible.pk), text="Why?", by=assessor, now=timezone.now()
        )
        actions.answer_question(question, text="So.", by=ana, now=timezone.now())
    deliver()

    assert statements() <= few + 1


# --- the API ---


def test_the_queue_by_api_is_paged_filtered_and_refused_to_others(
    call, org, ana, operator, assessor, auditor
):
    codes = [submitted(call, org, ana, now=timezone.now()).code for _one in range(3)]
    got, cursor = [], ""
    while cursor is not None:
        part = page(operator).get("/api/v1/calls/queue", {"limit": 2, "cursor": cursor}).json()
        got += [one["application"] for one in part["items"]]
        cursor = part["next"]
    assert got == codes
    (one,) = page(auditor).get("/api/v1/calls/queue", {"q": codes[1]}).json()["items"]
    assert (one["step"], one["waiting"], one["is_late"]) == ("technical_assessment", "us", False)
    assert page(ana).get("/api/v1/calls/queue").status_code == 403
    assert page(ana).get("/api/v1/calls/queue/late").status_code == 403
    for bad in ("1", "a-b", "1-1-1", "x"):
        assert page(operator).get("/api/v1/calls/queue", {"cursor": bad}).status_code == 422

    given = page(operator).post(
        "/api/v1/calls/queue/hand-out",
        {"applications": codes[:2], "to": assessor.code},
        content_type="application/json",
    )
    assert sorted(given.json()["given"]) == sorted(codes[:2])
    late = page(operator).get("/api/v1/calls/queue/late").json()
    assert late["by_step"][0]["count"] == 3
    assert {one["name"]: one["count"] for one in late["by_owner"]} == {assessor.name: 2, "": 1}


def test_the_way_of_an_application_by_api(eligible, assessor, operator, ana, stranger):
    base = f"/api/v1/calls/applications/{eligible.code}"

    def post(person, verb, **facts):
        return page(person).post(f"{base}/{verb}", facts, content_type="application/json")

    assert post(assessor, "take").status_code == 200
    assert post(ana, "take").status_code == 403
    assert post(stranger, "take").status_code == 404
    asked = post(assessor, "questions", text="Why?")
    assert asked.status_code == 201
    code = asked.json()["code"]
    shown = page(ana).get(base).json()
    assert (shown["next"]["verb"], shown["next"]["target"]) == ("answer", code)
    assert post(operator, f"questions/{code}/answer", text="So.").status_code == 403
    assert post(ana, f"questions/{code}/answer", text="So.").json()["is_open"] is False
    assert post(ana, f"questions/{code}/answer", text="So.").status_code == 409
    again = post(assessor, "questions", text="And?").json()["code"]
    assert post(assessor, f"questions/{again}/end").json()["closed_at"]
    assert [one["code"] for one in page(ana).get(f"{base}/questions").json()] == [code, again]
    assert post(assessor, "give-back").status_code == 200
    assert post(operator, "confirm").status_code == 409
    assert post(operator, "reject", reason="No.").status_code == 409
    assert post(operator, "exempt", rule="contract", reason="No.").status_code == 409
    assert post(operator, "redirect", factory="Nowhere", reason="No.").status_code == 409
    assert post(operator, "redirect", call="none", reason="No.").status_code == 404
    sent = post(operator, "redirect", factory="PIAST", reason="Near you.")
    assert sent.json()["state"] == "redirected"
    assert len(page(ana).get("/api/v1/calls/factories").json()) == 19


# --- the first page ---


def test_the_first_page_says_what_each_is_waited_for(eligible, ana, stranger, assessor, operator):
    eligible.editors.create(person=stranger, made_at=timezone.now())
    assert f"/assessments/{eligible.code}/" in read(page(assessor), "/")
    assert "1 application waits for its technical assessment" in read(page(operator), "/")
    actions.ask(eligible, text="Why?", by=assessor, now=timezone.now())

    for person in (ana, stranger):
        shown = read(page(person), "/")
        assert "Answer the question “A language model for Romanian”" in shown
    assert "1 question has no answer in time" not in read(page(operator), "/")
    Question.objects.update(answer_by=LONG_AGO)
    assert "1 question has no answer in time" in read(page(operator), "/")

    actions.end_waiting(Question.objects.get(), by=operator, now=timezone.now())
    Step.objects.filter(kind=StepKind.TECHNICAL_ASSESSMENT).update(due_at=LONG_AGO)
    shown = read(page(operator), "/")
    assert "1 application is late" in shown
    assert "/queue/?late=yes" in shown
    assert "Answer the question" not in read(page(ana), "/")
