"""Drafts that survive: other tabs, lost sessions, colleagues, other calls."""

import io
import json
from datetime import UTC, datetime

import pypdf
import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils.html import escape

from uzina.calls import actions, queries
from uzina.calls.models import Application
from uzina.calls.tests.conftest import ANSWERS, LONG_ANSWERS, changed, fill, make_call
from uzina.core.errors import Invalid, NotAllowed, Refused
from uzina.core.models import LogEntry
from uzina.core.tests import NOW
from uzina.people.models import Message
from uzina.people.tests import PASSWORD, make_person

pytestmark = pytest.mark.django_db

BASE = "/api/v1/calls"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
HOSTILE = '<script>alert("x")</script>\'"&<b>{{ 7 }}'


@pytest.fixture
def call(operator):
    """A call that is open by the clock on the wall, which the doors read."""
    return make_call(operator, opens_at=LONG_AGO)


@pytest.fixture
def other_call(operator):
    return make_call(operator, opens_at=LONG_AGO, slug="autumn", title_en="Autumn")


@pytest.fixture
def long_call(operator):
    """A call with the longest form that there is."""
    made = make_call(
        operator,
        mode="large-scale",
        slug="long",
        title_en="Long",
        opens_at=LONG_AGO,
        budget_gpu_hours=3_000_000,
    )
    made.rules["documents"] = []
    made.save()
    return type(made).objects.get(pk=made.pk)


@pytest.fixture
def bo(db):
    return make_person("bo@startup.example", "Bo Brun")


def browser(person=None):
    client = Client()
    if person is not None:
        client.force_login(person)
    return client


def saved(draft, slug="project"):
    return draft.sections.get(slug=slug)


def typed(section, version, **more):
    """Return the answers of the section project as a browser sends them."""
    sent = {"version": str(version)}
    for name, value in {**ANSWERS[section], **more}.items():
        sent[name] = {True: "yes", False: "no"}.get(value, str(value))
    return sent


def save(draft, by, version=1, slug="project", **answers):
    return actions.save_section(
        draft, section=slug, answers=changed(slug, **answers), version=version, by=by, now=NOW
    )


# --- two tabs ---


def test_the_later_of_two_tabs_sees_both_answers_side_by_side(draft, ana):
    address = f"/applications/{draft.code}/sections/project/"
    page = browser(ana)
    page.post(address, typed("project", 1, title="From the first tab"))

    answer = page.post(address, typed("project", 1, title="From the second tab", months=2))

    text = answer.content.decode()
    assert answer.status_code == 422
    assert "Two versions of this section" in text
    assert "From the first tab" in text
    assert "From the second tab" in text
    assert 'name="take" value="title"' in text
    assert 'name="take" value="months"' in text
    assert 'name="take" value="goals"' not in text
    assert "data-draft " not in text, "nothing replaces the other answers until a person says so"
    assert "data-draft " in page.get(address).content.decode()
    assert saved(draft).answers["title"] == "From the first tab"


def test_an_answer_saved_elsewhere_is_taken_over_without_losing_the_others(draft, ana):
    address = f"/applications/{draft.code}/sections/project/"
    page = browser(ana)
    page.post(address, typed("project", 1, title="From the first tab"))

    sent = typed("project", 2, title="From the second tab", goals="Mine", take="title")
    text = page.post(address, sent).content.decode()
    assert 'value="From the first tab"' in text
    assert 'value="From the second tab"' not in text
    assert 'name="take" value="title"' not in text
    assert saved(draft).version == 2
    page.post(address, typed("project", 2, title="From the first tab", goals="Mine"))
    kept = saved(draft)
    assert (kept.answers["title"], kept.answers["goals"]) == ("From the first tab", "Mine")


def test_rows_are_taken_over_whole(draft, ana):
    address = f"/applications/{draft.code}/sections/team/"
    page = browser(ana)
    mine = {k: {True: "yes"}.get(v, v) for k, v in ANSWERS["team"].items() if k != "members"}
    mine |= {"version": "1", "members-rows": "2", "members.0.name": "Me", "members.0.country": "RO"}
    mine |= {"members.1.name": "Too", "members.1.country": "RO"}

    text = page.post(address, mine | {"take": "members"}).content.decode()

    assert "Jānis Bērziņš" in text
    assert 'value="Me"' not in text
    assert 'name="members-rows" value="1"' in text


# --- saving by itself ---


