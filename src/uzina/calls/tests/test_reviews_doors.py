"""Pages and API of peer review: each once, what is blind, what is refused, and what lists cost."""

import pytest
from django.core.files.base import ContentFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from uzina.calls import actions, queries
from uzina.calls.models import AssignmentPlan, Bid, Conflict, Document, Review
from uzina.calls.rules.reviews_messages import APPLICATION
from uzina.calls.tests.conftest import changed
from uzina.calls.tests.reviewing import (
    FULL,
    assigned,
    hand_in,
    judged_call,
    make_applicant,
    make_reviewer,
    written,
)
from uzina.core.tests import NOW
from uzina.people.models import Message

pytestmark = pytest.mark.django_db

BASE = "/api/v1/calls"
JSON = "application/json"
TYPED = {
    "scores_excellence": "4",
    "scores_impact": "5",
    "comment": FULL["comment"],
    "panel_comment": FULL["panel_comment"],
    "notes": FULL["notes"],
}


def page(person):
    client = Client()
    client.force_login(person)
    return client


def shown(client, path, status=200):
    answer = client.get(path)
    assert answer.status_code == status, path
    return answer.content.decode()


def post(client, path, body=None):
    return client.post(f"{BASE}{path}", body or {}, content_type=JSON)


@pytest.fixture
def call(operator):
    return judged_call(operator)


@pytest.fixture
def mara(operator):
    return make_reviewer(operator, "Mara Ionescu")


@pytest.fixture
def ilze(operator):
    return make_reviewer(operator, "Ilze Kalniņa")


@pytest.fixture
def application(call, org, ana):
    return hand_in(call, ana, org, now=timezone.now())


@pytest.fixture
def review(operator, application, mara):
    return assigned(operator, application, mara, now=timezone.now())[0]


def test_a_reviewer_goes_from_a_message_to_a_review_handed_in(operator, review, application, mara):
    reviewer = page(mara)
    listed = shown(reviewer, "/reviews/")
    assert "0 of 1 handed in" in listed
    assert application.title in listed
    address = f"/reviews/{review.code}/"
    before = shown(reviewer, address)
    assert "Accept this review" in before
    assert "Public texts are hard to read." not in before
    assert reviewer.post(f"{address}accept/")["Location"] == address
    beside = shown(reviewer, address)
    assert "Public texts are hard to read." in beside
    assert "Limbă Vie SRL" in beside
    assert "5 – Excellent" in beside
    assert "Weighs 67 % of the score." in beside

    nothing = reviewer.post(address, {"version": "0", "submit": "1"})
    assert nothing.status_code == 422
    assert nothing.content.decode().count("Give a score.") == 4
    assert reviewer.post(address, TYPED | {"version": "0", "save": "1"}).status_code == 302
    handed = reviewer.post(address, TYPED | {"version": "1", "submit": "1"}, follow=True)
    assert "is handed in. Thank you." in handed.content.decode()
    review.refresh_from_db()
    assert (review.state, review.score_milli) == ("submitted", 4333)
    assert "1 of 1 handed in" in shown(reviewer, "/reviews/")


def test_what_is_typed_saves_itself_and_the_later_window_is_told(review, mara):
    actions.accept_review(review, by=mara, now=timezone.now())
    reviewer, address = page(mara), f"/reviews/{review.code}/"
    saved = reviewer.post(address, TYPED | {"version": "0", "autosave": "1"})
    assert (saved.status_code, saved.json()["version"]) == (200, 1)
    other = {"version": "0", "comment": "From another window"}
    late = reviewer.post(address, TYPED | other | {"autosave": "1"})
    assert late.status_code == 409
    assert "was saved elsewhere" in late.json()["text"]

    compared = reviewer.post(address, TYPED | other | {"save": "1"})
    body = compared.content.decode()
    assert compared.status_code == 422
    assert "As it was saved elsewhere" in body
    assert FULL["comment"] in body
    assert "From another window" in body
    assert 'name="version" value="1"' in body
    reviewer.post(address, TYPED | other | {"version": "1", "save": "1"})
    review.refresh_from_db()
    assert review.comment == "From another window"


