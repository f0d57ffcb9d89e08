"""Pages of one version: its files, what changed, where it came from, how it is cited."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.utils.translation import get_language, gettext
from django.views.decorators.http import require_GET, require_http_methods

from uzina.catalogue import access, forms, queries, rules
from uzina.catalogue.actions import keeping
from uzina.catalogue.models import Version
from uzina.catalogue.queries import spaces as lines
from uzina.catalogue.rules.citation import FORMS
from uzina.catalogue.rules.differences import difference
from uzina.catalogue.rules.spaces import PurgeBasis
from uzina.catalogue.views.shared import brought_back, keeps_what_is_typed
from uzina.core.errors import NotAllowed, Refused
from uzina.core.text import _
from uzina.people.models import Person
from uzina.people.types import SignedIn

FILES_SHOWN = 100
CHANGES_SHOWN = 50
LINES_SHOWN = 200


def _visible_version(request: HttpRequest, slug: str, number: int) -> Version:
    found: Version = get_object_or_404(
        Version.objects.visible_to(request.user)
        .filter(dataset__kind=rules.DatasetKind.DATA)
        .whole(),
        dataset__slug=slug,
        number=number,
    )
    return found


@require_GET
def version(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Show one version whole: its files in pages, its digest, and what changed since the last."""
    found = _visible_version(request, slug, number)
    kinds, here = rules.terms("media-type"), get_language() or "en"
    page = Paginator(found.files, FILES_SHOWN).get_page(request.GET.get("page"))
    context = {
        "version": found,
        "dataset": found.dataset,
        "page": page,
        "files": [
            {
                "file": one,
                "kind": kinds[one.media_type].label(here)
                if one.media_type in kinds
                else one.media_type,
            }
            for one in page
        ],
        "may_read": access.may_read_bytes(request.user, found, now=now()),
        "may_see_jobs": access.may_see_jobs(request.user, found.dataset),
        "identifier": queries.identifier_of(found.dataset, number),
        "sources": list(queries.sources(found, seen_by=request.user)),
        "purge": _purge_of(found),
        "may_purge": isinstance(request.user, Person)
        and access.may_publish(request.user, found.dataset),
        "numbers": list(
            found.dataset.versions.filter(
                pk__in=Version.objects.visible_to(request.user).values("pk"),
                number__in=[number - 1, number + 1],
            ).values_list("number", flat=True)
        ),
        "change": _change(request, found) if page.number == 1 else None,
        "citation": queries.citation(found.dataset, found),
        "most": CHANGES_SHOWN,
    }
    return render(request, "catalogue/version.html", context)


def _purge_of(found: Version) -> dict[str, Any] | None:
    """Return when, on which basis and why the files were given up; None where they are kept."""
    row = getattr(found, "purge", None)
    if row is None:
        return None
    return {"at": row.at, "basis": gettext(PurgeBasis(row.basis).label), "reason": row.reason}


@require_GET
def lineage(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Show everything a version was made from, and everything that was made from it."""
    found = _visible_version(request, slug, number)
    before, after = lines.came_from(found), lines.made_from(found)
    seen = set(
        Version.objects.visible_to(request.user)
        .filter(pk__in=[one.pk for one in (*before, *after)])
        .values_list("pk", flat=True)
    )
    sides = [
        {
            "name": name,
            "versions": [one for one in rows if one.pk in seen][:LINES_SHOWN],
            "hidden": sum(one.pk not in seen for one in rows),
        }
        for name, rows in (("before", before), ("after", after))
    ]
    context = {"version": found, "dataset": found.dataset, "sides": sides}
    return render(request, "catalogue/lineage.html", context)


@keeps_what_is_typed
@require_http_methods(["GET", "POST"])
def purge(request: SignedIn, slug: str, number: int) -> HttpResponse:
    """Ask on which basis and why the files of a version are given up, and give them up."""
    found = _visible_version(request, slug, number)
    if not access.may_publish(request.user, found.dataset):
        raise NotAllowed(
            "version.purge.not_yours",
            _("Only the project's lead or the holder can delete the files of {version}."),
            version=found.reference,
        )
    kept = brought_back(request)
    form = forms.PurgeForm(request.POST if request.method == "POST" else kept)
    if request.method == "POST" and form.is_valid():
        basis, reason = form.cleaned_data["basis"], form.cleaned_data["reason"]
        try:
            keeping.purge_version(found, basis=basis, reason=reason, by=request.user, now=now())
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(
                request,
                gettext("The files are given up. What the version held stays written here."),
            )
            return redirect("catalogue:version", slug=slug, number=number)
    made = lines.made_from(found)
    seen = Version.objects.visible_to(request.user).filter(pk__in=[one.pk for one in made])
    context = {
        "version": found,
        "dataset": found.dataset,
        "form": form,
        "purge": _purge_of(found),
        "made": list(seen.whole()[:LINES_SHOWN]),
        "hidden": len(made) - seen.count(),
        "is_brought_back": kept is not None,
    }
    status = 422 if form.errors and kept is None else 200
    return render(request, "catalogue/version_purge.html", context, status=status)


def _change(request: HttpRequest, found: Version) -> dict[str, Any] | None:
    """Return what changed since the version before, of the paths no more than are shown."""
    before = (
        Version.objects.visible_to(request.user)
        .filter(dataset=found.dataset_id, number=found.number - 1)
        .first()
    )
    if before is None:
        return None
    told = difference(before.files, found.files)
    rows = {
        "added": [one.path for one in told.added],
        "removed": [one.path for one in told.removed],
        "changed": [one.path for one in told.changed],
        "moved": [f"{old} → {new}" for old, new in told.moved],
    }
    return {
        "lists": [
            {
                "kind": kind,
                "count": len(paths),
                "paths": paths[:CHANGES_SHOWN],
                "left": len(paths) - CHANGES_SHOWN,
            }
            for kind, paths in rows.items()
            if paths
        ],
        "unchanged": told.unchanged,
        "bytes": abs(told.bytes),
        "is_smaller": told.bytes < 0,
    }


@require_GET
def cite(request: HttpRequest, slug: str, number: int, form: str) -> HttpResponse:
    """Send the citation of a version as a file: words, BibTeX, CFF or CSL-JSON."""
    found = _visible_version(request, slug, number)
    if form not in FORMS:
        raise Http404
    media_type, write = FORMS[form]
    name = "CITATION.cff" if form == "cff" else f"{slug}-v{number}.{form}"
    return HttpResponse(
        write(queries.citation(found.dataset, found)),
        content_type=f"{media_type}; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@require_GET
def resolve(_request: HttpRequest, identifier: str) -> HttpResponse:
    """Lead from an identifier to the page of what carries it; the page asks who may see it."""
    found = queries.identified(identifier)
    if found is None:
        raise Http404
    slug, number = found
    if number is None:
        return redirect("catalogue:dataset", slug=slug)
    return redirect("catalogue:version", slug=slug, number=number)
