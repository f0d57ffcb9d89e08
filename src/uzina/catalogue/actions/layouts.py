"""Columns of files, read once."""

from datetime import datetime

from uzina.catalogue import queries
from uzina.catalogue.actions.fragments import refresh
from uzina.catalogue.adapters import store
from uzina.catalogue.models import Dataset, Layout, Version
from uzina.catalogue.rules import File, columns
from uzina.catalogue.rules.records import Column
from uzina.core.db import action
from uzina.core.promises import promise


def promise_layouts(version: Version, *, now: datetime) -> None:
    """Have the columns of a new version's files read, when it has files with columns."""
    if _with_columns(version):
        promise(
            "catalogue.read_layouts",
            key=f"layouts:{version.reference}",
            now=now,
            slug=version.dataset.slug,
            number=version.number,
        )


def _with_columns(version: Version) -> list[File]:
    files = [one for one in version.files if one.media_type in columns.MEDIA_TYPES]
    return files[: columns.MOST_LAID_OUT]


def read_layouts(slug: str, number: int, *, now: datetime) -> None:
    """Read the columns of the files of a version that can have some, once for the same bytes, and
    tell harvesters.

    Outside any transaction: the store may be across a network. Again is harmless.
    Raises StoreDown.
    """
    version = queries.version(slug, number)
    files = _with_columns(version)
    known = set(
        Layout.objects.filter(sha256__in=[one.sha256 for one in files]).values_list(
            "sha256", "media_type"
        )
    )
    found = {
        (one.sha256, one.media_type): _columns(one)
        for one in files
        if (one.sha256, one.media_type) not in known
    }
    _keep(version, found, now=now)


def _columns(file: File) -> tuple[Column, ...]:
    if file.media_type == columns.PARQUET:
        length = columns.footer_length(_piece(file, max(0, file.bytes - 8), file.bytes))
        first = file.bytes - 8 - length
        if not length or first < 0:
            return ()
        return columns.parquet_columns(_piece(file, first, file.bytes - 8))
    return columns.columns(file.media_type, _piece(file, 0, min(file.bytes, columns.PIECE)))


def _piece(file: File, first: int, after: int) -> bytes:
    return b"".join(store().open(file.sha256, first=first, after=after))


@action
def _keep(
    version: Version, found: dict[tuple[str, str], tuple[Column, ...]], *, now: datetime
) -> None:
    dataset = (
        Dataset.objects.select_for_update(of=("self",))
        .select_related("holder", "licence")
        .get(pk=version.dataset_id)
    )
    Layout.objects.bulk_create(
        [
            Layout(
                sha256=sha256,
                media_type=media_type,
                columns=[[one.name, one.kind] for one in read],
            )
            for (sha256, media_type), read in found.items()
        ],
        ignore_conflicts=True,
    )
    refresh(dataset, now=now)
