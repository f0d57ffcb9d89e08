"""OAI-PMH 2.0: what a harvester may ask, and what it is told, as XML.

Source: The Open Archives Initiative Protocol for Metadata Harvesting, version 2.0, 2015-01-08.
django-oai-pmh 0.3.9 was looked at: it needs PostgreSQL, tables of its own that hold copies of the
metadata, and it is under the GPL.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from xml.sax.saxutils import escape, quoteattr

from uzina.catalogue.rules.dcat import dataset_iri
from uzina.catalogue.rules.rdf import UNWRITABLE, iso
from uzina.catalogue.rules.records import Record
from uzina.catalogue.rules.vocabularies import terms
from uzina.core.errors import Refused
from uzina.core.text import _

PAGE = 100
"""Records or headers in one answer."""

VERBS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "Identify": (frozenset(), frozenset()),
    "ListMetadataFormats": (frozenset(), frozenset({"identifier"})),
    "ListSets": (frozenset(), frozenset({"resumptionToken"})),
    "GetRecord": (frozenset({"identifier", "metadataPrefix"}), frozenset()),
    "ListIdentifiers": (
        frozenset({"metadataPrefix"}),
        frozenset({"from", "until", "set", "resumptionToken"}),
    ),
    "ListRecords": (
        frozenset({"metadataPrefix"}),
        frozenset({"from", "until", "set", "resumptionToken"}),
    ),
}
"""What each verb needs, and what it takes besides. A resumptionToken comes alone."""

FORMATS: Mapping[str, tuple[str, str]] = {
    "oai_dc": (
        "http://www.openarchives.org/OAI/2.0/oai_dc.xsd",
        "http://www.openarchives.org/OAI/2.0/oai_dc/",
    ),
    "oai_datacite": (
        "http://schema.datacite.org/meta/kernel-4.5/metadata.xsd",
        "http://datacite.org/schema/kernel-4",
    ),
}
"""Schema and namespace of each metadata format."""


class BadAsk(Refused):
    """A request that the protocol answers with an error; `error` is its own word for it."""

    def __init__(self, error: str, message: str, **facts: object) -> None:
        super().__init__(f"oai.ask.{error}", message, **facts)
        self.error = error


@dataclass(frozen=True)
class Ask:
    """What is asked for, checked.

    first, until  changed in [first, until), None: no bound
    theme         code of the set, "" for all
    place         go on after this place
    """

    verb: str
    prefix: str = ""
    identifier: str = ""
    first: datetime | None = None
    until: datetime | None = None
    theme: str = ""
    place: int = 0


@dataclass(frozen=True)
class Item:
    """A record as it is listed. `metadata` is "" for headers and for what was withdrawn."""

    slug: str
    place: int
    changed_at: datetime
    is_gone: bool
    themes: tuple[str, ...]
    metadata: str = ""


def ask(given: Mapping[str, list[str]], unsigned: Callable[[str], Ask | None]) -> Ask:
    """Return what the parameters of an address ask for.

    unsigned  reads a resumptionToken of ours; None for any other

    Raises BadAsk with the protocol's own error: badVerb, badArgument, badResumptionToken,
    cannotDisseminateFormat.
    """
    verbs = given.get("verb", [])
    if len(verbs) != 1 or verbs[0] not in VERBS:
        raise BadAsk("badVerb", _("Ask with one verb: {verbs}."), verbs=", ".join(VERBS))
    verb = verbs[0]
    if twice := next((key for key, values in given.items() if len(values) > 1), ""):
        raise BadAsk("badArgument", _("{argument} is given twice."), argument=twice[:40])
    facts = {key: values[0] for key, values in given.items() if key != "verb"}
    needed, besides = VERBS[verb]
    if "resumptionToken" in facts and "resumptionToken" in besides:
        return _resumed(verb, facts, unsigned)
    if wrong := sorted(set(facts) - needed - besides):
        raise BadAsk(
            "badArgument", _("{verb} takes no {argument}."), verb=verb, argument=wrong[0][:40]
        )
    if missing := sorted(needed - set(facts)):
        raise BadAsk("badArgument", _("{verb} needs {argument}."), verb=verb, argument=missing[0])
    prefix = facts.get("metadataPrefix", "")
    if "metadataPrefix" in facts and prefix not in FORMATS:
        raise BadAsk(
            "cannotDisseminateFormat",
            _("There is no format {given!r}; there are: {formats}."),
            given=prefix[:40],
            formats=", ".join(FORMATS),
        )
    first, until = _bounds(facts)
    return Ask(
        verb=verb,
        prefix=prefix,
        identifier=facts.get("identifier", ""),
        first=first,
        until=until,
        theme=_theme(facts["set"]) if "set" in facts else "",
    )


def _resumed(verb: str, facts: Mapping[str, str], unsigned: Callable[[str], Ask | None]) -> Ask:
    if len(facts) > 1:
        raise BadAsk("badArgument", _("Give a resumptionToken alone."))
    found = unsigned(facts["resumptionToken"])
    if found is None or found.verb != verb:
        raise BadAsk("badResumptionToken", _("Use the resumptionToken of the answer before."))
    return found


def _bounds(facts: Mapping[str, str]) -> tuple[datetime | None, datetime | None]:
    """Return from and until as a half-open span: `until` is included by the protocol."""
    read = {key: _stamp(facts[key]) for key in ("from", "until") if key in facts}
    if None in read.values():
        raise BadAsk("badArgument", _("Write days as 2026-11-22 or 2026-11-22T09:00:00Z."))
    if len({len(facts[key]) for key in read}) > 1:
        raise BadAsk("badArgument", _("Write from and until in the same way."))
    first, until = read.get("from"), read.get("until")
    if first is not None and until is not None and first > until:
        raise BadAsk("badArgument", _("from comes after until."))
    if until is not None:
        is_day = len(facts["until"]) == len("2026-11-22")
        until += timedelta(days=1) if is_day else timedelta(seconds=1)
    return first, until


def _stamp(written: str) -> datetime | None:
    try:
        if len(written) == len("2026-11-22"):
            on = datetime.strptime(written, "%Y-%m-%d").replace(tzinfo=UTC).date()
            return datetime.combine(on, time(), UTC)
        return datetime.strptime(written, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def _theme(spec: str) -> str:
    """Return the theme of a set; one that is not there holds nothing, which is no mistake."""
    return spec.removeprefix("theme:") if spec.startswith("theme:") else "-"


def unknown(identifier: str) -> BadAsk:
    """Return the error for a record that is not there."""
    return BadAsk("idDoesNotExist", _("There is no record {given!r}."), given=identifier[:200])


def nothing() -> BadAsk:
    """Return the error for a list without anything in it."""
    return BadAsk("noRecordsMatch", _("Nothing here fits that."))


def identifier(slug: str, host: str) -> str:
    """Return the name of a record in this protocol: oai:host:slug."""
    return f"oai:{host}:{slug}"


def slug_of(written: str, host: str) -> str:
    """Return the slug in the name of a record of ours, "" when it is none."""
    start = f"oai:{host}:"
    return written[len(start) :] if written.startswith(start) else ""


def tag(name: str, words: str = "", **attributes: str) -> str:
    """Return an element around text that anybody may have written."""
    facts = "".join(
        f" {key.replace('__', ':')}={quoteattr(UNWRITABLE.sub('�', value))}"
        for key, value in attributes.items()
    )
    return f"<{name}{facts}>{escape(UNWRITABLE.sub('�', words))}</{name}>"


def answer(inside: str, *, address: str, now: datetime, given: Mapping[str, str]) -> str:
    """Return a whole answer. given: what was asked; empty when it could not be understood."""
    facts = "".join(
        f" {key}={quoteattr(UNWRITABLE.sub('�', value))}" for key, value in given.items()
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xsi:schemaLocation="http://www.openarchives.org/OAI/2.0/ '
        'http://www.openarchives.org/OAI/2.0/OAI-PMH.xsd">\n'
        f"{tag('responseDate', iso(now))}\n"
        f"<request{facts}>{escape(address)}</request>\n{inside}\n</OAI-PMH>\n"
    )


def error(code: str, message: str) -> str:
    """Return the protocol's word for what is wrong, and ours."""
    return tag("error", message, code=code)


