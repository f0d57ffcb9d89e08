"""Each page once, what it says when something is wrong, and how many queries lists cost."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from uzina.calls.models import Application, Award, Call
from uzina.calls.tests.conftest import ANSWERS, assess, make_call, submitted
from uzina.people.models import Project

pytestmark = pytest.mark.django_db

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def call(operator):
    """A call that is open by the clock on the wall, which the doors read."""
    return make_call(operator, opens_at=LONG_AGO)


def page(person=None):
    client = Client()
    if person is not None:
        client.force_login(person)
    return client


def typed(section, version=0, **changed):
    """Return the answers of a section as a browser sends them."""
    sent = {"version": str(version)}
    for name, value in {**ANSWERS[section], **changed}.items():
        if isinstance(value, list):
            sent[f"{name}-rows"] = str(len(value))
            for number, row in enumerate(value):
                sent |= {f"{name}.{number}.{key}": one for key, one in row.items()}
        elif value is True:
            sent[name] = "on" if section == "declarations" and name != "may_publish" else "yes"
        elif value is False:
            sent[name] = "no"
        else:
            sent[name] = str(value)
    return sent


def test_the_whole_way_from_a_call_to_a_project_on_pages(call, org, ana, assessor):
    startup, host = page(ana), page(assessor)

    assert "Playground 2026" in startup.get("/calls/").content.decode()
    shown = startup.get("/calls/playground/").content.decode()
    assert "5,000 GPU-hours" in shown
    assert "Jobs that run may finish, no new one starts" in shown
    assert "you qualify, because" in startup.get("/calls/playground/apply/").content.decode()
    started = startup.post("/calls/playground/apply/", {"organisation": org.code})
    assert started.status_code == 302
    draft = started["Location"]
    assert "0 of 6 sections are complete" in startup.get(draft).content.decode()

    following = f"{draft}sections/project/"
    for slug in ANSWERS:
        assert following == f"{draft}sections/{slug}/"
        assert startup.get(following).status_code == 200
        answer = startup.post(following, typed(slug))
        assert answer.status_code == 302, answer.content.decode()
        following = answer["Location"]
    assert following == f"{draft}check/"
    check = startup.get(following).content.decode()
    assert "nothing speaks against it" in check
    assert "Jānis Bērziņš, Latvia" in check
    answer = startup.post(following, follow=True)
    assert "Your application is in." in answer.content.decode()
    assert "An engineer of the host assesses your application." in answer.content.decode()

    assert "Late" not in host.get("/assessments/").content.decode()
    application = Application.objects.get()
    address = f"/assessments/{application.code}/"
    assert "A language model for Romanian" in host.get(address).content.decode()
    sent = {
        "is_fitting": "yes",
        "is_ready": "yes",
        "is_justified": "yes",
        "recommended_gpu_hours": "5 000",
    }
    assert host.post(address, sent)["Location"] == "/assessments/"
    award = Award.objects.get()
    offer = startup.get(f"/awards/{award.code}/").content.decode()
    assert "Accept the award" in offer
    startup.post(f"/awards/{award.code}/accept/")
    startup.post(f"/awards/{award.code}/accept/")

    project = Project.objects.get()
    assert f"/projects/{project.code}/" in startup.get(f"/awards/{award.code}/").content.decode()
    assert "The project ends" in startup.get(draft).content.decode()


def test_what_was_typed_stays_when_it_cannot_be_kept(draft, ana):
    address = f"/applications/{draft.code}/sections/project/"
    sent = typed("project", version=1, title="x" * 151, summary="Something new I typed")

    answer = page(ana).post(address, sent)

    text = answer.content.decode()
    assert answer.status_code == 422
    assert "<title>Error: Your project" in text
    assert "Shorten it to 150 characters; it has 151." in text
    assert "Something new I typed" in text
    assert 'href="#id_title"' in text
    assert draft.sections.get(slug="project").answers["title"] == ANSWERS["project"]["title"]


def test_a_section_with_gaps_is_saved_and_says_what_is_missing(draft, ana):
    address = f"/applications/{draft.code}/sections/work/"
    sent = typed("work", version=1, code="", hardware_reason="Much faster here")

    answer = page(ana).post(address, sent)

    text = answer.content.decode()
    assert answer.status_code == 422
    assert "What you typed is saved." in text
    assert "Name the code and the software you will run." in text
    saved = draft.sections.get(slug="work")
    assert saved.answers["hardware_reason"] == "Much faster here"
    assert 'name="version" value="2"' in text

    later = page(ana).post(address, sent | {"version": "2", "later": "1"})
    assert later["Location"] == f"/applications/{draft.code}/"


def test_the_later_of_two_tabs_sees_both_texts_and_may_then_replace(draft, ana):
    address, client = f"/applications/{draft.code}/sections/project/", page(ana)
    client.post(address, typed("project", version=1, title="From the first tab"))

    answer = client.post(address, typed("project", version=1, title="From the second tab"))

    text = answer.content.decode()
    assert answer.status_code == 422
    assert "From the first tab" in text
    assert 'value="From the second tab"' in text
    assert 'name="version" value="2"' in text
    assert draft.sections.get(slug="project").answers["title"] == "From the first tab"

    client.post(address, typed("project", version=2, title="From the second tab"))
    assert draft.sections.get(slug="project").answers["title"] == "From the second tab"


def test_another_row_is_added_without_a_script_and_nothing_is_lost(draft, ana):
    address = f"/applications/{draft.code}/sections/team/"

    answer = page(ana).post(address, typed("team", version=1) | {"add": "members"})

    text = answer.content.decode()
    assert answer.status_code == 200
    assert 'name="members.1.name"' in text
    assert "Jānis Bērziņš" in text
    half = typed("team", version=1) | {"members-rows": "2", "members.1.name": "Bo"}
    answer = page(ana).post(address, half)
    assert 'href="#id_members_1_country"' in answer.content.decode()


def test_the_estimate_fills_the_hours_and_saves_nothing(draft, ana):
    address = f"/applications/{draft.code}/sections/work/"
    sent = typed("work", version=1, parameters="1 000 000 000", tokens="20 000 000 000")

    answer = page(ana).post(address, sent | {"estimate": "1"})

    text = answer.content.decode()
    assert "The run itself takes about 120" in text
    assert 'name="gpu_hours" value="310"' in text
    assert draft.sections.get(slug="work").version == 1
    empty = page(ana).post(address, {"version": "1", "estimate": "1"})
    assert empty.status_code == 422
    assert "Give a number from 1" in empty.content.decode()


def test_submitting_with_gaps_stays_on_the_page_and_says_so(call, org, ana):
    client = page(ana)
    draft = client.post("/calls/playground/apply/", {"organisation": org.code})["Location"]

    answer = client.post(f"{draft}check/")

    assert answer.status_code == 409
    assert "Still to do before you can submit" in answer.content.decode()
    assert Application.objects.get().state == "draft"


def test_a_declined_applicant_reads_why_and_what_to_do(call, org, ana):
    work = {**ANSWERS["work"], "gpu_hours": 9000}
    application = submitted(call, org, ana, now=timezone.now(), work=work)

    text = page(ana).get(f"/applications/{application.code}/").content.decode()

    assert "Your work needs 9\u202f000 GPU-hours and the Playground package has 5\u202f000." in text
    assert "Ask for a first part here" in text
    assert "Apply again" in text


def test_somebody_not_signed_in_learns_whether_they_qualify(call):
    client = page()
    assert client.get("/qualify/").status_code == 200
    sent = {
        "kind": "startup",
        "country": "RO",
        "headcount": "8",
        "turnover_eur": "400 000",
        "balance_eur": "",
        "civilian_purpose": "yes",
    }

    open_question = client.get("/qualify/", sent).content.decode()
    answered = client.get("/qualify/", sent | {"balance_eur": "250000"}).content.decode()
    refused = client.get("/qualify/", sent | {"kind": "public"}).content.decode()
    wrong = client.get("/qualify/", sent | {"country": "", "headcount": "many"})

    assert "You are asked about this in the application." in open_question
    assert "Playground: you qualify, because" in answered
    assert "within the EU&#x27;s definition of an SME" in answered
    assert "you do not qualify" in refused
    assert "AI for Science" in refused
    assert wrong.status_code == 422
    assert "Error:" in wrong.content.decode()


def test_the_pages_speak_romanian(call, draft, ana):
    client = page(ana)
    sent = {"kind": "sme", "country": "RO", "civilian_purpose": "yes"}
    romanian = {"headers": {"Accept-Language": "ro"}}

    qualify = client.get("/qualify/", sent, **romanian).content.decode()
    step = client.get(f"/applications/{draft.code}/sections/team/", **romanian).content.decode()

    assert "Organizația dumneavoastră este start-up sau IMM" in qualify
    assert "Investigatorul principal" in step
    assert "Letonia" in step


def test_an_operator_makes_and_publishes_a_call_on_pages(operator, ana):
    client = page(operator)
    sent = {
        "mode": "playground",
        "title_en": "Playground autumn",
        "title_ro": "Playground toamna",
        "slug": "autumn",
        "budget_gpu_hours": "50 000",
        "opens_on_day": "1",
        "opens_on_month": "11",
        "opens_on_year": "2026",
        "partition": "gpu",
    }
    assert client.get("/calls/new/").status_code == 200

    wrong = client.post("/calls/new/", sent | {"slug": "Not a slug", "budget_gpu_hours": "10"})
    assert wrong.status_code == 422
    assert "Use small letters" in wrong.content.decode()
    made = client.post("/calls/new/", sent)
    assert made["Location"] == "/calls/autumn/"
    call = Call.objects.get()
    assert call.opens_at.isoformat() == "2026-10-31T22:00:00+00:00"
    assert page(ana).get("/calls/autumn/").status_code == 404
    client.post("/calls/autumn/publish/")
    assert page(ana).get("/calls/autumn/").status_code == 200
    assert "<dd>50,000</dd>" in client.get("/calls/autumn/").content.decode()
    client.post("/calls/autumn/archive/")
    assert Call.objects.get().state == "archived"
    assert page(ana).get("/calls/new/").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/applications/{application}/",
        "/applications/{application}/check/",
        "/applications/{application}/withdraw/",
        "/applications/{application}/sections/project/",
        "/assessments/",
        "/assessments/{application}/",
        "/awards/{award}/",
    ],
)
def test_a_stranger_gets_404_and_nobody_is_asked_to_sign_in(award, stranger, path):
    path = path.format(application=award.application.code, award=award.code)

    assert page(stranger).get(path).status_code == 404
    asked = page().get(path)
    assert asked.status_code == 302
    assert asked["Location"].startswith("/sign-in/")


def test_withdrawing_asks_first(eligible, ana):
    address = f"/applications/{eligible.code}/withdraw/"

    assert "loses its place" in page(ana).get(address).content.decode()
    page(ana).post(address)

    eligible.refresh_from_db()
    assert eligible.state == "withdrawn"


def test_an_assessor_who_says_no_must_say_why(eligible, assessor):
    address = f"/assessments/{eligible.code}/"
    sent = {
        "is_fitting": "yes",
        "is_ready": "no",
        "is_justified": "yes",
        "recommended_gpu_hours": "0",
    }

    answer = page(assessor).post(address, sent)

    assert answer.status_code == 422
    assert "Tell the applicant why" in answer.content.decode()
    assert page(assessor).post(address, sent | {"comment": "No code."}).status_code == 302
    eligible.refresh_from_db()
    assert eligible.state == "declined"


def test_late_applications_are_marked_and_the_oldest_is_first(call, org, ana, assessor):
    now = timezone.now()
    new = submitted(call, org, ana, now=now)
    late = submitted(call, org, ana, now=now - timedelta(days=20))

    text = page(assessor).get("/assessments/").content.decode()

    assert text.index(late.code) < text.index(new.code)
    assert text.count('data-tone="bad"') == 1


def test_an_operator_sees_the_queue_but_does_not_assess(eligible, operator):
    client = page(operator)

    assert eligible.code in client.get("/assessments/").content.decode()
    assert client.get(f"/assessments/{eligible.code}/").status_code == 404


def test_an_award_can_be_refused_on_its_page(call, org, ana, assessor):
    application = submitted(call, org, ana, now=timezone.now())
    assess(application, assessor, now=timezone.now())
    award = Award.objects.get()

    answer = page(ana).post(f"/awards/{award.code}/refuse/", follow=True)

    assert "You refused the award." in answer.content.decode()


def queries_of(client, path):
    with CaptureQueriesContext(connection) as counted:
        assert client.get(path).status_code == 200
    return len(counted)


@pytest.mark.parametrize(
    ("path", "who"),
    [("/applications/", "ana"), ("/assessments/", "assessor"), ("/calls/", "operator")],
)
def test_lists_cost_the_same_for_one_row_and_for_three(
    call, org, ana, assessor, operator, path, who
):
    client = page({"ana": ana, "assessor": assessor, "operator": operator}[who])
    submitted(call, org, ana, now=timezone.now())
    one = queries_of(client, path)
    for number in range(2):
        submitted(call, org, ana, now=timezone.now())
        make_call(operator, slug=f"another-{number}", opens_at=LONG_AGO)

    assert queries_of(client, path) == one
    assert one <= 12
