"""How data are cited, and what an identifier leads to."""

from datetime import UTC

from django.conf import settings

from uzina.catalogue import rules
from uzina.catalogue.adapters import registrar
from uzina.catalogue.models import Dataset, Version
from uzina.catalogue.rules.citation import Cited, identifier, parse_identifier


def identifier_of(dataset: Dataset, number: int | None = None) -> str:
    """Return the identifier of a dataset or of one of its versions, "" before it is published."""
    kept = dataset.identifier
    return f"{kept}.v{number}" if kept and number is not None else kept


def new_identifier(dataset: Dataset) -> str:
    """Return the identifier a dataset gets when it is published."""
    return identifier(settings.UZINA.catalogue.identifier_prefix, dataset.slug)


def citation(dataset: Dataset, version: Version) -> Cited:
    """Return what a citation of a version is made of. The creators, or else the holder, made it."""
    since = max(one for one in (version.created_at, dataset.published_at) if one is not None)
    return Cited(
        slug=dataset.slug,
        title=dataset.title,
        creators=[one["name"] for one in dataset.creators] or [dataset.holder.name],
        publisher=dataset.answers.get("publisher") or dataset.holder.name,
        number=version.number,
        published_on=since.astimezone(UTC).date(),
        identifier=identifier_of(dataset, version.number),
        is_public=bool(dataset.identifier) and registrar().is_public,
        url=f"{settings.UZINA.site.url}/datasets/{dataset.slug}/versions/{version.number}/",
        licence=dataset.licence.spdx,
    )


def identified(text: str) -> tuple[str, int | None] | None:
    """Return slug and version number of what carries an identifier; None for one we never gave."""
    parsed = parse_identifier(text)
    if parsed is None:
        return None
    slug, number = parsed
    dataset = Dataset.objects.filter(slug=slug, kind=rules.DatasetKind.DATA).first()
    if dataset is None or not dataset.identifier or identifier_of(dataset, number) != text:
        return None
    return slug, number
