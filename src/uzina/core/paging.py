"""Lists in pages: a limit and a cursor, never a total."""

from typing import Any, Generic, TypeVar

from django.db.models import QuerySet
from ninja import Schema

from uzina.core.errors import Invalid, Problem
from uzina.core.text import _

T = TypeVar("T")

LARGEST = 200


class Page(Schema, Generic[T]):
    """One page of a list. `next` is the cursor of the next page, null on the last."""

    items: list[T]
    next: str | None


def paged(queryset: QuerySet[Any], *, limit: int = 50, cursor: str = "") -> dict[str, Any]:
    """Return a page of rows, newest first, for a response of schema Page[...].

    limit   1 to 200
    cursor  what the last page gave as `next`

    Raises Invalid for a limit or cursor out of range. Cost: one query.
    """
    problems = []
    if not 1 <= limit <= LARGEST:
        problems.append(
            Problem(
                "limit",
                "page.limit.range",
                _("Choose a limit from 1 to {most}."),
                {"most": LARGEST},
            )
        )
    if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        problems.append(
            Problem("cursor", "page.cursor.unknown", _("Use the cursor that the last page gave."))
        )
    if problems:
        raise Invalid(problems)
    rows = queryset.order_by("-pk")
    if cursor:
        rows = rows.filter(pk__lt=int(cursor))
    items = list(rows[: limit + 1])
    more = len(items) > limit
    return {"items": items[:limit], "next": str(items[limit - 1].pk) if more else None}
