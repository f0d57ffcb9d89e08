"""The way of an application through its steps: the engine played by random hands, and each verb."""

from contextlib import suppress
from datetime import timedelta

import pytest
from django.core import mail
from django.db import transaction
from django.utils import translation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from uzina.calls import actions, queries, tasks
from uzina.calls.actions import steps as engine
from uzina.calls.models import Application, Award, Decision, Exemption, Pause, Question, Step
from uzina.calls.rules import clock
from uzina.calls.rules.steps import StepKind, StepState
from uzina.calls.tests.conftest import ANSWERS, MINUTE, assess, changed, make_call, submitted
from uzina.core.errors import Invalid, NotAllowed, Refused
from uzina.core.models import LogEntry
from uzina.core.tests import NOW
from uzina.people import queries as people
from uzina.people.tests import deliver

pytestmark = pytest.mark.django_db

TICK, HOUR, DAY = timedelta(microseconds=1), timedelta(hours=1), timedelta(days=1)
PLACE = {"country": "RO", "zone": "Europe/Bucharest"}
K = StepKind


def with_steps(call, *steps, **rules):
    """Give a call other steps than its mode: kind, owner and working days of each."""
    call.rules = call.rules | {
        "steps": [
            {"kind": kind, "owner": owner, "working_days": days} for kind, owner, days in steps
        ]
    }
    call.rules |= rules
    call.save()
    call.__dict__.pop("mode", None)
    return call


def events(application, beginning=""):
    found = LogEntry.objects.filter(subject=application.code, event__startswith=beginning)
    return [(one.event, one.facts.get("step", "")) for one in found.order_by("seq")]


def again(thing):
    """Return a row as the database has it now."""
    return type(thing).objects.get(pk=thing.pk)


def step_of(application):
    return queries.step_under_way(application)


def ask(application, by, now, text="Which licence?"):
    return actions.ask(again(application), text=text, by=by, now=now)


# --- the engine ---


VERBS = ("asked", "answered", "closed", "taken", "watched", "withdrawn", "finished", "finished")
WAITS = (0, 1, 45, 700, 1440, 4000)
"""Minutes between two moves: none, within a day, over a night, over some days."""


class Hands:
    """Play the verbs of the engine, and keep what the clock has to say by a slow count."""

    def __init__(self, application, assessor, operator, ana):
        self.application, self.now = application, NOW
        self.assessor, self.operator, self.ana = assessor, operator, ana

    def play(self, moves):
        for verb, wait in moves:
            self.now += timedelta(minutes=wait)
            with suppress(Refused):
                getattr(self, verb)()
            self.check()

    def asked(self):
        ask(self.application, self.operator, self.now)

    def question(self):
        return Question.objects.filter(answered_at=None, closed_at=None).first()

    def answered(self):
        if question := self.question():
            actions.answer_question(question, text="CC BY", by=self.ana, now=self.now)

    def closed(self):
        if question := self.question():
            actions.end_waiting(question, by=self.operator, now=self.now)

    def taken(self):
        if step := step_of(self.application):
            actions.take_step(step, by=self.assessor, now=self.now)

    def watched(self):
        tasks.watch_steps(now=self.now)

    def withdrawn(self):
        if step_of(self.application) and self.now > NOW + 9 * DAY:
            actions.withdraw(again(self.application), by=self.ana, now=self.now)

    def finished(self):
        step = step_of(self.application)
        if step is not None:
            kind = K(step.kind)
            engine.finish(again(self.application), kind, outcome="passed", by=None, now=self.now)

    def end(self):
        """Go on until nothing is under way."""
        while step := step_of(self.application):
            (self.closed if step.state is StepState.PAUSED else self.finished)()
            self.check()

    def check(self):
        rows = list(Step.objects.filter(application=self.application))
        under_way = [one for one in rows if one.state in {StepState.OPEN, StepState.PAUSED}]
        assert len(under_way) <= 1
        assert [one.state for one in rows] == sorted((one.state for one in rows), key=_order)
        for one in rows:
            open_pauses = one.pauses.filter(ended_at=None).count()
            assert open_pauses == (one.state is StepState.PAUSED)
            assert open_pauses == one.questions.filter(answered_at=None, closed_at=None).count()
            if one.due_at is not None and one.state in {StepState.OPEN, StepState.DONE}:
                assert one.due_at == self.slow_due(one)

    def slow_due(self, step):
        """Count midnights one after the other."""
        days = self.application.call.mode.step(K(step.kind)).working_days
        stills = [(one.began_at, one.ended_at) for one in step.pauses.exclude(ended_at=None)]
        end = clock.day_end(
            step.counts_from.astimezone(clock.ZoneInfo(PLACE["zone"])).date(), PLACE["zone"]
        )
        while days:
            day = end.astimezone(clock.ZoneInfo(PLACE["zone"])).date()
            end = clock.day_end(day, PLACE["zone"])
            if clock.is_working_day(day, "RO"):
                days -= not any(began < end <= ended for began, ended in stills)
        return end