def test_save_and_next_goes_to_the_next_review(operator, call, review, mara):
    person, organisation = make_applicant(1)
    other = hand_in(call, person, organisation, now=timezone.now())
    following = assigned(operator, other, mara, now=timezone.now())[0]
    actions.accept_review(review, by=mara, now=timezone.now())
    answer = page(mara).post(f"/reviews/{review.code}/", TYPED | {"version": "0", "next": "1"})
    assert answer["Location"] == f"/reviews/{following.code}/"


def test_a_review_is_declined_with_a_reason_on_its_page(review, mara):
    reviewer = page(mara)
    address = f"/reviews/{review.code}/decline/"
    assert "Somebody else is asked." in shown(reviewer, address)
    assert reviewer.post(address, {"reason": ""}).status_code == 422
    assert reviewer.post(address, {"reason": "No time"})["Location"] == "/reviews/"
    shown(reviewer, f"/reviews/{review.code}/", 404)


def test_a_conflict_declared_on_a_page_closes_it_for_good(review, application, mara):
    reviewer = page(mara)
    address = f"/reviews/{review.code}/conflict/"
    assert reviewer.post(address, {"reason": " "}).status_code == 422
    done = reviewer.post(address, {"reason": "We are cousins"}, follow=True)
    assert "Thank you for saying so." in done.content.decode()
    assert application.title not in done.content.decode()
    for path in (address, f"/reviews/{review.code}/", f"/applications/{application.code}/"):
        shown(reviewer, path, 404)


def test_bids_show_title_summary_and_topics_but_nobodys_name(call, operator, org, ana, mara):
    application = hand_in(
        call,
        ana,
        org,
        now=timezone.now(),
        project=changed("project", title="A model by LIMBA VIE", summary="Ana Pop leads it."),
    )
    reviewer = page(mara)
    listed = shown(reviewer, "/bids/")
    assert "Language models and natural language processing" in listed
    assert "A model by ▇▇▇" in listed
    for name in ("Limbă Vie", "LIMBA VIE", "Ana Pop"):
        assert name not in listed
    kept = reviewer.post(f"/bids/{application.code}/", {"value": "2"})
    assert kept["Location"] == "/bids/"
    assert Bid.objects.get().value == 2
    reviewer.post(f"/bids/{application.code}/", {"value": "9"})
    assert Bid.objects.get().value == 2
    address = f"/bids/{application.code}/conflict/"
    assert "▇▇▇" in shown(reviewer, address)
    assert reviewer.post(address, {"reason": "Old friends"})["Location"] == "/bids/"
    assert "▇▇▇" not in shown(reviewer, "/bids/")
    assert Conflict.objects.get().is_declared


def test_a_double_blind_call_names_nobody_to_reviewers_anywhere(
    operator, org, ana, mara, ilze, api
):
    call = judged_call(operator, slug="blind", blind="double")
    application = hand_in(
        call,
        ana,
        org,
        now=timezone.now(),
        project=changed(
            "project", summary="Limba Vie s.r.l. and Jānis Bērziņš (ana@startup.example)"
        ),
    )
    document = Document(
        application=application,
        slug="plan",
        name="Limbă Vie – plan.pdf",
        media_type="application/pdf",
        size=4,
        sha256="0" * 64,
        sent_by=ana,
        sent_at=NOW,
    )
    document.file.save("plan.pdf", ContentFile(b"%PDF"))
    document.save()
    first, second = assigned(operator, application, mara, ilze, now=timezone.now())
    written(first, now=timezone.now())
    actions.accept_review(second, by=ilze, now=timezone.now())
    actions.submit_review(second, **FULL, version=0, by=ilze, now=timezone.now())

    reviewer, program = page(ilze), api(ilze)
    file = f"/reviews/{second.code}/documents/{document.code}/"
    sent = reviewer.get(file)
    assert sent["Content-Disposition"] == f'attachment; filename="plan-{document.code}.pdf"'
    assert b"".join(sent.streaming_content) == b"%PDF"
    texts = [
        shown(reviewer, "/reviews/"),
        shown(reviewer, f"/reviews/{second.code}/"),
        program.get(f"{BASE}/reviews").content.decode(),
        program.get(f"{BASE}/reviews/{second.code}").content.decode(),
    ]
    assert "▇▇▇" in texts[1]
    assert FULL["panel_comment"] in texts[1]
    hidden = ("Limb", "Vie", "Ana Pop", "startup.example", "Bērziņš", "Latvia", "Mara")
    assert [(name, n) for n, text in enumerate(texts) for name in hidden if name in text] == []


