"""Each verb: what changed, what was logged and promised; and that a refusal changes nothing."""

from datetime import timedelta

import pytest

from uzina.calls import actions, queries
from uzina.calls.models import Application, Assessment, Award, Call, Decision, SavedSection
from uzina.calls.rules.awards import MS_PER_HOUR
from uzina.calls.rules.clock import Window
from uzina.calls.tests.conftest import (
    ANSWERS,
    MINUTE,
    assess,
    changed,
    fill,
    make_call,
    submitted,
)
from uzina.core.errors import Invalid, NotAllowed, Refused
from uzina.core.models import LogEntry, Promise
from uzina.core.tests import NOW
from uzina.ledger import queries as ledger_queries
from uzina.ledger.models import Allocation
from uzina.people import actions as people
from uzina.people.models import Organisation, Project
from uzina.people.rules import OrganisationKind

pytestmark = pytest.mark.django_db

TICK = timedelta(microseconds=1)


def events(subject):
    return list(LogEntry.objects.filter(subject=subject.code).values_list("event", flat=True))


def traces():
    """Return how much there is of everything that an action leaves behind."""
    return [
        model.objects.count()
        for model in (LogEntry, Promise, Application, SavedSection, Assessment, Decision, Award)
    ] + [Project.objects.count(), Allocation.objects.count(), Call.objects.count()]


def refused(code, kind=Refused):
    """Expect a refusal with the code that leaves no trace."""
    return _Refusal(code, kind)


class _Refusal:
    def __init__(self, code, kind):
        self.code, self.raises = code, pytest.raises(kind)

    def __enter__(self):
        self.before = traces()
        self.value = self.raises.__enter__()
        return self

    def __exit__(self, *what):
        caught = self.raises.__exit__(*what)
        error = self.value.value
        codes = [one.code for one in error.problems] if isinstance(error, Invalid) else []
        assert self.code in [error.code, *codes]
        assert str(error)
        assert traces() == self.before
        return caught


def other_organisation(person, **facts):
    values = {
        "name": "Another SRL",
        "kind": OrganisationKind.SME,
        "country": "RO",
        "city": "Iași",
        "headcount": 12,
        "turnover_eur": 900_000,
        "balance_eur": 500_000,
    } | facts
    return people.register_organisation(people.OrganisationFacts(**values), by=person, now=NOW)


# --- calls ---


def test_a_call_keeps_its_own_copy_of_the_mode_and_opens_its_capacity(operator):
    call = make_call(operator, package_gpu_hours=2000)

    assert call.mode.package_gpu_hours == 2000
    assert queries.shipped_modes()["playground"].package_gpu_hours == 5000
    assert queries.mode_data(on=NOW.date())["playground"]["package_gpu_hours"] == 5000
    assert call.capacities.get().account.balance == 10_000 * MS_PER_HOUR
    assert events(call) == ["call.created", "call.published"]
    assert events(call.capacities.get()) == ["capacity.opened"]


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"mode": "no-such-mode"}, "call.create.mode"),
        ({"slug": "Playground 2026"}, "call.create.slug"),
        ({"slug": "new"}, "call.create.slug"),
        ({"slug": "a" * 61}, "call.create.slug"),
        ({"title_ro": "  "}, "call.create.title"),
        ({"budget_gpu_hours": 4999}, "call.create.budget"),
        ({"budget_gpu_hours": 0}, "call.create.budget_range"),
        ({"budget_gpu_hours": 2_000_000_001}, "call.create.budget_range"),
        ({"package_gpu_hours": -1}, "mode.read.wrong"),
        ({"closes_at": NOW - timedelta(days=1)}, "call.create.period"),
        (
            {"cut_offs": [Window(NOW, NOW + MINUTE), Window(NOW, NOW + 2 * MINUTE)]},
            "call.create.cut_off",
        ),
    ],
)
def test_a_call_that_cannot_be_is_refused_with_its_mistake(operator, facts, code):
    with refused(code, Invalid):
        make_call(operator, **facts)


def test_two_calls_cannot_have_one_name(operator, call):
    with refused("call.create.slug_taken", Invalid):
        make_call(operator)


def test_only_an_operator_makes_publishes_and_archives_calls(ana, operator, call):
    with refused("call.create.not_operator", NotAllowed):
        make_call(ana, slug="mine")
    with refused("call.publish.not_operator", NotAllowed):
        actions.publish(call, by=ana, now=NOW)
    with refused("call.archive.not_operator", NotAllowed):
        actions.archive(call, by=ana, now=NOW)


