"""Reports that are owed: due on acceptance, moved by an extension, handed in, accepted."""

from datetime import datetime

from uzina.calls import access
from uzina.calls.models import Award, Call, Obligation
from uzina.calls.rules import obligations
from uzina.calls.rules.amendments import check_reason
from uzina.calls.rules.flows import OBLIGATION, ObligationState
from uzina.calls.rules.obligations import ObligationKind
from uzina.core.db import action
from uzina.core.errors import NotAllowed
from uzina.core.log import log
from uzina.core.text import _
from uzina.people import actions as people
from uzina.people import queries as people_queries
from uzina.people.models import Person
from uzina.people.rules import ProjectState


def _locked(obligation: Obligation) -> Obligation:
    """Lock the call and then the obligation: the order of every writer."""
    Call.objects.select_for_update(of=("self",)).get(pk=obligation.award.application.call_id)
    return (  # type: ignore[no-any-return]
        Obligation.objects.select_for_update(of=("self",))
        .select_related("award__application__call", "award__project__organisation")
        .get(pk=obligation.pk)
    )


@action
def owe_final_report(award: Award, *, now: datetime) -> Obligation:
    """Have an award's final report due, or its date moved to where the award ends now.

    Part of an action that holds the lock. One that was handed in keeps its date.
    """
    if award.ends_at is None:
        msg = f"{award} was not accepted"
        raise ValueError(msg)
    months = award.application.call.mode.report_months
    due_at = obligations.final_due_at(award.ends_at, report_months=months)
    found, is_new = Obligation.objects.select_for_update().get_or_create(
        award=award, kind=ObligationKind.FINAL, defaults={"due_at": due_at}
    )
    if not is_new and found.state is ObligationState.DUE and found.due_at != due_at:
        found.due_at, found.told = due_at, obligations.marks_passed(due_at, now)
        found.save(update_fields=["due_at", "told"])
        log("obligation.moved", award.code, by=None, now=now, kind=found.kind, due_at=due_at)
    if is_new:
        log("obligation.made", award.code, by=None, now=now, kind=found.kind, due_at=due_at)
    return found  # type: ignore[no-any-return]


@action
def owe_interim_report(award: Award, *, now: datetime) -> Obligation:
    """Have an interim report due before the award ends: an extension waits for it.

    Part of an action that holds the lock. One that is there is left as it is.
    """
    due_at = award.ends_at or now
    found, is_new = Obligation.objects.get_or_create(
        award=award,
        kind=ObligationKind.INTERIM,
        defaults={"due_at": due_at, "told": obligations.marks_passed(due_at, now)},
    )
    if is_new:
        log("obligation.made", award.code, by=None, now=now, kind=found.kind, due_at=found.due_at)
    return found  # type: ignore[no-any-return]


@action
def submit_report(obligation: Obligation, *, by: Person, now: datetime) -> Obligation:
    """Note that a report was handed in, late or not. Whoever keeps the report calls this.

    Raises NotAllowed obligation.submit.not_lead, Refused obligation.submit.not_now.
    """
    obligation = _locked(obligation)
    if not access.may_follow_up(by, obligation.award):
        raise NotAllowed(
            "obligation.submit.not_lead",
            _("Only a lead of the project can hand the report in."),
        )
    was_late = obligation.state is ObligationState.DEFAULTED
    obligation.state = OBLIGATION.after("submit", obligation.state)

    obligation.submitted_at, obligation.note = now, ""
    obligation.save(update_fields=["state", "submitted_at", "note"])
    code = obligation.award.code
    log("obligation.submitted", code, by=by, now=now, kind=obligation.kind, was_late=was_late)
    return obligation


@action
def accept_report(obligation: Obligation, *, by: Person, now: datetime) -> Obligation:
    """Accept a report. With the final one nothing is due any more, so the project closes.

    Raises NotAllowed obligation.accept.not_operator, Refused obligation.accept.not_now.
    """
    obligation = _locked(obligation)
    _check_operator(by, "accept")
    obligation.state = OBLIGATION.after("accept", obligation.state)

    obligation.accepted_at = now
    obligation.save(update_fields=["state", "accepted_at"])
    code = obligation.award.code
    log("obligation.accepted", code, by=by, now=now, kind=obligation.kind)
    project = obligation.award.its_project
    if obligation.kind == ObligationKind.FINAL and project.state is ProjectState.CLOSING:
        people.close(project, by=by, now=now)
    _tell_leads(obligation, "report_accepted", key="", now=now)
    return obligation


