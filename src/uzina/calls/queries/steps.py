"""Steps: what is open, whose it is, what is late."""

from django.db.models import QuerySet

from uzina.calls.models import Application, Call, CutOff, Step
from uzina.calls.rules.flows import ApplicationState
from uzina.calls.rules.steps import STEP_ROLES, UNDER_WAY, StepKind, StepState
from uzina.people.models import Person


def open_step(application: Application) -> Step | None:
    """Return the step that is under way: open, or paused. One query, none after applications()."""
    return next((one for one in application.steps.all() if one.state in UNDER_WAY), None)


def step_owner(step: Step) -> str:
    """Return the role that works on a step, as the call's mode says: assessor, operator, ..."""
    spec = step.application.call.mode.step(StepKind(step.kind))
    return spec.owner if spec else "rule"


def may_work_on(person: Person, step: Step) -> bool:
    """Tell whether the person has the role that works on the step."""
    role = STEP_ROLES.get(step_owner(step))
    return role is not None and person.has_role(role)


def behind(call: Call, kind: StepKind, *, cut_off: CutOff | None) -> QuerySet[Application]:
    """Return the applications of a cut-off that have yet to end a step: open, paused or to come.

    Those that ended otherwise (declined, withdrawn, redirected) are not among them.
    """
    coming = Step.objects.filter(
        application__call=call,
        application__cut_off=cut_off,
        kind=kind,
        state__in=[StepState.WAITING, *UNDER_WAY],
    )
    return Application.objects.filter(  # type: ignore[no-any-return]
        pk__in=coming.values("application"),
        state__in=[ApplicationState.SUBMITTED, ApplicationState.ELIGIBLE],
    ).order_by("pk")
