"""Reviewers: one's own profile, and for operators all of them."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods

from uzina.calls import actions, forms, queries
from uzina.calls.models import Reviewer
from uzina.core.errors import Refused
from uzina.people import access as people_access
from uzina.people import queries as people_queries
from uzina.people.types import SignedIn


def check_operator(request: SignedIn) -> None:
    """Raise 404 for anybody but an operator: what is behind shows conflicts and reviewers' names."""
    if not people_access.is_operator(request.user):
        raise Http404


@login_required
@require_http_methods(["GET", "POST"])
def my_profile(request: SignedIn) -> HttpResponse:
    """Show and change what one is asked for as a reviewer, and whom one must not judge."""
    reviewer = queries.reviewer_of(request.user)
    if reviewer is None:
        raise Http404
    return _profile_page(request, reviewer, is_own=True)


def _profile_page(request: SignedIn, reviewer: Reviewer, *, is_own: bool) -> HttpResponse:
    form = forms.ProfileForm(request.POST or None, initial=forms.profile_initial(reviewer))
    if request.method == "POST" and form.is_valid():
        try:
            actions.change_profile(reviewer, form.profile(), by=request.user, now=now())
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(request, gettext("The profile is kept."))
            if is_own:
                return redirect("calls:my_profile")
            return redirect("calls:reviewer", code=reviewer.person.code)
    context = {"reviewer": reviewer, "form": form, "is_own": is_own}
    return render(request, "calls/reviewer.html", context, status=422 if form.errors else 200)


@login_required
@require_GET
def reviewers(request: SignedIn) -> HttpResponse:
    """List all reviewers, what they know and what they have in hand (operators)."""
    check_operator(request)
    page = Paginator(queries.reviewers(), 50).get_page(request.GET.get("page"))
    busy = queries.loads([one.person_id for one in page])
    rows = [_row(one, busy[one.person_id]) for one in page]
    return render(request, "calls/reviewers.html", {"rows": rows, "page": page})


def _row(reviewer: Reviewer, load: int) -> dict[str, Any]:
    return {
        "reviewer": reviewer,
        "topics": ", ".join(queries.topic_titles(reviewer.topics, forms.language())),
        "languages": ", ".join(reviewer.languages),
        "load": load,
    }


@login_required
@require_http_methods(["GET", "POST"])
def reviewer_new(request: SignedIn) -> HttpResponse:
    """Make somebody who has registered a reviewer (operators)."""
    check_operator(request)
    form = forms.NewReviewerForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        person = people_queries.person_by_email(form.cleaned_data["email"])
        if person is None:
            form.add_error("email", gettext("Nobody has registered with this address yet."))
        else:
            try:
                actions.make_reviewer(person, form.profile(), by=request.user, now=now())
            except Refused as refused:
                form.add_refusal(refused)
            else:
                messages.success(
                    request, gettext("{name} is a reviewer now.").format(name=person.name)
                )
                return redirect("calls:reviewers")
    return render(
        request, "calls/reviewer_new.html", {"form": form}, status=422 if form.errors else 200
    )


@login_required
@require_http_methods(["GET", "POST"])
def reviewer(request: SignedIn, code: str) -> HttpResponse:
    """Show and change a reviewer (operators); have them rest, or ask them again."""
    check_operator(request)
    found = get_object_or_404(queries.reviewers(), person__code=code)
    if request.method == "POST" and "rest" in request.POST:
        actions.rest_reviewer(found, by=request.user, now=now())
        return redirect("calls:reviewer", code=code)
    if request.method == "POST" and "wake" in request.POST:
        actions.wake_reviewer(found, by=request.user, now=now())
        return redirect("calls:reviewer", code=code)
    return _profile_page(request, found, is_own=False)
