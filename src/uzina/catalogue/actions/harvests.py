"""Harvesting other portals: page after page, each page whole or not at all."""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction

from uzina.catalogue import access, queries
from uzina.catalogue.actions.tags import retag
from uzina.catalogue.adapters import portal
from uzina.catalogue.models import Dataset, Harvest, Licence, Source
from uzina.catalogue.ports import PortalDown, PortalRefused
from uzina.catalogue.rules import harvest as rules
from uzina.catalogue.rules.datasets import DatasetState
from uzina.catalogue.rules.texts import folded
from uzina.core.db import action
from uzina.core.errors import Invalid, NotAllowed, Problem, Refused
from uzina.core.log import log
from uzina.core.promises import promise
from uzina.core.text import _
from uzina.people.models import Organisation, Person

TRIES = 3
RETRY = timedelta(minutes=2)


@action
def add_source(
    *,
    title: str,
    url: str,
    kind: str,
    every_hours: int,
    licences: Sequence[str],
    owner: Organisation,
    by: Person | None,
    now: datetime,
) -> Source:
    """Have a portal harvested, the first time at once.

    Raises NotAllowed source.add.not_yours, Invalid with every mistake.
    """
    _check_may(by, "source.add.not_yours")
    problems = rules.source_problems(title=title, url=url, kind=kind, every_hours=every_hours)
    known = {one["slug"] for one in queries.licence_rows()}
    problems += [
        Problem(
            f"licences.{at}",
            "source.licences.unknown",
            _("There is no licence {given!r} here: choose one of the list."),
            {"given": one[:40]},
        )
        for at, one in enumerate(licences)
        if one not in known
    ]
    if Source.objects.filter(url=url.strip()).exists():
        problems.append(Problem("url", "source.url.taken", _("This portal is harvested already.")))
    if problems:
        raise Invalid(problems)

    source: Source = Source.objects.create(
        title=title.strip(),
        url=url.strip(),
        kind=rules.SourceKind(kind),
        every_hours=every_hours,
        licences=list(dict.fromkeys(licences)),
        owner=owner,
        made_at=now,
    )
    log("source.added", source.code, by=by, now=now, url=source.url, kind=kind)
    _begin(source, now=now)
    return source


@action
def pause_source(source: Source, *, by: Person | None, now: datetime) -> Source:
    """Harvest a portal no more by the clock; what was taken stays. Raises NotAllowed."""
    return _set_active(source, is_active=False, by=by, now=now)


@action
def resume_source(source: Source, *, by: Person | None, now: datetime) -> Source:
    """Harvest a portal by the clock again. Raises NotAllowed."""
    return _set_active(source, is_active=True, by=by, now=now)


def _set_active(source: Source, *, is_active: bool, by: Person | None, now: datetime) -> Source:
    source = Source.objects.select_for_update(of=("self",)).get(pk=source.pk)
    _check_may(by, "source.change.not_yours")
    source.is_active = is_active
    source.save(update_fields=["is_active"])
    log("source.resumed" if is_active else "source.paused", source.code, by=by, now=now)
    return source


def _check_may(by: Person | None, code: str) -> None:
    if not access.may_manage_sources(by):
        raise NotAllowed(code, _("Only operators say which portals are harvested."))


@action
def harvest_now(source: Source, *, by: Person | None, now: datetime) -> Harvest:
    """Begin a harvest. Raises NotAllowed source.harvest.not_yours, Refused source.harvest.running."""
    source = Source.objects.select_for_update(of=("self",)).get(pk=source.pk)
    _check_may(by, "source.harvest.not_yours")
    if source.harvests.filter(ended_at=None).exists():
        raise Refused(
            "source.harvest.running",
            _("{source} is being harvested at this moment. Wait until that has ended."),
            source=source.title,
        )
    log("source.harvest_asked", source.code, by=by, now=now)
    return _begin(source, now=now)


def _begin(source: Source, *, now: datetime) -> Harvest:
    harvest: Harvest = Harvest.objects.create(source=source, asked_at=now)
    _promise_page(harvest, now=now)
    return harvest


def _promise_page(harvest: Harvest, *, now: datetime, after: timedelta | None = None) -> None:
    promise(
        "catalogue.harvest_page",
        key=f"{harvest.code}:{harvest.pages}:{harvest.tries}",
        now=now,
        after=after,
        harvest=harvest.code,
        page=harvest.pages,
    )


@action
def plan_harvests(*, now: datetime) -> int:
    """Begin the harvests that the clock asks for; return how many."""
    due = queries.due_sources(now)
    for source in due:
        _begin(source, now=now)
    return len(due)


def harvest_page(code: str, *, page: int, now: datetime) -> None:
    """Read one page of a harvest and keep it. Done already, it changes nothing.

    The network is asked outside any transaction; a page is written in one.
    """
    harvest = queries.open_harvest(code)
    if harvest is None or harvest.pages != page:
        return
    try:
        found = portal(harvest.source, queries.licence_rows()).page(harvest.place)
    except PortalDown as down:
        _put_off(harvest, str(down), now=now)
    except PortalRefused as refused:
        _stop(harvest, str(refused), now=now)
    else:
        _keep_page(harvest, found, now=now)


