"""The applicant's page of the reviewers' comments, and the reply to them."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST

from uzina.calls import actions, forms, queries
from uzina.calls.rules.steps import StepKind
from uzina.calls.views.applications import own_application
from uzina.core.errors import Refused
from uzina.core.http import told
from uzina.people.types import SignedIn


@login_required
@require_http_methods(["GET", "POST"])
def reply(request: SignedIn, code: str) -> HttpResponse:
    """Read the reviewers' comments, and reply once while there is time."""
    found = own_application(request, code)
    comments = queries.comments_for_applicant(found)
    if not comments:
        raise Http404
    form = forms.ReplyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            actions.reply(found, text=form.cleaned_data["text"], by=request.user, now=now())
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(request, gettext("Your reply is with the panel."))
            return redirect("calls:reply", code=code)
    step = queries.step_under_way(found)
    scoring = found.call.mode.scoring
    is_named = scoring is not None and scoring.blind == "none"
    return render(
        request,
        "calls/reply.html",
        {
            "application": found,
            "comments": [
                {"text": one.comment, "who": one.reviewer.name if is_named else ""}
                for one in comments
            ],
            "reply": getattr(found, "reply", None),
            "step": step if step is not None and step.kind == StepKind.RIGHT_TO_REPLY else None,
            "form": form,
        },
        status=422 if form.errors else 200,
    )


@login_required
@require_POST
def reply_waive(request: SignedIn, code: str) -> HttpResponse:
    """Go on without a reply."""
    found = own_application(request, code)
    try:
        actions.waive_reply(found, by=request.user, now=now())
    except Refused as refused:
        messages.error(request, told(refused))
    else:
        messages.success(request, gettext("The panel goes by the reviews."))
    return redirect("calls:application", code=code)
