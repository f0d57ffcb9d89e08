"""The API once through, strangers, shapes, and how many queries lists cost."""

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from uzina.calls.models import Application, Award
from uzina.calls.tests.conftest import ANSWERS, assess, changed, make_call, submitted

pytestmark = pytest.mark.django_db

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
JSON = "application/json"
BASE = "/api/v1/calls"


@pytest.fixture
def call(operator):
    """A call that is open by the clock on the wall, which the doors read."""
    return make_call(operator, opens_at=LONG_AGO)


def post(client, path, body=None, **headers):
    return client.post(f"{BASE}{path}", body or {}, content_type=JSON, headers=headers)


def put(client, path, body):
    return client.put(f"{BASE}{path}", body, content_type=JSON)


def test_the_whole_way_from_a_call_to_a_project_over_http(api, operator, ana, org, assessor):
    office, startup, host = api(operator), api(ana), api(assessor)

    made = post(
        office,
        "/calls",
        {
            "mode": "playground",
            "slug": "spring",
            "title_en": "Playground",
            "title_ro": "Playground",
            "budget_gpu_hours": 50_000,
            "opens_at": "2026-01-01T00:00:00Z",
        },
    )
    assert (made.status_code, made.json()["state"]) == (201, "draft")
    assert made.json()["free_gpu_ms"] == 50_000 * 3_600_000
    assert made.json()["allowed"] == ["publish", "archive"]
    assert startup.get(f"{BASE}/calls/spring").status_code == 404
    assert post(office, "/calls/spring/publish").json()["state"] == "published"
    seen = startup.get(f"{BASE}/calls/spring").json()
    assert (seen["is_open"], seen["free_gpu_ms"], seen["allowed"]) == (True, None, [])

    started = post(startup, "/applications", {"call": "spring", "organisation": org.code})
    assert started.status_code == 201
    code = started.json()["code"]
    assert started.json()["allowed"] == ["save", "submit", "withdraw"]
    assert started.json()["next"]["is_yours"] is True
    for slug, answers in ANSWERS.items():
        saved = put(
            startup,
            f"/applications/{code}/sections/{slug}",
            {"version": 0, "answers": answers},
        )
        assert (saved.status_code, saved.json()["is_complete"]) == (200, True), saved.content
        kept = saved.json()["answers"]
        if slug == "declarations":
            terms = startup.get(f"{BASE}/calls/spring/terms").json()
            assert kept["accepts_terms"] == terms["version"]
            kept["accepts_terms"] = True
        assert kept == answers

    handed_in = post(startup, f"/applications/{code}/submit").json()
    assert (handed_in["state"], handed_in["verdict"]["qualifies"]) == ("eligible", True)
    assert handed_in["due_at"].endswith("Z")
    assert handed_in["allowed"] == ["withdraw"]

    queue = host.get(f"{BASE}/assessments").json()
    assert [one["code"] for one in queue["items"]] == [code]
    assert queue["items"][0]["allowed"] == ["assess"]
    assessed = post(
        host,
        f"/applications/{code}/assessment",
        {
            "is_fitting": True,
            "is_ready": True,
            "is_justified": True,
            "recommended_gpu_hours": 5000,
            "note": "for us only",
        },
    ).json()
    assert assessed["state"] == "awarded"
    assert "for us only" not in str(startup.get(f"{BASE}/applications/{code}").json())

    award = startup.get(f"{BASE}/awards/{assessed['award']}").json()
    assert (award["gpu_hours"], award["allowed"]) == (5000, ["accept", "refuse"])
    accept = f"/awards/{award['code']}/accept"
    assert post(startup, accept).status_code == 400
    accepted = post(startup, accept, **{"Idempotency-Key": "1"}).json()
    assert accepted["state"] == "accepted"
    assert accepted["project"].startswith("PRJ-")
    assert post(startup, accept, **{"Idempotency-Key": "1"}).json() == accepted
    again = post(startup, accept, **{"Idempotency-Key": "2"}).json()
    assert again["project"] == accepted["project"]
    story = startup.get(f"{BASE}/applications/{code}").json()["timeline"]
    assert [one["title"] for one in story] == [
        "Started",
        "Handed in",
        "Eligible by the rules",
        "Technical assessment",
        "Award offered",
        "You accepted; the project began",
        "The project ends",
        "Final report due",
    ]


def playground(answer):
    """Return what Playground says, among all modes."""
    return next(one for one in answer.json() if one["mode"] == "playground")


