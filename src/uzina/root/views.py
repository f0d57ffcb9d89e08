"""Pages that span modules, and the pages that say what went wrong."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template import loader
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.timezone import now
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_POST, require_safe

from uzina.calls import queries as calls
from uzina.calls.models import Application, Award
from uzina.calls.rules.flows import ApplicationState, AwardState
from uzina.catalogue.models import AccessRequest, Dataset
from uzina.catalogue.rules import AccessState, DatasetKind
from uzina.compute import queries as compute
from uzina.compute import rules as compute_rules
from uzina.compute.models import Job
from uzina.core import charts
from uzina.core import promises as core_promises
from uzina.core.log import check_log
from uzina.core.models import LogEntry, Promise
from uzina.core.paging import paged
from uzina.core.rules import PromiseState
from uzina.core.templatetags.ui import GPU_MS_PER_HOUR, hours, instant
from uzina.ledger import queries as ledger
from uzina.ledger.models import Allocation
from uzina.ledger.rules import AllocationState, Balance
from uzina.people import access
from uzina.people import queries as people
from uzina.people.models import Person, Project
from uzina.people.types import SignedIn
from uzina.training.models import ModelVersion, Run

THEMES = ("auto", "light", "dark")
FEW = 8
"""As many rows as a first page shows of each sort; the list has the rest."""

ON_A_PAGE = 25


# First page ---------------------------------------------------------------------------------


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Say what this is to somebody new, and what needs them to everybody else."""
    if not request.user.is_authenticated:
        return render(request, "root/welcome.html", {"calls": calls.open_calls(now())[:FEW]})
    assert isinstance(request.user, Person)  # noqa: S101 - tells mypy
    person, moment = request.user, now()
    applications = list(
        Application.objects.filter(applicant=person)
        .select_related("call", "award")
        .order_by("-pk")[:FEW]
    )
    projects = list(people.projects_of(person).select_related("organisation")[:FEW])
    jobs = Job.objects.filter(project__memberships__person=person, state__in=compute_rules.OPEN)
    context = {
        "needs": _needs(person, applications, moment),
        "applications": applications,
        "projects": _with_balances(projects),
        "jobs": list(jobs.select_related("project").order_by("-pk")[:FEW]),
        "is_factory": bool(person.roles),
    }
    return render(request, "root/home.html", context)


def _needs(
    person: Person, applications: list[Application], moment: datetime
) -> list[dict[str, Any]]:
    """Return what waits for the person, the most pressing first."""
    rows: list[dict[str, Any]] = []
    for application in applications:
        award: Award | None = getattr(application, "award", None)
        if award is not None and award.state is AwardState.OFFERED and award.answer_by > moment:
            rows.append(
                {
                    "title": gettext("Answer the offer of {hours} GPU-hours").format(
                        hours=hours(award.gpu_ms)
                    ),
                    "href": f"/awards/{award.code}/",
                    "hint": format_html(
                        gettext("Answer before {moment}"), moment=instant(award.answer_by)
                    ),
                    "label": award.code,
                }
            )
    rows += _asked_of_applicant(person)
    if access.is_assessor(person):
        waiting = Application.objects.assessable_by(person)
        rows += [
            {
                "title": gettext("Assess {title}").format(title=one.title or one.code),
                "href": f"/assessments/{one.code}/",
                "hint": format_html(gettext("Due before {moment}"), moment=instant(one.due_at)),
                "label": one.code,
            }
            for one in waiting[:FEW]
        ]
    if access.is_operator(person):
        rows += _operator_needs(person)
    rows += _access_asked(person)
    rows += [
        {
            "title": gettext("Finish the application “{title}”").format(
                title=one.title or one.call.title
            ),
            "href": f"/applications/{one.code}/",
            "label": one.code,
        }
        for one in applications
        if one.state is ApplicationState.DRAFT
    ]
    if not person.roles and not applications and not people.organisations_of(person).exists():
        rows.append(
            {
                "title": gettext("Add the organisation you act for"),
                "href": "/organisations/new/",
                "hint": gettext("Its facts decide what it qualifies for."),
            }
        )
    return rows


def _asked_of_applicant(person: Person) -> list[dict[str, Any]]:
    """What an applicant, or a colleague who edits, is waited for. Two queries."""
    rows = [
        {
            "title": gettext("Answer the question “{title}”").format(
                title=one.step.application.title
            ),
            "href": f"/applications/{one.step.application.code}/questions/{one.code}/",
            "hint": format_html(
                gettext("Answer before {moment}. Our clock stands still."),
                moment=instant(one.answer_by),
            ),
            "label": one.step.application.code,
        }
        for one in calls.questions_to(person)[:FEW]
    ]
    rows += [
        {
            "title": gettext("Reply to the reviewers of “{title}”").format(
                title=one.application.title
            ),
            "href": f"/applications/{one.application.code}/reply/",
            "hint": format_html(gettext("Answer before {moment}"), moment=instant(one.due_at)),
            "label": one.application.code,
        }
        for one in calls.replies_open_to(person)[:FEW]
    ]
    return rows