def test_a_document_is_sent_to_who_reviews_and_to_nobody_else(operator, review, ana, mara, ilze):
    document = Document(
        application=review.application,
        slug="plan",
        name="plan.pdf",
        media_type="application/pdf",
        size=4,
        sha256="0" * 64,
        sent_by=ana,
        sent_at=NOW,
    )
    document.file.save("plan.pdf", ContentFile(b"%PDF"))
    document.save()
    path = f"/reviews/{review.code}/documents/{document.code}/"
    assert page(mara).get(path).status_code == 404
    actions.accept_review(review, by=mara, now=timezone.now())
    assert "plan.pdf" in page(mara).get(path)["Content-Disposition"]
    for person in (ilze, operator, ana):
        assert page(person).get(path).status_code == 404


def test_a_profile_is_read_line_by_line_and_shown_again(mara):
    reviewer = page(mara)
    sent = {
        "topics": ["health", "speech"],
        "languages": ["ro"],
        "most": "4",
        "orcid": "https://orcid.org/0000-0002-1825-0097",
        "past": "Limbă Vie SRL; 2025-06-30\nInstitutul de Fizică; ORG-2AB3CD",
        "co_authors": "Ana Pop\nDan Marin; 0000-0001-5109-3700",
    }
    assert reviewer.post("/reviewer/", sent)["Location"] == "/reviewer/"
    kept = queries.reviewer_of(mara)
    assert kept.topics == ["speech", "health"]
    assert (kept.orcid, kept.most) == ("0000-0002-1825-0097", 4)
    assert kept.past_organisations == [
        {"name": "Limbă Vie SRL", "code": "", "until": "2025-06-30"},
        {"name": "Institutul de Fizică", "code": "ORG-2AB3CD", "until": ""},
    ]
    body = shown(reviewer, "/reviewer/")
    assert "Limbă Vie SRL; 2025-06-30" in body
    wrong = reviewer.post("/reviewer/", sent | {"past": "Limbă Vie SRL; last year"})
    assert wrong.status_code == 422
    assert "“last year” is no day." in wrong.content.decode()


def test_operators_make_reviewers_plan_adopt_replace_and_close(
    operator, call, application, mara, ilze, stranger
):
    office = page(operator)
    sent = {"topics": ["health"], "languages": ["en"], "most": "5"}
    nobody = office.post("/reviewers/new/", sent | {"email": "nobody@else.example"})
    assert (nobody.status_code, "Nobody has registered" in nobody.content.decode()) == (422, True)
    office.post("/reviewers/new/", sent | {"email": stranger.email})
    listed = shown(office, "/reviewers/")
    assert "Medicine and health" in listed
    assert stranger.name in listed
    office.post(f"/reviewers/{stranger.code}/", {"rest": "1"})
    assert "Ask again" in shown(office, f"/reviewers/{stranger.code}/")
    office.post(f"/reviewers/{stranger.code}/", {"wake": "1"})
    assert "Leave out" in shown(office, "/calls/large/pool/")
    office.post("/calls/large/pool/", {"out": stranger.code})
    assert "Take in again" in shown(office, "/calls/large/pool/")

    planned = office.post("/calls/large/reviewing/", {"seed": "7", "cut_off": ""})
    plan = AssignmentPlan.objects.get()
    assert planned["Location"] == f"/assignments/{plan.code}/"
    preview = shown(office, f"/assignments/{plan.code}/")
    assert "nothing can be better than" in preview
    assert mara.name in preview
    adopted = office.post(f"/assignments/{plan.code}/adopt/", follow=True)
    assert "2 reviews are asked for." in adopted.content.decode()

    first, second = Review.objects.order_by("pk")
    one = f"/applications/{application.code}/reviewing/"
    assert "None is known." in shown(office, one)
    office.post("/calls/large/pool/", {"in": stranger.code})
    replaced = office.post(
        f"/reviews/{second.code}/office/replace/", {"reviewer": stranger.code}, follow=True
    )
    assert stranger.name in replaced.content.decode()
    third = Review.objects.get(reviewer=stranger)
    office.post(f"/reviews/{third.code}/office/unassign/")
    third.refresh_from_db()
    assert third.state == "replaced"
    refused = office.post(f"{one}close/", {"reason": "Enough"})
    assert refused.status_code == 409
    assert "No review is in yet" in refused.content.decode()
    written(first, now=timezone.now())
    office.post(f"{one}conflict/", {"reviewer": stranger.code, "reason": "Told me so"})
    assert "Told me so" in shown(office, one)
    assert office.post(f"{one}close/", {"reason": "The other expert is ill"})["Location"] == one
    assert queries.step_under_way(application).kind == "right_to_reply"


