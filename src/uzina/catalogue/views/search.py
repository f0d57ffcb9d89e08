"""The list of datasets, searched."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language
from django.views.decorators.http import require_GET

from uzina.catalogue import forms, queries
from uzina.catalogue.views.shared import visible_datasets
from uzina.core.paging import paged


@require_GET
def datasets(request: HttpRequest) -> HttpResponse:
    """List the datasets one may see, newest first, narrowed by words, language and licence."""
    form = forms.SearchForm(request.GET)
    rows = visible_datasets(request).prefetch_related("versions")
    if form.is_valid():
        wanted = form.cleaned_data
        rows = rows.about(wanted["q"])
        if wanted["language"]:
            rows = rows.in_language(wanted["language"])
        if wanted["licence"]:
            rows = rows.filter(licence__slug=wanted["licence"])
    cursor = request.GET.get("cursor", "")
    page = paged(rows, limit=20, cursor=cursor if cursor.isdigit() else "")
    here = get_language() or "en"
    cards = [
        {
            "dataset": row,
            "licence": row.licence.title(here),
            "languages": queries.language_names(row.language_codes, here),
            "newest": max(row.versions.all(), key=lambda one: one.number, default=None),
        }
        for row in page["items"]
    ]
    is_narrowed = bool(form.is_valid() and any(form.cleaned_data.values()))
    return render(
        request,
        "catalogue/datasets.html",
        {"form": form, "cards": cards, "page": page, "is_narrowed": is_narrowed},
    )
