"""Pages of technical assessments."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.formats import number_format
from django.utils.timezone import now
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods

from uzina.calls import access, actions, forms, queries
from uzina.calls.models import Application
from uzina.calls.rules import assessments as rules
from uzina.calls.rules.modes import MS_PER_HOUR
from uzina.calls.rules.steps import StepState
from uzina.calls.views.shared import documents_shown, kept_verdict, reasons_shown, sections_shown
from uzina.core.errors import Refused
from uzina.people import access as people_access
from uzina.people.types import SignedIn


@login_required
@require_GET
def assessments(request: SignedIn) -> HttpResponse:
    """The host's queue, oldest first, with the working days left and the late ones marked."""
    person, moment = request.user, now()
    may_assess = access.may_assess(person)
    if may_assess:
        rows = queries.assessable_by(person)
    elif people_access.is_operator(person) or people_access.is_auditor(person):
        rows = queries.to_be_assessed()
    else:
        raise Http404
    page = Paginator(rows, 50).get_page(request.GET.get("page"))
    queue = [
        {
            "application": one,
            "step": step,
            "days_left": queries.working_days_left(step.due_at, moment) if step.due_at else None,
            "is_waiting": step.state is StepState.PAUSED,
            "is_late": step.state is StepState.OPEN
            and step.due_at is not None
            and moment >= step.due_at,
        }
        for one in page
        if (step := queries.open_step(one)) is not None
    ]
    return render(
        request,
        "calls/assessments.html",
        {"queue": queue, "page": page, "may_assess": may_assess},
    )


@login_required
@require_http_methods(["GET", "POST"])
def assessment(request: SignedIn, code: str) -> HttpResponse:
    """Assess one application: the three questions beside what was asked for."""
    found = get_object_or_404(queries.assessable_by(request.user), code=code)
    allowed = recommendable(found)
    form = forms.AssessmentForm(
        request.POST or None,
        partitions=queries.partitions_of(found),
        initial={
            "recommended_gpu_hours": (found.gpu_ms or 0) // MS_PER_HOUR,
            "recommended_partition": found.partition,
        },
    )
    form["recommended_gpu_hours"].help_text = gettext(
        "From {least} to {most}. Counts where all three answers are yes."
    ).format(
        least=number_format(-(-allowed.least // MS_PER_HOUR), force_grouping=True),
        most=number_format(allowed.most // MS_PER_HOUR, force_grouping=True),
    )
    if request.method == "POST" and form.is_valid():
        try:
            actions.assess(found, **form.verdict(), by=request.user, now=now())
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(
                request,
                gettext("{code} is assessed. The applicant is told.").format(code=found.code),
            )
            return redirect("calls:assessments")
    return render(
        request,
        "calls/assessment.html",
        {
            "application": found,
            "step": queries.open_step(found),
            "form": form,
            "asked": found.gpu_ms,
            "answers": sections_shown(found),
            "documents": documents_shown(found),
            "facts": _organisation(found),
            "reasons": reasons_shown(kept_verdict(found) or queries.verdict_now(found)),
        },
        status=422 if form.errors else 200,
    )


def recommendable(application: Application) -> rules.Range:
    """Return what may be recommended on the partition that was asked."""
    return rules.recommendable(
        application.call.mode,
        partition=application.partition,
        asked_gpu_ms=application.gpu_ms or 0,
    )


def _organisation(application: Application) -> list[tuple[str, str]]:
    names = queries.country_names(forms.language())
    country = application.facts.get("country", "")
    return [
        (gettext("Organisation"), application.organisation.name),
        (gettext("Kind"), gettext(application.organisation.kind_label)),
        (gettext("Country"), names.get(country, country)),
        (gettext("People"), number_format(application.facts.get("headcount", 0))),
        (gettext("Applicant"), application.applicant.name),
    ]