def test_what_cannot_be_assigned_is_said_in_words(operator, call, application, mara):
    answer = page(operator).post("/calls/large/reviewing/", {"seed": "1"})
    body = answer.content.decode()
    assert answer.status_code == 422
    assert "only 1 reviewer has no conflict and has room, 2 are needed" in body


def test_an_applicant_reads_comments_and_replies_once(operator, application, ana, mara, ilze):
    applicant, address = page(ana), f"/applications/{application.code}/reply/"
    shown(applicant, address, 404)
    for one in assigned(operator, application, mara, ilze, now=timezone.now()):
        written(one, now=timezone.now())
    body = shown(applicant, address)
    assert body.count(FULL["comment"]) == 2
    for hidden in (FULL["panel_comment"], FULL["notes"], "Mara", "Kalniņa", "4333", "4.33"):
        assert hidden not in body
    assert applicant.post(address, {"text": " "}).status_code == 422
    sent = applicant.post(address, {"text": "<b>The data are public.</b>"}, follow=True)
    assert "&lt;b&gt;The data are public." in sent.content.decode()
    assert applicant.post(address, {"text": "Again"}).status_code == 422
    for person in (mara, operator):
        assert page(person).get(address).status_code == 404


def test_an_applicant_may_waive_on_the_page(operator, application, ana, mara, ilze):
    for one in assigned(operator, application, mara, ilze, now=timezone.now()):
        written(one, now=timezone.now())
    page(ana).post(f"/applications/{application.code}/reply/waive/")
    assert queries.step_under_way(application).kind == "panel"


def test_the_api_does_what_the_pages_do(operator, call, application, ana, mara, ilze, api):
    office, expert, other, startup = api(operator), api(mara), api(ilze), api(ana)
    assert expert.get(f"{BASE}/reviewer").json()["topics"] == ["language-models"]
    profile = {"topics": ["speech"], "languages": ["en"], "most": 2}
    changed_profile = expert.put(f"{BASE}/reviewer", profile, content_type=JSON)
    assert changed_profile.json()["most"] == 2
    assert "speech" in {one["slug"] for one in expert.get(f"{BASE}/topics").json()}
    bids = expert.get(f"{BASE}/bids").json()["items"]
    assert [one["code"] for one in bids] == [application.code]
    assert set(bids[0]) == {"code", "call", "title", "summary", "topics", "value"}
    bid = expert.put(f"{BASE}/bids/{application.code}", {"value": 1}, content_type=JSON)
    assert bid.json()["value"] == 1

    plan = post(office, "/calls/large/assignment", {"seed": 3})
    assert plan.status_code == 201
    assert plan.json()["objective"] == plan.json()["worth"] - plan.json()["crowding"]
    adopted = post(office, f"/assignments/{plan.json()['code']}/adopt")
    assert adopted.json()["adopted_at"]
    seen = office.get(f"{BASE}/applications/{application.code}/reviewing").json()
    assert {one["state"] for one in seen["reviews"]} == {"assigned"}
    code = Review.objects.get(reviewer=mara).code
    assert post(expert, f"/reviews/{code}/accept").json()["state"] == "accepted"
    body = {name: FULL[name] for name in ("scores", "comment")} | {"version": 0}
    saved = expert.put(f"{BASE}/reviews/{code}", body, content_type=JSON).json()
    assert (saved["version"], saved["answers"]["project"]["problem"]) == (
        1,
        "Public texts are hard to read.",
    )
    done = post(expert, f"/reviews/{code}/submit", body | {"version": 1}).json()
    assert (done["state"], done["score_milli"], done["others"]) == ("submitted", 4333, [])
    theirs = Review.objects.get(reviewer=ilze).code
    assert other.get(f"{BASE}/reviews/{code}").status_code == 404
    assert post(other, f"/reviews/{theirs}/decline", {"reason": "No time"}).status_code == 204
    closed = post(office, f"/applications/{application.code}/reviewing/close", {"reason": "Enough"})
    assert closed.status_code == 200
    comments = startup.get(f"{BASE}/applications/{application.code}/reply").json()
    assert comments["comments"] == [{"comment": FULL["comment"], "reviewer": None}]
    replied = post(startup, f"/applications/{application.code}/reply", {"text": "Thank you"})
    assert (replied.json()["reply"], replied.json()["reply_by"]) == ("Thank you", None)


