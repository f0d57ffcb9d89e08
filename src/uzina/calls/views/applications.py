"""Pages of applications."""

from contextlib import suppress
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.timezone import now
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods

from uzina.calls import access, actions, forms, queries
from uzina.calls.models import Application
from uzina.calls.rules import modes, prefill, sections
from uzina.calls.rules.flows import ApplicationState
from uzina.calls.views.calls import is_open, visible_calls
from uzina.calls.views.shared import documents_shown, kept_verdict, reasons_shown, sections_shown
from uzina.core.errors import Invalid, Refused
from uzina.people import queries as people_queries
from uzina.people.types import SignedIn


@login_required
@require_http_methods(["GET", "POST"])
def apply(request: SignedIn, slug: str) -> HttpResponse:
    """Start an application: for which organisation."""
    found = get_object_or_404(visible_calls(request), slug=slug)
    organisations = list(queries.may_apply_for(request.user))
    form = forms.StartForm(request.POST or None, organisations=organisations)
    if request.method == "POST" and form.is_valid():
        chosen = next(one for one in organisations if one.code == form.cleaned_data["organisation"])
        try:
            started = actions.start(found, organisation=chosen, by=request.user, now=now())
        except Refused as refused:
            form.add_refusal(refused)
        else:
            _prefill(started, request)
            return redirect("calls:application", code=started.code)
    verdicts = [
        {"organisation": one, "reasons": reasons_shown(verdict), "qualifies": verdict.qualifies}
        for one in organisations
        for verdict in [modes.qualify(queries.organisation_facts(one), found.mode)]
    ]
    return render(
        request,
        "calls/apply.html",
        {
            "call": found,
            "form": form,
            "organisations": organisations,
            "verdicts": verdicts,
            "is_open": is_open(found),
            "drafts": queries.applications().filter(
                applicant=request.user, call=found, state=ApplicationState.DRAFT
            ),
        },
        status=422 if form.errors else 200,
    )


def _prefill(started: Application, request: SignedIn) -> None:
    """Save what was said on the page "Do I qualify?", which the address still holds.

    What the section does not take, a number out of its range, is asked again there.
    """
    said = forms.QualifyForm(request.GET or None)
    if not said.is_valid():
        return
    for slug, answers in prefill.first_answers(started.call.mode, said.said()).items():
        with suppress(Invalid):
            actions.save_section(
                started, section=slug, answers=answers, version=0, by=request.user, now=now()
            )


def visible_applications(request: SignedIn) -> Any:
    """Return the applications that the reader may see."""
    visible = Application.objects.visible_to(request.user)
    return queries.applications().filter(pk__in=visible.values("pk"))


def visible_application(request: SignedIn, code: str) -> Application:
    """Return one of them by its code, or 404."""
    found: Application = get_object_or_404(visible_applications(request), code=code)
    return found


def editable_application(request: SignedIn, code: str) -> Application:
    """Return one that the reader applied with or helps to fill in, or 404."""
    own = Application.objects.owned_by(request.user)
    found: Application = get_object_or_404(
        queries.applications().filter(pk__in=own.values("pk")), code=code
    )
    return found


def own_application(request: SignedIn, code: str) -> Application:
    """Return one of the reader's own by its code, or 404."""
    found: Application = get_object_or_404(
        visible_applications(request).filter(applicant=request.user), code=code
    )
    return found


@login_required
@require_GET
def applications(request: SignedIn) -> HttpResponse:
    """List the applications one may see, with what happens next to each."""
    page = Paginator(visible_applications(request), 50).get_page(request.GET.get("page"))
    moment = now()
    rows = [
        {"application": one, "next": queries.next_shown(queries.story(one), moment)} for one in page
    ]
    return render(request, "calls/applications.html", {"rows": rows, "page": page})


def _steps(application: Application) -> list[dict[str, Any]]:
    answers = queries.answers_of(application)
    steps = []
    for section in queries.asked_sections(application):
        slug, given = section.slug, answers.get(section.slug, {})
        is_complete = not sections.missing(section, given)
        label = gettext("Complete") if is_complete else gettext("Not complete")
        steps.append(
            {
                "slug": slug,
                "title": gettext(section.title),
                "href": reverse("calls:section", args=[application.code, slug]),
                "label": label if given else gettext("Not started"),
                "tone": "good" if is_complete else "busy" if given else "quiet",
                "is_complete": is_complete,
            }
        )
    return steps


