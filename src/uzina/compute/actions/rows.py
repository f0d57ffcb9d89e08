"""Rows of the table of usage, many at once. Shared by the other files of the room.

A hundred thousand records come after a weekend without accounting, so no object is made for each:
one statement writes a page (benchmarks/ingest.md).
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from django.db import connection

from uzina.compute.models import Usage

FIELDS = (
    *("cluster", "job", "project", "allocation", "transfer", "row_key", "revision", "native_id"),
    *("name", "account", "user", "partition", "submitted_at", "started_at", "ended_at"),
    *("elapsed_s", "nodes", "cpus", "gpus", "memory_mb", "energy_j", "state", "gpu_ms", "raw"),
    "read_at",
)


def write(rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows of FIELDS, instants given by stamper() or moment(). One statement."""
    quote = connection.ops.quote_name
    columns = ", ".join(
        quote(Usage._meta.get_field(name).column)  # type: ignore[union-attr, arg-type] # noqa: SLF001
        for name in FIELDS
    )
    table = quote(Usage._meta.db_table)  # noqa: SLF001 - Django's documented door to both names
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            marks = ", ".join(["%s"] * len(FIELDS))
            cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)  # noqa: S608 - our own names


def stamper() -> Callable[[int | None], str | None]:
    """Return what makes of an epoch second what the database takes, asked once for many rows:
    Django's own way was two fifths of the time of a page.
    """
    return _with_zone if connection.vendor == "postgresql" else _stamp


def _with_zone(epoch_s: int | None) -> str | None:
    return None if epoch_s is None else f"{_minute(epoch_s // 60)}{epoch_s % 60:02}+00"


def _stamp(epoch_s: int | None) -> str | None:
    return None if epoch_s is None else f"{_minute(epoch_s // 60)}{epoch_s % 60:02}"


@lru_cache(maxsize=16_384)
def _minute(epoch_min: int) -> str:
    """Return "2026-11-22 02:41:" of minutes since 1970: runs of a page share most of them."""
    return datetime.fromtimestamp(epoch_min * 60, tz=UTC).isoformat(" ", "minutes")[:16] + ":"


def moment(at: datetime) -> Any:
    """Return an instant as the database takes it."""
    return connection.ops.adapt_datetimefield_value(at)
