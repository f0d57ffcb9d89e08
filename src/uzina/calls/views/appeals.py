"""Pages of appeals."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from uzina.calls import access, actions, forms, queries
from uzina.calls.models import Appeal
from uzina.calls.rules.appeals import LONGEST
from uzina.calls.rules.awards import MS_PER_HOUR
from uzina.calls.rules.flows import AppealState
from uzina.calls.views.applications import own_application
from uzina.core.errors import Refused
from uzina.people.types import SignedIn


def _appeal(request: SignedIn, code: str) -> Appeal:
    found: Appeal = get_object_or_404(queries.appeals(request.user), code=code)
    return found


@login_required
@require_http_methods(["GET", "POST"])
def appeal_new(request: SignedIn, code: str) -> HttpResponse:
    """File an appeal against a decision that declined one's application."""
    found = own_application(request, code)
    appeal_by = queries.appeal_by(found)
    filed = getattr(found, "appeal", None)
    if filed is not None:
        return redirect("calls:appeal", filed.code)
    if appeal_by is None:
        raise Http404
    form = forms.AppealForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = actions.file_appeal(
                found, grounds=form.cleaned_data["grounds"], by=request.user, now=now()
            )
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(request, gettext("Your appeal is in. You get a message that says so."))
            return redirect("calls:appeal", made.code)
    return render(
        request,
        "calls/appeal_new.html",
        {
            "application": found,
            "appeal_by": appeal_by,
            "is_over": now() >= appeal_by,
            "form": form,
            "longest": LONGEST,
        },
        status=422 if form.errors else 200,
    )


@login_required
@require_GET
def appeals(request: SignedIn) -> HttpResponse:
    """List the appeals one may see, the open ones first."""
    rows = queries.appeals(request.user)
    page = Paginator(rows, 50).get_page(request.GET.get("page"))
    return render(request, "calls/appeals.html", {"page": page, "now": now()})


@login_required
@require_http_methods(["GET", "POST"])
def appeal(request: SignedIn, code: str) -> HttpResponse:
    """Show an appeal; the second panel decides here."""
    found = _appeal(request, code)
    hears = queries.to_be_heard_by(request.user).filter(pk=found.pk).exists()
    if request.method == "POST" and not hears:
        raise Http404
    asked = (found.application.gpu_ms or 0) // MS_PER_HOUR
    form = forms.AppealDecisionForm(request.POST or None, initial={"gpu_hours": asked})
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            if given["outcome"] == "uphold":
                actions.uphold(
                    found,
                    gpu_hours=given["gpu_hours"] or 0,
                    text=given["text"],
                    by=request.user,
                    now=now(),
                )
            else:
                actions.dismiss(found, text=given["text"], by=request.user, now=now())
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(request, gettext("The appeal is decided. The applicant is told."))
            return redirect("calls:appeal", code)
    is_open = found.state is AppealState.FILED
    is_mine = access.may_change(request.user, found.application)
    return render(
        request,
        "calls/appeal.html",
        {
            "appeal": found,
            "application": found.application,
            "decision": found.application.decision,
            "why": queries.why(found.application.decision),
            "form": form if hears and is_open else None,
            "funding_form": forms.FundingForm()
            if is_open and access.may_run_calls(request.user)
            else None,
            "may_withdraw": is_mine and is_open,
            "is_mine": is_mine,
        },
        status=422 if form.errors else 200,
    )


@login_required
@require_POST
def appeal_withdraw(request: SignedIn, code: str) -> HttpResponse:
    """Take one's appeal back."""
    actions.withdraw_appeal(_appeal(request, code), by=request.user, now=now())
    messages.success(request, gettext("The appeal is withdrawn. The decision stands."))
    return redirect("calls:appeal", code)


@login_required
@require_POST
def appeal_fund(request: SignedIn, code: str) -> HttpResponse:
    """Allow hours to be added to the call, should the appeal be upheld."""
    form = forms.FundingForm(request.POST)
    reason = form.cleaned_data["reason"] if form.is_valid() else ""
    actions.allow_funding(_appeal(request, code), reason=reason, by=request.user, now=now())
    messages.success(request, gettext("Should it be upheld, what is missing is added then."))
    return redirect("calls:appeal", code)