def test_a_call_is_published_once_and_archived_once(operator, call):
    with refused("call.publish.not_now"):
        actions.publish(call, by=operator, now=NOW)

    actions.archive(call, by=operator, now=NOW)

    with refused("call.archive.not_now"):
        actions.archive(call, by=operator, now=NOW)


# --- drafts ---


def test_an_application_starts_as_a_draft_of_who_started_it(call, org, ana):
    application = actions.start(call, organisation=org, by=ana, now=NOW)

    assert (application.state, application.applicant) == ("draft", ana)
    assert events(application) == ["application.started"]


def test_nobody_applies_for_an_organisation_they_do_not_belong_to(call, org, stranger):
    with refused("application.start.not_yours", NotAllowed):
        actions.start(call, organisation=org, by=stranger, now=NOW)


@pytest.mark.parametrize(
    ("now", "code"),
    [
        (NOW - TICK, "application.start.not_yet_open"),
        (NOW, None),
        (NOW + MINUTE - TICK, None),
        (NOW + MINUTE, "application.start.closed"),
    ],
)
def test_a_call_takes_drafts_from_opening_up_to_closing(operator, org, ana, now, code):
    call = make_call(operator, opens_at=NOW, closes_at=NOW + MINUTE)

    if code is None:
        actions.start(call, organisation=org, by=ana, now=now)
    else:
        with refused(code):
            actions.start(call, organisation=org, by=ana, now=now)


def test_an_archived_call_takes_no_drafts_and_no_submissions(operator, call, org, ana, draft):
    call = actions.archive(call, by=operator, now=NOW)

    with refused("application.start.not_published"):
        actions.start(call, organisation=org, by=ana, now=NOW)
    with refused("application.submit.not_published"):
        actions.submit(draft, by=ana, now=NOW)


def test_a_section_is_saved_although_it_is_not_complete(call, org, ana):
    application = actions.start(call, organisation=org, by=ana, now=NOW)

    saved = actions.save_section(
        application, section="project", answers={"title": "  A  title "}, version=0, by=ana, now=NOW
    )

    application.refresh_from_db()
    assert (saved.answers, saved.version) == ({"title": "A title"}, 1)
    assert application.title == "A title"
    assert events(application)[-1] == "application.section_saved"


def test_the_later_of_two_tabs_is_told_and_overwrites_nothing(draft, ana):
    first = changed("project", title="From the first tab")
    actions.save_section(draft, section="project", answers=first, version=1, by=ana, now=NOW)

    with refused("application.save.changed_meanwhile") as refusal:
        actions.save_section(
            draft,
            section="project",
            answers=changed("project", title="From the second tab"),
            version=1,
            by=ana,
            now=NOW,
        )

    assert draft.sections.get(slug="project").answers["title"] == "From the first tab"
    assert refusal.value.value.facts["version"] == 2


def test_saving_the_same_answers_again_changes_nothing(draft, ana):
    before = traces()

    actions.save_section(
        draft, section="project", answers=ANSWERS["project"], version=0, by=ana, now=NOW
    )

    assert traces() == before
    assert draft.sections.get(slug="project").version == 1


def test_only_the_applicant_saves_and_only_sections_of_the_form(draft, ana, stranger, operator):
    for person in (stranger, operator):
        with refused("application.save.not_yours", NotAllowed):
            actions.save_section(
                draft, section="project", answers={}, version=1, by=person, now=NOW
            )
    with refused("application.save.no_such_section"):
        actions.save_section(draft, section="poem", answers={}, version=0, by=ana, now=NOW)


def test_an_application_that_was_handed_in_is_not_changed(eligible, ana):
    with refused("application.save.not_now"):
        actions.save_section(eligible, section="project", answers={}, version=1, by=ana, now=NOW)


# --- submission ---


def test_submitting_admits_who_qualifies_starts_the_clock_and_promises_a_receipt(draft, ana):
    application = actions.submit(draft, by=ana, now=NOW)

    assert application.state == "eligible"
    assert application.gpu_ms == 5000 * MS_PER_HOUR
    assert application.months == 3
    assert application.facts["size_class"] == "micro"
    assert application.verdict["qualifies"] is True
    # Monday 23 November: Tuesday and Wednesday are working days, so Wednesday's end.
    assert application.due_at.isoformat() == "2026-11-25T22:00:00+00:00"
    assert events(application)[-5:] == [
        "application.submitted",
        "step.finished",
        "application.admitted",
        "step.finished",
        "step.opened",
    ]
    assert Promise.objects.filter(key=f"receipt:{application.code}").count() == 1


