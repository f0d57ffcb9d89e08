"""Pages of one version: its files, what changed, where it came from, how it is cited."""

from typing import Any

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.utils.translation import get_language
from django.views.decorators.http import require_GET

from uzina.catalogue import access, queries, rules
from uzina.catalogue.models import Version
from uzina.catalogue.rules.citation import FORMS
from uzina.catalogue.rules.differences import difference

FILES_SHOWN = 100
CHANGES_SHOWN = 50


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