def _locked(harvest: Harvest) -> Harvest | None:
    """Return the harvest, locked; None when somebody else went on with it meanwhile."""
    found = (
        Harvest.objects.select_for_update(of=("self",))
        .select_related("source__owner")
        .get(pk=harvest.pk)
    )
    is_mine = found.ended_at is None and (found.pages, found.tries) == (
        harvest.pages,
        harvest.tries,
    )
    return found if is_mine else None


@action
def _put_off(harvest: Harvest, why: str, *, now: datetime) -> None:
    """Try the page again in a while; after three tries end with what was read."""
    found = _locked(harvest)
    if found is None:
        return
    found.tries += 1
    if found.tries >= TRIES:
        _note(found, found.place or found.source.url, why)
        _end(found, now=now)
        return
    found.started_at = found.started_at or now
    found.save(update_fields=["tries", "started_at"])
    _promise_page(found, now=now, after=RETRY)


@action
def _stop(harvest: Harvest, why: str, *, now: datetime) -> None:
    """End with what was read before a page that must not or cannot be read."""
    found = _locked(harvest)
    if found is not None:
        _note(found, found.place or found.source.url, why)
        _end(found, now=now)


@action
def _keep_page(harvest: Harvest, page: rules.Page, *, now: datetime) -> None:
    """Write a page, and promise the next or end the harvest."""
    found = _locked(harvest)
    if found is None:
        return
    found.started_at, found.tries = found.started_at or now, 0
    found.total = page.total if page.total is not None else found.total
    for about, why in page.broken:
        _note(found, about, why)
    found.broken += len(page.broken)
    fresh = _keep_records(found, page.records, now=now)
    found.pages += 1
    found.visited.append(_digest(found.place))
    why = _why_no_more(found, page, fresh=fresh)
    if why:
        _note(found, page.following or found.source.url, why)
        _end(found, now=now)
    elif page.following:
        found.place = page.following
        found.save()
        _promise_page(found, now=now)
    else:
        found.is_complete = True
        _end(found, now=now)


def _digest(place: str) -> str:
    return hashlib.sha256(place.encode()).hexdigest()[:16]


def _why_no_more(harvest: Harvest, page: rules.Page, *, fresh: int) -> str:
    """Return why the next page is not read, "" when it is."""
    if not page.following:
        return ""
    limits = settings.UZINA.harvest
    if _digest(page.following) in harvest.visited or page.following == harvest.source.url:
        return "The pages go in a circle: the next was read already."
    if not fresh and (page.records or page.broken):
        return "The page says again what was on the pages before."
    if harvest.pages >= limits.most_pages:
        return f"There are more than {limits.most_pages} pages."
    if harvest.seen >= limits.most_datasets:
        return f"There are more than {limits.most_datasets} datasets."
    return ""


def _note(harvest: Harvest, about: str, why: str) -> None:
    if len(harvest.problems) < rules.MOST_PROBLEMS:
        harvest.problems.append({"about": rules.plain(about, 300), "why": rules.plain(why, 500)})


def _keep_records(harvest: Harvest, records: Sequence[rules.Foreign], *, now: datetime) -> int:
    """Write the records of a page; return how many were not seen before in this harvest."""
    source = harvest.source
    own = settings.UZINA.site.url
    wanted: dict[str, rules.Foreign] = {}
    for one in records:
        if one.uri == own or one.uri.startswith(f"{own}/"):
            _note(harvest, one.uri, "It is a dataset of this portal, harvested from here.")
            harvest.left_out += 1
        elif source.licences and one.licence not in source.licences:
            harvest.left_out += 1
        else:
            wanted.setdefault(one.uri, one)
    harvest.seen += len(records)
    known = {
        one.source_uri: one
        for one in Dataset.objects.select_for_update(of=("self",))
        .filter(source=source, source_uri__in=wanted)
        .order_by("pk")
    }
    for row in known.values():
        row.source, row.holder = source, source.owner
    again = {uri for uri, one in known.items() if one.seen_in == harvest.pk}
    terms = {one.slug: one for one in Licence.objects.all()}
    if queries.NO_LICENCE not in terms:
        terms[queries.NO_LICENCE] = _no_licence(now)
    touched: list[Dataset] = []
    kept: list[int] = []
    for uri, one in wanted.items():
        dataset = known.get(uri)
        if uri in again:
            continue
        if dataset is None:
            touched.append(_make(harvest, one, terms, now=now))
            harvest.new += 1
        elif dataset.origin.get("digest") == one.digest and dataset.state is DatasetState.PUBLISHED:
            kept.append(dataset.pk)
            harvest.unchanged += 1
        else:
            _say(dataset, one, terms, now=now)
            dataset.seen_in = harvest.pk
            dataset.save()
            touched.append(dataset)
            harvest.changed += 1
    Dataset.objects.filter(pk__in=kept).update(seen_in=harvest.pk)
    retag(*touched)
    return len(wanted) - len(again) + (len(records) - len(wanted) if not wanted else 0)