@pytest.mark.parametrize(
    "path",
    [
        "/reviewers/",
        "/reviewers/new/",
        "/calls/large/reviewing/",
        "/calls/large/pool/",
        "/applications/{code}/reviewing/",
        f"{BASE}/reviewers",
        f"{BASE}/applications/{{code}}/reviewing",
    ],
)
def test_the_offices_pages_are_for_operators_only(
    path, operator, auditor, assessor, application, review, ana, mara, api
):
    filled = path.format(code=application.code)
    assert (
        api(operator).get(filled).status_code == 200
        or page(operator).get(filled).status_code == 200
    )
    for person in (auditor, assessor, ana, mara):
        client = api(person) if path.startswith("/api") else page(person)
        assert client.get(filled).status_code == 404


def statements(client, path):
    client.get(path)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(path).status_code == 200
    return len(captured)


@pytest.mark.parametrize("blind", ["single", "double"])
def test_lists_cost_as_many_statements_for_four_rows_as_for_one(blind, operator, mara, ilze, api):
    call = judged_call(operator, blind=blind)
    sizes = []
    for number in range(4):
        person, organisation = make_applicant(number)
        found = hand_in(call, person, organisation, now=timezone.now())
        assigned(operator, found, mara, now=timezone.now())
        if number in {0, 3}:
            mine, office = page(mara), page(operator)
            sizes.append(
                {
                    "/reviews/": statements(mine, "/reviews/"),
                    "/bids/": statements(page(ilze), "/bids/"),
                    "api": statements(api(mara), f"{BASE}/reviews"),
                    "api bids": statements(api(ilze), f"{BASE}/bids"),
                    "/calls/large/reviewing/": statements(office, "/calls/large/reviewing/"),
                    "/reviewers/": statements(office, "/reviewers/"),
                    "/calls/large/pool/": statements(office, "/calls/large/pool/"),
                }
            )
    assert sizes[0] == sizes[1]
    assert {path: count for path, count in sizes[1].items() if count > 12} == {}


def test_pages_speak_romanian(operator, review, mara):
    mara.language = "ro"
    mara.save()
    client = page(mara)
    client.cookies["django_language"] = "ro"
    with translation.override("ro"):
        body = client.get("/reviews/", headers={"accept-language": "ro"}).content.decode()
    assert "Evaluările mele" in body
    assert "0 din 1 depuse" in body


def test_every_message_is_shown_with_its_example(operator, mara):
    from uzina.people.actions import messages
    from uzina.people.rules import message_kind

    for name in ("review_asked", "review_reminder", "review_replaced", "review_lost", "reply_open"):
        kind = message_kind(f"calls.{name}")
        for language in ("en", "ro"):
            mara.language = language
            subject, body = messages.render(kind, mara, kind.example)
            assert subject
            assert "/" in body
    assert APPLICATION["title"] in body
    assert not Message.objects.exists()
