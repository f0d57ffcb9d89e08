"""The record of a dataset, read."""

from uzina.catalogue import rules
from uzina.catalogue.adapters import registrar
from uzina.catalogue.models import Dataset, Layout, Version
from uzina.catalogue.queries.citations import citation
from uzina.catalogue.queries.sources import origin_of
from uzina.catalogue.queries.terms import policy_of
from uzina.catalogue.rules import vocabularies
from uzina.catalogue.rules.citation import bibtex
from uzina.catalogue.rules.columns import MEDIA_TYPES, MOST_LAID_OUT
from uzina.catalogue.rules.records import (
    Agent,
    Column,
    FileRecord,
    LicenceRecord,
    Record,
    VersionRecord,
)
from uzina.catalogue.rules.vocabularies import Term


def record_of(dataset: Dataset) -> Record:
    """Return what the dataset says of itself to the world. Cost: up to seven queries.

    The manifest is read for the newest version only: older ones are named, not listed. Files that
    were given up are not listed either.
    """
    main = (dataset.language_codes or ["en" if dataset.source_id is None else ""])[0]
    texts = {main: {"title": dataset.title, "description": dataset.description}}
    texts |= {code: one for code, one in dataset.translations.items() if code != main}
    policy = policy_of(dataset)
    is_open = dataset.access_right is rules.AccessRight.PUBLIC
    may_show = is_open or (policy is not None and policy.shows_sample)
    versions = _versions(dataset, may_show=may_show)
    return Record(
        slug=dataset.slug,
        title={code: one["title"] for code, one in texts.items() if one.get("title")},
        description={
            code: one["description"] for code, one in texts.items() if one.get("description")
        },
        languages=_terms("language", dataset.language_codes),
        licence=LicenceRecord(
            title_en=dataset.licence.title_en,
            title_ro=dataset.licence.title_ro,
            spdx=dataset.licence.spdx,
            iri=dataset.licence.eu_uri,
            url=dataset.licence.url,
        ),
        holder=Agent(
            name=dataset.holder.name, url=dataset.holder.website, code=dataset.holder.code
        ),
        access_right=vocabularies.terms("access-right")[str(dataset.access_right).upper()],
        is_open=is_open,
        made_at=dataset.made_at,
        changed_at=max([dataset.changed_at, *(one.created_at for one in versions[:1])]),
        published_at=dataset.published_at or dataset.made_at,
        versions=versions,
        creators=tuple(Agent(name=one["name"], url=one.get("url", "")) for one in dataset.creators),
        contact_name=dataset.contact_name,
        contact_email=dataset.contact_email,
        landing_url=dataset.landing_url,
        identifier=dataset.identifier,
        is_registered=bool(dataset.identifier) and registrar().is_public,
        cite_as=_cited(dataset),
        themes=_terms("data-theme", dataset.themes),
        keywords=tuple(dataset.keywords),
        frequency=next(iter(_terms("frequency", [dataset.frequency])), None),
        places=_terms("country", dataset.places),
        begins_on=dataset.begins_on,
        ends_on=dataset.ends_on,
        answers=rules.public_answers(dataset.answers, str(dataset.access_right)),
        policy=policy.offer if policy is not None else None,
        origin=origin_of(dataset),
    )


def _cited(dataset: Dataset) -> str:
    newest = dataset.versions.defer("manifest", "facts").order_by("-number").first()
    if newest is None or dataset.published_at is None:
        return ""
    return bibtex(citation(dataset, newest))


def _terms(table: str, codes: list[str]) -> tuple[Term, ...]:
    """Return the terms of the codes, those that the table does not know left out."""
    known = vocabularies.terms(table)
    return tuple(known[code] for code in codes if code in known)


def _versions(dataset: Dataset, *, may_show: bool) -> tuple[VersionRecord, ...]:
    """Return the versions, newest first.

    may_show  whether the columns of files may be read by everybody: the first line of a table
              without a header would be data
    """
    found = []
    rows = dataset.versions.select_related("purge").defer("manifest", "facts").order_by("-number")
    for at, row in enumerate(rows):
        is_purged = hasattr(row, "purge")
        found.append(
            VersionRecord(
                number=row.number,
                digest=row.digest,
                bytes=row.bytes,
                file_count=row.file_count,
                note=row.note,
                created_at=row.created_at,
                made_by_job=row.made_by_job,
                files=_files(row, may_show=may_show) if at == 0 and not is_purged else (),
                sources=_sources(row) if at == 0 else (),
            )
        )
    return tuple(found)


def _files(version: Version, *, may_show: bool) -> tuple[FileRecord, ...]:
    kinds = vocabularies.file_types()
    known = vocabularies.terms("file-type")
    laid_out = _layouts(version) if may_show else {}
    return tuple(
        FileRecord(
            path=one.path,
            bytes=one.bytes,
            sha256=one.sha256,
            media_type=one.media_type,
            file_type=known.get(kinds.get(one.media_type, "")),
            columns=laid_out.get((one.sha256, one.media_type), ()),
        )
        for one in version.files
    )


def _layouts(version: Version) -> dict[tuple[str, str], tuple[Column, ...]]:
    wanted = [one.sha256 for one in version.files if one.media_type in MEDIA_TYPES]
    return {
        (one.sha256, one.media_type): tuple(Column(*column) for column in one.columns)
        for one in Layout.objects.filter(sha256__in=wanted[:MOST_LAID_OUT])
    }


def _sources(version: Version) -> tuple[str, ...]:
    """Return the published data the version was made from."""
    seen = (
        version.derived_from.filter(
            dataset__kind=rules.DatasetKind.DATA,
            dataset__state=rules.DatasetState.PUBLISHED,
        )
        .select_related("dataset")
        .order_by("dataset__slug", "number")
    )
    return tuple(one.reference for one in seen)
