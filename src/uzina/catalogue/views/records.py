"""Pages on which a steward says what a dataset is."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Max
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.timezone import now
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_GET, require_http_methods

from uzina.catalogue import access, actions, queries, rules
from uzina.catalogue.forms import records
from uzina.catalogue.models import Dataset
from uzina.catalogue.rules import stewardship
from uzina.catalogue.views.shared import brought_back, keeps_what_is_typed, visible_datasets
from uzina.core.errors import NotAllowed, Refused
from uzina.core.paging import paged
from uzina.core.text import _
from uzina.people import queries as people
from uzina.people.types import SignedIn

SHOWN = 30


@login_required
@require_GET
def mine(request: SignedIn) -> HttpResponse:
    """List the datasets the person looks after, newest first, and what each still lacks."""
    rows = (
        Dataset.objects.kept_by(request.user)
        .filter(kind=rules.DatasetKind.DATA)
        .select_related("licence", "holder", "project")
        .annotate(newest=Max("versions__number"))
    )
    cursor = request.GET.get("cursor", "")
    page = paged(rows, limit=SHOWN, cursor=cursor if cursor.isdigit() and len(cursor) < 19 else "")
    cards = [
        {
            "dataset": one,
            "missing": _missing_said(len(queries.readiness(one)))
            if one.state is rules.DatasetState.DRAFT
            else "",
        }
        for one in page["items"]
    ]
    projects = people.projects_of(request.user)[:SHOWN]
    return render(
        request, "catalogue/records.html", {"cards": cards, "page": page, "projects": projects}
    )


def _missing_said(count: int) -> str:
    if not count:
        return gettext("complete")
    return ngettext("{count} answer is missing", "{count} answers are missing", count).format(
        count=count
    )


@keeps_what_is_typed
@require_http_methods(["GET", "POST"])
def register(request: SignedIn) -> HttpResponse:
    """Register a dataset: a draft, to be described and filled with files."""
    owners = _owners(request)
    kept = brought_back(request)
    form = records.RegisterForm(
        owners=[(code, label) for code, label, _project, _holder in owners],
        data=request.POST if request.method == "POST" else kept,
    )
    if request.method == "POST" and form.is_valid():
        project, holder = next(
            (project, holder)
            for code, _label, project, holder in owners
            if code == form.cleaned_data["owner"]
        )
        try:
            made = actions.register_dataset(
                **form.facts(), project=project, holder=holder, by=request.user, now=now()
            )
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(
                request, gettext("The dataset is registered. Nobody else sees it yet.")
            )
            return redirect("catalogue:record", slug=made.slug)
    return render(
        request,
        "catalogue/record_new.html",
        {"form": form, "has_owners": bool(owners), "is_brought_back": kept is not None},
        status=422 if request.method == "POST" else 200,
    )


def _owners(request: SignedIn) -> list[tuple[str, str, Any, Any]]:
    """Return whose data the person may register: code, words, project, holder."""
    projects = [
        one.project
        for one in request.user.memberships.select_related("project__organisation").order_by("pk")
    ]
    holders = [
        one.organisation
        for one in request.user.affiliations.filter(is_representative=True)
        .select_related("organisation")
        .order_by("pk")
    ]
    return [
        *((one.code, f"{one.title} ({one.code})", one, one.organisation) for one in projects),
        *((one.code, f"{one.name} ({one.code})", None, one) for one in holders),
    ]


def _kept_dataset(request: SignedIn, slug: str) -> Dataset:
    """Return a dataset the person looks after. Raises Http404, NotAllowed dataset.describe.not_yours."""
    found: Dataset = get_object_or_404(visible_datasets(request), slug=slug)
    if not access.may_add_to(request.user, found):
        raise NotAllowed(
            "dataset.describe.not_yours",
            _("Only members of its project or its holder can describe {dataset}."),
            dataset=found.slug,
        )
    return found


@login_required
@require_GET
def record(request: SignedIn, slug: str) -> HttpResponse:
    """Show what a dataset says of itself by pages, and what is missing before it is published."""
    found = _kept_dataset(request, slug)
    missing = queries.readiness(found)
    by_page: dict[str, int] = {}
    for one in missing:
        page = records.section_of(one.field)
        by_page[page] = by_page.get(page, 0) + 1
    steps = [
        {
            "title": records.section_title(key),
            "href": reverse("catalogue:record_section", args=[slug, key]),
            "label": _missing_said(by_page.get(key, 0)),
            "tone": "busy" if key in by_page else "good",
        }
        for key in records.section_keys()
        if found.state is not rules.DatasetState.WITHDRAWN
    ]
    return render(
        request,
        "catalogue/record.html",
        {
            "dataset": found,
            "steps": steps,
            "count": len(missing),
            "missing": _missing_said(len(missing)),
            "advice": _advice(found) if steps else [],
            "has_version": found.versions.exists(),
            "may_publish": access.may_publish(request.user, found)
            and "publish" in rules.DATASET.verbs(found.state),
        },
    )


def _advice(found: Dataset) -> list[dict[str, Any]]:
    """Return what the official shapes would have a steward mend or add, and on which page."""
    keys = set(records.section_keys())
    return [
        {
            "words": gettext(one.message),
            "href": reverse("catalogue:record_section", args=[found.slug, page])
            if (page := records.section_of(one.field)) in keys
            else "",
            "is_mistake": one.is_mistake,
        }
        for one in queries.shape_advice(found)
    ]


@keeps_what_is_typed
@require_http_methods(["GET", "POST"])
def record_section(request: SignedIn, slug: str, section: str) -> HttpResponse:
    """One page of what a dataset says of itself: save and continue."""
    if section not in records.section_keys():
        raise Http404
    found = _kept_dataset(request, slug)
    said = queries.said(found)
    if (kept := brought_back(request)) is not None:
        form = records.RecordForm(section, said=said, data=kept)
        seen = kept.get("seen", "")
        return _section_page(request, found, form, status=200, seen=seen, is_brought_back=True)
    if request.method != "POST":
        form = records.RecordForm(section, said=said, added=request.GET.get("add", ""))
        return _section_page(request, found, form, status=200)

    form = records.RecordForm(section, said=said, data=request.POST)
    if not form.is_valid():
        return _section_page(request, found, form, status=422)
    if request.POST.get("seen", "") != records.seen(section, said):
        return _section_page(request, found, form, status=409, is_changed=True)
    try:
        described = actions.describe(found, facts=form.facts(), by=request.user, now=now())
    except Refused as refused:
        form.add_refusal(refused)
        return _section_page(request, found, form, status=422)
    return _next_page(request, described, form)


def _next_page(request: SignedIn, dataset: Dataset, form: records.RecordForm) -> HttpResponse:
    """Go on: to the same page for another row or for questions that follow, else to the next."""
    here = reverse("catalogue:record_section", args=[dataset.slug, form.key])
    added = request.POST.get("add", "")
    if added in form.row_counts:
        return redirect(f"{here}?add={added}")
    if "later" in request.POST:
        return redirect("catalogue:record", slug=dataset.slug)
    now_asked = stewardship.asked(dataset.answers, dataset.access_right)
    if {one.key for one in now_asked if one.section == form.key} - {one.key for one in form.asked}:
        messages.info(request, gettext("Saved. More questions follow from what you answered."))
        return redirect(here)
    keys = records.section_keys()
    after = keys[keys.index(form.key) + 1 :]
    if not after:
        return redirect("catalogue:record", slug=dataset.slug)
    return redirect("catalogue:record_section", slug=dataset.slug, section=after[0])


def _section_page(
    request: HttpRequest,
    dataset: Dataset,
    form: records.RecordForm,
    *,
    status: int,
    **more: Any,
) -> HttpResponse:
    keys = records.section_keys()
    return render(
        request,
        "catalogue/record_section.html",
        {
            "dataset": dataset,
            "form": form,
            "title": records.section_title(form.key),
            "seen": records.seen(form.key, queries.said(dataset)),
            "number": keys.index(form.key) + 1,
            "total": len(keys),
            **more,
        },
        status=status,
    )