def _order(state):
    order = (StepState.DONE, StepState.OPEN, StepState.PAUSED, StepState.WAITING, StepState.SKIPPED)
    return order.index(state)


@pytest.fixture
def ranked(operator, call):
    return with_steps(
        call,
        ("completeness", "rule", 0),
        ("eligibility", "rule", 0),
        ("technical_assessment", "assessor", 2),
        ("peer_review", "operator", 4),
        ("panel", "panel", 3),
        ("ranking", "operator", 1),
        ("decision", "operator", 1),
        order="ranked",
        scoring=queries.mode_data(on=NOW.date())["large-scale"]["scoring"],
        sources=call.rules["sources"] | {"scoring": "of another mode"},
    )


@pytest.fixture
def judged(ranked, org, ana):
    return submitted(ranked, org, ana)


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(moves=st.lists(st.tuples(st.sampled_from(VERBS), st.sampled_from(WAITS)), max_size=24))
def test_whatever_hands_do_one_step_at_most_is_under_way_and_the_clock_is_right(
    moves, judged, assessor, operator, ana
):
    with transaction.atomic():
        hands = Hands(judged, assessor, operator, ana)
        hands.play(moves)
        hands.end()

        rows = list(Step.objects.filter(application=judged))
        done = [one.kind for one in rows if one.state is StepState.DONE]
        assert {one.state for one in rows} <= {StepState.DONE, StepState.SKIPPED}
        assert [step for _event, step in events(judged, "step.finished")] == done
        assert (again(judged).state == "withdrawn") is (len(done) < len(rows))
        pauses = Pause.objects.filter(step__application=judged).count()
        assert len(events(judged, "step.paused")) == pauses
        transaction.set_rollback(True)


def test_withdrawing_in_a_pause_ends_the_pause_and_the_question(eligible, assessor, ana):
    question = ask(eligible, assessor, NOW + HOUR)

    actions.withdraw(eligible, by=ana, now=NOW + 2 * HOUR)

    assert not Step.objects.filter(state__in=["waiting", "open", "paused"]).exists()
    assert again(question).closed_at == NOW + 2 * HOUR
    assert Pause.objects.get().ended_at == NOW + 2 * HOUR
    with pytest.raises(Refused, match="closed"):
        actions.answer_question(question, text="Late", by=ana, now=NOW + 3 * HOUR)


def test_what_is_judged_together_counts_from_the_closing_of_its_cut_off(ranked, org, ana):
    closes = NOW + 10 * DAY
    cut_off = ranked.cut_offs.create(opens_at=NOW - DAY, closes_at=closes)

    application = submitted(ranked, org, ana)

    step = step_of(application)
    assert (step.opened_at, step.counts_from) == (NOW, closes)
    assert step.due_at == clock.due_at(closes, working_days=2, **PLACE)
    assert application.due_at == clock.due_at(closes, working_days=2, **PLACE)

    cut_off.closes_at = later = closes + 7 * DAY
    cut_off.save()
    assert actions.cut_off_moved(cut_off, now=NOW) == 1
    assert step_of(application).due_at == clock.due_at(later, working_days=2, **PLACE)
    assert again(application).due_at == clock.due_at(later, working_days=2, **PLACE)