def autosave(page, draft, sent, slug="project"):
    return page.post(
        f"/applications/{draft.code}/sections/{slug}/", sent, headers={"X-Autosave": "1"}
    )


def test_a_script_saves_gets_the_next_version_and_is_told_of_a_conflict(draft, ana):
    page = browser(ana)
    first = autosave(page, draft, typed("project", 1, title="Half a ti"))
    assert (first.status_code, first.json()["state"], first.json()["version"]) == (200, "saved", 2)
    assert "Saved at" in first.json()["text"]
    second = autosave(page, draft, typed("project", 2, title=""))
    assert second.json()["version"] == 3
    late = autosave(page, draft, typed("project", 2, title="Other"))
    assert (late.status_code, late.json()["state"]) == (409, "conflict")
    wrong = autosave(page, draft, typed("project", 3, title="x" * 151))
    assert (wrong.status_code, wrong.json()["state"]) == (422, "refused")
    assert "title" not in saved(draft).answers
    assert saved(draft).version == 3


def test_a_script_without_a_session_is_told_and_nothing_is_kept(draft):
    answer = autosave(browser(), draft, typed("project", 1))
    assert (answer.status_code, answer.json()) == (401, {"state": "signed_out"})
    assert not Session.objects.exists()


# --- a session that ended ---


def test_what_was_typed_survives_the_end_of_the_session(draft, ana):
    page = Client(enforce_csrf_checks=True)
    page.force_login(ana)
    address = f"/applications/{draft.code}/sections/project/"
    page.get(address)
    Session.objects.all().delete()
    goals = "A long text.\nWith lines, „quotes” and " + HOSTILE + "x" * 2500
    sent = typed("project", 1, title="Typed for an hour", goals=goals)
    token = page.cookies["csrftoken"].value

    sign_in = page.post(address, sent | {"csrfmiddlewaretoken": token})
    assert sign_in["Location"].startswith("/sign-in/")
    assert saved(draft).version == 1
    form = page.get(sign_in["Location"])
    back = page.post(
        sign_in["Location"],
        {
            "email": ana.email,
            "password": PASSWORD,
            "next": address,
            "csrfmiddlewaretoken": form.context["csrf_token"],
        },
    )
    assert back["Location"] == address
    shown = page.get(address).content.decode()

    assert "You were signed out, and what you typed is back" in shown
    assert "Typed for an hour" in shown
    assert escape(goals) in shown.replace("\r\n", "\n")
    assert HOSTILE not in shown
    assert "is back" not in page.get(address).content.decode()
    token = page.cookies["csrftoken"].value
    assert page.post(address, sent | {"csrfmiddlewaretoken": token}).status_code == 302
    assert saved(draft).answers["goals"] == goals


def test_what_one_person_typed_is_not_shown_on_another_page_or_to_who_may_not(draft, ana, stranger):
    page = Client()
    address = f"/applications/{draft.code}/sections/project/"
    page.post(address, typed("project", 1, title="Secret title"))
    page.force_login(stranger)
    assert page.get(address).status_code == 404
    page.force_login(ana)
    other = f"/applications/{draft.code}/sections/team/"
    assert "Secret title" not in page.get(other).content.decode()


def test_more_than_a_section_holds_is_not_kept_for_somebody_unknown(draft):
    page = Client()
    page.post(f"/applications/{draft.code}/sections/project/", {"title": "x" * 200_001})
    assert "typed" not in page.session


# --- colleagues ---


def test_a_colleague_edits_and_only_the_applicant_hands_in(draft, ana, bo, api):
    actions.share(draft, email="BO@startup.example", by=ana, now=NOW)

    save(draft, bo, title="By Bo")
    assert saved(draft).answers["title"] == "By Bo"
    assert list(Application.objects.visible_to(bo)) == [draft]
    for verb in (actions.submit, actions.withdraw):
        with pytest.raises(NotAllowed):
            verb(draft, by=bo, now=NOW)
    with pytest.raises(NotAllowed):
        actions.share(draft, email=ana.email, by=bo, now=NOW)
    assert api(bo).get(f"{BASE}/applications/{draft.code}").json()["allowed"] == ["save"]
    page = browser(bo)
    check = page.get(f"/applications/{draft.code}/check/").content.decode()
    assert "Ana Pop submits this application" in check
    assert "Submit the application" not in check
    assert page.post(f"/applications/{draft.code}/check/").status_code == 409
    assert page.get(f"/applications/{draft.code}/withdraw/").status_code == 404
    saves = LogEntry.objects.filter(event="application.section_saved", actor=bo.code)
    assert saves.count() == 1


