"""What other portals and programs read: the catalogue in DCAT-AP, Croissant, a map of the site."""

from collections.abc import Callable, Iterator
from datetime import datetime

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.cache import get_conditional_response
from django.utils.http import http_date
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from uzina.catalogue import queries
from uzina.catalogue.models import Fragment
from uzina.catalogue.rules import feeds
from uzina.catalogue.rules.rdf import SYNTAXES, placed, written
from uzina.core.errors import Invalid
from uzina.core.http import told

ENDINGS = {media_type: ending for ending, (_syntax, media_type) in SYNTAXES.items()}


def base() -> str:
    """Return the portal's public address, which every link of ours begins with."""
    return str(settings.UZINA.site.url)


def unchanged_or(
    request: HttpRequest,
    *,
    digest: str,
    changed_at: datetime | None,
    media_type: str,
    body: Callable[[], bytes],
) -> HttpResponseBase:
    """Return 304 to who has this state already, else the body, which is made only then."""
    tag = f'"{digest[:32]}"'
    at = int(changed_at.timestamp()) if changed_at else None
    response = get_conditional_response(request, etag=tag, last_modified=at)
    if response is None:
        response = HttpResponse(body(), content_type=media_type)
        response["ETag"] = tag
        if at is not None:
            response["Last-Modified"] = http_date(at)
    response["Cache-Control"] = "no-cache"
    response["Access-Control-Allow-Origin"] = "*"
    return response


def plain(message: str, *, status: int) -> HttpResponse:
    """Return what is wrong as text, for who reads the log of a harvester."""
    return HttpResponse(f"{message}\n", status=status, content_type="text/plain; charset=utf-8")


@require_safe
def catalog(request: HttpRequest, ending: str) -> HttpResponseBase:
    """One page of the catalogue in DCAT-AP, with links to its neighbours."""
    try:
        wish = feeds.wish(request.GET.dict())
    except Invalid as invalid:
        return plain("\n".join(told(one) for one in invalid.problems), status=400)
    page = queries.catalog_page(wish)
    name = settings.UZINA.site.name
    return unchanged_or(
        request,
        digest=queries.state_of(page.digest, ending, name, base()),
        changed_at=page.changed_at,
        media_type=f"{SYNTAXES[ending][1]}; charset=utf-8",
        body=lambda: written(
            queries.catalog_ntriples(page, name=name, ending=ending, base=base()), ending
        ),
    )


@require_safe
def full(request: HttpRequest) -> HttpResponseBase:
    """The whole catalogue as N-Triples, in one stream."""
    pieces = queries.catalog_dump(name=settings.UZINA.site.name, base=base())
    response = StreamingHttpResponse(
        (piece.encode() for piece in pieces), content_type="application/n-triples"
    )
    response["Access-Control-Allow-Origin"] = "*"
    return response


@require_safe
def dataset_document(request: HttpRequest, slug: str, ending: str) -> HttpResponseBase:
    """One dataset in DCAT-AP, with its versions; 410 and a tombstone once it is withdrawn."""
    kept = queries.fragment(slug)
    if kept is None:
        raise Http404
    return _document(request, kept, slug, ending)


def _document(request: HttpRequest, kept: Fragment, slug: str, ending: str) -> HttpResponseBase:
    media_type = f"{SYNTAXES[ending][1]}; charset=utf-8"
    if kept.gone_at is not None:
        left = placed(feeds.gone_ntriples(slug, kept.gone_at), base())
        return HttpResponse(written(left, ending), status=410, content_type=media_type)
    return unchanged_or(
        request,
        digest=queries.state_of(kept.digest, ending, base()),
        changed_at=kept.changed_at,
        media_type=media_type,
        body=lambda: written(placed(f"{kept.ntriples}{kept.chain}", base()), ending),
    )


def negotiated(request: HttpRequest, slug: str) -> HttpResponseBase | None:
    """Return a dataset as who asks at its page's address prefers it; None: as a page."""
    wanted = request.get_preferred_type(["text/html", *ENDINGS])
    if wanted not in ENDINGS:
        return None
    kept = queries.fragment(slug)
    if kept is None:
        return None
    response = _document(request, kept, slug, ENDINGS[wanted])
    response["Content-Location"] = f"{base()}/datasets/{slug}.{ENDINGS[wanted]}"
    return response


@require_safe
def croissant(request: HttpRequest, slug: str) -> HttpResponseBase:
    """One dataset in Croissant; 410 once it is withdrawn."""
    told_to_tools = queries.croissant(slug, base=base())
    if told_to_tools is None:
        raise Http404
    if not told_to_tools:
        return plain(gettext("This dataset was withdrawn."), status=410)
    return unchanged_or(
        request,
        digest=queries.state_of(told_to_tools),
        changed_at=None,
        media_type='application/ld+json; profile="http://mlcommons.org/croissant/1.1"',
        body=told_to_tools.encode,
    )


SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"


@require_safe
def sitemap(request: HttpRequest) -> HttpResponseBase:
    """The addresses of all published data, or where to find them when they are too many for one."""
    part = request.GET.get("part", "")
    parts = queries.sitemap_parts()
    if not part and parts > 1:
        rows = (
            f"<sitemap><loc>{base()}/sitemap.xml?part={one}</loc></sitemap>"
            for one in range(1, parts + 1)
        )
        return _xml("sitemapindex", rows)
    if part and not (part.isascii() and part.isdigit() and 1 <= int(part[:9]) <= parts):
        return plain(f"part: 1 to {parts}", status=400)
    found = queries.sitemap_rows(int(part or 1))
    return _xml(
        "urlset",
        (
            f"<url><loc>{base()}/datasets/{slug}/</loc>"
            f"<lastmod>{changed_at:%Y-%m-%dT%H:%M:%SZ}</lastmod></url>"
            for slug, changed_at in found
        ),
    )


def _xml(root: str, rows: Iterator[str]) -> HttpResponse:
    inside = "\n".join(rows)
    return HttpResponse(
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{SITEMAP}">\n{inside}\n</{root}>\n',
        content_type="application/xml",
    )