def test_a_batch_ends_a_step_for_those_that_are_there_and_names_those_behind(
    ranked, org, ana, assessor, operator
):
    first, second, third = [submitted(ranked, org, ana) for _one in range(3)]
    for one in (first, second):
        assess(one, assessor)
    ask(second, operator, NOW + HOUR)

    ended = actions.finish_batch(
        ranked, K.PEER_REVIEW, cut_off=None, outcome="passed", by=operator, now=NOW + DAY
    )

    assert ended == [first]
    assert step_of(first).kind == K.PANEL
    assert list(queries.behind(ranked, K.PEER_REVIEW, cut_off=None)) == [second, third]


# --- questions ---


def test_a_question_stops_the_clock_and_an_answer_lets_it_go_on(eligible, assessor, ana):
    asked_at = NOW + DAY
    question = ask(eligible, assessor, asked_at)
    assert step_of(eligible).state is StepState.PAUSED
    with pytest.raises(Refused, match="asked something"):
        assess(eligible, assessor)

    actions.answer_question(question, text="CC BY 4.0", by=ana, now=asked_at + DAY)

    step = step_of(eligible)
    assert step.state is StepState.OPEN
    # two working days from Monday, 23 November; the clock stood still when the 24th ended
    assert step.due_at == clock.due_at(NOW, working_days=3, **PLACE)
    assert again(eligible).due_at == clock.due_at(NOW, working_days=3, **PLACE)
    assert events(eligible, "question") == [
        ("question.asked", K.TECHNICAL_ASSESSMENT),
        ("question.answered", ""),
    ]
    assert [one.kind for one in people.messages_about(eligible.code)] == []
    deliver()
    kinds = [one.kind for one in people.messages_about(eligible.code)]
    assert kinds == ["calls.question", "calls.answered"]


def test_the_question_is_mailed_with_its_deadline_and_where_to_answer(eligible, assessor, ana):
    question = ask(eligible, assessor, NOW)
    deliver()

    (sent,) = mail.outbox
    assert sent.to == [ana.email]
    assert "Which licence?" in sent.body
    assert f"/applications/{eligible.code}/questions/{question.code}/" in sent.body
    assert "before 3 December 2026, 00:00 EET" in sent.body
    assert "our clock stands still" in sent.body


def test_only_who_works_on_it_asks_and_only_the_applicant_answers(
    eligible, assessor, ana, stranger, operator, auditor
):
    for person in (stranger, ana, auditor):
        with pytest.raises(NotAllowed):
            ask(eligible, person, NOW)
    assert not Question.objects.exists()
    question = ask(eligible, operator, NOW)
    for person in (stranger, assessor, operator):
        with pytest.raises(NotAllowed):
            actions.answer_question(question, text="Mine", by=person, now=NOW)
    with pytest.raises(NotAllowed):
        actions.end_waiting(question, by=assessor, now=NOW)
    with pytest.raises(Refused, match="Cannot pause|No step"):
        ask(eligible, operator, NOW)
    with pytest.raises(Invalid):
        actions.answer_question(question, text=" \x00 ", by=ana, now=NOW)
    assert again(question).is_open


def test_a_colleague_who_edits_answers_too(eligible, assessor, ana, stranger):
    eligible.editors.create(person=stranger, made_at=NOW)
    question = ask(eligible, assessor, NOW)

    actions.answer_question(question, text="CC BY", by=stranger, now=NOW + HOUR)

    assert again(question).answered_by == stranger


@pytest.mark.parametrize("late", [False, True])
def test_silence_is_reminded_of_then_told_to_operators_and_decides_nothing(
    eligible, assessor, operator, ana, late
):
    question = ask(eligible, assessor, NOW)
    remind_from = clock.due_at(NOW, working_days=3, **PLACE)

    tasks.watch_steps(now=remind_from - TICK)
    assert again(question).reminded_at is None
    for _twice in range(2):
        tasks.watch_steps(now=remind_from)
    assert again(question).reminded_at == remind_from
    tasks.watch_steps(now=question.answer_by - TICK)
    assert again(question).told_at is None
    for _twice in range(2):
        tasks.watch_steps(now=question.answer_by)
    deliver()

    kinds = [(one.kind, one.to) for one in people.messages_about(eligible.code)]
    assert kinds == [
        ("calls.question", ana),
        ("calls.question", ana),
        ("calls.no_answer", operator),
    ]
    assert again(eligible).state == "eligible"
    if late:
        actions.answer_question(question, text="Here", by=ana, now=question.answer_by + DAY)
    else:
        actions.end_waiting(question, by=assessor, now=question.answer_by + DAY)
    assert step_of(eligible).state is StepState.OPEN


