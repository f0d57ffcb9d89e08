"""What the factory does with an application on its way, beside judging it; and the answer to it."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST

from uzina.calls import access, actions, forms, queries
from uzina.calls.models import Application, Call, Question, Step
from uzina.calls.rules.flows import ApplicationState
from uzina.calls.rules.steps import CHECKS, StepKind, StepState
from uzina.calls.views.applications import editable_application, visible_application
from uzina.calls.views.shared import words
from uzina.core.errors import Refused
from uzina.core.forms import Form
from uzina.core.http import told
from uzina.people.types import SignedIn


def redirect_form(request: SignedIn, application: Application, data: Any) -> forms.RedirectForm:
    """Return the form that sends an application on."""
    calls = [
        (one.slug, one.title) for one in queries.open_calls(now()) if one.pk != application.call_id
    ]
    factories = [
        (one.name, f"{one.name}, {one.city}")
        for one in queries.factories().others(settings.UZINA.site.name)
    ]
    return forms.RedirectForm(data, auto_id="id_redirect_%s", calls=calls, factories=factories)


class _Work:
    """One application as somebody of the factory works on it."""

    def __init__(self, request: SignedIn, code: str) -> None:
        if not access.may_see_queue(request.user):
            raise Http404
        self.request, self.person = request, request.user
        self.application = visible_application(request, code)
        self.step: Step | None = queries.open_step(self.application)
        self.is_operator = access.may_run_calls(self.person)
        self.is_worker = self.step is not None and queries.may_work_on(self.person, self.step)
        if not (self.is_operator or self.is_worker):
            raise Http404
        self.question: Question | None = (
            next((one for one in self.step.questions.all() if one.is_open), None)
            if self.step
            else None
        )

    def forms(self) -> dict[str, Callable[[Any], Form]]:
        """Return the forms that make sense now, by verb."""
        found: dict[str, Callable[[Any], Form]] = {}
        step, application = self.step, self.application
        is_judged = application.state in {ApplicationState.SUBMITTED, ApplicationState.ELIGIBLE}
        if (
            step is not None
            and step.state is StepState.OPEN
            and queries.step_owner(step) in {"operator", "assessor", "panel"}
        ):
            found["ask"] = lambda data: forms.QuestionForm(data, auto_id="id_ask_%s")
            if step.kind in CHECKS and self.is_operator:
                found["reject"] = lambda data: forms.RejectForm(data, auto_id="id_reject_%s")
        failed = self._failed()
        if failed:
            found["exempt"] = lambda data: forms.ExemptForm(
                data, auto_id="id_exempt_%s", rules=failed
            )
        if is_judged and (
            self.is_operator or (step is not None and step.kind == StepKind.TECHNICAL_ASSESSMENT)
        ):
            found["redirect"] = lambda data: redirect_form(self.request, application, data)
        return found

    def _failed(self) -> list[tuple[str, str]]:
        """The rules that could be let pass now."""
        application = self.application
        decision = getattr(application, "decision", None)
        is_open = application.state is ApplicationState.SUBMITTED or (
            application.state is ApplicationState.DECLINED
            and decision is not None
            and decision.rule == "eligibility"
        )
        if not (self.is_operator and is_open):
            return []
        return [(one.rule, words(one.text)) for one in queries.verdict_now(application).failed]

    def may_confirm(self) -> bool:
        """Whether a check of form waits for an operator, and nothing speaks against it."""
        step = self.step
        if step is None or not self.is_operator or step.state is not StepState.OPEN:
            return False
        is_check = step.kind in CHECKS and queries.step_owner(step) == "operator"
        return is_check and not (step.kind == StepKind.ELIGIBILITY and self._failed())


@login_required
@require_http_methods(["GET", "POST"])
def work(request: SignedIn, code: str, verb: str = "") -> HttpResponse:
    """Show what can be done with an application now, and do one of it."""
    found = _Work(request, code)
    makers = found.forms()
    shown = {name: make(None) for name, make in makers.items()}
    status = 200
    if request.method == "POST" and verb in makers:
        form = shown[verb] = makers[verb](request.POST)
        if form.is_valid():
            try:
                _do(verb, form, found)
            except Refused as refused:
                form.add_refusal(refused)
            else:
                messages.success(
                    request, gettext("Done. The applicant is told where it is theirs to know.")
                )
                return redirect("calls:application", code=code)
        status = 422
    step = found.step
    return render(
        request,
        "calls/work.html",
        {
            "application": found.application,
            "step": step,
            "kind": gettext(StepKind(step.kind).label) if step else "",
            "state": _state(step),
            "question": found.question,
            "may_end": found.question is not None
            and (found.is_operator or found.question.asked_by_id == request.user.pk),
            "may_take": found.is_worker and step is not None and step.owner_id is None,
            "may_give_back": step is not None
            and step.owner_id is not None
            and (found.is_operator or step.owner_id == request.user.pk),
            "may_confirm": found.may_confirm(),
            "may_assess": step is not None
            and step.kind == StepKind.TECHNICAL_ASSESSMENT
            and access.may_assess(request.user),
            "forms": shown,
            "invalid": shown.get(verb) if status == 422 else None,
        },
        status=status,
    )


def _state(step: Step | None) -> str:
    if step is None:
        return ""
    if step.state is StepState.PAUSED:
        return gettext("Waiting for the applicant")
    return gettext(step.state.label)


def _do(verb: str, form: Form, found: _Work) -> None:
    given, by, moment = form.cleaned_data, found.person, now()
    match verb:
        case "ask":
            actions.ask(found.application, text=given["text"], by=by, now=moment)
        case "reject":
            actions.reject(found.application, reason=given["reason"], by=by, now=moment)
        case "exempt":
            actions.exempt(
                found.application, rule=given["rule"], reason=given["reason"], by=by, now=moment
            )
        case "redirect":
            assert isinstance(form, forms.RedirectForm)  # noqa: S101 - made for this verb
            slug, factory = form.target()
            call = Call.objects.visible_to(found.person).get(slug=slug) if slug else None
            actions.redirect(
                found.application,
                to_call=call,
                to_factory=factory,
                reason=given["reason"],
                by=by,
                now=moment,
            )


@login_required
@require_POST
def work_act(request: SignedIn, code: str, verb: str) -> HttpResponse:
    """Do what needs no words: take, give back, confirm, end the waiting."""
    found = _Work(request, code)
    step, by, moment = found.step, request.user, now()
    try:
        match verb:
            case "take" if step is not None:
                actions.take_step(step, by=by, now=moment)
            case "give-back" if step is not None:
                actions.give_back_step(step, by=by, now=moment)
            case "confirm":
                actions.confirm(found.application, by=by, now=moment)
            case "end-waiting" if found.question is not None:
                actions.end_waiting(found.question, by=by, now=moment)
            case _:
                raise Http404
    except Refused as refused:
        messages.error(request, told(refused))
    else:
        messages.success(request, gettext("Done."))
    return redirect("calls:work", code=code)


@login_required
@require_http_methods(["GET", "POST"])
def question(request: SignedIn, code: str, question_code: str) -> HttpResponse:
    """Answer a question: the applicant, or a colleague who edits."""
    application = editable_application(request, code)
    found = get_object_or_404(
        Question.objects.filter(step__application=application).select_related("step__application"),
        code=question_code,
    )
    form = forms.AnswerForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            actions.answer_question(
                found, text=form.cleaned_data["text"], by=request.user, now=now()
            )
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(request, gettext("Your answer is in. Our clock runs again."))
            return redirect("calls:application", code=code)
    return render(
        request,
        "calls/question.html",
        {
            "application": application,
            "question": found,
            "form": form,
            "days_left": queries.working_days_left(found.answer_by, now()),
        },
        status=422 if form.errors else 200,
    )
