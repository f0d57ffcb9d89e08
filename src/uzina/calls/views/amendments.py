"""Changes of an award: asked for by its lead, decided by an operator."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from uzina.calls import access, actions, forms, queries
from uzina.calls.models import Amendment, Award
from uzina.calls.rules import amendments
from uzina.calls.rules.amendments import AmendmentKind
from uzina.calls.rules.flows import AmendmentState
from uzina.core.errors import Refused
from uzina.people import access as people_access
from uzina.people import queries as people_queries
from uzina.people.types import SignedIn

ON_A_PAGE = 50


def _award(request: SignedIn, code: str) -> Award:
    found: Award = get_object_or_404(
        Award.objects.followed_by(request.user).select_related(
            "application__call", "capacity", "project__organisation"
        ),
        code=code,
    )
    return found


def _amendment(request: SignedIn, code: str) -> Amendment:
    found: Amendment = get_object_or_404(
        Amendment.objects.visible_to(request.user).select_related(
            "award__application__call",
            "award__capacity",
            "award__project",
            "asked_by",
            "decided_by",
        ),
        code=code,
    )
    return found


def _kinds(award: Award, person: SignedIn) -> list[AmendmentKind]:
    """Return what the person may ask for or do now."""
    is_operator = access.may_run_calls(person.user)
    if award.ends_at is None or award.ends_at <= now():
        return []
    if not (is_operator or access.may_follow_up(person.user, award)):
        return []
    return amendments.kinds_for(
        award.application.call.mode,
        is_operator=is_operator,
        is_suspended=award.suspended_at is not None,
    )


@login_required
@require_GET
def award_changes(request: SignedIn, code: str) -> HttpResponse:
    """Show what was changed, what is asked for, and what may be."""
    award = _award(request, code)
    specs = {one.kind: one for one in award.application.call.mode.amendments}
    return render(
        request,
        "calls/changes.html",
        {
            "award": award,
            "rows": [
                {"amendment": one, "facts": change_words(one)}
                for one in queries.amendments_of(award)
            ],
            "kinds": [{"kind": one, "spec": specs.get(str(one))} for one in _kinds(award, request)],
            "is_operator": access.may_run_calls(request.user),
            "may_withdraw": access.may_follow_up(request.user, award),
        },
    )


def change_words(amendment: Amendment) -> str:
    """Return what is asked, in words."""
    facts = amendment.facts
    match AmendmentKind(amendment.kind):
        case AmendmentKind.EXTENSION:
            return ngettext("{n} more month", "{n} more months", facts["months"]).format(
                n=facts["months"]
            )
        case AmendmentKind.TOP_UP | AmendmentKind.REDUCTION:
            hours = facts["gpu_ms"] // amendments.MS_PER_HOUR
            return gettext("{hours} GPU-hours").format(hours=hours)
        case AmendmentKind.TRANSFER:
            return str(facts["organisation"])
        case AmendmentKind.CHANGE_OF_LEAD:
            return str(facts["lead"])
        case _:
            return ""


@login_required
@require_http_methods(["GET", "POST"])
def award_change(request: SignedIn, code: str, kind: str) -> HttpResponse:
    """Ask for one change; an operator does it at once."""
    award = _award(request, code)
    if kind not in _kinds(award, request):
        raise Http404
    what = AmendmentKind(kind)
    is_operator = access.may_run_calls(request.user)
    form = forms.AmendmentForm(
        what,
        request.POST or None,
        members=[
            (one.person.code, one.person.name)
            for one in people_queries.members_of(award.its_project)
        ],
        organisations=[
            (one.code, one.name)
            for one in people_queries.organisations_of_project(award.its_project)
            if one.pk != award.its_project.organisation_id
        ],
    )
    status = 200
    if request.method == "POST" and form.is_valid():
        do = actions.amend if is_operator else actions.ask_amendment
        try:
            do(
                award,
                kind=what,
                facts=form.facts(),
                reason=form.cleaned_data["reason"],
                by=request.user,
                now=now(),
            )
        except Refused as refused:
            form.add_refusal(refused)
        else:
            done = gettext("The change is done.")
            asked = gettext("Your wish is with the factory. You get a message when it is decided.")
            messages.success(request, done if is_operator else asked)
            return redirect("calls:award_changes", code=code)
    if request.method == "POST":
        status = 422
    return render(
        request,
        "calls/change.html",
        {
            "award": award,
            "kind": what,
            "form": form,
            "is_operator": is_operator,
            "spec": amendments.spec_of(award.application.call.mode, what),
        },
        status=status,
    )


@login_required
@require_GET
def changes(request: SignedIn) -> HttpResponse:
    """List the changes that wait for an operator, oldest first."""
    if not (people_access.is_operator(request.user) or people_access.is_auditor(request.user)):
        raise Http404
    page = Paginator(queries.asked_amendments(), ON_A_PAGE).get_page(request.GET.get("page"))
    rows = [{"amendment": one, "facts": change_words(one)} for one in page]
    return render(request, "calls/changes_asked.html", {"page": page, "rows": rows})


@login_required
@require_http_methods(["GET", "POST"])
def change_decide(request: SignedIn, code: str) -> HttpResponse:
    """Approve or refuse a change, with the reason."""
    if not access.may_run_calls(request.user):
        raise Http404
    found = _amendment(request, code)
    if found.state is not AmendmentState.ASKED:
        return redirect("calls:award_changes", code=found.award.code)
    form = forms.ReasonForm(request.POST or None)
    status = 200
    if request.method == "POST" and form.is_valid():
        is_yes = request.POST.get("decision") == "approve"
        do = actions.approve_amendment if is_yes else actions.refuse_amendment
        try:
            do(found, reason=form.cleaned_data["reason"], by=request.user, now=now())
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(
                request, gettext("The change is done.") if is_yes else gettext("Refused.")
            )
            return redirect("calls:changes")
    if request.method == "POST":
        status = 422
    return render(
        request,
        "calls/change_decide.html",
        {"amendment": found, "facts": change_words(found), "award": found.award, "form": form},
        status=status,
    )


@login_required
@require_POST
def change_withdraw(request: SignedIn, code: str) -> HttpResponse:
    """Take back what was asked."""
    found = _amendment(request, code)
    actions.withdraw_amendment(found, by=request.user, now=now())
    messages.success(request, gettext("Taken back."))
    return redirect("calls:award_changes", code=found.award.code)