def _access_asked(person: Person) -> list[dict[str, Any]]:
    """What who answers for data is asked for. One query."""
    count = AccessRequest.objects.to_decide_by(person).filter(state=AccessState.ASKED).count()
    if not count:
        return []
    title = ngettext(
        "{count} request for access to data waits for your answer",
        "{count} requests for access to data wait for your answer",
        count,
    )
    return [{"title": title.format(count=count), "href": "/access/"}]


def _operator_needs(person: Person) -> list[dict[str, Any]]:
    rows = []
    dead = Promise.objects.filter(state=PromiseState.DEAD).count()
    if dead:
        rows.append(
            {
                "title": ngettext(
                    "{count} piece of work stopped after five failures",
                    "{count} pieces of work stopped after five failures",
                    dead,
                ).format(count=dead),
                "href": "/promises/",
                "label": gettext("Look at why"),
            }
        )
    failed = people.failed_messages()
    if failed:
        rows.append(
            {
                "title": ngettext(
                    "{count} message could not be sent",
                    "{count} messages could not be sent",
                    failed,
                ).format(count=failed),
                "href": "/messages/?state=failed",
                "label": gettext("Look at why"),
            }
        )
    standing = calls.standing_of_queue(now())
    if standing["late"]:
        rows.append(
            {
                "title": ngettext(
                    "{count} application is late", "{count} applications are late", standing["late"]
                ).format(count=standing["late"]),
                "href": "/queue/?late=yes",
            }
        )
    if standing["unanswered"]:
        rows.append(
            {
                "title": ngettext(
                    "{count} question has no answer in time",
                    "{count} questions have no answer in time",
                    standing["unanswered"],
                ).format(count=standing["unanswered"]),
                "href": "/queue/?waiting=applicant",
            }
        )
    if standing["checks"]:
        rows.append(
            {
                "title": ngettext(
                    "{count} application waits for an operator to check it",
                    "{count} applications wait for an operator to check them",
                    standing["checks"],
                ).format(count=standing["checks"]),
                "href": "/queue/",
            }
        )
    counted = Application.objects.visible_to(person).aggregate(
        waiting=Count(
            "pk",
            filter=Q(
                state=ApplicationState.ELIGIBLE,
                steps__kind="technical_assessment",
                steps__state="open",
            ),
            distinct=True,
        ),
        reserve=Count(
            "pk",
            filter=Q(state=ApplicationState.ELIGIBLE, reserve_at__isnull=False),
            distinct=True,
        ),
    )
    if counted["waiting"]:
        rows.append(
            {
                "title": ngettext(
                    "{count} application waits for its technical assessment",
                    "{count} applications wait for their technical assessment",
                    counted["waiting"],
                ).format(count=counted["waiting"]),
                "href": "/assessments/",
            }
        )
    if counted["reserve"]:
        rows.append(
            {
                "title": ngettext(
                    "{count} application waits for capacity",
                    "{count} applications wait for capacity",
                    counted["reserve"],
                ).format(count=counted["reserve"]),
                "href": "/applications/",
            }
        )
    return rows


# Projects -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Funded:
    """A project with its newest allocation and what became of its hours, where it has one."""

    project: Project
    allocation: Allocation | None
    balance: Balance | None


def _with_balances(projects: Iterable[Project]) -> list[Funded]:
    """Return the projects with their newest open allocation, or their newest. Two queries."""
    listed = list(projects)
    chosen: dict[int, Allocation] = {}
    hours = Allocation.objects.filter(project__in=listed, resource__slug="gpu-hours")
    for one in hours.order_by("pk"):
        kept = chosen.get(one.project_id)
        if kept is None or one.state == AllocationState.ACTIVE or kept.state != one.state:
            chosen[one.project_id] = one
    balances = ledger.balances(list(chosen.values())) if chosen else {}
    return [
        Funded(
            one, chosen.get(one.pk), balances.get(chosen[one.pk].pk) if one.pk in chosen else None
        )
        for one in listed
    ]


