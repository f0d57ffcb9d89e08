"""Pages of awards."""

from datetime import datetime

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_POST

from uzina.calls import access, actions, queries
from uzina.calls.models import Award
from uzina.calls.rules import awards
from uzina.calls.rules.flows import AwardState
from uzina.core.errors import Refused
from uzina.people import queries as people_queries
from uzina.people.types import SignedIn


def _award(request: SignedIn, code: str) -> Award:
    found: Award = get_object_or_404(
        Award.objects.visible_to(request.user).select_related(
            "application__call",
            "application__organisation",
            "application__applicant",
            "capacity",
            "project",
        ),
        code=code,
    )
    return found


@login_required
@require_GET
def award(request: SignedIn, code: str) -> HttpResponse:
    """Show an award, and let who applied accept or refuse it."""
    found, moment = _award(request, code), now()
    would = _would_run(found, moment)
    is_mine = access.may_answer(request.user, found)
    return render(
        request,
        "calls/award.html",
        {
            "award": found,
            "application": found.application,
            "mode": found.application.call.mode,
            "may_answer": is_mine
            and found.state is AwardState.OFFERED
            and moment < found.answer_by,
            "would_begin_at": would[0] if would else None,
            "would_end_at": would[1] if would else None,
            "terms": queries.terms_version(found.application.call),
            "is_member": found.project is not None
            and people_queries.projects_of(request.user).filter(pk=found.project.pk).exists(),
        },
    )


def _would_run(found: Award, moment: datetime) -> tuple[datetime, datetime] | None:
    """Return when it would begin and end if it were accepted now; None where it is too late."""
    try:
        return awards.period(
            moment,
            months=found.months,
            usable_from=found.capacity.usable_from,
            usable_until=found.capacity.usable_until,
        )
    except Refused:
        return None


@login_required
@require_POST
def award_accept(request: SignedIn, code: str) -> HttpResponse:
    """Accept an award."""
    accepted = actions.accept(_award(request, code), by=request.user, now=now())
    messages.success(request, gettext("You accepted. Your project is open."))
    return redirect("calls:award", code=accepted.code)


@login_required
@require_POST
def award_refuse(request: SignedIn, code: str) -> HttpResponse:
    """Refuse an award."""
    actions.refuse(_award(request, code), by=request.user, now=now())
    messages.success(request, gettext("You refused the award. Its hours go to whoever is next."))
    return redirect("calls:award", code=code)