def identify(*, name: str, address: str, mail: str, earliest: datetime) -> str:
    """Return who we are."""
    facts = (
        ("repositoryName", name),
        ("baseURL", address),
        ("protocolVersion", "2.0"),
        ("adminEmail", mail),
        ("earliestDatestamp", iso(earliest)),
        ("deletedRecord", "persistent"),
        ("granularity", "YYYY-MM-DDThh:mm:ssZ"),
    )
    return f"<Identify>{''.join(tag(key, value) for key, value in facts)}</Identify>"


def formats() -> str:
    """Return the formats that every record can be had in."""
    rows = (
        f"<metadataFormat>{tag('metadataPrefix', prefix)}{tag('schema', schema)}"
        f"{tag('metadataNamespace', namespace)}</metadataFormat>"
        for prefix, (schema, namespace) in FORMATS.items()
    )
    return f"<ListMetadataFormats>{''.join(rows)}</ListMetadataFormats>"


def sets() -> str:
    """Return the sets: one for each theme of the EU table."""
    rows = (
        f"<set>{tag('setSpec', f'theme:{one.code}')}{tag('setName', one.en)}</set>"
        for one in terms("data-theme").values()
    )
    return f"<ListSets>{''.join(rows)}</ListSets>"


def header(item: Item, host: str) -> str:
    """Return the header of a record, or of what is left of one."""
    status = {"status": "deleted"} if item.is_gone else {}
    facts = "".join(f" {key}={quoteattr(value)}" for key, value in status.items())
    inside = [
        tag("identifier", identifier(item.slug, host)),
        tag("datestamp", iso(item.changed_at)),
    ]
    inside += [tag("setSpec", f"theme:{one}") for one in item.themes]
    return f"<header{facts}>{''.join(inside)}</header>"


