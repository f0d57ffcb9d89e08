"""From a draft to a decision."""

from datetime import datetime

from uzina.calls import access, queries
from uzina.calls.actions import awards as award_actions
from uzina.calls.actions import checks, spending, steps
from uzina.calls.models import Application, Call
from uzina.calls.rules import clock, documents, modes, sections
from uzina.calls.rules.flows import APPLICATION, CallState
from uzina.core.db import action
from uzina.core.errors import Invalid, NotAllowed, Refused
from uzina.core.log import log
from uzina.core.text import _
from uzina.people.models import Organisation, Person


@action
def start(call: Call, *, organisation: Organisation, by: Person, now: datetime) -> Application:
    """Start an application of an organisation to a call that is open.

    Raises NotAllowed application.start.not_yours, Refused application.start.not_published,
    application.start.not_yet_open, application.start.closed.
    """
    if not access.may_apply(by, organisation):
        raise NotAllowed(
            "application.start.not_yours",
            _("You can apply for organisations you belong to. Register yours first."),
        )
    _check_published(call, "start")
    clock.check_open(call.windows, now, verb="start")

    application = Application.objects.create(
        call=call, applicant=by, organisation=organisation, made_at=now
    )
    log("application.started", application.code, by=by, now=now, call=call.code)
    return application


def _check_published(call: Call, verb: str) -> None:
    if call.state is not CallState.PUBLISHED:
        raise Refused(
            f"application.{verb}.not_published",
            _("This call takes no applications: it is {state}. Look at the open calls."),
            state=str(call.state),
        )
    spending.check_not_spent(call, verb)


def _locked(application: Application) -> Application:
    """Lock the call and then the application: the order of every writer."""
    Call.objects.select_for_update(of=("self",)).get(pk=application.call_id)
    return (  # type: ignore[no-any-return]
        Application.objects.select_for_update(of=("self",))
        .select_related("call", "organisation", "applicant")
        .get(pk=application.pk)
    )


def _check_own(application: Application, by: Person, verb: str) -> None:
    if not access.may_change(by, application):
        raise NotAllowed(
            f"application.{verb}.not_yours",
            _("Only the applicant can do this with {application}."),
            application=application.code,
        )


@action
def submit(application: Application, *, by: Person, now: datetime) -> Application:
    """Hand the application in: it is complete, so the rules decide on eligibility at once.

    A mode may give these checks to an operator: then it waits for one.

    The clock of the mode starts. The applicant is promised a mail: a receipt, or the reasons for
    which it was declined. Raises NotAllowed application.submit.not_yours, Refused
    application.submit.not_now, .not_published, .not_yet_open, .closed, Invalid with what is
    missing.
    """
    application = _locked(application)
    _check_own(application, by, "submit")
    state = APPLICATION.after("submit", application.state)
    _check_published(application.call, "submit")
    window = clock.check_open(application.call.windows, now, verb="submit")
    mode, answers = application.call.mode, queries.answers_of(application)
    problems = sections.incomplete(queries.asked_sections(application), answers)
    attached = queries.attached_slugs(application)
    problems += documents.missing(mode.documents, attached, by.language)
    if problems:
        raise Invalid(problems)

    application.state, application.submitted_at = state, now
    application.cut_off = application.call.cut_offs.filter(
        opens_at=window.opens_at, closes_at=window.closes_at or now
    ).first()
    application.due_at = steps.target_of(application)
    application.months = answers["project"].get("months", 0)
    application.partition = answers.get("work", {}).get("partition", "")
    application.fallback_partition = answers.get("work", {}).get("fallback_partition", "")
    capacity = queries.capacity_of(application)
    application.gpu_ms = modes.asked_gpu_ms(
        mode, answers, gpus_per_node=capacity.gpus_per_node if capacity else 1
    )
    application.facts = queries.organisation_facts(application.organisation)
    application.save()
    log("application.submitted", application.code, by=by, now=now, call=application.call.code)
    steps.begin(application, now=now)
    checks.go_on(application, now=now)
    checks.receipt(application, now=now)
    return application


@action
def withdraw(application: Application, *, by: Person, now: datetime) -> Application:
    """Take an application back before it is decided. Those behind it move up.

    Raises NotAllowed application.withdraw.not_yours, Refused application.withdraw.not_now.
    """
    application = _locked(application)
    _check_own(application, by, "withdraw")
    state = APPLICATION.after("withdraw", application.state)

    application.state, application.ended_at, application.reserve_at = state, now, None
    application.save(update_fields=["state", "ended_at", "reserve_at"])
    log("application.withdrawn", application.code, by=by, now=now)
    steps.stop(application, now=now)
    award_actions.offer_next(application.call, now=now)
    return application