def test_sharing_writes_one_message_and_again_is_nothing_new(draft, ana, bo):
    for _twice in range(2):
        actions.share(draft, email=bo.email, by=ana, now=NOW)

    (message,) = Message.objects.filter(kind="calls.shared")
    assert message.to == bo
    assert "Ana Pop asks you to help" in message.body
    assert f"/applications/{draft.code}/" in message.body
    assert draft.editors.count() == 1
    assert LogEntry.objects.filter(event="application.shared").count() == 1


def test_who_is_taken_off_is_a_stranger_again(draft, ana, bo):
    actions.share(draft, email=bo.email, by=ana, now=NOW)
    for _twice in range(2):
        actions.unshare(draft, person=bo, by=ana, now=NOW)

    assert not Application.objects.visible_to(bo).exists()
    with pytest.raises(NotAllowed):
        save(draft, bo, title="Still here")
    assert browser(bo).get(f"/applications/{draft.code}/").status_code == 404
    assert LogEntry.objects.filter(event="application.unshared").count() == 1


def test_a_colleague_may_leave_but_take_nobody_else_off(draft, ana, bo, stranger):
    for one in (bo, stranger):
        actions.share(draft, email=one.email, by=ana, now=NOW)
    with pytest.raises(NotAllowed):
        actions.unshare(draft, person=stranger, by=bo, now=NOW)
    actions.unshare(draft, person=bo, by=bo, now=NOW)
    assert [one.person for one in draft.editors.all()] == [stranger]


@pytest.mark.parametrize(
    ("email", "code"),
    [("nobody@x.example", "no_account"), ("ana@startup.example", "yourself")],
)
def test_sharing_is_refused_with_a_reason_and_no_trace(draft, ana, email, code):
    before = LogEntry.objects.count()
    with pytest.raises(Refused) as refused:
        actions.share(draft, email=email, by=ana, now=NOW)
    assert refused.value.code == f"application.share.{code}"
    assert (draft.editors.count(), LogEntry.objects.count()) == (0, before)


def test_who_helped_to_write_it_does_not_assess_it(draft, ana, assessor):
    actions.share(draft, email=assessor.email, by=ana, now=NOW)
    actions.submit(draft, by=ana, now=NOW)
    assert not Application.objects.assessable_by(assessor).exists()


def test_a_submitted_application_is_shared_with_nobody_more(eligible, ana, bo):
    with pytest.raises(Refused) as refused:
        actions.share(eligible, email=bo.email, by=ana, now=NOW)
    assert refused.value.code == "application.save.not_now"


def test_colleagues_are_added_and_taken_off_on_the_page(draft, ana, bo):
    page = browser(ana)
    address = f"/applications/{draft.code}/colleagues/"
    assert (
        "Nobody with the address" in page.post(address, {"email": "x@y.example"}).content.decode()
    )
    text = page.post(address, {"email": bo.email}, follow=True).content.decode()
    assert "Bo Brun can fill in this draft now" in text
    assert browser(bo).get(address).status_code == 200
    gone = page.post(f"{address}{bo.code}/remove/", follow=True).content.decode()
    assert "Bo Brun is off this draft." in gone
    assert page.post(f"{address}{bo.code}/remove/").status_code == 404


# --- another call ---


def test_a_clone_carries_what_the_other_call_asks_and_says_what_not(
    draft, long_call, org, ana, api
):
    made = actions.clone(draft, call=long_call, by=ana, now=NOW)

    answers = queries.answers_of(made)
    assert answers["project"]["title"] == made.title == ANSWERS["project"]["title"]
    assert answers["project"]["months"] == 3
    assert "declarations" not in answers
    assert "code" not in answers["work"]
    assert answers["ethics"] == ANSWERS["ethics"]
    assert made.cloned_from == draft
    assert draft.sections.get(slug="declarations").answers["is_correct"] is True

    told = api(ana).post(
        f"{BASE}/applications/{draft.code}/clone",
        {"call": "long"},
        content_type="application/json",
    )
    assert told.status_code == 201, told.content
    assert "work.code" in told.json()["left_out"]
    assert "declarations.is_correct" in told.json()["left_out"]
    assert "project.title" not in told.json()["left_out"]