def record(item: Item, host: str) -> str:
    """Return a record with its metadata; a header alone for what was withdrawn."""
    told = f"<metadata>{item.metadata}</metadata>" if item.metadata else ""
    return f"<record>{header(item, host)}{told}</record>"


def listing(verb: str, rows: Iterable[str], *, token: str | None) -> str:
    """Return a list. token: None for a list that is whole, "" for the last part of one."""
    end = "" if token is None else tag("resumptionToken", token)
    return f"<{verb}>{''.join(rows)}{end}</{verb}>"


def dublin_core(told: Record) -> str:
    """Return a record as unqualified Dublin Core, under BASE."""
    facts: list[tuple[str, str]] = [("dc:title", one) for one in told.title.values()]
    facts += [("dc:creator", one.name) for one in told.creators or (told.holder,)]
    facts += [("dc:subject", one) for one in told.keywords]
    facts += [("dc:subject", one.en) for one in told.themes]
    facts += [("dc:description", one) for one in told.description.values()]
    facts += [("dc:publisher", told.holder.name), ("dc:date", iso(told.published_at))]
    facts += [("dc:type", "Dataset")]
    newest = told.newest
    kinds = sorted({one.media_type for one in newest.files}) if newest else []
    facts += [("dc:format", one) for one in kinds]
    facts += [("dc:identifier", dataset_iri(told.slug))]
    facts += [("dc:identifier", told.identifier)] if told.identifier else []
    facts += [("dc:language", one.code) for one in told.languages]
    facts += [("dc:coverage", one.en) for one in told.places]
    facts += [("dc:rights", told.licence.url or told.licence.title_en)]
    facts += [("dc:rights", told.access_right.en)]
    inside = "".join(tag(key, value) for key, value in facts)
    schema, namespace = FORMATS["oai_dc"]
    return (
        f'<oai_dc:dc xmlns:oai_dc="{namespace}" xmlns:dc="http://purl.org/dc/elements/1.1/" '
        f'xsi:schemaLocation="{namespace} {schema}">{inside}</oai_dc:dc>'
    )


def datacite(told: Record) -> str:
    """Return a record in the DataCite schema 4.5, under BASE."""
    schema, namespace = FORMATS["oai_datacite"]
    address = dataset_iri(told.slug)
    if told.identifier and told.is_registered:
        named = tag("identifier", told.identifier, identifierType="DOI")
        other = tag("alternateIdentifier", address, alternateIdentifierType="URL")
    else:
        named = tag("identifier", address, identifierType="URL")
        other = tag("alternateIdentifier", told.identifier, alternateIdentifierType="local")
    creators = "".join(
        f"<creator>{tag('creatorName', one.name, nameType='Organizational')}</creator>"
        for one in told.creators or (told.holder,)
    )
    titles = "".join(
        tag("title", words, xml__lang=language) for language, words in told.title.items()
    )
    texts = "".join(
        tag("description", words, descriptionType="Abstract", xml__lang=language)
        for language, words in told.description.items()
    )
    subjects = "".join(tag("subject", one) for one in told.keywords) + "".join(
        tag("subject", one.en, subjectScheme="EU data themes", valueURI=one.iri)
        for one in told.themes
    )
    dates = tag("date", iso(told.published_at), dateType="Issued") + tag(
        "date", iso(told.changed_at), dateType="Updated"
    )
    rights = tag("rights", told.licence.title_en, rightsURI=told.licence.url or told.licence.iri)
    parts = [
        named,
        f"<creators>{creators}</creators>",
        f"<titles>{titles}</titles>",
        tag("publisher", told.holder.name),
        tag("publicationYear", str(told.published_at.year)),
        tag("resourceType", "Dataset", resourceTypeGeneral="Dataset"),
        f"<subjects>{subjects}</subjects>" if subjects else "",
        f"<dates>{dates}</dates>",
        f"<alternateIdentifiers>{other}</alternateIdentifiers>" if told.identifier else "",
        tag("language", told.languages[0].code) if told.languages else "",
        tag("version", str(told.newest.number)) if told.newest else "",
        f"<rightsList>{rights}</rightsList>",
        f"<descriptions>{texts}</descriptions>",
    ]
    return (
        f'<resource xmlns="{namespace}" xsi:schemaLocation="{namespace} {schema}">'
        f"{''.join(parts)}</resource>"
    )