def test_somebody_not_signed_in_learns_whether_they_qualify_and_why(api):
    body = {
        "organisation": {
            "kind": "startup",
            "country": "RO",
            "headcount": 8,
            "turnover_eur": 400_000,
            "balance_eur": 250_000,
        },
        "civilian_purpose": True,
        "months": 3,
    }

    verdict = playground(post(api(), "/qualify", body))

    assert verdict["qualifies"] is True
    assert {one["rule"]: one["passed"] for one in verdict["reasons"]} == {
        "organisation": True,
        "size": True,
        "country": True,
        "team": None,
        "purpose": True,
        "contract": None,
        "duration": True,
        "ask": None,
        "reports": None,
    }
    assert all(one["source"] and one["text"] for one in verdict["reasons"])


def test_a_university_is_told_where_to_go_in_its_language(api):
    body = {"organisation": {"kind": "university", "country": "RO"}}

    verdict = playground(post(api(), "/qualify", body, **{"Accept-Language": "ro"}))

    failed = [one for one in verdict["reasons"] if one["passed"] is False]
    assert verdict["qualifies"] is False
    assert [one["rule"] for one in failed] == ["organisation"]
    assert "AI for Science" in failed[0]["todo"]
    assert failed[0]["text"].startswith("Playground se adresează")


def test_a_linked_enterprise_counts_in_full_for_the_size(api):
    linked = {
        "name": "Mother AG",
        "relation": "linked",
        "share_percent": 80,
        "headcount": 5000,
        "turnover_eur": 10**9,
        "balance_eur": 10**9,
    }
    organisation = {
        "kind": "startup",
        "country": "DE",
        "headcount": 3,
        "turnover_eur": 0,
        "balance_eur": 0,
        "related": [linked],
    }

    verdict = playground(post(api(), "/qualify", {"organisation": organisation}))

    assert [one["rule"] for one in verdict["reasons"] if one["passed"] is False] == ["size"]


def test_the_modes_are_public_with_the_source_of_each_figure(api):
    modes = {one["slug"]: one for one in api().get(f"{BASE}/modes").json()}

    mode = modes["playground"]
    assert mode["package_gpu_hours"] == 5000
    assert (modes["fast-lane"]["least_gpu_hours"], modes["fast-lane"]["most_gpu_hours"]) == (
        10_001,
        50_000,
    )
    assert mode["sources"]["target_working_days"]


@pytest.mark.parametrize(
    "path",
    [
        "/applications/{application}",
        "/applications/{application}/submit",
        "/applications/{application}/withdraw",
        "/applications/{application}/assessment",
        "/awards/{award}",
        "/awards/{award}/accept",
        "/awards/{award}/refuse",
    ],
)
def test_a_stranger_gets_404_and_nobody_gets_401(api, stranger, award, path):
    path = path.format(application=award.application.code, award=award.code)
    body = {"is_fitting": True, "is_ready": True, "is_justified": True}
    verb = path.rsplit("/", 1)[1]

    for person, status in ((stranger, 404), (None, 401)):
        client = api(person)
        if verb in {"submit", "withdraw", "assessment", "accept", "refuse"}:
            answer = post(client, path, body, **{"Idempotency-Key": "1"})
        else:
            answer = client.get(f"{BASE}{path}")
        assert answer.status_code == status


def test_a_draft_is_seen_by_its_applicant_only(api, draft, operator, assessor, auditor, stranger):
    for person in (operator, assessor, auditor, stranger):
        assert api(person).get(f"{BASE}/applications/{draft.code}").status_code == 404


def test_an_auditor_reads_but_may_do_nothing(api, eligible, auditor):
    shown = api(auditor).get(f"{BASE}/applications/{eligible.code}").json()

    assert shown["allowed"] == []
    answer = post(api(auditor), f"/applications/{eligible.code}/withdraw")
    assert (answer.status_code, answer.json()["code"]) == (403, "application.withdraw.not_yours")


def test_an_incomplete_submission_points_at_what_is_missing(api, call, org, ana):
    client = api(ana)
    started = post(client, "/applications", {"call": call.slug, "organisation": org.code}).json()

    answer = post(client, f"/applications/{started['code']}/submit")

    assert answer.status_code == 422
    errors = {one["pointer"]: one["detail"] for one in answer.json()["errors"]}
    assert errors["/project/title"] == "Write a title."
    assert errors["/declarations/accepts_terms"]


