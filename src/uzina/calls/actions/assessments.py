"""The host's technical assessment."""

from datetime import datetime

from uzina.calls import access, queries
from uzina.calls.actions import awards as award_actions
from uzina.calls.actions import steps
from uzina.calls.models import Application, Assessment, Call
from uzina.calls.rules import assessments
from uzina.calls.rules.flows import APPLICATION
from uzina.calls.rules.modes import MS_PER_HOUR
from uzina.calls.rules.steps import StepKind, StepState
from uzina.core.db import action
from uzina.core.errors import Invalid, NotAllowed, Problem, Refused
from uzina.core.log import log
from uzina.core.text import _
from uzina.people.models import Person


@action
def assess(
    application: Application,
    *,
    is_fitting: bool,
    is_ready: bool,
    is_justified: bool,
    recommended_gpu_hours: int,
    comment: str,
    note: str,
    by: Person,
    now: datetime,
    recommended_partition: str = "",
) -> Assessment:
    """Give the host's technical assessment. A mode that is first in, first out decides by it.

    recommended_gpu_hours  within what the mode gives on the partition; counts only where all three
                           answers are yes
    recommended_partition  another one of the call than was asked; empty: the one that was asked
    comment                for the applicant; needed where an answer is no
    note                   for the host

    Raises NotAllowed application.assess.not_assessor, application.assess.conflict,
    application.assess.taken, Refused application.assess.already, application.assess.not_now,
    application.assess.waiting, application.assess.no_step, application.assess.amount, application.assess.partition, Invalid
    for a refusal without a word.
    """
    Call.objects.select_for_update(of=("self",)).get(pk=application.call_id)
    application = (
        Application.objects.select_for_update(of=("self",))
        .select_related("call", "cut_off", "organisation", "applicant")
        .get(pk=application.pk)
    )
    check_assessor(application, by, "assess")
    if Assessment.objects.filter(application=application).exists():
        raise Refused(
            "application.assess.already",
            _("{application} has been assessed already. Take the next one in the queue."),
            application=application.code,
        )
    APPLICATION.after("assess", application.state)
    step = queries.step_under_way(application)
    if step is not None and step.kind != StepKind.TECHNICAL_ASSESSMENT:
        raise Refused(
            "application.assess.no_step",
            _("No technical assessment of {application} is under way."),
            application=application.code,
        )
    if step is not None and step.state is StepState.PAUSED:
        raise Refused(
            "application.assess.waiting",
            _("The applicant is asked something. Wait for the answer, or end the waiting first."),
        )
    if step is not None and step.owner_id not in {None, by.pk}:
        raise NotAllowed(
            "application.assess.taken",
            _("{person} has taken this one. Take another, or ask an operator to pass it on."),
            person=step.owner.name if step.owner else "",
        )
    assessment = Assessment(
        application=application,
        assessor=by,
        is_fitting=is_fitting,
        is_ready=is_ready,
        is_justified=is_justified,
        recommended_gpu_ms=0,
        comment=comment,
        note=note,
        made_at=now,
    )
    if assessment.is_positive:
        if recommended_partition != application.partition:
            partitions = queries.partitions_of(application)
            assessments.check_partition(recommended_partition, partitions)
            assessment.recommended_partition = recommended_partition
        assessment.recommended_gpu_ms = recommended_gpu_hours * MS_PER_HOUR
        allowed = assessments.recommendable(
            application.call.mode,
            partition=assessment.recommended_partition or application.partition,
            asked_gpu_ms=application.gpu_ms or 0,
        )
        assessments.check_recommended(assessment.recommended_gpu_ms, allowed)
    elif not comment.strip():
        raise Invalid(
            [
                Problem(
                    "comment",
                    "application.assess.reason_missing",
                    _("Tell the applicant why, and what would have to change."),
                )
            ]
        )

    assessment.save()
    log(
        "application.assessed",
        application.code,
        by=by,
        now=now,
        is_fitting=is_fitting,
        is_ready=is_ready,
        is_justified=is_justified,
        recommended_gpu_ms=assessment.recommended_gpu_ms,
        recommended_partition=assessment.recommended_partition,
    )
    kind = StepKind.TECHNICAL_ASSESSMENT
    if assessment.is_positive:
        steps.finish(application, kind, outcome="passed", by=by, now=now)
        award_actions.offer_next(application.call, now=now)
    else:
        steps.end(application, kind, outcome="failed", by=by, now=now)
        award_actions.decline(
            application,
            rule="technical_assessment",
            inputs={
                "is_fitting": is_fitting,
                "is_ready": is_ready,
                "is_justified": is_justified,
            },
            now=now,
        )
    return assessment


def check_assessor(application: Application, by: Person, verb: str) -> None:
    """Raise NotAllowed application.<verb>.not_assessor, application.<verb>.conflict."""
    if not access.may_assess(by):
        raise NotAllowed(
            f"application.{verb}.not_assessor", _("Only an assessor of the host can do this.")
        )
    if access.has_conflict(by, application):
        raise NotAllowed(
            f"application.{verb}.conflict",
            _("You belong to the organisation that applies. Leave this one to a colleague."),
        )
