"""What members do with the files of their spaces: to the trash, back, and to another place."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db.models import QuerySet, Value
from django.db.models.functions import Concat, Substr

from uzina.catalogue import access
from uzina.catalogue.actions.spaces import (
    check_may_write,
    check_places,
    locked,
    lower_limit,
    release,
    reserve,
    settle,
    trash_rows,
)
from uzina.catalogue.actions.versions import add_version
from uzina.catalogue.adapters import store
from uzina.catalogue.models import Dataset, Version
from uzina.catalogue.models.spaces import Item, Space
from uzina.catalogue.queries import spaces as queries
from uzina.catalogue.rules import spaces as rules
from uzina.catalogue.rules.versions import LONGEST_PATH, MOST_FILES, File
from uzina.core.db import action
from uzina.core.errors import NotAllowed, Refused
from uzina.core.fields import new_code
from uzina.core.log import log
from uzina.core.text import _
from uzina.people.models import Person


@action
def trash(space: Space, paths: Sequence[str], *, by: Person, now: datetime) -> int:
    """Move files and whole folders to the trash; return how many files went.

    They count against the quota until they are deleted for good.

    Raises what check_may_read raises, Refused item.find.unknown where nothing is at a path.
    """
    (space,) = locked(space.pk)
    check_may_tidy(space, by=by)
    rows: dict[int, Item] = {}
    for path in paths:
        rules.check_path(path)
        rows |= {one.pk: one for one in _some_under(space, path)}

    trash_rows(space, list(rows.values()), why="deleted", by=by, now=now)
    space.save()
    log("space.tidied", space.reference, by=by, now=now, files=len(rows))
    return len(rows)


def check_may_tidy(space: Space, *, by: Person) -> None:
    """Raise NotAllowed space.write.not_yours, Refused space.write.not_open: an ended project may
    still be tidied, and its files taken out of the trash.
    """
    if not access.may_write_space(by, space):
        raise NotAllowed(
            "space.write.not_yours",
            _("Only members of {project} can change its files."),
            project=space.project.code,
        )
    if space.state is not rules.SpaceState.OPEN:
        raise Refused(
            "space.write.not_open",
            _("{space} is in the trash or deleted. Its lead can take it out of the trash."),
            space=space.reference,
        )


def _some_under(space: Space, path: str) -> QuerySet[Item]:
    rows = queries.under(space, path)
    if not rows.exists():
        raise Refused(
            "item.find.unknown",
            _("There is nothing at {path} in {space}."),
            path=path[:200],
            space=space.reference,
        )
    return rows


@action
def restore(space: Space, ids: Sequence[int], *, by: Person, now: datetime) -> list[Item]:
    """Take files out of the trash, to where they were.

    ids  of items in the trash of the space; others are not found

    Raises what check_may_tidy raises, Refused item.find.unknown, item.restore.taken where another
    file has the place by now, Invalid where it is a folder by now.
    """
    (space,) = locked(space.pk)
    check_may_tidy(space, by=by)
    rows = list(Item.objects.trashed().filter(space=space, pk__in=ids).order_by("pk"))
    if len(rows) < len(set(ids)):
        raise Refused(
            "item.restore.gone",
            _("It is no longer in the trash: somebody took it out, or its time was over."),
        )
    paths = [one.path for one in rows]
    check_places(space, paths)
    taken = Item.objects.live().filter(space=space, path__in=paths).first()
    if taken is not None:
        raise Refused(
            "item.restore.taken",
            _("Another file is at {path} now. Move or delete that one first."),
            path=taken.path[:200],
        )

    for one in rows:
        one.trashed_at, one.trashed_by, one.why, one.used_at = None, None, "", now
    Item.objects.bulk_update(rows, ["trashed_at", "trashed_by", "why", "used_at"], batch_size=500)
    size = sum(one.bytes for one in rows)
    space.used_bytes += size
    space.used_files += len(rows)
    space.trash_bytes -= size
    space.trash_files -= len(rows)
    space.save()
    log("space.restored", space.reference, by=by, now=now, files=len(rows))
    return rows


@action
def move(
    space: Space, path: str, *, to: str, into: Space | None = None, by: Person, now: datetime
) -> int:
    """Give a file or folder another path, or another space of the project; return how many files.

    The quota follows at once: what leaves a space no longer counts there. Nothing is copied.

    Raises what check_may_write raises, Refused item.find.unknown, item.move.taken,
    item.move.into_itself, space.move.other_project, and what check_room refuses.
    """
    target_pk = space.pk if into is None else into.pk
    spaces = {one.pk: one for one in locked(space.pk, target_pk)}
    source, target = spaces[space.pk], spaces[target_pk]
    for one in spaces.values():
        check_may_write(one, by=by, now=now)
    rules.check_path(path)
    rules.check_path(to, field="to")
    if source.project_id != target.project_id:
        raise Refused(
            "space.move.other_project",
            _("Files move within one project. Download them, or publish them as a dataset."),
        )
    rows = _some_under(source, path)
    _check_target(source, target, path, to)
    found = list(rows.values_list("pk", "path", "bytes"))
    places = {old: to + old[len(path) :] for _pk, old, _size in found}
    for new in places.values():
        if len(new.encode()) > LONGEST_PATH:
            rules.check_path(new, field="to")
    size, count = sum(one for _pk, _old, one in found), len(found)
    if target.pk != source.pk:
        rules.check_room(target.reference, target.quota, target.taken, size=size, files=count)
    check_places(target, [to], leaving=rows)

    _rename(source, target, path, to)
    if target.pk != source.pk:
        source.used_bytes -= size
        source.used_files -= count
        target.used_bytes += size
        target.used_files += count
        for one in (source, target):
            lower_limit(one)
            one.save()
    log(
        "space.moved",
        source.reference,
        by=by,
        now=now,
        files=count,
        bytes=size,
        into=target.reference,
    )
    return count


def _check_target(source: Space, target: Space, path: str, to: str) -> None:
    if target.pk == source.pk and (to == path or to.startswith(f"{path}/")):
        raise Refused(
            "item.move.into_itself",
            _("{path} cannot go into itself. Choose another place."),
            path=path[:200],
        )
    if queries.under(target, to).exists():
        raise Refused(
            "item.move.taken",
            _("There is something at {path} already. Choose another name."),
            path=to[:200],
        )


def _rename(source: Space, target: Space, path: str, to: str) -> None:
    """Change paths in the database itself: a folder may have a million files."""
    moved = queries.under(source, path)
    moved.filter(path=path).update(space=target, path=to, folder=rules.folder_of(to))
    queries.under(source, path).update(
        space=target,
        path=Concat(Value(to), Substr("path", len(path) + 1)),
        folder=Concat(Value(to), Substr("folder", len(path) + 1)),
    )


@action
def note_use(space: Space, paths: Sequence[str], *, now: datetime) -> None:
    """Note that files were read or staged now: scratch is cleaned by last use."""
    Item.objects.live().filter(space=space, path__in=paths, used_at__lt=now).update(used_at=now)


def add_version_of_folder(
    space: Space, path: str, *, dataset: Dataset, note: str, by: Person, now: datetime
) -> Version:
    """Add a version of all files in a folder of a space, under their paths in it. Nothing is copied.

    Raises NotAllowed space.read.not_yours, Refused item.find.unknown, item.version.other_project,
    version.files.count for an empty or too large folder, and what add_version raises.
    """
    if not access.may_read_space(by, space):
        raise NotAllowed(
            "space.read.not_yours",
            _("Only members of {project} can read its files."),
            project=space.project.code,
        )
    if dataset.project_id != space.project_id:
        raise Refused(
            "item.version.other_project",
            _("{dataset} is not a dataset of {project}."),
            dataset=dataset.slug,
            project=space.project.code,
        )
    rules.check_path(path, may_be_whole=True)
    cut = len(path) + 1 if path else 0
    rows = _some_under(space, path)[: MOST_FILES + 1]
    files = [
        File(
            path=one.path[cut:] or one.name,
            bytes=one.bytes,
            sha256=one.sha256,
            media_type=one.media_type,
        )
        for one in rows
    ]
    return add_version(dataset, files=files, note=note, by=by, now=now)


def put_sent(
    space: Space, file: File, pieces: Iterable[bytes], *, by: Person, now: datetime
) -> Item:
    """Keep a file that came whole in one request, and put it into its place.

    Room is set aside before the bytes move, and given back whatever breaks.

    Raises what reserve, settle and the store raise.
    """
    rules.check_file(file)
    key = new_code("FORM", 16)
    reserve(space, size=file.bytes, key=key, by=by, now=now)
    try:
        store().put(file.sha256, pieces, size=file.bytes)
        (item,) = settle(key, files=[file], by=by, now=now)
    finally:
        release(key, now=now)
    return item
