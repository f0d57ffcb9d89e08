"""The door of OAI-PMH."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils.timezone import now
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from uzina.catalogue import queries
from uzina.catalogue.rules import oai
from uzina.catalogue.rules.oai import Ask, BadAsk
from uzina.catalogue.views.feeds import base
from uzina.core.http import told

SALT = "uzina.catalogue.oai"


def _host() -> str:
    return urlsplit(base()).hostname or "localhost"


def _token(ask: Ask, place: int) -> str:
    """Return where to go on, signed: what is asked for cannot be changed on the way."""
    facts = asdict(ask) | {
        "place": place,
        "first": ask.first.isoformat() if ask.first else "",
        "until": ask.until.isoformat() if ask.until else "",
    }
    return signing.dumps(facts, salt=SALT, compress=True)


def _unsigned(token: str) -> Ask | None:
    try:
        facts = signing.loads(token, salt=SALT)
    except signing.BadSignature:
        return None
    bounds = {
        key: datetime.fromisoformat(facts[key]) if facts[key] else None
        for key in ("first", "until")
    }
    return Ask(**(facts | bounds))


def _identify(_ask: Ask) -> str:
    return oai.identify(
        name=settings.UZINA.site.name,
        address=f"{base()}/oai",
        mail=settings.UZINA.mail.sender,
        earliest=queries.earliest_change() or now(),
    )


def _formats(ask: Ask) -> str:
    if ask.identifier:
        _item(ask)
    return oai.formats()


def _item(ask: Ask) -> oai.Item:
    slug = oai.slug_of(ask.identifier, _host())
    found = queries.oai_item(slug, ask.prefix, base=base()) if slug else None
    if found is None:
        raise oai.unknown(ask.identifier)
    return found


def _record(ask: Ask) -> str:
    return f"<GetRecord>{oai.record(_item(ask), _host())}</GetRecord>"


def _list(ask: Ask) -> str:
    found, has_more = queries.oai_items(ask, base=base())
    if not found:
        raise oai.nothing()
    write = oai.record if ask.verb == "ListRecords" else oai.header
    token = _token(ask, found[-1].place) if has_more else ("" if ask.place else None)
    return oai.listing(ask.verb, (write(one, _host()) for one in found), token=token)


ANSWERS: Mapping[str, Callable[[Ask], str]] = {
    "Identify": _identify,
    "ListMetadataFormats": _formats,
    "ListSets": lambda _ask: oai.sets(),
    "GetRecord": _record,
    "ListIdentifiers": _list,
    "ListRecords": _list,
}


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def endpoint(request: HttpRequest) -> HttpResponse:
    """Answer a harvester. Mistakes are told in its protocol, with status 200."""
    given = dict((request.POST if request.method == "POST" else request.GET).lists())
    echoed = {key: values[0] for key, values in given.items()}
    try:
        ask = oai.ask(given, _unsigned)
        inside = ANSWERS[ask.verb](ask)
    except BadAsk as bad:
        inside = oai.error(bad.error, told(bad))
        echoed = {} if bad.error in {"badVerb", "badArgument"} else echoed
    text = oai.answer(inside, address=f"{base()}/oai", now=now(), given=echoed)
    return HttpResponse(text, content_type="text/xml; charset=utf-8")