# --- who works on it, and what is late ---


def test_who_takes_a_step_has_it_and_others_are_told(eligible, assessor, operator, ana, stranger):
    step = step_of(eligible)
    for person in (ana, stranger, operator):
        with pytest.raises(NotAllowed):
            actions.take_step(step, by=person, now=NOW)

    actions.take_step(step, by=assessor, now=NOW)
    actions.take_step(step, by=assessor, now=NOW)

    assert events(eligible, "step.assigned") == [("step.assigned", K.TECHNICAL_ASSESSMENT)]
    with pytest.raises(NotAllowed):
        actions.assign_step(step, to=stranger, by=operator, now=NOW)
    with pytest.raises(NotAllowed):
        actions.give_back_step(step, by=stranger, now=NOW)
    actions.give_back_step(step, by=assessor, now=NOW)
    assert step_of(eligible).owner is None


def test_a_late_step_is_escalated_at_its_deadline_and_again_two_working_days_later(
    eligible, assessor, operator, auditor
):
    due = step_of(eligible).due_at
    later = clock.due_at(due - TICK, working_days=2, **PLACE)

    tasks.watch_steps(now=due - TICK)
    assert step_of(eligible).escalation == 0
    for moment in (due, due + HOUR, later - TICK):
        tasks.watch_steps(now=moment)
    assert (step_of(eligible).escalation, step_of(eligible).escalated_at) == (1, due)
    for moment in (later, later + 30 * DAY):
        tasks.watch_steps(now=moment)
    assert (step_of(eligible).escalation, step_of(eligible).escalated_at) == (2, later)
    deliver()

    told = [one.to for one in people.messages_about(eligible.code)]
    assert sorted(one.name for one in told) == sorted(
        [*[assessor.name, operator.name] * 2, auditor.name]
    )
    assert len(events(eligible, "step.escalated")) == 2


def test_what_waits_for_its_applicant_or_is_taken_back_is_not_late(
    eligible, assessor, operator, ana
):
    due = step_of(eligible).due_at
    question = ask(eligible, assessor, due - TICK)
    tasks.watch_steps(now=due + DAY)
    assert step_of(eligible).escalation == 0

    actions.end_waiting(question, by=operator, now=due + DAY)
    tasks.watch_steps(now=due + DAY)
    assert step_of(eligible).escalation == 0
    actions.withdraw(eligible, by=ana, now=due + 2 * DAY)
    tasks.watch_steps(now=due + 30 * DAY)
    assert not LogEntry.objects.filter(event="step.escalated").exists()


# --- checks by people, and exceptions ---


@pytest.fixture
def checked(call):
    """A call whose form is checked by an operator, then its eligibility by another look."""
    return with_steps(
        call,
        ("completeness", "operator", 1),
        ("eligibility", "operator", 1),
        ("technical_assessment", "assessor", 2),
        ("decision", "rule", 0),
        ("acceptance", "applicant", 0),
        ("appeal", "panel", 0),
    )


def test_a_mode_may_have_operators_check_the_form(checked, org, ana, operator, assessor):
    application = submitted(checked, org, ana)
    assert (application.state, step_of(application).kind) == ("submitted", K.COMPLETENESS)
    with pytest.raises(NotAllowed):
        actions.confirm(application, by=assessor, now=NOW)

    actions.confirm(application, by=operator, now=NOW + HOUR)
    assert (again(application).state, step_of(application).kind) == ("submitted", K.ELIGIBILITY)
    actions.confirm(application, by=operator, now=NOW + 2 * HOUR)

    assert (again(application).state, step_of(application).kind) == (
        "eligible",
        K.TECHNICAL_ASSESSMENT,
    )
    with pytest.raises(Refused, match="No check"):
        actions.confirm(application, by=operator, now=NOW)