@pytest.mark.parametrize(
    ("section", "answers", "pointer"),
    [
        ("project", {"title": "a\x00b"}, "/answers/title"),
        ("project", {"title": "a" * 151}, "/title"),
        ("project", {"title": 7}, "/title"),
        ("project", {"title": {"a": 1}}, "/title"),
        ("project", {"months": "three"}, "/months"),
        ("project", {"months": 10**30}, "/months"),
        ("project", {"months": 1.5}, "/months"),
        ("project", {"civilian_purpose": "perhaps"}, "/civilian_purpose"),
        ("project", {"poem": "x"}, "/poem"),
        ("team", {"lead_email": "nobody"}, "/lead_email"),
        ("team", {"lead_country": ["RO"]}, "/lead_country"),
        ("team", {"members": "Ana"}, "/members"),
        ("team", {"members": [{"name": "x", "country": "XX"}]}, "/members/0/country"),
        ("team", {"members": [{"poem": "x"}]}, "/members/0/poem"),
        ("team", {"members": [{"name": "x"}] * 21}, "/members"),
        ("work", {"parameters": 0}, "/parameters"),
        ("work", {"task": "magic"}, "/task"),
    ],
)
def test_a_value_that_cannot_be_kept_is_pointed_at(api, draft, ana, section, answers, pointer):
    answer = put(
        api(ana),
        f"/applications/{draft.code}/sections/{section}",
        {"version": 1, "answers": answers},
    )

    assert answer.status_code == 422
    assert [one["pointer"] for one in answer.json()["errors"]] == [pointer]
    assert draft.sections.get(slug=section).version == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/qualify", {"organisation": {"kind": "club", "country": "RO"}}),
        ("/qualify", {"organisation": {"kind": "sme", "country": "romania"}}),
        ("/qualify", {"organisation": {"kind": "sme", "country": "RO", "headcount": 2**63}}),
        ("/calls", {"mode": "playground"}),
        ("/applications", {"call": "a\x00", "organisation": "b" * 50}),
    ],
)
def test_hostile_input_is_never_a_server_error(api, operator, path, body):
    assert post(api(operator), path, body).status_code == 422


def test_the_later_of_two_saves_is_a_conflict(api, draft, ana):
    url = f"/applications/{draft.code}/sections/project"
    client = api(ana)
    put(client, url, {"version": 1, "answers": changed("project", title="First")})

    answer = put(client, url, {"version": 1, "answers": changed("project", title="Second")})

    assert (answer.status_code, answer.json()["code"]) == (
        409,
        "application.save.changed_meanwhile",
    )
    assert answer.json()["params"]["version"] == 2


def queries_of(client, path):
    with CaptureQueriesContext(
        connection,
    ) as counted:
        assert client.get(f"{BASE}{path}").status_code == 200
    return len(counted)


@pytest.mark.parametrize(
    ("path", "who"),
    [("/applications", "ana"), ("/assessments", "assessor"), ("/calls", "operator")],
)
def test_lists_cost_the_same_for_one_row_and_for_three(
    api, call, org, ana, assessor, operator, path, who
):
    client = api({"ana": ana, "assessor": assessor, "operator": operator}[who])
    submitted(call, org, ana, now=timezone.now())
    one = queries_of(client, path)
    for number in range(2):
        submitted(call, org, ana, now=timezone.now())
        make_call(operator, slug=f"another-{number}", opens_at=LONG_AGO)

    assert queries_of(client, path) == one
    assert one <= 12


def test_the_queue_is_paged_oldest_first(api, call, org, ana, assessor):
    codes = [submitted(call, org, ana, now=timezone.now()).code for _ in range(3)]
    client = api(assessor)

    first = client.get(f"{BASE}/assessments?limit=2").json()
    second = client.get(f"{BASE}/assessments?limit=2&cursor={first['next']}").json()

    seen = [one["code"] for one in first["items"] + second["items"]]
    assert seen == codes
    assert second["next"] is None
    assert client.get(f"{BASE}/assessments?cursor=x").status_code == 422


def test_an_offer_can_be_refused(api, call, org, ana, assessor):
    application = submitted(call, org, ana, now=timezone.now())
    assess(application, assessor, now=timezone.now())
    award = Award.objects.get()

    answer = post(api(ana), f"/awards/{award.code}/refuse")

    assert (answer.json()["state"], answer.json()["allowed"]) == ("refused", [])
    assert Application.objects.get().state == "awarded"
