"""What a project may keep where, until when, and what becomes of it afterwards."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from uzina.catalogue.rules.versions import LARGEST_FILE, SHA256, File, media_type, path_problem
from uzina.core.errors import Invalid, Problem, Refused
from uzina.core.flow import Flow, Move, States
from uzina.core.text import _

LONGEST_KEY = 120

MB = 10**6
"""Bytes in one MB, in which the ledger counts storage: decimal, as the International System has it.
In bytes the books would end at 9 petabytes (2**53); in MB they do not."""

SUMS = (
    *("used_bytes", "used_files", "trash_bytes", "trash_files"),
    *("reserved_bytes", "reserved_files"),
)
"""What a space caches of its items and reservations."""

WARN_DAYS = (30, 14, 3, 1)
"""Days before its end at which the people of a space are told, once each."""

SPACE = re.compile(r"(PRJ-[0-9A-Z]{4,12}):(scratch|project|dataset)(?:/(.*))?", re.DOTALL)
"""A folder or file of a space, as people name it: PRJ-7Q3K2M:scratch/run-1/out.txt."""

MOST_AT_ONCE = 1_000
"""Files that one action trashes, restores or puts by name; folders go whole, whatever they hold."""


class SpaceKind(States):
    """What a space is for."""

    SCRATCH = "scratch", _("Scratch"), "quiet"
    PROJECT = "project", _("Project space"), "quiet"
    DATASET = "dataset", _("Dataset space"), "quiet"


class SpaceState(States):
    """Where a space stands."""

    OPEN = "open", _("Space open"), "good"
    TRASHED = "trashed", _("In the trash"), "bad"
    PURGED = "purged", _("Deleted for good"), "quiet"


class PurgeBasis(States):
    """Why the bytes of a version that others may have used are given up."""

    ERASURE = "erasure", _("A person asked for their data to be erased (GDPR, Article 17)"), "bad"
    RETENTION = "retention", _("The period for which the data may be kept is over"), "quiet"
    RIGHTS = "rights", _("The right to keep the data ended or was never there"), "bad"
    ORDER = "order", _("An authority or a court ordered it"), "bad"
    NO_NEED = "no_need", _("Nobody needs the data any more"), "quiet"


UPLOAD_NAMES = timedelta(days=7)
"""How long an upload alone keeps bytes: the time to put them into a version or a space."""

S = SpaceState

SPACE_FLOW = Flow(
    "space",
    {
        "trash": Move(S.OPEN, to=S.TRASHED),
        "restore": Move(S.TRASHED, to=S.OPEN),
        "purge": Move(S.TRASHED, to=S.PURGED),
        "reopen": Move(S.TRASHED, S.PURGED, to=S.OPEN),
    },
)


@dataclass(frozen=True)
class Keeping:
    """How long things stay, in days. The operator's setting, shown wherever a date is.

    scratch   a file in scratch, after it was last put, read or staged
    grace     a project's spaces, after its end, where its award does not say otherwise
    trash     what was deleted, until it is gone for good
    respite   once more, when a lead takes an ended space out of the trash
    """

    scratch: int
    grace: int
    trash: int
    respite: int


@dataclass(frozen=True)
class Quota:
    """How much one space may hold."""

    bytes: int
    files: int


@dataclass(frozen=True)
class Room:
    """Room that was promised."""

    bytes: int
    files: int

    def holds(self, size: int, files: int) -> bool:
        """Tell whether so many files of so many bytes together go in."""
        return size <= self.bytes and files <= self.files


NO_ROOM = Room(-1, 0)


@dataclass(frozen=True)
class Taken:
    """What of a quota is taken: by files, by what lies in the trash, and by what is on its way."""

    used_bytes: int
    trash_bytes: int
    reserved_bytes: int
    used_files: int
    trash_files: int
    reserved_files: int

    @property
    def bytes(self) -> int:
        """All of it, in bytes."""
        return self.used_bytes + self.trash_bytes + self.reserved_bytes

    @property
    def files(self) -> int:
        """All of it, in files."""
        return self.used_files + self.trash_files + self.reserved_files


def parse_space(reference: str) -> tuple[str, SpaceKind, str]:
    """Return project, kind and path ("" for the whole space) of PROJECT:KIND/path.

    Raises Refused space.find.unknown for what has another form, Invalid for an unsafe path.
    """
    match = SPACE.fullmatch(reference)
    if match is None:
        raise unknown(reference)
    path = (match[3] or "").rstrip("/")
    check_path(path, may_be_whole=True)
    return match[1], SpaceKind(match[2]), path


def unknown(reference: str) -> Refused:
    """Return the refusal for a space that is not there, or that the person may not see."""
    return Refused(
        "space.find.unknown",
        _(
            "There is no space {reference} that you may use. Write PROJECT:KIND/path with scratch, "
            "project or dataset as the kind."
        ),
        reference=reference[:200],
    )


def check_path(path: str, *, may_be_whole: bool = False, field: str = "path") -> None:
    """Raise Invalid item.path.unsafe unless path can name a file or folder of a space."""
    if path == "" and may_be_whole:
        return
    if why := path_problem(path):
        raise Invalid([Problem(field, "item.path.unsafe", why, {"path": path[:200]})])


def folder_of(path: str) -> str:
    """Return the folder a path lies in, "" for the top of the space."""
    return path.rpartition("/")[0]


def folders_above(paths: Iterable[str]) -> set[str]:
    """Return every folder that one of the paths lies in, the top left out."""
    found: set[str] = set()
    for path in paths:
        while path := folder_of(path):
            if path in found:
                break
            found.add(path)
    return found


def check_clashes(paths: Sequence[str]) -> None:
    """Raise Invalid where two of the paths are one, or one is a folder of another."""
    above = folders_above(paths)
    twice = (
        {path for path in paths if paths.count(path) > 1} if len(set(paths)) < len(paths) else ()
    )
    problems = [
        Problem("path", "item.path.twice", _("The path {path} is used twice."), {"path": one[:200]})
        for one in sorted(twice)
    ]
    problems += [file_and_folder(one) for one in sorted(set(paths) & above)]
    if problems:
        raise Invalid(problems)


def file_and_folder(path: str) -> Problem:
    """Return what to say of a name that would be a file and a folder at once."""
    return Problem(
        "path",
        "item.path.file_and_folder",
        _("{clash} is a file here and a folder there."),
        {"clash": path[:200]},
    )


def check_amount(*, size: int, files: int, key: str) -> None:
    """Raise Invalid unless a reservation is of a size and a key that can be kept."""
    problems = []
    if not 0 <= size <= LARGEST_FILE * MOST_AT_ONCE:
        problems.append(
            Problem(
                "bytes",
                "space.reserve.range",
                _("Give the size in bytes, from 0 to {most}."),
                {"most": LARGEST_FILE * MOST_AT_ONCE},
            )
        )
    if not 1 <= files <= 10**9:
        problems.append(
            Problem("files", "space.reserve.files", _("Say how many files it is: one or more."))
        )
    if not 1 <= len(key) <= LONGEST_KEY:
        problems.append(
            Problem(
                "key",
                "space.reserve.key",
                _("Give a key of 1 to {most} characters, a new one for each upload."),
                {"most": LONGEST_KEY},
            )
        )
    if problems:
        raise Invalid(problems)


def check_file(file: File) -> None:
    """Raise Invalid unless a file can be kept: path, size and checksum."""
    check_path(file.path)
    problems = []
    if not 0 <= file.bytes <= LARGEST_FILE:
        problems.append(
            Problem(
                "bytes",
                "version.bytes.range",
                _("Give the size in bytes, from 0 to {most}."),
                {"most": LARGEST_FILE},
            )
        )
    if not SHA256.fullmatch(file.sha256):
        problems.append(
            Problem(
                "sha256",
                "version.sha256.form",
                _("Give the SHA-256 as 64 digits 0 to 9 and a to f."),
            )
        )
    if problems:
        raise Invalid(problems)


def file(path: str, *, size: int, sha256: str, kind: str = "") -> File:
    """Return a checked file; its media type guessed from its ending where none is given."""
    made = File(path=path, bytes=size, sha256=sha256, media_type=kind or media_type(path))
    check_file(made)
    return made


def check_room(space: str, quota: Quota, taken: Taken, *, size: int, files: int) -> None:
    """Raise Refused space.reserve.no_room, space.reserve.too_many_files unless that much fits."""
    if size > 0 and taken.bytes + size > quota.bytes:
        raise Refused(
            "space.reserve.no_room",
            _(
                "{space} has room for {left} more bytes and this needs {size}. Delete files and "
                "empty the trash, or ask for more storage."
            ),
            space=space,
            left=max(0, quota.bytes - taken.bytes),
            size=size,
            quota=quota.bytes,
        )
    if files > 0 and taken.files + files > quota.files:
        raise Refused(
            "space.reserve.too_many_files",
            _(
                "{space} takes {left} more files and this has {files}. Pack small files into "
                "archives or shards, or delete some and empty the trash."
            ),
            space=space,
            left=max(0, quota.files - taken.files),
            files=files,
            quota=quota.files,
        )


def quotas(
    granted: int, *, percents: Mapping[SpaceKind, int], bytes_per_file: int, least_files: int
) -> dict[SpaceKind, Quota]:
    """Return what each space of a project may hold out of what the project was granted, in bytes.

    percents        how the grant is shared among the kinds; their sum is at most 100, so that the
                    spaces of a project never hold more than was granted
    bytes_per_file  one file for so many bytes
    least_files     files that even the smallest space takes
    """
    found = {}
    for kind, percent in percents.items():
        share = granted * percent // 100
        found[kind] = Quota(share, max(least_files, share // bytes_per_file))
    return found


def ends(
    project_ends_at: datetime,
    *,
    data_days: int | None,
    keeping: Keeping,
    kept_until: datetime | None,
) -> datetime:
    """Return the one instant at which a project's space goes to the trash.

    data_days   days after its end for which the award promised to keep the data; None: no award
    kept_until  what an operator or the respite of a lead gave, where that is later
    """
    days = keeping.grace if data_days is None else data_days
    regular = project_ends_at + timedelta(days=days)
    return regular if kept_until is None else max(regular, kept_until)


def item_ends(
    used_at: datetime, *, kind: SpaceKind, space_ends: datetime, keeping: Keeping
) -> datetime:
    """Return when a file goes to the trash by itself: scratch by its last use, all with the space."""
    if kind is not SpaceKind.SCRATCH:
        return space_ends
    return min(space_ends, used_at + timedelta(days=keeping.scratch))


def purges(trashed_at: datetime, *, keeping: Keeping) -> datetime:
    """Return when what was trashed is deleted for good; until then it can be taken out again."""
    return trashed_at + timedelta(days=keeping.trash)


def warning(expires_at: datetime, *, warned: int | None, now: datetime) -> int | None:
    """Return the days before its end of which a space's people are to be told now; None for none.

    warned  the last that was told, None for none; when several are due at once only the nearest is
    """
    if now >= expires_at:
        return None
    due = [days for days in WARN_DAYS if now >= expires_at - timedelta(days=days)]
    nearest = min(due, default=None)
    return nearest if nearest is not None and (warned is None or nearest < warned) else None