def test_an_incomplete_application_is_refused_with_everything_that_is_missing(draft, ana):
    fill_without(draft, ana, "work", "code")
    fill_without(draft, ana, "ethics", "fairness")

    with refused("application.section.missing", Invalid) as refusal:
        actions.submit(draft, by=ana, now=NOW)

    fields = [one.field for one in refusal.value.value.problems]
    assert fields == ["work.code", "ethics.fairness"]
    draft.refresh_from_db()
    assert (draft.state, draft.submitted_at) == ("draft", None)


def fill_without(draft, ana, section, field):
    answers = {name: value for name, value in ANSWERS[section].items() if name != field}
    actions.save_section(draft, section=section, answers=answers, version=1, by=ana, now=NOW)


@pytest.mark.parametrize(
    ("sections", "rule"),
    [
        ({"project": changed("project", civilian_purpose=False)}, "purpose"),
        ({"team": changed("team", contract_covers=False)}, "contract"),
        ({"team": changed("team", lead_country="ZZ")}, "team"),
        ({"team": changed("team", members=[{"name": "Bo", "country": "ZZ"}])}, "team"),
        ({"work": changed("work", gpu_hours=5001)}, "ask"),
    ],
)
def test_who_does_not_qualify_is_declined_at_once_with_the_reason(call, org, ana, sections, rule):
    application = submitted(call, org, ana, **sections)

    failed = [one for one in application.verdict["reasons"] if one["passed"] is False]
    assert application.state == "declined"
    assert [one["rule"] for one in failed] == [rule]
    assert failed[0]["todo"]["en"]
    assert failed[0]["todo"]["ro"]
    assert application.decision.rule == "eligibility"
    assert events(application)[-1] == "application.declined"
    assert Promise.objects.filter(key=f"decline:{application.code}").exists()


@pytest.mark.parametrize(
    ("facts", "rules"),
    [
        ({"kind": OrganisationKind.UNIVERSITY}, ["organisation"]),
        ({"kind": OrganisationKind.PUBLIC}, ["organisation"]),
        ({"headcount": 250}, ["size"]),
        ({"country": "US"}, ["country"]),
    ],
)
def test_an_organisation_that_the_mode_is_not_for_is_declined(call, ana, facts, rules):
    application = submitted(call, other_organisation(ana, **facts), ana)

    failed = [one["rule"] for one in application.verdict["reasons"] if one["passed"] is False]
    assert (application.state, failed) == ("declined", rules)


def test_the_application_keeps_the_facts_it_was_judged_by(eligible, ana):
    Organisation.objects.update(headcount=9)

    eligible.refresh_from_db()

    assert eligible.facts["headcount"] == 8


@pytest.mark.parametrize(
    ("now", "code"),
    [(NOW + MINUTE - TICK, None), (NOW + MINUTE, "application.submit.closed")],
)
def test_an_application_after_the_end_changes_nothing(operator, org, ana, now, code):
    call = make_call(operator, closes_at=NOW + MINUTE)
    draft = actions.start(call, organisation=org, by=ana, now=NOW)
    fill(draft, by=ana)

    if code is None:
        assert actions.submit(draft, by=ana, now=now).state == "eligible"
        return
    with refused(code):
        actions.submit(draft, by=ana, now=now)
    draft.refresh_from_db()
    assert (draft.state, draft.submitted_at) == ("draft", None)


def test_between_two_cut_offs_nothing_is_taken(operator, org, ana):
    call = make_call(
        operator,
        opens_at=NOW,
        cut_offs=[Window(NOW, NOW + MINUTE), Window(NOW + 2 * MINUTE, NOW + 3 * MINUTE)],
    )
    draft = actions.start(call, organisation=org, by=ana, now=NOW)
    fill(draft, by=ana)

    with refused("application.submit.not_yet_open"):
        actions.submit(draft, by=ana, now=NOW + MINUTE)
    assert actions.submit(draft, by=ana, now=NOW + 2 * MINUTE).state == "eligible"


def test_nobody_else_submits_and_nobody_submits_twice(draft, ana, stranger):
    with refused("application.submit.not_yours", NotAllowed):
        actions.submit(draft, by=stranger, now=NOW)

    actions.submit(draft, by=ana, now=NOW)

    with refused("application.submit.not_now"):
        actions.submit(draft, by=ana, now=NOW)


# --- assessment and award ---


