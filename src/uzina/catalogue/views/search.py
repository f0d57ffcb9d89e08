"""The list of datasets: found, counted and narrowed."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language
from django.views.decorators.http import require_GET

from uzina.catalogue import forms, queries, rules
from uzina.catalogue.models import Dataset
from uzina.catalogue.views.facets import Address, Labels, chips, facets

SHOWN = 20


@require_GET
def datasets(request: HttpRequest) -> HttpResponse:
    """List the datasets one may see, by words and facets, and count what each facet would leave."""
    asked = request.GET
    wanted = rules.wanted(
        asked.get("q", "")[:200],
        {kind: asked.getlist(kind) for kind in rules.FACETS},
        asked.get("sort", ""),
    )
    found = queries.search(
        wanted, seen_by=request.user, limit=SHOWN, cursor=asked.get("cursor", "")
    )
    here = get_language() or "en"
    labels = Labels(here, found.counts, wanted.chosen)
    address = Address(asked)
    context = {
        "form": forms.SearchForm({"q": asked.get("q", "")[:200], "sort": wanted.sort}),
        "wanted": wanted,
        "found": found,
        "cards": [_card(one, found, labels, here) for one in found.items],
        "facets": facets(found.counts, wanted.chosen, labels, address),
        "chips": chips(wanted.chosen, labels, address),
        "kept": [(kind, value) for kind, values in wanted.chosen.items() for value in values],
        "page": {"items": found.items, "next": found.following or None},
        "unknown_words": _unknown(wanted, found, request),
    }
    return render(request, "catalogue/datasets.html", context)


def _card(row: Dataset, found: queries.Found, labels: Labels, here: str) -> dict[str, object]:
    tags = [one.partition(":") for one in row.entry.tags.split()]
    said = row.translations.get(here) or {}
    return {
        "dataset": row,
        "title": said.get("title") or row.title,
        "description": said.get("description") or row.description,
        "newest": found.newest.get(row.pk),
        "holder": _holder(row),
        "licence": row.licence.title(here) if row.licence else "",
        "languages": queries.language_names(row.language_codes, here),
        "themes": [labels.of("theme", value) for kind, _, value in tags if kind == "theme"],
        "formats": [value for kind, _, value in tags if kind == "format"],
    }


def _holder(row: Dataset) -> str:
    """Return who holds the data; of harvested data that is who made them, elsewhere."""
    if row.source_id is None:
        return str(row.holder.name)
    return next((one["name"] for one in row.creators), "")


def _unknown(wanted: rules.Wanted, found: queries.Found, request: HttpRequest) -> list[str]:
    """Return the words to blame when nothing was found."""
    return [] if found.about else queries.words_nobody_has(wanted, seen_by=request.user)