@login_required
@require_GET
def application(request: SignedIn, code: str) -> HttpResponse:
    """Show an application: a task list while it is a draft, then its timeline and answers."""
    found = visible_application(request, code)
    own = queries.organisation_ids(request.user)
    verbs = queries.verbs(found, request.user, own)
    verdict = kept_verdict(found)
    told, moment = queries.story(found), now()
    coming = queries.next_shown(told, moment)
    is_theirs = access.may_edit(request.user, found)
    is_host = access.may_see_queue(request.user)
    context = {
        "application": found,
        "next": coming,
        "main": _main_action(found, coming) if is_theirs else None,
        "entries": queries.entries_shown(told),
        "verbs": verbs,
        "is_mine": found.applicant_id == request.user.pk,
        "is_theirs": is_theirs,
        "is_host": is_host and not is_theirs,
        "reasons": reasons_shown(verdict) if verdict else [],
        "award": getattr(found, "award", None),
        "assessment": getattr(found, "assessment", None),
        "decision": getattr(found, "decision", None),
        "redirected": getattr(found, "redirect", None),
        "step": queries.open_step(found),
        "editors": list(found.editors.select_related("person").order_by("pk")),
    }
    if "save" in verbs:
        steps = _steps(found)
        done = sum(step["is_complete"] for step in steps)
        context |= {
            "steps": steps,
            "done": done,
            "is_complete": done == len(steps),
            "documents": documents_shown(found),
        }
        return render(request, "calls/application_draft.html", context)
    context |= {
        "answers": sections_shown(found),
        "letters": list(queries.letters(request.user).filter(application=found)),
        "appeal": getattr(found, "appeal", None),
        "appeal_by": queries.appeal_by(found),
        "documents": [one for one in documents_shown(found) if one["document"]],
        "questions": [one for step in found.steps.all() for one in step.questions.all()]
        if is_theirs or is_host
        else [],
        "messages_sent": _messages(found, request) if is_theirs or is_host else [],
    }
    return render(request, "calls/application.html", context)


def _messages(application: Application, request: SignedIn) -> list[Any]:
    """What was written about it: to the reader; to the host, what the applicant has got."""
    is_theirs = access.may_edit(request.user, application)
    reader = request.user if is_theirs else application.applicant
    return list(people_queries.messages_about(application.code, reader))


LABELS = {
    "answer": gettext_lazy("Answer the question"),
    "reply": gettext_lazy("Read the comments and reply"),
    "decide": gettext_lazy("See the award and answer"),
    "appeal": gettext_lazy("Appeal"),
    "draft": gettext_lazy("See the draft"),
    "export": gettext_lazy("Download the application"),
    "apply": gettext_lazy("Apply again"),
}


def _main_action(application: Application, coming: dict[str, Any]) -> dict[str, Any] | None:
    """Return the one thing the applicant is to do now; None where it is not their move."""
    code, target = application.code, coming["target"]
    addresses = {
        "answer": lambda: reverse("calls:question", args=[code, target]),
        "reply": lambda: reverse("calls:reply", args=[code]),
        "decide": lambda: reverse("calls:award", args=[target]),
        "appeal": lambda: reverse("calls:appeal_new", args=[code]),
        "draft": lambda: reverse("calls:application", args=[target]),
        "export": lambda: reverse("calls:export_pdf", args=[code]),
        "apply": lambda: reverse("calls:call", args=[application.call.slug]),
    }
    verb = coming["verb"]
    if verb not in addresses:
        return None
    return {"href": addresses[verb](), "label": LABELS[verb]}


@login_required
@require_http_methods(["GET", "POST"])
def withdraw(request: SignedIn, code: str) -> HttpResponse:
    """Ask once more, then take the application back."""
    found = own_application(request, code)
    if request.method == "POST":
        actions.withdraw(found, by=request.user, now=now())
        messages.success(request, gettext("The application is withdrawn."))
        return redirect("calls:application", code=code)
    return render(request, "calls/withdraw.html", {"application": found})