def test_a_positive_assessment_offers_the_award_by_rule(eligible, assessor):
    assess(eligible, assessor)

    eligible.refresh_from_db()
    award = eligible.award
    assert eligible.state == "awarded"
    assert (award.state, award.gpu_ms, award.months) == ("offered", 5000 * MS_PER_HOUR, 3)
    assert award.answer_by == NOW + MINUTE + timedelta(days=14)
    assert eligible.decision.rule == "first_come_first_served"
    entry = LogEntry.objects.get(event="application.awarded")
    assert (entry.actor, entry.facts["rule"]) == ("", "first_come_first_served")
    assert Promise.objects.filter(key=f"award:{award.code}").exists()


def test_the_assessor_may_recommend_fewer_hours_but_not_more_than_the_package(eligible, assessor):
    for hours in (0, 5001):
        with refused("application.assess.amount"):
            assess(eligible, assessor, hours=hours)

    assess(eligible, assessor, hours=1)

    assert Award.objects.get().gpu_ms == MS_PER_HOUR


def test_a_negative_assessment_declines_and_needs_a_word_to_the_applicant(eligible, assessor):
    with refused("application.assess.reason_missing", Invalid):
        actions.assess(
            eligible,
            is_fitting=True,
            is_ready=False,
            is_justified=True,
            recommended_gpu_hours=0,
            comment=" ",
            note="",
            by=assessor,
            now=NOW,
        )

    assess(eligible, assessor, hours=0, is_ready=False)

    eligible.refresh_from_db()
    assert eligible.state == "declined"
    assert eligible.decision.rule == "technical_assessment"
    assert eligible.assessment.comment


def test_only_an_assessor_assesses_and_only_once(eligible, ana, operator, assessor):
    for person in (ana, operator):
        with refused("application.assess.not_assessor", NotAllowed):
            assess(eligible, person)

    assess(eligible, assessor)

    with refused("application.assess.already"):
        assess(eligible, assessor)


def test_nobody_assesses_their_own_organisation_or_sees_it_in_the_queue(
    call, assessor, ana, eligible
):
    own = other_organisation(assessor)
    application = submitted(call, own, assessor)

    with refused("application.assess.conflict", NotAllowed):
        assess(application, assessor)
    assert list(queries.assessable_by(assessor)) == [eligible]


def test_a_draft_is_not_assessed(draft, assessor):
    with refused("application.assess.not_now"):
        assess(draft, assessor)


def test_awards_are_offered_while_the_capacity_holds_and_the_rest_waits_in_order(
    call, org, ana, assessor
):
    first, second, third, fourth = (
        submitted(call, org, ana, now=NOW + number * MINUTE) for number in range(4)
    )
    for application in (fourth, third, second, first):
        assess(application, assessor)

    rows = {one.code: one for one in Application.objects.all()}
    states = [rows[one.code].state for one in (first, second, third, fourth)]
    assert states == ["awarded", "awarded", "eligible", "eligible"]
    assert rows[third.code].reserve_at
    assert Promise.objects.filter(key=f"reserve:{third.code}").count() == 1
    assert queries.free_gpu_ms(call.capacities.get()) == 0


def test_an_application_still_in_assessment_keeps_its_hours_set_aside(call, org, ana, assessor):
    first, second, third = (
        submitted(call, org, ana, now=NOW + number * MINUTE) for number in range(3)
    )
    assess(third, assessor)

    third.refresh_from_db()
    assert (third.state, bool(third.reserve_at)) == ("eligible", True)

    actions.withdraw(first, by=ana, now=NOW)

    third.refresh_from_db()
    assert (third.state, third.reserve_at) == ("awarded", None)
    assert second.state == "eligible"


def test_hours_that_are_refused_go_to_the_next_in_order(call, org, ana, assessor):
    applications = [submitted(call, org, ana, now=NOW + n * MINUTE) for n in range(4)]
    for application in applications:
        assess(application, assessor)
    award = Award.objects.get(application=applications[0])

    actions.refuse(award, by=ana, now=NOW)

    states = [Application.objects.get(pk=one.pk).state for one in applications]
    assert states == ["awarded", "awarded", "awarded", "eligible"]
    assert Award.objects.get(pk=award.pk).state == "refused"
    assert events(award) == ["award.refused"]


def test_eligibility_is_asked_again_at_the_award(eligible, assessor):
    Organisation.objects.update(headcount=250)

    assess(eligible, assessor)

    eligible.refresh_from_db()
    assert eligible.state == "declined"
    assert eligible.decision.rule == "eligibility_at_award"
    assert eligible.decision.inputs == {"failed": ["size"]}
    assert not Award.objects.exists()


