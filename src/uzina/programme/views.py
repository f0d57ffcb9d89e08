"""Pages of reports and of the use of projects."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.utils.timezone import now
from django.utils.translation import get_language, gettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from uzina.calls import actions as calls
from uzina.calls.models import Obligation
from uzina.calls.rules.flows import OBLIGATION, ObligationState
from uzina.core.errors import Refused
from uzina.core.pdf import pdf_of
from uzina.people import access as people_access
from uzina.people.models import Project
from uzina.people.types import SignedIn
from uzina.programme import access, actions, forms, queries
from uzina.programme.models import UseCheck
from uzina.programme.rules.reports import FIELDS

ON_A_PAGE = 50


def _obligation(request: SignedIn, code: str, kind: str) -> Obligation:
    found: Obligation = get_object_or_404(
        Obligation.objects.visible_to(request.user).select_related(
            "award__application__call", "award__project__organisation", "award__capacity"
        ),
        award__code=code,
        kind=kind,
    )
    return found


def _facts(obligation: Obligation, kept: Any) -> dict[str, Any]:
    """Return what the record says: as it was handed in, or as it is now."""
    if obligation.submitted_at is not None and kept.facts:
        return dict(kept.facts)
    return queries.facts_of(obligation.award, now=now())


@login_required
@require_GET
def reports(request: SignedIn) -> HttpResponse:
    """List the reports that are due, late or handed in, the first due first."""
    if not (people_access.is_operator(request.user) or people_access.is_auditor(request.user)):
        raise Http404
    rows = queries.reports_listed(Obligation.objects.visible_to(request.user))
    state = request.GET.get("state", "")
    if state in set(ObligationState):
        rows = rows.filter(state=state)
    page = Paginator(rows, ON_A_PAGE).get_page(request.GET.get("page"))
    states = [{"value": str(one), "label": one.label} for one in ObligationState]
    return render(
        request, "programme/reports.html", {"page": page, "states": states, "wanted": state}
    )


@login_required
@require_GET
def report(request: SignedIn, code: str, kind: str) -> HttpResponse:
    """Show a report: what the record says, and what its writers add."""
    return _report_page(request, _obligation(request, code, kind))


def _report_page(
    request: SignedIn,
    obligation: Obligation,
    *,
    form: forms.ReportForm | None = None,
    decision: forms.DecisionForm | None = None,
    elsewhere: list[dict[str, str]] | None = None,
    status: int = 200,
) -> HttpResponse:
    kept = queries.kept_report(obligation)
    is_open = "submit" in OBLIGATION.verbs(obligation.state)
    return render(
        request,
        "programme/report.html",
        {
            "obligation": obligation,
            "award": obligation.award,
            "project": obligation.award.its_project,
            "report": kept,
            "facts": _facts(obligation, kept),
            "answers": answers_shown(kept.answers),
            "form": form or forms.ReportForm(answers=kept.answers),
            "may_write": is_open and access.may_report(request.user, obligation.award),
            "may_judge": obligation.state is ObligationState.SUBMITTED
            and access.may_judge_reports(request.user),
            "checks": list(queries.checks_of(obligation.award.its_project)),
            "decision": decision or forms.DecisionForm(),
            "elsewhere": elsewhere,
        },
        status=status,
    )


def answers_shown(answers: dict[str, str]) -> list[dict[str, str]]:
    """Return the answers with their questions."""
    return [{"label": field.label, "text": answers.get(field.name, "")} for field in FIELDS]


def _version(request: SignedIn) -> int:
    sent = request.POST.get("version", "")
    return int(sent) if sent.isascii() and sent.isdigit() and len(sent) < 9 else 0


@login_required
@require_POST
def report_save(request: SignedIn, code: str, kind: str) -> HttpResponse:
    """Keep what was written so far. A script sends it every few seconds and wants the version."""
    found = _obligation(request, code, kind)
    form = forms.ReportForm(request.POST)
    by_script = request.headers.get("X-Autosave") == "1"
    try:
        kept = actions.save_report(
            found,
            answers=form.answers(),
            version=_version(request),
            by=request.user,
            now=now(),
        )
    except Refused as refused:
        if by_script:
            return JsonResponse({"code": refused.code}, status=409)
        return _not_saved(request, found, form, refused)
    if by_script:
        return JsonResponse({"version": kept.version})
    messages.success(request, gettext("Saved. Come back whenever you like."))
    return redirect("programme:report", code=code, kind=kind)


def _not_saved(
    request: SignedIn, obligation: Obligation, form: forms.ReportForm, refused: Refused
) -> HttpResponse:
    form.add_refusal(refused)
    elsewhere = None
    if refused.code == "report.save.changed_meanwhile":
        elsewhere = answers_shown(queries.kept_report(obligation).answers)
    return _report_page(request, obligation, form=form, elsewhere=elsewhere, status=422)


@login_required
@require_POST
def report_submit(request: SignedIn, code: str, kind: str) -> HttpResponse:
    """Save what was written, and hand the report in."""
    found = _obligation(request, code, kind)
    form = forms.ReportForm(request.POST)
    try:
        kept = actions.save_report(
            found, answers=form.answers(), version=_version(request), by=request.user, now=now()
        )
        actions.submit_report(found, version=kept.version, by=request.user, now=now())
    except Refused as refused:
        return _not_saved(request, found, form, refused)
    messages.success(request, gettext("The report is with the factory. You hear when it is read."))
    return redirect("programme:report", code=code, kind=kind)


@login_required
@require_POST
def report_decide(request: SignedIn, code: str, kind: str) -> HttpResponse:
    """Accept a report, or send it back with the reason."""
    if not access.may_judge_reports(request.user):
        raise Http404
    found = _obligation(request, code, kind)
    decision = forms.DecisionForm(request.POST)
    if not decision.is_valid():
        return _report_page(request, found, decision=decision, status=422)
    try:
        if request.POST.get("decision") == "accept":
            calls.accept_report(found, by=request.user, now=now())
            messages.success(request, gettext("The report is accepted."))
        else:
            reason = decision.cleaned_data["reason"]
            calls.return_report(found, reason=reason, by=request.user, now=now())
            messages.success(request, gettext("The report is sent back."))
    except Refused as refused:
        decision.add_refusal(refused)
        return _report_page(request, found, decision=decision, status=422)
    return redirect("programme:reports")


@login_required
@require_GET
def report_pdf(request: SignedIn, code: str, kind: str) -> HttpResponse:
    """Give a report as a document to keep."""
    found = _obligation(request, code, kind)
    kept = queries.kept_report(found)
    context = {
        "obligation": found,
        "award": found.award,
        "project": found.award.its_project,
        "facts": _facts(found, kept),
        "answers": answers_shown(kept.answers),
        "checks": list(queries.checks_of(found.award.its_project)),
        "site": settings.UZINA.site,
    }
    body = render_to_string("programme/report_pdf.html", context, request=request)
    title = f"{gettext(found.kind_label)} {found.award.its_project.code}"
    made = pdf_of(body, title=title, language=(get_language() or "en")[:2])
    response = HttpResponse(made, content_type="application/pdf")
    response["Content-Disposition"] = f'attachment; filename="{found.award.code}-{kind}.pdf"'
    return response


@login_required
@require_GET
def report_json(request: SignedIn, code: str, kind: str) -> HttpResponse:
    """Give a report as data."""
    found = _obligation(request, code, kind)
    return JsonResponse(queries.report_data(found, now=now()))


@login_required
@require_GET
def project_use(request: SignedIn, code: str) -> HttpResponse:
    """Show what was used month by month, and ask why where it was too little."""
    found = get_object_or_404(
        Project.objects.visible_to(request.user).select_related("organisation"), code=code
    )
    return _use_page(request, found)


def _use_page(
    request: SignedIn,
    project: Project,
    *,
    form: forms.AnswerForm | None = None,
    asked: int = 0,
    status: int = 200,
) -> HttpResponse:
    checks = list(queries.checks_of(project))
    may_answer = bool(checks) and access.may_report(request.user, checks[0].award)
    rows = [
        {
            "check": one,
            "form": _answer_form(one, form if one.pk == asked else None)
            if may_answer and one.asked_at
            else None,
        }
        for one in checks
    ]
    context = {"project": project, "rows": rows, "form": form}
    return render(request, "programme/use.html", context, status=status)


def _answer_form(check: UseCheck, sent: forms.AnswerForm | None) -> forms.AnswerForm:
    return sent or forms.AnswerForm(initial={"answer": check.answer}, auto_id=f"id_{check.pk}_%s")


@login_required
@require_http_methods(["POST"])
def use_answer(request: SignedIn, code: str, check: int) -> HttpResponse:
    """Keep why hours were not used."""
    project = get_object_or_404(Project.objects.visible_to(request.user), code=code)
    found = get_object_or_404(
        UseCheck.objects.visible_to(request.user), pk=check, award__project=project
    )
    form = forms.AnswerForm(request.POST, auto_id=f"id_{found.pk}_%s")
    if not form.is_valid():
        return _use_page(request, project, form=form, asked=found.pk, status=422)
    try:
        actions.answer_use(found, answer=form.cleaned_data["answer"], by=request.user, now=now())
    except Refused as refused:
        form.add_refusal(refused)
        return _use_page(request, project, form=form, asked=found.pk, status=422)
    messages.success(request, gettext("Noted. It stands in the final report, too."))
    return redirect("programme:use", code=code)
