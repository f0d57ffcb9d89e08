"""What becomes of spaces with time: told, trashed, deleted for good. And deleting by hand.

Three steps, each of which heals after a kill: rows say that bytes may go (a Tombstone), the store
lets go of those that nothing names, the Tombstone says that it is done.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from django.db.models import Max, QuerySet

from uzina.catalogue import access
from uzina.catalogue.actions.fragments import refresh
from uzina.catalogue.actions.naming import alone
from uzina.catalogue.actions.spaces import locked, lower_limit, trash_rows
from uzina.catalogue.actions.tags import retag
from uzina.catalogue.adapters import store
from uzina.catalogue.models import Dataset, Purge, Upload, Version
from uzina.catalogue.models.spaces import Item, Reservation, Space, Tombstone
from uzina.catalogue.queries import spaces as queries
from uzina.catalogue.rules import spaces as rules
from uzina.catalogue.rules.texts import text_problems
from uzina.core.db import action
from uzina.core.errors import Invalid, NotAllowed, Problem, Refused
from uzina.core.log import log
from uzina.core.promises import promise
from uzina.core.text import _
from uzina.people import queries as people
from uzina.people.models import Person

AT_ONCE = 500
"""Files, or bytes to let go of, in one transaction: it holds a lock that others wait for."""


# By the clock ----------------------------------------------------------------------------------


@action
def warn(space: Space, *, now: datetime) -> int | None:
    """Tell the people of a space once that its end comes near; return of how many days."""
    (space,) = locked(space.pk)
    days = rules.warning(space.expires_at, warned=space.warned_days, now=now)
    if days is None or space.state is not rules.SpaceState.OPEN or not space.taken.files:
        return None
    space.warned_days = days
    space.save(update_fields=["warned_days"])
    log("space.warned", space.reference, by=None, now=now, days=days, until=space.expires_at)
    _tell(space, "warned", key=f"{days}:{space.expires_at.isoformat()}", now=now, days=days)
    return days


def _tell(space: Space, what: str, *, key: str, now: datetime, days: int = 0) -> None:
    for one in people.members_of(space.project):
        promise(
            "catalogue.mail_space",
            key=f"space:{space.pk}:{what}:{key}:{one.person.code}",
            now=now,
            space=space.pk,
            person=one.person.code,
            what=what,
            days=days,
        )


@action
def end(space: Space, *, now: datetime) -> bool:
    """Put a space whose end has come into the trash, with all that is in it. False: not yet."""
    (space,) = locked(space.pk)
    if space.state is not rules.SpaceState.OPEN or now < space.expires_at:
        return False
    _to_trash(space, why="ended", by=None, now=now)
    if space.taken.files:
        _tell(space, "ended", key=space.expires_at.isoformat(), now=now)
    return True


def _to_trash(space: Space, *, why: str, by: Person | None, now: datetime) -> None:
    space.state = rules.SPACE_FLOW.after("trash", space.state)
    space.trashed_at, space.why = now, why
    space.save()
    log("space.trashed", space.reference, by=by, now=now, why=why, files=space.taken.files)


@action
def tidy_scratch(space: Space, *, now: datetime) -> int:
    """Trash what nobody used for long; return how many files. Only scratch is tidied.

    Once a file's last use is `scratch` days old it goes: at that instant, not a tick earlier.
    """
    before = now - timedelta(days=queries.keeping().scratch)
    (space,) = locked(space.pk)
    if space.kind is not rules.SpaceKind.SCRATCH or space.state is not rules.SpaceState.OPEN:
        return 0
    rows = list(Item.objects.live().filter(space=space, used_at__lte=before)[:AT_ONCE])
    if not rows:
        return 0
    trash_rows(space, rows, why="unused", by=None, now=now)
    space.save()
    log("space.tidied", space.reference, by=None, now=now, files=len(rows), why="unused")
    return len(rows)


@action
def purge_trash(space: Space, *, now: datetime) -> int:
    """Delete for good what was in the trash of a space for its time; return how many files."""
    before = now - timedelta(days=queries.keeping().trash)
    (space,) = locked(space.pk)
    rows = Item.objects.trashed().filter(space=space, trashed_at__lte=before)
    return _purge(space, rows.order_by("pk")[:AT_ONCE], by=None, now=now)


@action
def purge_space(space: Space, *, now: datetime) -> int | None:
    """Delete for good what is in a space that was in the trash for its time.

    Return how many files went; None when there is nothing to do. Called until it returns None.
    """
    (space,) = locked(space.pk)
    if space.state is not rules.SpaceState.TRASHED or space.trashed_at is None:
        return None
    if now < rules.purges(space.trashed_at, keeping=queries.keeping()):
        return None
    gone = _purge(
        space, Item.objects.filter(space=space).order_by("pk")[:AT_ONCE], by=None, now=now
    )
    if Item.objects.filter(space=space).exists():
        return gone
    Reservation.objects.filter(space=space, ended_at=None).update(ended_at=now)
    space.reserved_bytes = space.reserved_files = 0
    space.state = rules.SPACE_FLOW.after("purge", space.state)
    lower_limit(space)
    space.save()
    log("space.purged", space.reference, by=None, now=now, why=space.why)
    return gone


@action
def empty_trash(space: Space, *, by: Person, now: datetime) -> int:
    """Delete for good what is in the trash now, without waiting; return how many files.

    Raises NotAllowed space.empty_trash.not_lead.
    """
    (space,) = locked(space.pk)
    _check_may_manage(space, by, "empty_trash")
    gone = 0
    rows = Item.objects.trashed().filter(space=space).order_by("pk")
    while more := _purge(space, rows[:AT_ONCE], by=by, now=now):
        gone += more
    return gone


def _purge(space: Space, rows: Iterable[Item], *, by: Person | None, now: datetime) -> int:
    """Write a tombstone for each item of a locked space, and delete it."""
    found = list(rows)
    Tombstone.objects.bulk_create(
        Tombstone(
            subject=f"{space.reference}/{one.path}",
            sha256=one.sha256,
            bytes=one.bytes,
            reason=one.why or space.why,
            by_code=by.code if by else "",
            at=now,
        )
        for one in found
    )
    live = [one for one in found if one.trashed_at is None]
    trashed = [one for one in found if one.trashed_at is not None]
    Item.objects.filter(pk__in=[one.pk for one in found]).delete()
    space.used_bytes -= sum(one.bytes for one in live)
    space.used_files -= len(live)
    space.trash_bytes -= sum(one.bytes for one in trashed)
    space.trash_files -= len(trashed)
    lower_limit(space)
    space.save()
    if found:
        log(
            "space.emptied",
            space.reference,
            by=by,
            now=now,
            files=len(found),
            bytes=sum(one.bytes for one in found),
        )
    return len(found)


# By hand ---------------------------------------------------------------------------------------


@action
def trash_space(space: Space, *, by: Person, now: datetime) -> Space:
    """Put a whole space into the trash. Raises NotAllowed space.trash.not_lead, Refused
    space.trash.not_now.
    """
    (space,) = locked(space.pk)
    _check_may_manage(space, by, "trash")
    _to_trash(space, why="deleted", by=by, now=now)
    return space


@action
def restore_space(space: Space, *, by: Person, now: datetime) -> Space:
    """Take a whole space out of the trash.

    One whose end has come is given some days more, once; an operator may do it again.

    Raises NotAllowed space.restore.not_lead, Refused space.restore.not_now,
    space.restore.had_respite.
    """
    (space,) = locked(space.pk)
    _check_may_manage(space, by, "restore")
    state = rules.SPACE_FLOW.after("restore", space.state)
    if now >= space.expires_at:
        if space.had_respite and not access.may_keep_longer(by):
            raise Refused(
                "space.restore.had_respite",
                _("{space} was given more time once already. Ask an operator."),
                space=space.reference,
            )
        space.kept_until = now + timedelta(days=queries.keeping().respite)
        space.expires_at, space.had_respite, space.warned_days = space.kept_until, True, None

    space.state, space.trashed_at, space.why = state, None, ""
    space.save()
    log("space.untrashed", space.reference, by=by, now=now, until=space.expires_at)
    return space


def _check_may_manage(space: Space, by: Person, verb: str) -> None:
    if not access.may_manage_space(by, space):
        raise NotAllowed(
            f"space.{verb}.not_lead",
            _("Only a lead of {project} or an operator can do this to a whole space."),
            project=space.project.code,
        )


@action
def purge_version(version: Version, *, basis: str, reason: str, by: Person, now: datetime) -> Purge:
    """Give up the bytes of a dataset version, on a stated basis. Its row and its lineage stay.

    Raises NotAllowed version.purge.not_yours, Refused version.purge.done, Invalid.
    """
    problems = text_problems("reason", reason, longest=2000, is_needed=True)
    if basis not in list(rules.PurgeBasis):
        problems.append(
            Problem(
                "basis",
                "version.purge.basis",
                _("Choose one of: {choices}."),
                {"choices": ", ".join(rules.PurgeBasis)},
            )
        )
    if problems:
        raise Invalid(problems)
    dataset = (
        Dataset.objects.select_for_update(of=("self",))
        .select_related("holder", "project", "licence")
        .get(pk=version.dataset_id)
    )
    version = Version.objects.select_for_update(of=("self",)).whole().get(pk=version.pk)
    if not access.may_publish(by, dataset):
        raise NotAllowed(
            "version.purge.not_yours",
            _("Only the project's lead or the holder can delete the files of {version}."),
            version=version.reference,
        )
    if Purge.objects.filter(version=version).exists():
        raise Refused(
            "version.purge.done",
            _("The files of {version} were deleted before."),
            version=version.reference,
        )

    made: Purge = Purge.objects.create(
        version=version, basis=basis, reason=reason.strip(), at=now, by_code=by.code
    )
    Tombstone.objects.bulk_create(
        Tombstone(
            subject=f"{version.reference}/{one.path}",
            sha256=one.sha256,
            bytes=one.bytes,
            reason=reason.strip(),
            basis=basis,
            by_code=by.code,
            at=now,
        )
        for one in version.files
    )
    dataset.changed_at = now
    dataset.save(update_fields=["changed_at"])
    refresh(dataset, now=now)
    retag(dataset)
    log(
        "version.purged",
        version.reference,
        by=by,
        now=now,
        basis=basis,
        digest=version.digest,
        used_by=[one.reference for one in queries.made_from(version)],
    )
    return made


# The bytes themselves --------------------------------------------------------------------------


def remove_bytes(*, now: datetime) -> int:
    """Let the store let go of bytes that were given up and that nothing names; return how many.

    Again after a kill is harmless: what the store has let go of already is marked as done.
    """
    removed = 0
    while todo := list(_to_be_done().order_by("pk")[:AT_ONCE]):
        last = Version.objects.aggregate(last=Max("pk"))["last"] or 0
        named = _named_by_versions({one.sha256 for one in todo}, after=0, upto=last)
        removed += _remove(todo, named, after=last, now=now)
    return removed


def _to_be_done() -> QuerySet[Tombstone]:
    return Tombstone.objects.filter(removed_at=None, is_spared=False)


@action
def _remove(todo: Sequence[Tombstone], named: set[str], *, after: int, now: datetime) -> int:
    """Remove what nothing names, while nobody can begin to name it.

    after  versions up to this id were asked before, outside the transaction: they never change
    """
    alone()
    wanted = {one.sha256 for one in todo} - named
    named |= _named_by_versions(wanted, after=after, upto=None)
    named |= set(Item.objects.filter(sha256__in=wanted).values_list("sha256", flat=True))
    young = Upload.objects.filter(sha256__in=wanted, at__gt=now - rules.UPLOAD_NAMES)
    named |= set(young.values_list("sha256", flat=True))
    kept = store()
    gone = sorted(wanted - named)
    for sha256 in gone:
        kept.remove(sha256)
    Upload.objects.filter(sha256__in=gone).delete()
    asked = Tombstone.objects.filter(pk__in=[one.pk for one in todo])
    asked.filter(sha256__in=named).update(is_spared=True)
    asked.exclude(sha256__in=named).update(removed_at=now)
    return len(gone)


def _named_by_versions(wanted: Collection[str], *, after: int, upto: int | None) -> set[str]:
    """Return which of the checksums a version names whose bytes were not given up. One query."""
    rows = Version.objects.filter(pk__gt=after, purge=None)
    if upto is not None:
        rows = rows.filter(pk__lte=upto)
    found: set[str] = set()
    for files in rows.values_list("manifest", flat=True).iterator(chunk_size=200):
        found |= {one["sha256"] for one in files if one["sha256"] in wanted}
    return found