# --- answers ---


def test_accepting_opens_a_project_and_grants_its_hours(award, ana, org):
    accepted = actions.accept(award, by=ana, now=NOW + MINUTE)

    allocation = Allocation.objects.get(resource__slug="gpu-hours")
    assert accepted.state == "accepted"
    assert (accepted.starts_at, accepted.ends_at.isoformat()) == (
        NOW + MINUTE,
        "2027-02-23T09:01:00+00:00",
    )
    assert accepted.project.organisation == org
    assert accepted.project.award_code == award.code
    assert allocation.project == accepted.project
    assert ledger_queries.balance(allocation).free == 5000 * MS_PER_HOUR
    assert ledger_queries.check_books().balanced
    assert events(award) == ["obligation.made", "award.accepted"]
    assert accepted.report_due_at.isoformat() == "2027-05-23T09:01:00+00:00"


@pytest.mark.parametrize(
    ("asked_gb", "granted_mb"),
    [(None, 1_000_000), (0, None), (1, 1000), (2000, 2_000_000), (2001, 2_000_000)],
)
def test_accepting_grants_the_storage_that_was_asked_for_as_far_as_the_mode_gives_it(
    award, ana, asked_gb, granted_mb
):
    section = SavedSection.objects.get(application=award.application, slug="data")
    section.answers = {**section.answers, "storage_gb": asked_gb}
    section.save()

    project = actions.accept(award, by=ana, now=NOW + MINUTE).project

    assert ledger_queries.storage_mb(project) == granted_mb
    assert project.data_days == award.application.call.mode.data_days
    assert ledger_queries.check_books().balanced


@pytest.mark.parametrize("policy", ["finish", "slow", "stop", None])
def test_the_hours_come_to_their_end_as_the_call_says(award, ana, policy):
    call = award.application.call
    call.rules["at_exhaustion"] = policy
    if policy is None:
        del call.rules["at_exhaustion"], call.rules["sources"]["at_exhaustion"]
    call.save()

    actions.accept(award, by=ana, now=NOW)

    assert Allocation.objects.get(resource__slug="gpu-hours").policy == (policy or "finish")


def test_accepting_twice_gives_one_project_and_one_allocation(award, ana):
    first = actions.accept(award, by=ana, now=NOW)
    before = traces()

    second = actions.accept(award, by=ana, now=NOW + MINUTE)

    assert second.project == first.project
    assert traces() == before


def test_an_offer_is_answered_up_to_its_last_instant(award, ana):
    with refused("award.accept.too_late"):
        actions.accept(award, by=ana, now=award.answer_by)

    assert actions.accept(award, by=ana, now=award.answer_by - TICK).state == "accepted"


def test_only_the_applicant_answers(award, operator, stranger):
    for person in (operator, stranger):
        with refused("award.accept.not_yours", NotAllowed):
            actions.accept(award, by=person, now=NOW)
        with refused("award.refuse.not_yours", NotAllowed):
            actions.refuse(award, by=person, now=NOW)


def test_a_refused_award_is_not_accepted_and_an_accepted_one_not_refused(award, ana):
    actions.refuse(award, by=ana, now=NOW)

    with refused("award.accept.not_now"):
        actions.accept(award, by=ana, now=NOW)
    with refused("award.refuse.not_now"):
        actions.refuse(award, by=ana, now=NOW)


def test_an_offer_lapses_at_its_deadline_and_not_before(award, ana):
    assert actions.lapse(award, now=award.answer_by - TICK).state == "offered"

    lapsed = actions.lapse(award, now=award.answer_by)

    assert lapsed.state == "lapsed"
    assert events(award) == ["award.lapsed"]
    assert Promise.objects.filter(key=f"lapse:{award.code}").exists()
    with refused("award.accept.not_now"):
        actions.accept(award, by=ana, now=award.answer_by)


def test_withdrawing_ends_an_application_before_its_decision_only(
    eligible, ana, stranger, assessor
):
    with refused("application.withdraw.not_yours", NotAllowed):
        actions.withdraw(eligible, by=stranger, now=NOW)

    withdrawn = actions.withdraw(eligible, by=ana, now=NOW)

    assert (withdrawn.state, withdrawn.ended_at) == ("withdrawn", NOW)
    with refused("application.withdraw.not_now"):
        actions.withdraw(eligible, by=ana, now=NOW)
    with refused("application.assess.not_now"):
        assess(eligible, assessor)
