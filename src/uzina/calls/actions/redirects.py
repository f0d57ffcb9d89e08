"""Sending an application on: to another call here, or to another factory."""

from datetime import datetime

from django.conf import settings

from uzina.calls import access, queries
from uzina.calls.actions import drafts, steps
from uzina.calls.models import (
    Application,
    Call,
    Decision,
    Editor,
    Redirect,
)
from uzina.calls.rules import checks, clock, sections
from uzina.calls.rules.flows import APPLICATION, CallState
from uzina.calls.rules.steps import StepKind
from uzina.core.db import action
from uzina.core.errors import NotAllowed, Refused
from uzina.core.log import log
from uzina.core.text import _
from uzina.people import actions as people
from uzina.people.models import Person


@action
def redirect(
    application: Application,
    *,
    to_call: Call | None,
    to_factory: str,
    reason: str,
    by: Person,
    now: datetime,
) -> Redirect:
    """Send an application on to where it fits better; its text goes along.

    to_call     another call here that is open: it becomes a draft there, of the same applicant,
                who confirms by handing it in
    to_factory  the name of another factory of the shipped list, where to_call is None: the
                applicant takes the application there, as a file

    The applicant is told why, and what is still missing. Raises NotAllowed
    application.redirect.not_yours, .conflict, Refused application.redirect.not_now, .nowhere,
    .same_call, .not_open, .factory, Invalid.
    """
    Call.objects.select_for_update(of=("self",)).get(pk=application.call_id)
    application = (
        Application.objects.select_for_update(of=("self",))
        .select_related("call", "cut_off", "organisation", "applicant")
        .get(pk=application.pk)
    )
    step = queries.step_under_way(application)
    is_assessing = (
        step is not None
        and step.kind == StepKind.TECHNICAL_ASSESSMENT
        and access.may_assess(by)
        and step.owner_id in {None, by.pk}
    )
    if not is_assessing and not access.may_run_calls(by):
        raise NotAllowed(
            "application.redirect.not_yours",
            _("Only who assesses it technically, or an operator, can send an application on."),
        )
    if access.has_conflict(by, application):
        raise NotAllowed(
            "application.redirect.conflict",
            _("Somebody with an interest in an application cannot work on it."),
        )
    state = APPLICATION.after("redirect", application.state)
    reason = checks.check_text("reason", reason)
    if to_call is not None:
        _check_call(application, to_call, now=now)
    else:
        _check_factory(to_factory)

    application.state, application.ended_at, application.reserve_at = state, now, None
    application.save(update_fields=["state", "ended_at", "reserve_at"])
    kind = step.kind if step is not None else ""
    Decision.objects.create(
        application=application,
        outcome="redirect",
        rule=kind or "operator",
        inputs={"call": to_call.slug if to_call else "", "factory": to_factory},
        made_at=now,
        released_at=now,
    )
    steps.stop(application, now=now)
    made = Redirect.objects.create(
        application=application,
        to_application=_copy(application, to_call, by=by, now=now) if to_call is not None else None,
        to_factory="" if to_call is not None else to_factory,
        reason=reason,
        by=by,
        made_at=now,
    )
    log(
        "application.redirected",
        application.code,
        by=by,
        now=now,
        step=kind,
        to=made.to_application.code if made.to_application else to_factory,
    )
    _tell(made, application, now=now)
    return made


def _check_call(application: Application, to_call: Call, *, now: datetime) -> None:
    if to_call.pk == application.call_id:
        raise Refused(
            "application.redirect.same_call", _("This is the call it was handed in to already.")
        )
    if to_call.state is not CallState.PUBLISHED or not any(
        clock.is_open(window, now) for window in to_call.windows
    ):
        raise Refused(
            "application.redirect.not_open",
            _("{call} takes no applications now. Choose a call that is open."),
            call=to_call.slug,
        )


def _check_factory(name: str) -> None:
    known = queries.factories().others(settings.UZINA.site.name)
    if not name:
        raise Refused(
            "application.redirect.nowhere", _("Choose a call, or another factory, to send it to.")
        )
    if name not in {one.name for one in known}:
        raise Refused(
            "application.redirect.factory",
            _("Choose one of the other factories of the list: {names}."),
            names=", ".join(one.name for one in known),
        )


def _copy(application: Application, to_call: Call, *, by: Person, now: datetime) -> Application:
    """Make it a draft of the same applicant in another call: its text, its colleagues."""
    draft = Application.objects.create(
        call=to_call,
        applicant=application.applicant,
        organisation=application.organisation,
        made_at=now,
    )
    log("application.started", draft.code, by=by, now=now, call=to_call.slug)
    drafts.carry_over(application, draft, by=by, now=now)
    Editor.objects.bulk_create(
        Editor(application=draft, person_id=one.person_id, made_at=now)
        for one in application.editors.order_by("pk")
    )
    return draft


def _tell(made: Redirect, application: Application, *, now: datetime) -> None:
    draft = made.to_application
    missing: list[str] = []
    if draft is not None:
        answers = queries.answers_of(draft)
        missing = [
            section.title
            for section in queries.asked_sections(draft)
            if sections.missing(section, answers.get(section.slug, {}))
        ]
    people.write_message(
        application.applicant,
        kind="calls.redirected",
        facts={
            "application": application,
            "call": application.call,
            "redirect": made,
            "draft": draft,
            "missing": missing,
            "path": f"/applications/{draft.code if draft else application.code}/",
        },
        about=application.code,
        key=f"redirected.{application.code}",
        now=now,
    )
