"""Reports: prefilled from the record, written by people, handed in once."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.test import override_settings
from django.utils import timezone

from uzina.calls import actions as calls
from uzina.calls.models import Obligation
from uzina.calls.tests.accepted import HOUR, accepted, national, newcomer
from uzina.catalogue import actions as catalogue
from uzina.compute import queries as compute
from uzina.compute.tests.machines import usage
from uzina.core.errors import Invalid, NotAllowed, Refused
from uzina.core.models import LogEntry
from uzina.core.tests import NOW
from uzina.ledger import actions as ledger
from uzina.ledger.models import Allocation
from uzina.people import actions as people
from uzina.people.rules import MembershipKind
from uzina.programme import actions, queries
from uzina.programme.models import Report
from uzina.programme.rules import reports

LATER = NOW + timedelta(days=60)
JANUARY = datetime(2027, 1, 10, 12, tzinfo=UTC)


@pytest.fixture
def award(operator, org, ana):
    return accepted(national(operator), org, ana)


@pytest.fixture
def owed(award):
    return Obligation.objects.select_related("award__project__organisation").get(award=award)


def save(owed, by, *, version=0, now=LATER, **answers):
    return actions.save_report(owed, answers=answers, version=version, by=by, now=now)


def submit(owed, by, *, version=1, now=LATER):
    return actions.submit_report(owed, version=version, by=by, now=now)


def spend(award, hours, *, now):
    allocation = Allocation.objects.get(project=award.project, resource__slug="gpu-hours")
    held = ledger.hold(
        allocation, amount=hours * HOUR, subject="JOB-1", key=f"h{hours}", by=None, now=now
    )
    ledger.settle(held, used=hours * HOUR, by=None, now=now)


# --- what the record says


def test_a_report_begins_with_what_the_record_says(award, owed, operator):
    cluster = compute.cluster()
    spend(award, 600, now=NOW + timedelta(days=1))
    spend(award, 100, now=JANUARY)
    for gpus, state, wait_s in ((1, "COMPLETED", 60), (4, "FAILED", 120), (4, "COMPLETED", 600)):
        usage(
            cluster,
            wait_s,
            NOW + timedelta(hours=2),
            wait_s=wait_s,
            project=award.project,
            gpus=gpus,
            state=state,
            energy_j=1_800_000 if state == "COMPLETED" else None,
        )
    calls.amend(
        award, kind="reduction", facts={"gpu_hours": 50}, reason="x", by=operator, now=JANUARY
    )
    facts = queries.facts_of(award, now=JANUARY)
    assert facts["hours"]["used_percent"] == 73
    assert [
        (one["month"], *(one[f"{name}_gpu_ms"] // HOUR for name in ("granted", "used", "expired")))
        for one in facts["hours"]["months"]
    ] == [("2026-11", 1000, 600, 0), ("2027-01", -50, 100, 0)]
    assert facts["jobs"] == {
        "runs": 3,
        "failed": 1,
        "by_gpus": {"1": 1, "4": 2},
        "wait_p50_s": 120,
        "wait_p95_s": 600,
    }
    assert facts["energy"] == {
        "kwh": 1.0,
        "co2_kg": None,
        "grams_per_kwh": None,
        "measured_runs": 2,
        "runs": 3,
    }
    assert facts["unused"]["days"]["ran"] == 1
    assert [one["kind"] for one in facts["amendments"]] == ["reduction"]
    assert json.loads(json.dumps(facts)) == facts


def test_what_was_not_measured_is_not_a_zero(award, ana, client):
    facts = queries.facts_of(award, now=LATER)
    assert (facts["energy"]["kwh"], facts["energy"]["co2_kg"]) == (None, None)
    assert facts["jobs"]["wait_p50_s"] is None
    client.force_login(ana)
    page = client.get(f"/reports/{award.code}/final/").content.decode()
    assert page.count("Not measured") == 2


def test_co2_is_told_where_the_site_says_what_a_kilowatt_hour_makes(award):
    ended_at = NOW + timedelta(hours=1)
    usage(compute.cluster(), 1, ended_at, project=award.project, energy_j=7_200_000)
    config = settings.UZINA
    programme = replace(config.programme, grams_per_kwh=250)
    with override_settings(UZINA=replace(config, programme=programme)):
        assert queries.facts_of(award, now=LATER)["energy"]["co2_kg"] == 0.5


# --- writing


def test_a_report_is_saved_as_it_is_written_and_the_later_of_two_tabs_is_told(owed, ana):
    save(owed, ana, results="A model.")
    save(owed, ana, version=1, feedback="Good.")
    kept = Report.objects.get()
    assert kept.answers == {"results": "A model.", "feedback": "Good."}
    with pytest.raises(Refused, match="saved elsewhere") as refused:
        save(owed, ana, version=1, results="Another")
    assert refused.value.facts == {"version": 2}
    kept.refresh_from_db()
    assert (kept.version, kept.answers["results"]) == (2, "A model.")


def test_what_is_no_answer_is_refused_and_leaves_no_trace(owed, ana):
    before = LogEntry.objects.count()
    with pytest.raises(Invalid) as invalid:
        save(owed, ana, results="x" * 10_001, colour="red", feedback="\0")
    assert {one.field for one in invalid.value.problems} == {"results", "colour", "feedback"}
    assert not Report.objects.exists()
    assert LogEntry.objects.count() == before


def test_handing_in_keeps_what_the_record_says_then(award, owed, ana, operator):
    spend(award, 600, now=NOW)
    save(owed, ana, results="A model.")
    submit(owed, ana)
    kept = Report.objects.get()
    assert kept.submitted_at == LATER
    owed.refresh_from_db()
    assert owed.state == "submitted"
    spend(award, 300, now=LATER)
    told = queries.report_data(owed, now=LATER)
    assert told["facts"]["hours"]["used_gpu_ms"] == 600 * HOUR
    with pytest.raises(Refused, match="Cannot submit"):
        save(owed, ana, version=1, results="Another")
    calls.return_report(owed, reason="Say more.", by=operator, now=LATER)
    owed.refresh_from_db()
    save(owed, ana, version=1, results="A better model.")
    submit(owed, ana, version=2)
    assert Report.objects.get().facts["hours"]["used_gpu_ms"] == 900 * HOUR


@pytest.mark.parametrize(("hours", "is_needed"), [(499, True), (500, False)])
def test_who_used_little_says_why(award, owed, ana, hours, is_needed):
    spend(award, hours, now=NOW)
    save(owed, ana, results="A model.")
    if is_needed:
        with pytest.raises(Invalid) as invalid:
            submit(owed, ana)
        assert [one.field for one in invalid.value.problems] == ["not_used"]
        owed.refresh_from_db()
        assert (owed.state, Report.objects.get().submitted_at) == ("due", None)
        save(owed, ana, version=1, not_used="The data came late.")
    submit(owed, ana, version=2 if is_needed else 1)


def test_nothing_written_is_not_handed_in(award, owed, ana):
    spend(award, 600, now=NOW)
    with pytest.raises(Invalid) as invalid:
        submit(owed, ana, version=0)
    assert [one.field for one in invalid.value.problems] == ["results"]
    assert not Report.objects.exists()


def test_only_leads_write(award, owed, ana, stranger, operator, auditor):
    member = newcomer("m@startup.example", "Maria Membru")
    people.add_member(award.project, member, kind=MembershipKind.MEMBER, by=ana, now=NOW)
    for person in (stranger, operator, auditor, member):
        with pytest.raises(NotAllowed):
            save(owed, person, results="x")
        with pytest.raises(NotAllowed):
            submit(owed, person, version=0)
    assert not Report.objects.exists()


def test_the_sentence_of_acknowledgement_names_the_award_and_the_host():
    template = "We thank {host} for {award} ({project}) on {machine}."
    facts = {"project": "PRJ-1", "machine": "Booster", "host": "Cluj"}
    found = reports.acknowledgement(template, award="AWD-1", **facts)
    assert found == "We thank Cluj for AWD-1 (PRJ-1) on Booster."
    assert "PRJ-1 (PRJ-1)" in reports.acknowledgement(template, award="", **facts)


# --- doors


def test_a_lead_writes_saves_and_hands_in_on_the_page(award, owed, ana, operator, client):
    spend(award, 600, now=NOW)
    page = f"/reports/{award.code}/final/"
    client.force_login(ana)
    assert 'name="version" value="0"' in client.get(page).content.decode()
    sent = {"version": "0", "results": "A <i>model</i>.", "feedback": ""}
    assert client.post(f"{page}save/", sent).status_code == 302
    shown = client.get(page).content.decode()
    assert "A &lt;i&gt;model" in shown
    old = client.post(f"{page}save/", sent | {"results": "Other tab"})
    assert old.status_code == 422
    assert "What was saved elsewhere" in old.content.decode()
    assert "Other tab" in old.content.decode()
    by_script = {"headers": {"X-Autosave": "1"}}
    reply = client.post(f"{page}save/", sent | {"version": "1"}, **by_script)
    assert reply.json() == {"version": 2}
    assert client.post(f"{page}save/", sent, **by_script).status_code == 409
    assert client.post(f"{page}submit/", {"version": "2", "results": ""}).status_code == 422
    assert client.post(f"{page}submit/", sent | {"version": "3"}).status_code == 302
    assert "A &lt;i&gt;model" in client.get(page).content.decode()
    assert client.post(f"{page}decide/", {"decision": "accept"}).status_code == 404
    client.force_login(operator)
    assert client.post(f"{page}decide/", {"decision": "return"}).status_code == 422
    sent_back = client.post(f"{page}decide/", {"decision": "return", "reason": "More."})
    assert sent_back.status_code == 302
    client.force_login(ana)
    assert "More." in client.get(page).content.decode()
    client.post(f"{page}submit/", sent | {"version": "4"})
    client.force_login(operator)
    assert client.post(f"{page}decide/", {"decision": "accept"}).status_code == 302
    owed.refresh_from_db()
    assert owed.state == "accepted"


def test_a_report_is_given_as_pdf_and_as_data(award, owed, ana, stranger, client):
    save(owed, ana, results="Un model pentru limba română.")
    client.force_login(ana)
    made = client.get(f"/reports/{award.code}/final/report.pdf")
    assert made.content.startswith(b"%PDF-")
    assert f"{award.code}-final.pdf" in made["Content-Disposition"]
    told = client.get(f"/reports/{award.code}/final/report.json").json()
    assert told["answers"] == {"results": "Un model pentru limba română."}
    assert told["facts"]["hours"]["granted_gpu_ms"] == 1000 * HOUR
    client.force_login(stranger)
    for end in ("", "report.pdf", "report.json"):
        assert client.get(f"/reports/{award.code}/final/{end}").status_code == 404
    assert client.get(f"/reports/{award.code}/interim/").status_code == 404


def test_operators_see_what_is_due_and_late(
    award, owed, ana, operator, auditor, assessor, client, api
):
    for person, status in ((operator, 200), (auditor, 200), (assessor, 404), (ana, 404)):
        client.force_login(person)
        assert client.get("/reports/").status_code == status
    client.force_login(operator)
    assert award.code in client.get("/reports/?state=due").content.decode()
    assert award.code not in client.get("/reports/?state=defaulted").content.decode()
    assert client.get("/reports/?state=odd").status_code == 200
    for person, count in ((operator, 1), (auditor, 1), (ana, 1), (assessor, 0)):
        told = api(person).get("/api/v1/programme/reports?state=due").json()
        assert len(told["items"]) == count


def test_the_list_of_reports_costs_the_same_however_long(
    operator, org, ana, client, django_assert_max_num_queries
):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    call = national(operator)
    for _number in range(2):
        accepted(call, org, ana, hours=100)
    client.force_login(operator)
    with CaptureQueriesContext(connection) as few:
        client.get("/reports/")
    for _number in range(8):
        accepted(call, org, ana, hours=100)
    with django_assert_max_num_queries(len(few)):
        client.get("/reports/")
    assert len(few) <= 12


def test_the_api_writes_hands_in_and_judges(award, owed, ana, stranger, operator, api):
    spend(award, 600, now=NOW)
    address = f"/api/v1/programme/reports/{award.code}/final"
    sent = {"content_type": "application/json"}
    body = {"version": 0, "answers": {"results": "A model."}}
    assert api(stranger).put(address, body, **sent).status_code == 404
    assert api(operator).put(address, body, **sent).status_code == 403
    assert api(ana).put(address, body, **sent).json() == {"version": 1}
    assert api(ana).put(address, body, **sent).status_code == 409
    keyed = sent | {"headers": {"Idempotency-Key": "one"}}
    told = api(ana).post(f"{address}/submit", {"version": 1}, **keyed).json()
    assert (told["state"], told["allowed"]) == ("submitted", ["accept", "send_back"])
    assert api(ana).post(f"{address}/accept").status_code == 403
    back = api(operator).post(f"{address}/return", {"reason": "More."}, **sent)
    assert back.json()["note"] == "More."
    assert api(ana).get(address).json()["answers"] == {"results": "A model."}


def test_every_page_of_a_project_says_when_it_ends_and_what_is_due(
    operator, org, ana, stranger, client, api
):
    moment = timezone.now()
    award = accepted(national(operator), org, ana, now=moment)
    spend(award, 250, now=moment)
    code, allocation = (
        award.project.code,
        Allocation.objects.get(project=award.project, resource__slug="gpu-hours"),
    )
    client.force_login(ana)
    for page in (
        f"/projects/{code}/",
        f"/projects/{code}/usage/",
        f"/projects/{code}/history/",
        f"/projects/{code}/use/",
        f"/allocations/{allocation.code}/",
        f"/awards/{award.code}/changes/",
        f"/awards/{award.code}/changes/extension/",
        f"/reports/{award.code}/final/",
    ):
        shown = client.get(page).content.decode()
        assert "project-facts" in shown, page
        assert f"/reports/{award.code}/final/" in shown
        assert "750" in shown
        assert "Data deleted on" in shown
    assert f"the project ID {award.code}" in client.get(f"/projects/{code}/").content.decode()
    told = api(ana).get(f"/api/v1/programme/projects/{code}").json()
    assert (told["left_gpu_ms"], told["granted_gpu_ms"]) == (750 * HOUR, 1000 * HOUR)
    assert told["report"]["kind"] == "final"
    assert told["data_deleted_at"].startswith(f"{award.data_deleted_at:%Y-%m-%d}")
    assert award.code in told["acknowledgement"]
    assert api(stranger).get(f"/api/v1/programme/projects/{code}").status_code == 404


def test_a_project_without_an_award_is_shown_with_what_it_has(project, ana, client, api):
    client.force_login(ana)
    assert "project-facts" in client.get(f"/projects/{project.code}/").content.decode()
    told = api(ana).get(f"/api/v1/programme/projects/{project.code}").json()
    assert (told["award"], told["report"], told["left_gpu_ms"]) == (None, None, None)
    assert project.code in told["acknowledgement"]


def test_what_every_page_shows_costs_six_statements_at_most(award, django_assert_max_num_queries):
    project = type(award.project).objects.get(pk=award.project.pk)
    with django_assert_max_num_queries(6):
        queries.project_facts(project, now=timezone.now())


def test_models_and_data_of_the_project_are_in_the_report(award, org, ana):
    catalogue.seed_licences(now=NOW)
    for slug, project in (("our-texts", award.project), ("other-texts", None)):
        catalogue.register_dataset(
            slug=slug,
            title="Texts",
            description="Texts.",
            licence="cc-by-4.0",
            languages=["ro"],
            holder=org,
            project=project,
            by=ana,
            now=NOW,
        )
    found = queries.facts_of(award, now=LATER)
    assert found["datasets"] == [{"slug": "our-texts", "title": "Texts"}]
    assert found["models"] == []