def test_an_operator_rejects_with_a_reason_that_is_kept(checked, org, ana, operator):
    application = submitted(checked, org, ana)
    with pytest.raises(Invalid):
        actions.reject(application, reason="  ", by=operator, now=NOW)
    assert again(application).state == "submitted"

    actions.reject(application, reason="The budget is empty.", by=operator, now=NOW + HOUR)

    decision = Decision.objects.get()
    assert (decision.rule, decision.inputs["reason"]) == ("completeness", "The budget is empty.")
    assert step_of(application).kind == K.APPEAL
    tasks.mail_decline(application=application.code, now=NOW)
    deliver()
    assert "The budget is empty." in mail.outbox[-1].body


def test_a_failed_rule_is_let_pass_with_a_reason_and_only_for_what_it_found(
    checked, org, ana, operator
):
    application = submitted(
        checked, org, ana, team=changed("team", lead_country="CH", contract_covers=False)
    )
    actions.confirm(application, by=operator, now=NOW)
    with pytest.raises(Refused, match="contract"):
        actions.confirm(application, by=operator, now=NOW)
    with pytest.raises(Refused, match="met"):
        actions.exempt(application, rule="purpose", reason="Why?", by=operator, now=NOW)
    with pytest.raises(NotAllowed):
        actions.exempt(application, rule="contract", reason="Mine", by=ana, now=NOW)

    for rule in [one.rule for one in queries.verdict_now(again(application)).failed]:
        actions.exempt(application, rule=rule, reason="Agreed in writing.", by=operator, now=NOW)
    actions.confirm(application, by=operator, now=NOW)

    application = again(application)
    assert application.state == "eligible"
    texts = [one["text"]["en"] for one in application.verdict["reasons"]]
    assert any("Agreed in writing." in text for text in texts)
    assert Step.objects.get(kind=K.ELIGIBILITY).outcome == "exempted"
    saved = application.sections.get(slug="team")
    saved.answers = changed("team", contract_covers=False, members=[{"name": "A", "country": "ZZ"}])
    saved.save()
    assert [one.rule for one in queries.verdict_now(again(application)).failed] == ["team"]


def test_an_application_declined_by_a_rule_goes_on_when_that_is_let_pass(
    call, org, ana, operator, assessor
):
    application = submitted(call, org, ana, team=changed("team", contract_covers=False))
    assert (application.state, step_of(application).kind) == ("declined", K.APPEAL)
    due = application.due_at

    actions.exempt(
        application, rule="contract", reason="A letter is here.", by=operator, now=NOW + 2 * DAY
    )

    application = again(application)
    assert (application.state, application.ended_at) == ("eligible", None)
    assert not Decision.objects.exists()
    assert ("decision.set_aside", "") in events(application)
    step = step_of(application)
    assert (step.kind, step.opened_at) == (K.TECHNICAL_ASSESSMENT, NOW + 2 * DAY)
    assert application.due_at == clock.due_at(NOW, working_days=3, **PLACE) > due
    deliver()
    assert "A letter is here." in mail.outbox[-1].body
    assess(application, assessor, now=NOW + 2 * DAY + MINUTE)
    assert Award.objects.get().application == application
    assert Exemption.objects.get().by == operator


def test_what_was_decided_by_judgement_is_not_set_aside_by_an_exception(
    eligible, assessor, operator
):
    assess(eligible, assessor, hours=0, is_ready=False)

    with pytest.raises(Refused, match="while eligibility is checked"):
        actions.exempt(eligible, rule="contract", reason="Why?", by=operator, now=NOW)


# --- assessment and redirect ---


def test_an_assessment_recommends_within_what_the_mode_gives(eligible, assessor):
    for hours in (0, 5001):
        with pytest.raises(Refused, match="from 1 to 5000"):
            assess(eligible, assessor, hours=hours)
    assert step_of(eligible).kind == K.TECHNICAL_ASSESSMENT

    assess(eligible, assessor, hours=1)

    assert Award.objects.get().gpu_ms == 3_600_000


