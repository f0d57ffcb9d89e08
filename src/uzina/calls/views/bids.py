"""Bids: how gladly a reviewer would take which application."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from uzina.calls import actions, forms, queries
from uzina.calls.models import Application
from uzina.calls.rules import reviews
from uzina.core.errors import Refused
from uzina.people.types import SignedIn


def biddable(request: SignedIn, code: str) -> Application:
    """Return an application that the reader may bid for by its code, or 404."""
    found: Application = get_object_or_404(queries.biddable_by(request.user), code=code)
    return found


@login_required
@require_GET
def bids(request: SignedIn) -> HttpResponse:
    """List what one may bid for: title, summary and topics, nobody's name."""
    if queries.reviewer_of(request.user) is None:
        raise Http404
    page = Paginator(queries.biddable_by(request.user), 20).get_page(request.GET.get("page"))
    names = queries.names_in(list(page))
    rows = [
        {
            "application": one,
            "title": reviews.blinded(one.title, names[one.code]),
            "summary": queries.summary_of(one, names[one.code]),
            "topics": queries.topic_titles(queries.about(one), forms.language()),
            "value": next((bid.value for bid in one.my_bids), None),  # type: ignore[attr-defined]
        }
        for one in page
    ]
    return render(request, "calls/bids.html", {"rows": rows, "page": page})


@login_required
@require_POST
def bid(request: SignedIn, code: str) -> HttpResponse:
    """Keep a bid and go on where one was in the list."""
    found = biddable(request, code)
    value = request.POST.get("value", "")
    number = int(value) if value in {"0", "1", "2"} else -1
    try:
        actions.bid(found, value=number, by=request.user, now=now())
    except Refused:
        messages.error(request, gettext("Choose one of the answers."))
    else:
        messages.success(request, gettext("Your answer is kept."))
    page = request.POST.get("page", "")
    following = f"?page={page}" if page.isascii() and page.isdigit() else ""
    response = redirect("calls:bids")
    response["Location"] += following
    return response


@login_required
@require_http_methods(["GET", "POST"])
def bid_conflict(request: SignedIn, code: str) -> HttpResponse:
    """Declare a conflict of interest with an application in the list."""
    found = biddable(request, code)
    form = forms.WhyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            actions.declare_conflict(
                found, reason=form.cleaned_data["reason"], by=request.user, now=now()
            )
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(request, gettext("Thank you for saying so. You are not asked for it."))
            return redirect("calls:bids")
    names = queries.names_in([found])[found.code]
    return render(
        request,
        "calls/bid_conflict.html",
        {"title": reviews.blinded(found.title, names), "form": form},
        status=422 if form.errors else 200,
    )