@action
def return_report(obligation: Obligation, *, reason: str, by: Person, now: datetime) -> Obligation:
    """Send a report back with the reason; there are two weeks at least to mend it.

    Raises NotAllowed obligation.send_back.not_operator, Refused obligation.send_back.not_now,
    Invalid.
    """
    obligation = _locked(obligation)
    _check_operator(by, "send_back")
    obligation.state = OBLIGATION.after("send_back", obligation.state)
    obligation.note = check_reason(reason)

    obligation.due_at = obligations.returned_due_at(obligation.due_at, now)
    obligation.told = obligations.marks_passed(obligation.due_at, now)
    obligation.save(update_fields=["state", "note", "due_at", "told"])
    code = obligation.award.code
    log("obligation.sent_back", code, by=by, now=now, kind=obligation.kind, reason=obligation.note)
    _tell_leads(obligation, "report_returned", key=f".{now.isoformat()}", now=now)
    return obligation


@action
def remind(obligation: Obligation, *, now: datetime) -> Obligation:
    """Tell the leads that a report is due, or late; late ones are recorded as not delivered.

    Of several reminders that are due at once only the last is written. Doing it again changes
    nothing.
    """
    obligation = _locked(obligation)
    if obligation.state is not ObligationState.DUE:
        return obligation
    code = obligation.award.code
    if obligations.is_late(obligation.due_at, now):
        obligation.state = OBLIGATION.after("default", obligation.state)
        obligation.save(update_fields=["state"])
        log("obligation.defaulted", code, by=None, now=now, kind=obligation.kind)
        _tell_leads(obligation, "report_late", key=f".{obligation.due_at.isoformat()}", now=now)
        return obligation
    marks = obligations.marks_passed(obligation.due_at, now)
    if marks > obligation.told:
        obligation.told = marks
        obligation.save(update_fields=["told"])
        log("obligation.reminded", code, by=None, now=now, kind=obligation.kind, marks=marks)
        key = f".{obligation.due_at.isoformat()}.{marks}"
        _tell_leads(obligation, "report_due", key=key, now=now)
    return obligation


@action
def end(award: Award, *, now: datetime) -> Award:
    """Wind an award's project up once its time is over. Doing it again changes nothing."""
    Call.objects.select_for_update(of=("self",)).get(pk=award.application.call_id)
    found: Award = (
        Award.objects.select_for_update(of=("self",))
        .select_related("application__call", "project")
        .get(pk=award.pk)
    )
    is_over = found.ends_at is not None and found.ends_at <= now
    if is_over and found.its_project.state is ProjectState.ACTIVE:
        people.wind_up(found.its_project, by=None, now=now)
        log("award.ended", found.code, by=None, now=now, project=found.its_project.code)
    return found


def _check_operator(by: Person, verb: str) -> None:
    if not access.may_run_calls(by):
        raise NotAllowed(
            f"obligation.{verb}.not_operator",
            _("Only an operator of the factory can accept a report or send it back."),
        )


def _tell_leads(obligation: Obligation, kind: str, *, key: str, now: datetime) -> None:
    award = obligation.award
    for lead in people_queries.leads_of(award.its_project):
        people.write_message(
            lead,
            kind=f"calls.{kind}",
            facts={
                "award": award,
                "project": award.its_project,
                "obligation": obligation,
                "is_final": obligation.kind == ObligationKind.FINAL,
                "due": obligation.due_at,
                "days": obligations.days_left(obligation.due_at, now),
                "path": f"/reports/{award.code}/{obligation.kind}/",
            },
            about=award.code,
            key=f"{kind}.{award.code}.{obligation.kind}{key}.{lead.code}",
            now=now,
        )