def test_who_has_not_taken_it_does_not_assess_it(eligible, assessor, operator):
    from uzina.people.tests import make_person

    other = make_person("other@factory.example", "Oana Other", "assessor")
    actions.assign_step(step_of(eligible), to=other, by=operator, now=NOW)

    with pytest.raises(NotAllowed, match="Oana Other"):
        assess(eligible, assessor)


def test_what_has_no_technical_assessment_is_not_assessed(call, org, ana, assessor):
    with_steps(call, ("completeness", "rule", 0), ("eligibility", "rule", 0), ("panel", "panel", 3))
    application = submitted(call, org, ana)

    with pytest.raises(Refused, match="No technical assessment"):
        assess(application, assessor, is_ready=False)
    assert again(application).state == "eligible"


def test_the_story_is_told_in_the_language_of_its_reader(eligible, assessor, ana):
    ask(eligible, assessor, NOW)
    found = queries.story(queries.application(eligible.code))

    with translation.override("ro"):
        entries, coming = queries.entries_shown(found), queries.next_shown(found, NOW)

    (here,) = [one for one in entries if one["is_now"]]
    assert "Termenul nostru este suspendat din 23 noiembrie 2026" in here["text"]
    assert coming["text"].startswith("Răspundeți la întrebarea noastră.")


@pytest.fixture
def second(operator):
    return make_call(operator, slug="second")


def test_a_redirect_becomes_a_draft_of_the_applicant_with_all_that_was_written(
    eligible, second, assessor, ana
):
    made = actions.redirect(
        eligible,
        to_call=second,
        to_factory="",
        reason="It fits there.",
        by=assessor,
        now=NOW + HOUR,
    )

    draft = made.to_application
    assert (draft.state, draft.applicant, draft.call) == ("draft", ana, second)
    assert queries.answers_of(draft)["project"] == ANSWERS["project"]
    assert "accepts_terms" not in queries.answers_of(draft).get("declarations", {})
    assert again(eligible).state == "redirected"
    assert not queries.step_under_way(eligible)
    told = queries.next_shown(queries.story(queries.application(eligible.code)), NOW)
    assert (told["verb"], told["target"]) == ("draft", draft.code)
    deliver()
    (sent,) = mail.outbox
    assert "It fits there." in sent.body
    assert f"/applications/{draft.code}/" in sent.body
    assert "Nothing is handed in without you." in sent.body


def test_a_redirect_to_another_factory_names_it_from_the_list(eligible, assessor, ana):
    for name in ("", "Nowhere", "RO AI Factory"):
        with pytest.raises(Refused):
            actions.redirect(
                eligible, to_call=None, to_factory=name, reason="Fits.", by=assessor, now=NOW
            )
    assert again(eligible).state == "eligible"

    actions.redirect(
        eligible, to_call=None, to_factory="JAIF", reason="Fits.", by=assessor, now=NOW
    )

    told = queries.next_shown(queries.story(queries.application(eligible.code)), NOW)
    assert "JAIF" in told["text"]
    assert Decision.objects.get().outcome == "redirect"


def test_a_redirect_needs_an_open_call_a_reason_and_somebody_who_may(
    eligible, call, second, assessor, ana, stranger, operator
):
    def send(by, to=second, reason="Fits."):
        actions.redirect(eligible, to_call=to, to_factory="", reason=reason, by=by, now=NOW)

    for person in (ana, stranger):
        with pytest.raises(NotAllowed):
            send(person)
    with pytest.raises(Refused, match="already"):
        send(assessor, call)
    with pytest.raises(Invalid):
        send(assessor, reason=" ")
    actions.archive(second, by=operator, now=NOW)
    with pytest.raises(Refused, match="no applications now"):
        send(operator, again(second))
    assert Application.objects.count() == 1


def test_the_list_of_factories_has_all_nineteen_with_their_letters():
    found = queries.factories()

    assert len(found.factories) == 19
    cities = {one.city for one in found.factories}
    assert {"Linköping", "Jülich", "Poznań", "Kraków", "Bruyères-le-Châtel", "București"} <= cities
    assert [one.wave for one in found.factories].count(1) == 7
    assert "RO AI Factory" not in [one.name for one in found.others("RO AI Factory")]