@login_required
def projects(request: SignedIn) -> HttpResponse:
    """List the projects a person sees, with the hours they have left."""
    visible = Project.objects.visible_to(request.user).select_related("organisation")
    page = Paginator(visible.order_by("-pk"), ON_A_PAGE).get_page(request.GET.get("page"))
    return render(
        request,
        "root/projects.html",
        {
            "page": page,
            "rows": _with_balances(page.object_list),
            "sees_all": access.is_operator(request.user) or access.is_auditor(request.user),
        },
    )


@login_required
def project(request: SignedIn, code: str) -> HttpResponse:
    """Show a project: what it may spend, what it runs, what it made and who takes part."""
    visible = Project.objects.visible_to(request.user).select_related("organisation")
    found = get_object_or_404(visible, code=code)
    moment = now()
    allocations = list(ledger.allocations_of(found))
    balances = ledger.balances(allocations)
    funded = [
        {
            "allocation": one,
            "balance": balances[one.pk],
            "chart": _burn_down(one, balances[one.pk], moment) if index == 0 else None,
        }
        for index, one in enumerate(
            sorted(allocations, key=lambda one: one.state != AllocationState.ACTIVE)
        )
    ]
    datasets = Dataset.objects.visible_to(request.user).filter(project=found)
    award = calls.award_of_project(found) if found.award_code else None
    context = {
        "project": found,
        "award": award,
        "owed": list(calls.obligations().filter(award=award)) if award else [],
        "funded": funded,
        "look": compute.last_look(now=moment),
        "jobs": list(Job.objects.filter(project=found).order_by("-pk")[:FEW]),
        "runs": list(
            Run.objects.filter(project=found).select_related("recipe", "job").order_by("-pk")[:FEW]
        ),
        "datasets": list(datasets.filter(kind=DatasetKind.DATA).order_by("-pk")[:FEW]),
        "models": list(
            ModelVersion.objects.filter(model__project=found)
            .select_related("model")
            .order_by("-pk")[:FEW]
        ),
        "members": list(people.members_of(found)),
        "is_member": access.is_member(request.user, found),
    }
    return render(request, "root/project.html", context)


def _burn_down(
    allocation: Allocation, balance: Balance, moment: datetime
) -> charts.LineChart | None:
    """Draw what was left at each moment, beside an even pace from the grant to the end."""
    if allocation.starts_at > moment:
        return None
    granted = balance.granted / GPU_MS_PER_HOUR
    left = [(allocation.starts_at, granted)]
    for at, spent in ledger.burn_down(allocation):
        left += [(at, left[-1][1]), (at, granted - spent / GPU_MS_PER_HOUR)]
    left.append((min(moment, allocation.ends_at), left[-1][1]))
    return charts.line_chart(
        title=gettext("What is left of the hours"),
        x_label=gettext("Day"),
        y_label=gettext("GPU-hours"),
        series=[
            (gettext("Not yet spent"), left),
            (gettext("Even pace"), [(allocation.starts_at, granted), (allocation.ends_at, 0)]),
        ],
        now=moment if moment < allocation.ends_at else None,
        ends_at=allocation.ends_at,
        from_zero=True,
    )


# What stopped, and what happened --------------------------------------------------------------


@login_required
def promises(request: SignedIn) -> HttpResponse:
    """List the work that failed five times, in words, with a button to try again."""
    if not access.is_operator(request.user):
        raise Http404
    dead = Promise.objects.filter(state=PromiseState.DEAD)
    page = paged(dead, limit=ON_A_PAGE, cursor=_digits(request.GET.get("cursor", "")))
    counted = Promise.objects.aggregate(
        waiting=Count("pk", filter=Q(state=PromiseState.WAITING, repeat_s=None)),
        leased=Count("pk", filter=Q(state=PromiseState.LEASED)),
    )
    rows = [{"promise": one, "summary": _last_line(one.error)} for one in page["items"]]
    return render(request, "root/promises.html", {"rows": rows, "page": page, "counted": counted})


@login_required
@require_POST
def promise_retry(request: SignedIn, promise_id: int) -> HttpResponse:
    """Give a stopped piece of work five more tries."""
    if not access.is_operator(request.user):
        raise Http404
    dead = get_object_or_404(Promise, pk=promise_id)
    core_promises.retry(dead, by=request.user, now=now())
    messages.success(request, gettext("It will be tried again now."))
    return redirect("root:promises")


def _last_line(error: str) -> str:
    lines = [line.strip() for line in error.strip().splitlines() if line.strip()]
    return lines[-1][:300] if lines else gettext("No reason was kept.")


