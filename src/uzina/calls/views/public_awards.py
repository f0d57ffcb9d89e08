"""The public list of awards. Nobody has to sign in."""

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from uzina.calls import forms, queries
from uzina.calls.models import Award
from uzina.calls.queries import public_awards as public
from uzina.calls.rules.tables import csv_of
from uzina.core.http import tagged

ON_A_PAGE = 50


def wanted(request: HttpRequest) -> dict[str, str | int]:
    """Return the filters of an address; what is no filter is left out."""
    year = request.GET.get("year", "")
    return {
        "mode": request.GET.get("mode", "").replace("\x00", "")[:60],
        "country": request.GET.get("country", "").replace("\x00", "")[:2],
        "year": int(year) if year.isascii() and year.isdigit() and len(year) == 4 else 0,
    }


@require_safe
def public_awards(request: HttpRequest) -> HttpResponse:
    """List the awards with what their holders consented to."""
    filters = wanted(request)
    rows = public.accepted_awards(**filters)  # type: ignore[arg-type]
    page = Paginator(rows, ON_A_PAGE).get_page(request.GET.get("page"))
    modes, countries, years = queries.public_choices()
    titles = {slug: mode.title for slug, mode in queries.shipped_modes().items()}
    names = queries.country_names(forms.language())
    return render(
        request,
        "calls/public_awards.html",
        {
            "page": page,
            "rows": _named(public.shown(page.object_list, language=forms.language()), names),
            "wanted": filters,
            "modes": [(slug, titles.get(slug, {}).get(forms.language(), slug)) for slug in modes],
            "countries": [(code, names.get(code, code)) for code in countries],
            "years": years,
            "query": request.GET.urlencode(),
        },
    )


def _named(rows: list[public.PublicAward], names: dict[str, str]) -> list[dict[str, object]]:
    return [{"award": one, "country": names.get(one.country, one.country)} for one in rows]


@require_safe
def public_awards_csv(request: HttpRequest) -> HttpResponse:
    """Give the list as a table."""
    rows = public.shown(_all(request), language="en")
    body = csv_of(public.COLUMNS, [[getattr(one, name) for name in public.COLUMNS] for one in rows])
    response = HttpResponse(body, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="awards.csv"'
    return tagged(request, response)


def _all(request: HttpRequest) -> list[Award]:
    return list(public.accepted_awards(**wanted(request)))  # type: ignore[arg-type]
