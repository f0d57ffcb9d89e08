"""Folders of a space: what is in one, as pages and the API show it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.db.models import Count, Max, QuerySet, Sum

from uzina.catalogue.models.spaces import Item, Space
from uzina.catalogue.queries import spaces as queries
from uzina.catalogue.rules import spaces as rules

Sort = Literal["name", "size", "put", "ends"]

SORTS: dict[str, str] = {"name": "path", "size": "-bytes", "put": "-put_at", "ends": "used_at"}


@dataclass(frozen=True)
class Entry:
    """One line of a folder: a folder of its own, or a file.

    ends_at  when the file goes to the trash by itself; of a folder, None
    """

    name: str
    path: str
    is_folder: bool
    bytes: int
    files: int
    changed_at: datetime
    ends_at: datetime | None = None
    item: Item | None = None


@dataclass(frozen=True)
class Listing:
    """A page of a folder, its folders first. count: of all its entries."""

    entries: list[Entry]
    count: int


def listing(
    space: Space, folder: str, *, sort: str, words: str = "", first: int, most: int
) -> Listing:
    """Return entries [first, first + most) of a folder; three queries, whatever it holds.

    words  only files in the folder or below whose path has them, in any case; no folders then
    """
    live = queries.under(space, folder)
    if words:
        files = live.filter(path__icontains=words)
        folders: list[Entry] = []
    else:
        files = Item.objects.live().filter(space=space, folder=folder)
        folders = _ordered(subfolders(space, folder), sort)
    count = len(folders) + files.count()
    shown = folders[first : first + most]
    left = most - len(shown)
    start = max(0, first - len(folders))
    rows = files.order_by(SORTS.get(sort, "path"), "pk")[start : start + left] if left else []
    keeping = queries.keeping()
    return Listing([*shown, *(_entry(one, space, keeping) for one in rows)], count)


def _entry(item: Item, space: Space, keeping: rules.Keeping) -> Entry:
    return Entry(
        name=item.name,
        path=item.path,
        is_folder=False,
        bytes=item.bytes,
        files=1,
        changed_at=item.put_at,
        ends_at=rules.item_ends(
            item.used_at, kind=space.kind, space_ends=space.expires_at, keeping=keeping
        ),
        item=item,
    )


def subfolders(space: Space, folder: str) -> list[Entry]:
    """Return the folders right in a folder, each with all that is below it. One query."""
    below = queries.under(space, folder).exclude(folder=folder)
    rows = below.values("folder").annotate(
        files=Count("pk"), bytes=Sum("bytes"), changed_at=Max("put_at")
    )
    depth = len(folder) + 1 if folder else 0
    found: dict[str, Entry] = {}
    for row in rows:
        name = row["folder"][depth:].partition("/")[0]
        kept = found.get(name)
        found[name] = Entry(
            name=name,
            path=f"{folder}/{name}" if folder else name,
            is_folder=True,
            bytes=row["bytes"] + (kept.bytes if kept else 0),
            files=row["files"] + (kept.files if kept else 0),
            changed_at=max(row["changed_at"], kept.changed_at) if kept else row["changed_at"],
        )
    return list(found.values())


def _ordered(folders: Sequence[Entry], sort: str) -> list[Entry]:
    if sort == "size":
        return sorted(folders, key=lambda one: (-one.bytes, one.name))
    if sort == "put":
        return sorted(folders, key=lambda one: one.changed_at, reverse=True)
    return sorted(folders, key=lambda one: one.name)


def biggest(spaces: Sequence[Space], *, most: int) -> list[tuple[Space, Entry]]:
    """Return the folders at the top of the spaces that hold most, the biggest first."""
    found = [(space, one) for space in spaces for one in subfolders(space, "")]
    return sorted(found, key=lambda pair: -pair[1].bytes)[:most]


def trash_of(space: Space) -> QuerySet[Item]:
    """Return what lies in the trash of a space, what was trashed last first."""
    found: QuerySet[Item] = (
        Item.objects.trashed()
        .filter(space=space)
        .select_related("trashed_by")
        .order_by("-trashed_at", "path")
    )
    return found


def leaving_next(spaces: Sequence[Space], *, now: datetime, most: int) -> list[Entry]:
    """Return the files of scratch that go to the trash first, if nobody uses them. A query each."""
    keeping = queries.keeping()
    return [
        _entry(one, space, keeping)
        for space in spaces
        if space.kind is rules.SpaceKind.SCRATCH
        for one in Item.objects.live()
        .filter(space=space, used_at__lte=now)
        .order_by("used_at", "path")[:most]
    ]
