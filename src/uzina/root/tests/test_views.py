"""Pages that span modules: first page, projects, stopped work, log, what went wrong."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client, RequestFactory
from django.urls import get_resolver
from django.utils import timezone

import uzina
from uzina.calls import queries as calls_queries
from uzina.calls.models import Application, Award, Call, Capacity
from uzina.compute.models import Cluster, Job
from uzina.compute.rules import JobState
from uzina.core.db import acting
from uzina.core.log import log
from uzina.core.models import LogEntry, Promise
from uzina.core.promises import promise
from uzina.ledger import actions as ledger
from uzina.ledger import queries as ledger_queries
from uzina.ledger.rules import AllocationState
from uzina.people import actions as people
from uzina.root import views

pytestmark = pytest.mark.django_db
HOUR = 3_600_000
HOSTILE = "<script>alert(1)</script>"


def signed_in(person):
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


def body(response):
    return response.content.decode()


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def capacity(operator, now):
    return ledger.open_capacity(
        owner="CAL-AAAAAA",
        title="Playground",
        resource=ledger_queries.gpu_hours(),
        amount=100_000 * HOUR,
        key="capacity",
        by=operator,
        now=now - timedelta(days=30),
    )


@pytest.fixture
def call(capacity, now):
    """A call that is open: as its own module would publish it."""
    made = Call.objects.create(
        slug="playground",
        title_en="Playground for start-ups",
        title_ro="Playground pentru start-upuri",
        state="published",
        opens_at=now - timedelta(days=1),
        rules=calls_queries.mode_data(on=now.date())["playground"],
        made_at=now,
        published_at=now,
    )
    Capacity.objects.create(call=made, account=capacity)
    return made


def opened(org, lead, number, now):
    return people.open_project(
        org,
        title=f"Project number {number}",
        lead=lead,
        starts_at=now - timedelta(days=10),
        ends_at=now + timedelta(days=20),
        award_code=f"AWD-AAAA{number:02d}",
        by=None,
        now=now,
    )


def funded(project, capacity, now, *, hours=1000):
    return ledger.grant(
        project,
        capacity=capacity,
        amount=hours * HOUR,
        starts_at=now - timedelta(days=10),
        ends_at=now + timedelta(days=20),
        key=f"grant:{project.code}",
        by=None,
        now=now - timedelta(days=10),
    )


def job(allocation, number, now, *, state=JobState.DONE, used=None, name="Train"):
    hold = ledger.hold(
        allocation, amount=50 * HOUR, subject=f"J{number}", key=f"h{allocation.code}{number}",
        by=None, now=now,
    )  # fmt: skip
    if used is not None:
        ledger.settle(hold, used=used * HOUR, by=None, now=now)
    cluster, _made = Cluster.objects.get_or_create(slug="laptop", defaults={"kind": "local"})
    is_over = used is not None
    return Job.objects.create(
        project=allocation.project, allocation=allocation, hold=hold, cluster=cluster,
        key=f"k{number}", native_key=f"n{allocation.code}{number}", spec={}, name=name,
        kind="train", nodes=1, gpus=1, cpus=1, memory_mb=1000, time_limit_s=60,
        held_gpu_ms=50 * HOUR, state=state, run_dir="x", submitted_at=now,
        native_id="1", native_submitted_at=now, started_at=now,
        ended_at=now if is_over else None, settled_at=now if is_over else None,
        gpu_ms=used * HOUR if is_over else None,
    )  # fmt: skip


def application(call, org, person, now, *, state="draft", title="", **more):
    handed_in = {} if state == "draft" else {
        "submitted_at": now, "due_at": now + timedelta(days=2), "gpu_ms": 5 * HOUR, "months": 3
    }  # fmt: skip
    return Application.objects.create(
        call=call, applicant=person, organisation=org, state=state, title=title, made_at=now,
        **handed_in, **more,
    )  # fmt: skip


def offered(application, now, *, answer_by):
    return Award.objects.create(
        application=application,
        capacity=application.call.capacities.get(),
        gpu_ms=1500 * HOUR,
        months=3,
        offered_at=now,
        answer_by=answer_by,
    )


# First page -----------------------------------------------------------------------------------


def test_somebody_new_reads_what_this_is_and_which_calls_are_open(call):
    page = body(Client().get("/"))

    assert "From an idea to a trained model" in page
    assert 'href="/calls/playground/"' in page
    assert 'href="/qualify/"' in page
    assert 'href="/estimate/"' in page


def test_without_an_open_call_the_first_page_says_so(db):
    assert "No call is open today" in body(Client().get("/"))


def test_somebody_without_an_organisation_is_led_to_add_one(ana):
    assert "Add the organisation you act for" in body(signed_in(ana).get("/"))


def test_an_offer_waits_on_the_first_page_until_its_time_is_over(call, org, ana, now):
    one = application(call, org, ana, now, state="awarded", title="Mine")
    award = offered(one, now, answer_by=now + timedelta(hours=1))

    page = body(signed_in(ana).get("/"))
    assert "Answer the offer of 1,500 GPU-hours" in page
    assert f'href="/awards/{award.code}/"' in page

    Award.objects.update(answer_by=now)
    assert "Answer the offer" not in body(signed_in(ana).get("/"))


def test_a_draft_waits_on_the_first_page_of_its_applicant_only(call, org, ana, operator, now):
    draft = application(call, org, ana, now, title=HOSTILE)

    page = body(signed_in(ana).get("/"))
    assert f'href="/applications/{draft.code}/"' in page
    assert HOSTILE not in page
    assert draft.code not in body(signed_in(operator).get("/"))


def test_an_assessor_and_an_operator_see_what_waits_for_assessment(
    call, org, ana, assessor, operator, now
):
    one = application(call, org, ana, now, state="eligible", title="A model for Romanian")
    one.steps.create(kind="technical_assessment", position=0, state="open", opened_at=now)

    assert "Assess A model for Romanian" in body(signed_in(assessor).get("/"))
    assert "1 application waits for its technical assessment" in body(signed_in(operator).get("/"))
    assert f"/assessments/{one.code}/" not in body(signed_in(ana).get("/"))


def test_an_operator_sees_what_stopped_and_in_romanian_counted_rightly(operator, now):
    for number in range(20):
        with acting():
            promise("compute.hand_over", key=f"p{number}", now=now, job="JOB-AAAAAA")
    Promise.objects.update(state="dead", ended_at=now)
    client = signed_in(operator)
    client.cookies["django_language"] = "ro"

    assert "20 de lucrări s-au oprit după cinci eșecuri" in body(client.get("/"))


def test_running_jobs_and_hours_left_are_on_the_first_page(org, ana, capacity, now):
    project = opened(org, ana, 1, now)
    allocation = funded(project, capacity, now)
    job(allocation, 1, now, state=JobState.RUNNING, name="Still running")
    job(allocation, 2, now, used=10, name="Over and done")

    page = body(signed_in(ana).get("/"))
    assert "Still running" in page
    assert "Over and done" not in page
    assert "940 of 1,000 GPU-hours left" in page


@pytest.mark.parametrize("role", ["ana", "operator", "assessor", "auditor"])
def test_the_first_page_asks_the_database_the_same_for_one_row_and_for_three(
    request, role, call, org, ana, capacity, now, django_assert_max_num_queries
):
    client = signed_in(request.getfixturevalue(role))
    counts = []
    for number in (1, 2, 3):
        allocation = funded(opened(org, ana, number, now), capacity, now)
        job(allocation, number, now, state=JobState.RUNNING)
        application(call, org, ana, now, title="Draft")
        application(call, org, ana, now, state="eligible", title="Eligible")
        with django_assert_max_num_queries(13) as captured:
            assert client.get("/").status_code == 200
        counts.append(len(captured))
    assert counts[0] == counts[2]


# Projects -------------------------------------------------------------------------------------


def test_a_project_shows_hours_jobs_and_members(org, ana, capacity, now):
    project = opened(org, ana, 1, now)
    allocation = funded(project, capacity, now)
    job(allocation, 1, now, used=30, name=HOSTILE)
    job(allocation, 2, now, state=JobState.RUNNING)

    page = body(signed_in(ana).get(f"/projects/{project.code}/"))
    assert re.findall(r"<dd>([^<]+)</dd>", page)[:4] == ["920", "50", "30", "1,000"]
    assert "What is left of the hours" in page
    assert "Even pace" in page
    assert f'href="/allocations/{allocation.code}/"' in page
    assert "Ana Pop" in page
    assert "19 days left" in page
    assert HOSTILE not in page


def test_a_project_without_hours_says_so(project, ana):
    assert "No hours granted yet" in body(signed_in(ana).get(f"/projects/{project.code}/"))


def test_hours_that_have_not_begun_are_not_drawn(project, ana, capacity, now):
    ledger.grant(
        project, capacity=capacity, amount=HOUR, starts_at=now + timedelta(days=1),
        ends_at=now + timedelta(days=2), key="later", by=None, now=now,
    )  # fmt: skip
    page = body(signed_in(ana).get(f"/projects/{project.code}/"))
    assert "What is left of the hours" not in page
    assert AllocationState.PENDING.label in page


@pytest.mark.parametrize(
    ("role", "status"),
    [("ana", 200), ("operator", 200), ("auditor", 200), ("assessor", 404), ("stranger", 404)],
)
def test_a_project_is_there_for_its_members_and_for_those_who_run_and_check(
    request, project, role, status
):
    client = signed_in(request.getfixturevalue(role))

    assert client.get(f"/projects/{project.code}/").status_code == status
    assert (project.code in body(client.get("/projects/"))) == (status == 200)


@pytest.mark.parametrize("address", ["/projects/", "/projects/PRJ-AAAAAA/", "/promises/", "/log/"])
def test_nobody_signed_in_is_asked_to_sign_in_first(db, address):
    assert Client().get(address)["Location"] == f"/sign-in/?next={address}"


def test_lists_of_projects_ask_the_database_the_same_for_one_and_for_three(
    org, ana, operator, capacity, now, django_assert_max_num_queries
):
    counts = []
    for number in (1, 2, 3):
        allocation = funded(opened(org, ana, number, now), capacity, now)
        job(allocation, 1, now, used=5)
        for client in (signed_in(ana), signed_in(operator)):
            with django_assert_max_num_queries(12) as captured:
                page = body(client.get("/projects/"))
            counts.append(len(captured))
            assert page.count("995") == number
    assert counts[:2] == counts[-2:]


def test_a_project_page_asks_the_database_the_same_for_one_job_and_for_three(
    org, ana, capacity, now, django_assert_max_num_queries
):
    project = opened(org, ana, 1, now)
    allocation = funded(project, capacity, now)
    client, counts = signed_in(ana), []
    for number in (1, 2, 3):
        job(allocation, number, now, used=5)
        with django_assert_max_num_queries(20) as captured:
            assert client.get(f"/projects/{project.code}/").status_code == 200
        counts.append(len(captured))
    assert counts[0] == counts[2]


def test_a_long_list_of_projects_has_pages(org, ana, now):
    for number in range(views.ON_A_PAGE + 1):
        opened(org, ana, number, now)
    client = signed_in(ana)

    first = body(client.get("/projects/"))
    assert "Page 1 of 2" in first
    assert "?page=2" in first
    assert "Project number 0<" in body(client.get("/projects/?page=2"))
    assert client.get("/projects/?page=x").status_code == 200
    assert client.get("/projects/?page=-9").status_code == 200


# What stopped ---------------------------------------------------------------------------------


def stopped(now, key="hand-over:JOB-AAAAAA", error="Traceback\n  x\nSchedulerDown: no answer"):
    with acting():
        promise("compute.hand_over", key=key, now=now, job="JOB-AAAAAA")
    Promise.objects.filter(key=key).update(state="dead", attempts=5, ended_at=now, error=error)
    return Promise.objects.get(key=key)


def test_stopped_work_is_told_in_words_and_tried_again_by_an_operator(operator, now):
    dead = stopped(now, error=f"Traceback\nSchedulerDown: no answer {HOSTILE}")
    client = signed_in(operator)
    page = body(client.get("/promises/"))

    assert "<p>SchedulerDown: no answer &lt;script&gt;" in page
    assert "5 tries" in page

    response = client.post(f"/promises/{dead.pk}/retry/", follow=True)
    assert "It will be tried again now." in body(response)
    assert Promise.objects.get(pk=dead.pk).state == "waiting"
    assert Promise.objects.get(pk=dead.pk).attempts == 0
    assert LogEntry.objects.get(event="promise.retried").actor == operator.code


@pytest.mark.parametrize("role", ["ana", "assessor", "auditor"])
def test_stopped_work_is_not_there_for_others(request, role, now):
    client = signed_in(request.getfixturevalue(role))
    dead = stopped(now)

    assert client.get("/promises/").status_code == 404
    assert client.post(f"/promises/{dead.pk}/retry/").status_code == 404
    assert Promise.objects.get(pk=dead.pk).state == "dead"


def test_trying_again_needs_a_form(operator, now):
    dead = stopped(now)
    assert signed_in(operator).get(f"/promises/{dead.pk}/retry/").status_code == 405
    assert signed_in(operator).post("/promises/999999/retry/").status_code == 404
    assert signed_in(operator).post(f"/promises/{2**63}/retry/").status_code == 404


def test_nothing_stopped_is_good_news(operator):
    assert "Nothing is stopped" in body(signed_in(operator).get("/promises/"))


def test_the_list_of_stopped_work_has_pages_and_one_cost(
    operator, now, django_assert_max_num_queries
):
    client = signed_in(operator)
    for number in range(views.ON_A_PAGE + 1):
        stopped(now, key=f"p{number}")
    with django_assert_max_num_queries(12):
        page = body(client.get("/promises/"))
    following = re.search(r"\?cursor=(\d+)", page)[0]
    assert "p0<" in body(client.get(f"/promises/{following}"))
    assert client.get("/promises/?cursor=x").status_code == 200


# Log ------------------------------------------------------------------------------------------


def test_the_log_names_what_was_done_by_whom_and_links_to_it(auditor, ana, org, project):
    page = body(signed_in(auditor).get("/log/"))

    assert "project.opened" in page
    assert f'href="/projects/{project.code}/"' in page
    assert "Ana Pop" in page
    assert "the factory" in page


def test_the_log_is_filtered_by_subject_event_and_actor(auditor, ana, org, project):
    client = signed_in(auditor)

    by_subject = body(client.get("/log/", {"subject": project.code}))
    assert "project.opened" in by_subject
    assert "organisation.registered" not in by_subject
    assert "organisation.registered" in body(client.get("/log/", {"event": "organisation."}))
    by_actor = body(client.get("/log/", {"actor": ana.code}))
    assert "organisation.registered" in by_actor
    assert "project.opened" not in by_actor
    assert "No entry fits" in body(client.get("/log/", {"subject": "nothing"}))


@pytest.mark.parametrize(
    "query", ["subject=%27%22%3Cscript%3E", "cursor=-1", "cursor=" + "9" * 30, "event=" + "x" * 999]
)
def test_the_log_minds_no_query(auditor, query):
    response = signed_in(auditor).get(f"/log/?{query}")
    assert response.status_code == 200
    assert "<script>" not in body(response)


def test_the_chain_is_verified_on_request_and_a_change_is_shown(auditor, org):
    client = signed_in(auditor)

    assert "and every seal holds." in body(client.get("/log/?verify=1"))
    assert "seal holds" not in body(client.get("/log/"))
    LogEntry.objects.filter(event="organisation.registered").update(facts={"kind": "other"})
    page = body(client.get("/log/?verify=1"))
    assert "The log was changed" in page
    assert "seal holds" not in page


@pytest.mark.parametrize(
    ("role", "status"),
    [("ana", 404), ("assessor", 404), ("operator", 200), ("auditor", 200)],
)
def test_the_log_is_there_for_those_who_run_and_check(request, role, status):
    assert signed_in(request.getfixturevalue(role)).get("/log/").status_code == status


def test_the_log_has_pages_and_one_cost(auditor, now, django_assert_max_num_queries):
    for number in range(views.ON_A_PAGE * 2):
        with acting():
            log("thing.done", f"THING-{number}", by=auditor, now=now)
    client = signed_in(auditor)
    with django_assert_max_num_queries(8):
        page = body(client.get("/log/?event=thing"))
    assert "THING-49" in page
    following = re.search(r"\?event=thing&amp;cursor=\d+", page)[0].replace("&amp;", "&")
    assert "THING-0<" in body(client.get(f"/log/{following}"))


# Navigation, appearance, statement ------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "shown", "hidden"),
    [
        (
            "ana",
            ["/projects/", "/applications/", "/jobs/"],
            ["/log/", "/promises/", "/assessments/"],
        ),
        ("assessor", ["/assessments/"], ["/log/", "/promises/"]),
        ("operator", ["/assessments/", "/promises/", "/log/"], []),
        ("auditor", ["/log/"], ["/promises/", "/assessments/"]),
    ],
)
def test_the_navigation_fits_the_role(request, role, shown, hidden):
    page = body(signed_in(request.getfixturevalue(role)).get("/"))
    navigation = page[page.index("<nav") : page.index("</nav>")]

    assert all(f'href="{address}"' in navigation for address in shown)
    assert not any(f'href="{address}"' in navigation for address in hidden)
    assert re.search(r'href="/" aria-current="page"', navigation)


def test_the_navigation_of_a_visitor_leads_to_what_needs_no_account(db):
    page = body(Client().get("/accessibility/"))
    assert 'href="/qualify/"' in page
    assert 'href="/projects/"' not in page


def test_the_theme_is_kept_in_a_cookie_without_script(db):
    client = Client()
    response = client.post("/appearance/", {"theme": "dark", "next": "/accessibility/?a=1"})

    assert response["Location"] == "/accessibility/?a=1"
    assert 'data-color-scheme="dark"' in body(client.get("/accessibility/"))
    client.post("/appearance/", {"theme": "purple"})
    assert 'data-color-scheme="dark"' in body(client.get("/accessibility/"))
    client.post("/appearance/", {"theme": "auto"})
    assert 'data-color-scheme="auto"' in body(client.get("/accessibility/"))
    assert client.post("/appearance/", {"next": "//evil.example/"})["Location"] == "/"
    assert client.get("/appearance/").status_code == 405


def test_the_language_is_switched_by_a_form(db):
    client = Client()
    client.post("/language/", {"language": "ro", "next": "/accessibility/"})
    assert "Declarație de accesibilitate" in body(client.get("/accessibility/"))


# What went wrong ------------------------------------------------------------------------------


def test_a_page_that_is_not_there_says_so_and_how_to_go_on(ana):
    for client in (Client(), signed_in(ana)):
        response = client.get("/nowhere/")
        assert response.status_code == 404
        assert "There is no such page" in body(response)
        assert response["X-Request-Id"] in body(response)


@pytest.mark.parametrize(
    ("view", "status", "words"),
    [
        (views.bad_request, 400, "This request could not be read"),
        (views.forbidden, 403, "This is not yours to do"),
        (views.csrf_failure, 403, "The form was open for too long"),
        (views.not_found, 404, "There is no such page"),
    ],
)
def test_what_went_wrong_is_said_in_plain_words(db, view, status, words):
    response = view(RequestFactory().get("/"))
    assert response.status_code == status
    assert words in body(response)


def test_the_page_of_our_own_failure_needs_no_database(django_db_blocker, client):
    request = RequestFactory().get("/")
    request.request_id = "abc12345"
    with django_db_blocker.block():
        response = views.server_error(request)

    assert response.status_code == 500
    assert "Something went wrong on our side" in body(response)
    assert "abc12345" in body(response)


def names_of(patterns, space=""):
    """Yield every name of an address as templates write it."""
    for one in patterns:
        inner = f"{space}{one.namespace}:" if getattr(one, "namespace", None) else space
        if hasattr(one, "url_patterns"):
            yield from names_of(one.url_patterns, inner)
        elif one.name:
            yield f"{space}{one.name}"


def test_every_address_that_a_page_names_exists():
    # "url ... as x" gives an empty address for a name that is not there, and says nothing.
    known = set(names_of(get_resolver().url_patterns))
    named = {
        (path.name, name)
        for path in Path(uzina.__file__).parent.rglob("templates/**/*.html")
        for name in re.findall(r"{%\s*url\s+['\"]([^'\"]+)['\"]", path.read_text())
    }
    assert len(named) > 100
    assert {one for one in named if one[1] not in known} == set()