@login_required
def log(request: SignedIn) -> HttpResponse:
    """Show what was done, by whom and when; on request, prove that nobody changed it."""
    if not (access.is_auditor(request.user) or access.is_operator(request.user)):
        raise Http404
    wanted = {
        name: request.GET.get(name, "").replace("\x00", "").strip()[:80]
        for name in ("subject", "event", "actor")
    }
    entries = LogEntry.objects.all()
    if wanted["subject"]:
        entries = entries.filter(subject=wanted["subject"])
    if wanted["event"]:
        entries = entries.filter(event__startswith=wanted["event"])
    if wanted["actor"]:
        entries = entries.filter(actor=wanted["actor"])
    page = paged(entries, limit=ON_A_PAGE, cursor=_digits(request.GET.get("cursor", "")))
    codes = {one.actor for one in page["items"]} | {one.subject for one in page["items"]}
    names = dict(Person.objects.filter(code__in=codes).values_list("code", "name"))
    rows = [
        {
            "entry": one,
            "actor_name": names.get(one.actor, ""),
            "subject_name": names.get(one.subject, ""),
            "href": _address(one.subject),
            "facts": json.dumps(one.facts, ensure_ascii=False) if one.facts else "",
        }
        for one in page["items"]
    ]
    context = {
        "rows": rows,
        "page": page,
        "wanted": wanted,
        "is_filtered": any(wanted.values()),
        "check": check_log() if "verify" in request.GET else None,
    }
    return render(request, "root/log.html", context)


ADDRESSES = {
    "APP": "/applications/",
    "AWD": "/awards/",
    "JOB": "/jobs/",
    "ORG": "/organisations/",
    "PRJ": "/projects/",
    "RUN": "/runs/",
    "ALL": "/allocations/",
}
"""Where the thing of a code has its page."""


def _address(code: str) -> str:
    prefix, dash, rest = code.partition("-")
    return f"{ADDRESSES[prefix]}{code}/" if dash and rest.isalnum() and prefix in ADDRESSES else ""


def _digits(text: str) -> str:
    """Return a cursor that may be asked for; anything else begins at the beginning."""
    return text if text.isascii() and text.isdigit() and len(text) <= 18 else ""


# How pages look and read ----------------------------------------------------------------------


@require_POST
def appearance(request: HttpRequest) -> HttpResponse:
    """Keep in a cookie whether pages are light, dark or as the system has it."""
    target = request.POST.get("next", "/")
    is_ours = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    response = redirect(target if is_ours else "/")
    theme = request.POST.get("theme", "")
    if theme in THEMES:
        response.set_cookie(
            "theme",
            theme,
            max_age=31_536_000,
            samesite="Lax",
            httponly=True,
            secure=settings.SESSION_COOKIE_SECURE,
        )
    return response


@require_safe
def accessibility(request: HttpRequest) -> HttpResponse:
    """Show the accessibility statement that Directive (EU) 2016/2102 asks for."""
    context = {"contact": settings.UZINA.mail.sender}
    return render(request, "root/accessibility.html", context)


# What went wrong ----------------------------------------------------------------------------


def _wrong(request: HttpRequest, *, status: int, title: str, text: str) -> HttpResponse:
    context = {
        "title": title,
        "text": text,
        "status": status,
        "request_id": getattr(request, "request_id", ""),
    }
    return render(request, "root/wrong.html", context, status=status)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """400: the request itself makes no sense."""
    return _wrong(
        request,
        status=400,
        title=gettext("This request could not be read"),
        text=gettext("Go back, reload the page and try again. Nothing was changed."),
    )


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403: somebody else may."""
    return _wrong(
        request,
        status=403,
        title=gettext("This is not yours to do"),
        text=gettext(
            "Your account has no permission for it. Ask the lead of the project, or sign in with"
            " another account."
        ),
    )


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: the form was open for too long, or sent from elsewhere."""
    return _wrong(
        request,
        status=403,
        title=gettext("The form was open for too long"),
        text=gettext(
            "Go back: what you typed is still there. Reload the page in another tab to sign in if"
            " need be, then send the form again. Nothing was changed."
        ),
    )


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404: there is no such page, or it is not shown to this person."""
    return _wrong(
        request,
        status=404,
        title=gettext("There is no such page"),
        text=gettext(
            "Check the address. If a link brought you here, the thing may be gone, or it may be"
            " shown to members of its project only."
        ),
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """500: our fault. Asks the database nothing, because it may be what is down."""
    page = loader.get_template("500.html").render(
        {
            "title": gettext("Something went wrong on our side"),
            "text": gettext(
                "Try again in a few minutes. What was saved before is safe. If it happens again,"
                " tell the factory the number below."
            ),
            "request_id": getattr(request, "request_id", ""),
        }
    )
    return HttpResponse(page, status=500)
