"""Spaces: what is in them, what is left, and whether their sums are right."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import Coalesce, Left

from uzina.catalogue.models import Version
from uzina.catalogue.models.spaces import Item, Reservation, Space
from uzina.catalogue.rules import spaces as rules
from uzina.core.errors import Refused
from uzina.core.text import _
from uzina.ledger import queries as ledger
from uzina.people import access as people_access
from uzina.people import queries as people

if TYPE_CHECKING:
    from uzina.people.models import Person, Project


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


def space_by_id(pk: int) -> Space | None:
    """Return a space by its id, whoever asks."""
    found: Space | None = (
        Space.objects.select_related("project__organisation").filter(pk=pk).first()
    )
    return found


def projects_with_spaces() -> "list[Project]":
    """Return the projects whose spaces are not all deleted for good, oldest first. Two queries."""
    kept = Space.objects.exclude(state=rules.SpaceState.PURGED).values_list("project", flat=True)
    found = people.projects_by_id(set(kept))
    return [found[pk] for pk in sorted(found)]


def gone_at(space: Space) -> datetime:
    """Return when all of a space is deleted for good, unless somebody does something."""
    return rules.purges(space.trashed_at or space.expires_at, keeping=keeping())


def resolve(person: "Person | None", reference: str) -> tuple[Space, str]:
    """Return the space and the path in it that PROJECT:KIND/path names; the path is "" for all.

    person  from among what they may see; None is the factory itself

    Raises Refused space.find.unknown, Invalid item.path.unsafe.
    """
    code, kind, path = rules.parse_space(reference)
    rows = Space.objects.all() if person is None else Space.objects.visible_to(person)
    found = rows.select_related("project__organisation").filter(project__code=code, kind=kind)
    row = found.first()
    if row is None:
        raise rules.unknown(reference)
    return row, path


def usable_folder(
    reference: str, *, by: "Person | None", project: "Project"
) -> tuple[Space, str, list[Item]]:
    """Return the space, the path and the files that a job of the project may use as an input.

    Asked when a job is submitted and again when its inputs are laid out.

    Raises Refused space.find.unknown, space.use.not_open, item.find.unknown.
    """
    space, path = resolve(by, reference)
    may = people_access.is_operator(by) or (by is not None and people_access.is_member(by, project))
    if not may or space.project_id != project.pk:
        raise rules.unknown(reference)
    if space.state is not rules.SpaceState.OPEN:
        raise Refused(
            "space.use.not_open",
            _("{space} is in the trash or deleted: no job can use it."),
            space=space.reference,
        )
    rows = list(under(space, path).order_by("path"))
    if not rows:
        raise Refused(
            "item.find.unknown",
            _("There is nothing at {path} in {space}."),
            path=path[:200],
            space=space.reference,
        )
    return space, path, rows


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


def in_spaces_of(project: "Project", sha256s: "set[str]") -> set[str]:
    """Return which of the checksums are of live files in the project's spaces."""
    rows = Item.objects.live().filter(space__project=project, sha256__in=sha256s)
    return set(rows.values_list("sha256", flat=True))


def item(space: Space, path: str) -> Item | None:
    """Return the live file at a path."""
    found: Item | None = Item.objects.live().filter(space=space, path=path).first()
    return found


def made_from(version: Version) -> list[Version]:
    """Return every version made from this one, or from one made from it: models as well as data.

    A query for each step away.
    """
    found: dict[int, Version] = {}
    step = {version.pk}
    while step:
        rows = Version.objects.whole().filter(derived_from__in=step).exclude(pk__in=found)
        fresh = {one.pk: one for one in rows.distinct().order_by("pk")}
        found |= fresh
        step = set(fresh)
    return list(found.values())


def came_from(version: Version) -> list[Version]:
    """Return every version this one was made from, directly or not. A query for each step back."""
    found: dict[int, Version] = {}
    step = {version.pk}
    while step:
        rows = Version.objects.whole().filter(derived__in=step).exclude(pk__in=found)
        fresh = {one.pk: one for one in rows.distinct().order_by("pk")}
        found |= fresh
        step = set(fresh)
    return list(found.values())


@dataclass(frozen=True)
class SpaceCheck:
    """What a check of the spaces counted, and what it found wrong."""

    spaces: int
    items: int
    problems: list[str]


def check_spaces() -> SpaceCheck:
    """Prove the cached sums of every space from its items and reservations up. Three queries."""
    live = Q(trashed_at=None)
    sums: dict[int, Any] = {
        row["space"]: row
        for row in Item.objects.values("space").annotate(
            used_bytes=Coalesce(Sum("bytes", filter=live), 0),
            used_files=Count("pk", filter=live),
            trash_bytes=Coalesce(Sum("bytes", filter=~live), 0),
            trash_files=Count("pk", filter=~live),
        )
    }
    reserved: dict[int, Any] = {
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
