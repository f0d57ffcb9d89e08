"""Spaces: what is in them, what is left, and whether their sums are right."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import Coalesce, Left

from uzina.catalogue.models.spaces import Item, Reservation, Space
from uzina.catalogue.rules import spaces as rules
from uzina.ledger import queries as ledger

if TYPE_CHECKING:
    from uzina.people.models import Project


def keeping() -> rules.Keeping:
    """Return how long things stay, as the factory's settings say."""
    given = settings.UZINA.spaces
    return rules.Keeping(
        scratch=given.scratch_days,
        grace=given.grace_days,
        trash=given.trash_days,
        respite=given.respite_days,
    )


def quotas(project: "Project") -> dict[rules.SpaceKind, rules.Quota]:
    """Return what each space of a project may hold: its award's storage, or the small default."""
    given = settings.UZINA.spaces
    granted_mb = ledger.storage_mb(project)
    if granted_mb is None:
        granted_mb = given.default_gb * 1000
    return rules.quotas(
        granted_mb * rules.MB,
        percents={
            rules.SpaceKind.SCRATCH: given.scratch_percent,
            rules.SpaceKind.PROJECT: given.project_percent,
            rules.SpaceKind.DATASET: given.dataset_percent,
        },
        bytes_per_file=given.mb_per_file * rules.MB,
        least_files=given.least_files,
    )


def space(project: str, kind: str) -> Space | None:
    """Return the space of that kind of the project with that code, whoever asks."""
    found: Space | None = (
        Space.objects.select_related("project__organisation")
        .filter(project__code=project, kind=kind)
        .first()
    )
    return found


def spaces_of(project: "Project") -> list[Space]:
    """Return a project's spaces: scratch, project, dataset, as far as they are open."""
    found = {
        one.kind: one for one in Space.objects.select_related("project").filter(project=project)
    }
    return [found[kind] for kind in rules.SpaceKind if kind in found]


def under(space: Space, path: str) -> "QuerySet[Item]":
    """Return the live items at a path or below it; all for ""."""
    return at_or_below(Item.objects.live().filter(space=space), path)


def at_or_below(rows: "QuerySet[Item]", path: str) -> "QuerySet[Item]":
    """Keep the items at a path or below it; all for "". Telling capitals from small letters, which
    SQLite's LIKE does not.
    """
    if path == "":
        return rows
    head = f"{path}/"
    return rows.alias(head=Left("path", len(head))).filter(Q(path=path) | Q(head=head))


@dataclass(frozen=True)
class SpaceCheck:
    """What a check of the spaces counted, and what it found wrong."""

    spaces: int
    items: int
    problems: list[str]


def check_spaces() -> SpaceCheck:
    """Prove the cached sums of every space from its items and reservations up. Three queries."""
    live = Q(trashed_at=None)
    sums: dict[int, dict[str, int]] = {
        row["space"]: row
        for row in Item.objects.values("space").annotate(
            used_bytes=Coalesce(Sum("bytes", filter=live), 0),
            used_files=Count("pk", filter=live),
            trash_bytes=Coalesce(Sum("bytes", filter=~live), 0),
            trash_files=Count("pk", filter=~live),
        )
    }
    reserved: dict[int, dict[str, int]] = {
        row["space"]: row
        for row in Reservation.objects.filter(ended_at=None)
        .values("space")
        .annotate(reserved_bytes=Sum("bytes"), reserved_files=Sum("files"))
    }
    problems, count = [], 0
    for row in Space.objects.select_related("project").order_by("pk"):
        count += 1
        proved = sums.get(row.pk, {}) | reserved.get(row.pk, {})
        problems += [
            f"{row.reference}: {name} is {getattr(row, name)}, but its rows amount to {is_}."
            for name in rules.SUMS
            if getattr(row, name) != (is_ := int(proved.get(name, 0)))
        ]
    items = sum(row["used_files"] + row["trash_files"] for row in sums.values())
    return SpaceCheck(count, items, problems)