def test_a_duration_that_the_other_call_does_not_offer_is_left_to_answer(long_call, draft, ana):
    save(draft, ana, months=2)
    made = actions.clone(draft, call=long_call, by=ana, now=NOW)
    assert "months" not in queries.answers_of(made)["project"]


def test_an_application_of_any_state_is_cloned_on_the_page(eligible, other_call, ana):
    page = browser(ana)
    address = f"/applications/{eligible.code}/clone/"
    assert "Autumn" in page.get(address).content.decode()
    text = page.post(address, {"call": "autumn"}, follow=True).content.decode()
    assert "The text is carried over. Still to do: Declarations." in text
    assert "must ask them anew: 3." in text


def test_strangers_clone_nothing_and_a_closed_call_takes_no_clone(draft, other_call, stranger, ana):
    with pytest.raises(NotAllowed):
        actions.clone(draft, call=other_call, by=stranger, now=NOW)
    actions.archive(other_call, by=make_person("o2@x.example", "O", "operator"), now=NOW)
    other_call.refresh_from_db()
    with pytest.raises(Refused) as refused:
        actions.clone(draft, call=other_call, by=ana, now=NOW)
    assert refused.value.code == "application.start.not_published"
    assert Application.objects.count() == 1


# --- out and in again ---


def test_an_export_is_complete_and_comes_back_the_same(draft, org, ana, other_call, api):
    startup = api(ana)
    exported = startup.get(f"{BASE}/applications/{draft.code}/export").json()
    assert exported["format"] == "uzina.application/1"
    assert exported["sections"] == queries.answers_of(draft)

    taken = startup.post(
        f"{BASE}/applications/import",
        {"call": "autumn", "organisation": org.code, "document": exported},
        content_type="application/json",
    )
    assert taken.status_code == 201, taken.content
    code = taken.json()["application"]["code"]
    again = startup.get(f"{BASE}/applications/{code}/export").json()
    expected = {k: v for k, v in exported["sections"].items() if k != "declarations"}
    assert again["sections"] == expected
    assert again["call"] == "autumn"
    page = browser(ana).get(f"/applications/{draft.code}/export.json")
    assert json.loads(page.content)["sections"] == exported["sections"]
    assert page["Content-Disposition"] == f'attachment; filename="{draft.code}.json"'


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({}, "document"),
        ([], "document"),
        ({"format": "uzina.application/2", "sections": {}}, "document"),
        ({"format": "uzina.application/1", "sections": []}, "document"),
        ({"format": "uzina.application/1", "sections": {"project": 7}}, "document"),
        (
            {"format": "uzina.application/1", "sections": {"project": {"title": "x" * 151}}},
            "project.title",
        ),
        ({"format": "uzina.application/1", "sections": {"work": {"poem": 1}}}, "work.poem"),
    ],
)
def test_what_is_no_export_makes_no_draft(call, org, ana, document, field):
    with pytest.raises(Invalid) as invalid:
        actions.import_draft(call, organisation=org, document=document, by=ana, now=NOW)
    assert [one.field for one in invalid.value.problems] == [field]
    assert not Application.objects.exists()


def test_sections_that_the_call_does_not_ask_are_left_out_and_told(call, org, ana):
    document = {
        "format": "uzina.application/1",
        "sections": {"plan": LONG_ANSWERS["plan"], "project": ANSWERS["project"]},
    }
    made, left = actions.import_draft(call, organisation=org, document=document, by=ana, now=NOW)
    assert left == ("plan",)
    assert set(queries.answers_of(made)) == {"project"}


def test_the_pdf_is_tagged_whole_and_in_the_language_of_the_reader(draft, ana):
    page = browser(ana)
    page.cookies["django_language"] = "ro"
    answer = page.get(f"/applications/{draft.code}/export.pdf")
    assert answer["Content-Type"] == "application/pdf"
    assert answer["Content-Disposition"] == f'attachment; filename="{draft.code}.pdf"'
    reader = pypdf.PdfReader(io.BytesIO(answer.content))
    root = reader.trailer["/Root"]
    assert (root["/Lang"], root["/MarkInfo"]["/Marked"].value) == ("ro", True)
    text = " ".join("".join(one.extract_text() for one in reader.pages).split())
    for words in ("A language model for Romanian", "Limbă Vie SRL", draft.code, "Train"):
        assert words.replace(" ", "") in text.replace(" ", "")


