"""Room in spaces: set aside, filled, given back. Every change holds the lock of the space's row.

The sums that a space caches change in this room only: rules.SUMS, proved by check_spaces.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import QuerySet

from uzina.catalogue import access
from uzina.catalogue.actions.naming import keep_bytes
from uzina.catalogue.adapters import store
from uzina.catalogue.models.spaces import Item, Reservation, Space
from uzina.catalogue.queries import spaces as queries
from uzina.catalogue.rules import File
from uzina.catalogue.rules import spaces as rules
from uzina.core.db import action
from uzina.core.errors import Invalid, NotAllowed, Problem, Refused
from uzina.core.log import log
from uzina.core.text import _
from uzina.people.models import Person, Project


def locked(*pks: int) -> list[Space]:
    """Lock spaces in the order of their ids, so that no two actions wait for each other."""
    rows = Space.objects.select_for_update(of=("self",)).select_related("project__organisation")
    return list(rows.filter(pk__in=pks).order_by("pk"))


@action
def follow_project(project: Project, *, now: datetime) -> list[Space]:
    """Give a project its spaces, and each the quota and the end that are right now.

    Part of what news of the project brings, and of every look at its storage; again is harmless.
    A quota that falls below what is taken takes nothing away: nothing more goes in until it fits.
    """
    for kind in rules.SpaceKind:
        Space.objects.get_or_create(
            project=project,
            kind=kind,
            defaults={
                "byte_quota": 0,
                "file_quota": 0,
                "byte_limit": 0,
                "file_limit": 0,
                "expires_at": project.ends_at,
                "made_at": now,
            },
        )
    spaces = locked(*Space.objects.filter(project=project).values_list("pk", flat=True))
    given, keeping = queries.quotas(project), queries.keeping()
    for space in spaces:
        _follow(space, given[space.kind], keeping, now=now)
    return spaces


def _follow(space: Space, quota: rules.Quota, keeping: rules.Keeping, *, now: datetime) -> None:
    expires_at = rules.ends(
        space.project.ends_at,
        data_days=space.project.data_days,
        keeping=keeping,
        kept_until=space.kept_until,
    )
    if (space.quota, space.expires_at) == (quota, expires_at):
        return
    if space.quota != quota:
        before = space.byte_quota
        space.byte_quota, space.file_quota = quota.bytes, quota.files
        lower_limit(space)
        log("space.resized", space.reference, by=None, now=now, before=before, bytes=quota.bytes)
    if expires_at != space.expires_at:
        space.warned_days = None
        if space.why == "ended" and now < expires_at:
            space.state = rules.SPACE_FLOW.after("reopen", space.state)
            space.trashed_at, space.why = None, ""
    space.expires_at = expires_at
    space.save()


def lower_limit(space: Space) -> None:
    """Bring what the database guards down to the quota, as far as what is taken lets it. It is
    raised for a higher quota only, so that the database refuses what a mistake here would let in.
    """
    space.byte_limit = max(space.byte_quota, min(space.byte_limit, space.taken.bytes))
    space.file_limit = max(space.file_quota, min(space.file_limit, space.taken.files))


@action
def reserve(
    space: Space,
    *,
    size: int,
    files: int = 1,
    key: str,
    by: Person | None,
    now: datetime,
    hours: int | None = None,
) -> Reservation:
    """Set room aside for bytes that are on their way. The same key again gives the same.

    size   bytes of all files together
    hours  after which it is free again should nobody settle it; None: the operator's setting

    Raises Invalid, NotAllowed space.write.not_yours, Refused space.write.not_open,
    space.write.ended, space.reserve.no_room, space.reserve.too_many_files,
    space.reserve.key_reused for a key of another space or size.
    """
    rules.check_amount(size=size, files=files, key=key)
    (space,) = locked(space.pk)
    check_may_write(space, by=by, now=now)
    kept = Reservation.objects.filter(key=key).first()
    if kept is not None:
        if (kept.space_id, kept.bytes, kept.files) != (space.pk, size, files):
            raise Refused(
                "space.reserve.key_reused",
                _("The key {key} stands for another upload. Use a new one."),
                key=key,
            )
        return kept  # type: ignore[no-any-return]
    rules.check_room(space.reference, space.quota, space.taken, size=size, files=files)

    space.reserved_bytes += size
    space.reserved_files += files
    space.save()
    wait = settings.UZINA.spaces.upload_hours if hours is None else hours
    made: Reservation = Reservation.objects.create(
        space=space,
        key=key,
        bytes=size,
        files=files,
        made_at=now,
        made_by=by,
        expires_at=now + timedelta(hours=wait),
    )
    return made


def check_may_write(space: Space, *, by: Person | None, now: datetime) -> None:
    """Raise unless the person may put files into the space now. The space is locked."""
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
    if now >= space.project.ends_at or space.project.state != "active":
        raise Refused(
            "space.write.ended",
            _(
                "{project} has ended: its files can be read and copied until {until}, and no new "
                "ones are taken."
            ),
            project=space.project.code,
            until=f"{space.expires_at:%Y-%m-%d}",
        )


@action
def settle(key: str, *, files: Sequence[File], by: Person | None, now: datetime) -> list[Item]:
    """Put files into their places, in the room that was set aside; what is left of it is free.

    files  whose bytes are in the store. A file that was at one of the paths goes to the trash

    The same key again gives the items that were made. Raises Refused space.settle.unknown for a key
    nobody reserved or that was released, what put_files raises, and what reserve refuses where the
    files need more room than was set aside and the quota has none.
    """
    row = Reservation.objects.filter(key=key).first()
    if row is None:
        raise _not_reserved(key)
    (space,) = locked(row.space_id)
    row.refresh_from_db()
    if row.is_settled:
        return list(Item.objects.live().filter(space=space, path__in=[one.path for one in files]))
    if row.ended_at is not None:
        raise _not_reserved(key)
    check_may_write(space, by=by, now=now)

    _end(row, space, is_settled=True, now=now)
    kept = rules.Room(row.bytes, row.files)
    return _put(space, files, by=by, now=now, kept=kept)


def _not_reserved(key: str) -> Refused:
    return Refused(
        "space.settle.unknown",
        _("No room is set aside under the key {key}, or no longer. Ask for room again."),
        key=key[: rules.LONGEST_KEY],
    )


def _end(row: Reservation, space: Space, *, is_settled: bool, now: datetime) -> None:
    row.ended_at, row.is_settled = now, is_settled
    row.save(update_fields=["ended_at", "is_settled"])
    space.reserved_bytes -= row.bytes
    space.reserved_files -= row.files


@action
def release(key: str, *, now: datetime) -> None:
    """Give room back that nothing came for. A key that is settled, released or unknown is nothing
    to do.
    """
    row = Reservation.objects.filter(key=key, ended_at=None).first()
    if row is None:
        return
    (space,) = locked(row.space_id)
    row.refresh_from_db()
    if row.ended_at is None:
        _end(row, space, is_settled=False, now=now)
        lower_limit(space)
        space.save()


@action
def put_files(
    space: Space, files: Iterable[File], *, by: Person | None, now: datetime
) -> list[Item]:
    """Put files whose bytes are in the store into their places, if they fit.

    A file that was at one of the paths goes to the trash, from where it can be taken back. The
    same file at the same place changes nothing but when it was last used.

    Raises what reserve raises, Invalid item.path.unsafe, item.path.twice,
    item.path.file_and_folder, and item.bytes.missing for bytes that are not in the store.
    """
    (space,) = locked(space.pk)
    check_may_write(space, by=by, now=now)
    return _put(space, list(files), by=by, now=now)


def _put(
    space: Space,
    files: Sequence[File],
    *,
    by: Person | None,
    now: datetime,
    kept: rules.Room = rules.NO_ROOM,
) -> list[Item]:
    """Put files into a space that is locked. kept: room that was promised, whatever the quota."""
    _check_files(space, files)
    keep_bytes()
    _check_bytes(files)
    here = {
        one.path: one
        for one in Item.objects.live().filter(space=space, path__in=[one.path for one in files])
    }
    same = {path: one for path, one in here.items() for new in files if one.file == new}
    fresh = [one for one in files if one.path not in same]
    size = sum(one.bytes for one in fresh)
    if not kept.holds(size, len(fresh)):
        rules.check_room(space.reference, space.quota, space.taken, size=size, files=len(fresh))

    replaced = [here[one.path] for one in fresh if one.path in here]
    trash_rows(space, replaced, why="replaced", by=by, now=now)
    Item.objects.filter(pk__in=[one.pk for one in same.values()]).update(used_at=now)
    made = Item.objects.bulk_create(
        Item(
            space=space,
            path=one.path,
            folder=rules.folder_of(one.path),
            bytes=one.bytes,
            sha256=one.sha256,
            media_type=one.media_type,
            put_at=now,
            put_by=by,
            used_at=now,
        )
        for one in fresh
    )
    space.used_bytes += size
    space.used_files += len(made)
    lower_limit(space)
    space.save()
    if made:
        log(
            "space.filled",
            space.reference,
            by=by,
            now=now,
            files=len(made),
            bytes=size,
            replaced=len(replaced),
        )
    return [*same.values(), *made]


def trash_rows(
    space: Space, rows: Sequence[Item], *, why: str, by: Person | None, now: datetime
) -> None:
    """Move live items of a locked space to its trash. The caller saves the space."""
    for one in rows:
        one.trashed_at, one.trashed_by, one.why = now, by, why
    Item.objects.bulk_update(rows, ["trashed_at", "trashed_by", "why"], batch_size=500)
    size = sum(one.bytes for one in rows)
    space.used_bytes -= size
    space.used_files -= len(rows)
    space.trash_bytes += size
    space.trash_files += len(rows)


def _check_files(space: Space, files: Sequence[File]) -> None:
    """Raise Invalid unless the files can stand beside each other and beside what is there."""
    for one in files:
        rules.check_file(one)
    check_places(space, [one.path for one in files])


def check_places(
    space: Space, paths: Sequence[str], *, leaving: QuerySet[Item] | None = None
) -> None:
    """Raise Invalid where a path would be a file and a folder at once.

    leaving  items that leave their place in the same action
    """
    rules.check_clashes(paths)
    above = rules.folders_above(paths)
    live = Item.objects.live().filter(space=space)
    if leaving is not None:
        live = live.exclude(pk__in=leaving.values("pk"))
    problems = [
        rules.file_and_folder(path)
        for path in live.filter(path__in=above).values_list("path", flat=True)
    ]
    problems += [rules.file_and_folder(path) for path in paths if _is_folder(live, path)]
    if problems:
        raise Invalid(problems)


def _is_folder(live: QuerySet[Item], path: str) -> bool:
    return queries.at_or_below(live, path).exclude(path=path).exists()


def _check_bytes(files: Sequence[File]) -> None:
    kept = store()
    problems = [
        Problem(
            "path",
            "item.bytes.missing",
            _("The bytes of {path} have not arrived whole. Send the file again."),
            {"path": one.path[:200]},
        )
        for one in files
        if kept.size(one.sha256) != one.bytes
    ]
    if problems:
        raise Invalid(problems)


@action
def release_stale(*, now: datetime) -> int:
    """Give room back that was set aside too long ago; return for how many uploads."""
    keys = Reservation.objects.filter(ended_at=None, expires_at__lte=now).order_by("space", "pk")
    count = 0
    for key in list(keys.values_list("key", flat=True)):
        release(key, now=now)
        count += 1
    return count