def _no_licence(now: datetime) -> Licence:
    """Return the licence of data that name none of ours; made when the first is harvested."""
    found, _made = Licence.objects.get_or_create(
        slug=queries.NO_LICENCE,
        defaults={
            "title_en": "Not stated",
            "title_ro": "Nedeclarată",
            "plain_en": "The portal names no licence that we know. Ask its holder before use.",
            "plain_ro": "Portalul nu numește o licență cunoscută. Întrebați deținătorul înainte.",
            "as_of": now.date(),
        },
    )
    return found


def _make(
    harvest: Harvest, one: rules.Foreign, terms: dict[str, Licence], *, now: datetime
) -> Dataset:
    """Write a new dataset; where its name is taken, under a longer one."""
    title = next(iter(one.title.values()))
    dataset = Dataset(
        holder=harvest.source.owner,
        source=harvest.source,
        source_uri=one.uri,
        seen_in=harvest.pk,
        made_at=_issued(one, now),
    )
    _say(dataset, one, terms, now=now)
    for length in (8, 14):
        dataset.slug = rules.slug_of(title, one.uri, length=length)[:63]
        try:
            with transaction.atomic():
                dataset.save(force_insert=True)
        except IntegrityError:
            if length != 8:
                raise
        else:
            break
    return dataset


def _issued(one: rules.Foreign, now: datetime) -> datetime:
    return min(one.issued_at or now, now)


def _say(dataset: Dataset, one: rules.Foreign, terms: dict[str, Licence], *, now: datetime) -> None:
    """Put what the portal says into the columns of a dataset."""
    first = next(iter(one.title))
    descriptions = dict(one.description)
    dataset.title = one.title[first]
    dataset.description = descriptions.pop(first, "") or next(iter(descriptions.values()), "")
    dataset.translations = {
        code: {"title": title, "description": one.description.get(code, "")}
        for code, title in one.title.items()
        if code and code != first
    }
    dataset.licence = terms.get(one.licence) or terms[queries.NO_LICENCE]
    spoken = [code for code in (first, *one.languages) if code]
    dataset.languages = " ".join(list(dict.fromkeys(spoken))[:20])
    dataset.access_right = one.access
    dataset.themes, dataset.keywords = list(one.themes), list(one.keywords)
    dataset.creators = [{"name": one.publisher, "url": ""}] if one.publisher else []
    dataset.contact_name, dataset.contact_email = one.contact_name, one.contact_email
    dataset.landing_url = one.landing_url
    dataset.search_text = folded(f"{dataset.title} {dataset.description}")
    dataset.origin = {
        "digest": one.digest,
        "formats": list(one.formats),
        "bytes": one.bytes,
        "licence": one.licence_said,
        "record": one.record_uri,
        "issued_at": one.issued_at.isoformat() if one.issued_at else "",
        "modified_at": one.modified_at.isoformat() if one.modified_at else "",
        "listed_at": dataset.origin.get("listed_at") or now.isoformat(),
    }
    dataset.state, dataset.published_at = DatasetState.PUBLISHED, _issued(one, now)
    dataset.changed_at = now


def _end(harvest: Harvest, *, now: datetime) -> None:
    """End a harvest; what was not seen is gone, if all was read and it is to be believed."""
    shown = harvest.seen + harvest.broken
    if harvest.is_complete and harvest.total is not None and harvest.total > shown:
        harvest.is_complete = False
        _note(
            harvest,
            harvest.source.url,
            f"The portal says it has {harvest.total} datasets and showed {shown}.",
        )
    listed = Dataset.objects.filter(source=harvest.source, state=DatasetState.PUBLISHED)
    missing = listed.exclude(seen_in=harvest.pk)
    if harvest.is_complete and _is_believed(harvest, known=listed.count(), lost=missing.count()):
        harvest.gone = missing.update(state=DatasetState.WITHDRAWN, changed_at=now)
    harvest.started_at, harvest.ended_at = harvest.started_at or now, now
    harvest.save()
    log(
        "source.harvested",
        harvest.source.code,
        by=None,
        now=now,
        harvest=harvest.code,
        new=harvest.new,
        changed=harvest.changed,
        unchanged=harvest.unchanged,
        gone=harvest.gone,
        broken=harvest.broken,
        is_complete=harvest.is_complete,
    )


def _is_believed(harvest: Harvest, *, known: int, lost: int) -> bool:
    """Tell whether what is missing is taken as gone. A portal that lost more than half at once is
    believed when the next harvest sees the same.
    """
    if not rules.shrank(known=known, seen=known - lost):
        return True
    before = harvest.source.harvests.filter(is_complete=True).order_by("-pk").first()
    if before is not None and before.pk != harvest.pk and before.seen == harvest.seen:
        return True
    _note(
        harvest,
        harvest.source.url,
        f"{lost} of {known} datasets are missing at once. They are kept until the next harvest "
        "sees the same.",
    )
    return False