def test_strangers_export_nothing(draft, stranger, operator, api):
    for person in (stranger, operator):
        for end in ("export.pdf", "export.json", "clone/", "colleagues/", "documents/"):
            assert browser(person).get(f"/applications/{draft.code}/{end}").status_code == 404
        assert api(person).get(f"{BASE}/applications/{draft.code}/export").status_code == 404
        assert api(person).get(f"{BASE}/applications/{draft.code}/editors").status_code == 404


def test_the_host_exports_what_was_handed_in_and_no_draft(eligible, operator, stranger, api):
    base = f"/applications/{eligible.code}/export"
    assert browser(operator).get(f"{base}.json").json()["state"] == "eligible"
    assert browser(operator).get(f"{base}.pdf").content.startswith(b"%PDF")
    address = f"{BASE}/applications/{eligible.code}/export"
    assert api(operator).get(address).json()["code"] == eligible.code
    assert api(stranger).get(address).status_code == 404


# --- terms ---


def test_the_terms_are_public_and_the_host_is_told_to_check_them(call, operator):
    text = browser().get("/calls/playground/terms/").content.decode()
    assert "civilian purposes only" in text
    assert "The host has to check it" not in text
    assert (
        "The host has to check it"
        in browser(operator).get("/calls/playground/terms/").content.decode()
    )
    page = browser()
    page.cookies["django_language"] = "ro"
    assert "numai în scopuri civile" in page.get("/calls/playground/terms/").content.decode()


def test_the_box_ticked_on_the_page_keeps_the_version_that_was_shown(draft, ana):
    page = browser(ana)
    address = f"/applications/{draft.code}/sections/declarations/"
    version = queries.terms_version(draft.call)
    assert f'value="{version}"' in page.get(address).content.decode()
    sent = {"version": "1", "is_correct": "on", "accepts_terms": version, "may_publish": "no"}
    assert page.post(address, sent).status_code == 302
    assert saved(draft, "declarations").answers["accepts_terms"] == version
    old = page.post(address, sent | {"version": "2", "accepts_terms": "2025-01-01/playground/1"})
    assert "The terms of reference have changed" in old.content.decode()


# --- markup in every text ---


def hostile(section):
    """Return answers with markup in every field that takes text."""
    answers = {}
    for field in section.fields:
        if field.kind in {"line", "text"}:
            answers[field.name] = (HOSTILE * 20)[: field.most]
        elif field.kind == "rows":
            answers[field.name] = [
                {
                    column.name: HOSTILE[: column.most]
                    for column in field.columns
                    if column.kind in {"line", "text"}
                }
            ]
    return answers


@pytest.mark.parametrize("slug", ["playground", "long", "interest"])
def test_markup_in_every_field_is_text_on_every_page_pdf_and_mail(
    slug, operator, org, ana, bo, assessor, api
):
    mode = {"long": "large-scale", "interest": "expression-of-interest"}.get(slug, slug)
    facts = {"budget_gpu_hours": 0 if slug == "interest" else 3_000_000}
    made = make_call(operator, mode=mode, slug=slug, opens_at=LONG_AGO, **facts)
    draft = actions.start(made, organisation=org, by=ana, now=NOW)
    fill(draft, by=ana)
    for section in queries.asked_sections(draft):
        kept = draft.sections.get(slug=section.slug)
        answers = {**kept.answers, **hostile(section)}
        if section.slug == "project":
            answers["title"] = HOSTILE
        actions.save_section(
            draft, section=section.slug, answers=answers, version=kept.version, by=ana, now=NOW
        )
    actions.share(draft, email=bo.email, by=ana, now=NOW)
    page = browser(ana)
    base = f"/applications/{draft.code}/"
    addresses = ["/applications/", base, f"{base}check/", f"{base}colleagues/", f"{base}clone/"]
    addresses += [f"{base}sections/{one}/" for one in made.mode.sections]
    for address in addresses:
        answer = page.get(address)
        text = answer.content.decode()
        assert answer.status_code == 200, address
        assert "<script>alert" not in text, address
        assert "<b>" not in text, address
        if address != f"{base}colleagues/":
            assert "&lt;script&gt;" in text or "sections" in address, address
    pdf = page.get(f"{base}export.pdf")
    shown = "".join(one.extract_text() for one in pypdf.PdfReader(io.BytesIO(pdf.content)).pages)
    assert "<script>alert" in "".join(shown.split())
    message = Message.objects.get(kind="calls.shared")
    assert "\n" not in message.subject
    assert "{{ 7 }}" in message.body
