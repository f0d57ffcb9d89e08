"""What we ask of the place where bytes are kept."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from uzina.catalogue.rules.harvest import Page
from uzina.core.errors import Invalid, Problem, Refused
from uzina.core.text import _


class StoreDown(Exception):
    """The store did not answer or lost what it promised to keep. Try again; tell the operator."""


class StoreRefused(Refused):
    """The store will not keep this: it is full, or the bytes are not what was announced."""


class WrongBytes(Invalid):
    """What came is not what was announced. Nothing of it was kept."""

    def __init__(self, code: str, message: str, **facts: object) -> None:
        super().__init__([Problem("body", code, message, facts)])
        self.code, self.message, self.facts = code, message, facts


def wrong_checksum(*, announced: str, found: str) -> WrongBytes:
    """Return the refusal for bytes whose SHA-256 is another than the address says."""
    return WrongBytes(
        "blob.upload.wrong_checksum",
        _(
            "The bytes that arrived have the SHA-256 {found}, not {announced}. Nothing was kept: "
            "check the file and send it again."
        ),
        announced=announced,
        found=found,
    )


def cut_short(*, announced: int, found: int) -> WrongBytes:
    """Return the refusal for an upload that is shorter or longer than its Content-Length."""
    return WrongBytes(
        "blob.upload.cut_short",
        _("{found} of {announced} bytes arrived. Nothing was kept: send the file again."),
        announced=announced,
        found=found,
    )


def full() -> StoreRefused:
    """Return the refusal for a store without room."""
    return StoreRefused(
        "blob.upload.store_full",
        _(
            "The factory's storage is full. Nothing of this file was kept; the operator has to make "
            "room before you send it again."
        ),
    )


def part_full(number: int) -> StoreRefused:
    """Return the refusal for a store that became full while a part arrived."""
    return StoreRefused(
        "upload.part.store_full",
        _(
            "The factory's storage is full. Part {number} was not kept; what arrived before waits. "
            "Go on when the operator has made room."
        ),
        number=number,
    )


@dataclass(frozen=True)
class Incoming:
    """A file on its way, in parts of one size; no checksum leads to it before it is kept.

    code    ours, unique for ever
    handle  the store's own name for it, from begin()
    """

    code: str
    handle: str
    size: int
    part_bytes: int

    @property
    def part_count(self) -> int:
        """How many parts it has; an empty file has one, of no bytes."""
        return max(1, -(-self.size // self.part_bytes))

    def part_size(self, number: int) -> int:
        """Return how many bytes part `number` has, counted from 1."""
        return min(self.part_bytes, self.size - (number - 1) * self.part_bytes)

    def first_of(self, number: int) -> int:
        """Return where part `number` begins."""
        return (number - 1) * self.part_bytes


@dataclass(frozen=True)
class Part:
    """One part that has arrived.

    checksum  "crc32:89abcdef" or "sha256:…", as it was announced; "" where the store has its own
    tag       the store's own mark of it, where it has one
    """

    number: int
    bytes: int
    checksum: str = ""
    tag: str = ""


@dataclass(frozen=True)
class Link:
    """An address that carries its own permission for a short time.

    A part is sent there by PUT, a file is fetched from there by GET.
    """

    url: str
    expires_at: datetime


def part_busy(number: int) -> Refused:
    """Return the refusal for a part that somebody else is sending at this moment."""
    return Refused(
        "upload.part.busy",
        _("Part {number} is being sent by another client. Wait until it has arrived."),
        number=number,
    )


def still_arriving() -> Refused:
    """Return the refusal for ending an upload while a part of it is being sent."""
    return Refused(
        "upload.complete.busy",
        _("A part of this upload is still arriving. Complete it when all have arrived."),
    )


def upload_gone(code: str) -> Refused:
    """Return the refusal for bytes sent to an upload that has ended."""
    return Refused(
        "upload.part.gone",
        _("The upload {upload} has ended and takes no more parts. Begin a new one."),
        upload=code,
    )


def wrong_part(number: int, *, announced: str, found: str) -> WrongBytes:
    """Return the refusal for a part with another checksum than announced."""
    return WrongBytes(
        "upload.part.wrong_checksum",
        _(
            "Part {number} arrived with the checksum {found}, not {announced}. It was not kept: "
            "send it again."
        ),
        number=number,
        announced=announced,
        found=found,
    )


def part_cut_short(number: int, *, announced: int, found: int) -> WrongBytes:
    """Return the refusal for a part that is shorter or longer than it must be."""
    return WrongBytes(
        "upload.part.cut_short",
        _("{found} of {announced} bytes of part {number} arrived. Send it again."),
        number=number,
        announced=announced,
        found=found,
    )


def incomplete(missing: list[int], count: int) -> Refused:
    """Return the refusal for an upload that is not whole yet. Names the first parts it lacks."""
    return Refused(
        "upload.complete.parts_missing",
        _("{missing} of {count} parts have not arrived, among them: {numbers}. Send them first."),
        missing=len(missing),
        count=count,
        numbers=", ".join(map(str, missing[:20])),
        first_missing=missing[:1000],
    )


def wrong_file(*, announced: str, found: str) -> WrongBytes:
    """Return the refusal for an upload whose whole is not what was announced."""
    return WrongBytes(
        "upload.complete.wrong_checksum",
        _(
            "The whole file has the SHA-256 {found}, not {announced}: it changed while it was "
            "sent, or was damaged. Nothing was kept: send it again."
        ),
        announced=announced,
        found=found,
    )


def no_room_to_stage() -> StoreRefused:
    """Return the refusal for a run directory without room for its inputs."""
    return StoreRefused(
        "blob.stage.disk_full",
        _("The disk of the run directory is full: the input files do not fit."),
    )


class RegistrarDown(Exception):
    """The registry of identifiers did not answer. Try again; the identifier is kept."""


class RegistrarRefused(Exception):
    """The registry will not take the identifier as it is. An operator has to look."""


class ObjectStore(Protocol):
    """Bytes kept under their own SHA-256, in small hexadecimal: written once, never changed.

    Every method raises StoreDown when the store cannot be reached.

    is_direct  parts and files go past the portal, by links
    """

    is_direct: bool

    def put(self, sha256: str, chunks: Iterable[bytes], *, size: int) -> None:
        """Keep bytes under their checksum; done already, it changes nothing.

        size  how many bytes were announced; the store looks for room before it takes them

        The bytes are hashed as they pass, in bounded memory, and become visible at once or never.
        Raises WrongBytes blob.upload.wrong_checksum, blob.upload.cut_short; StoreRefused
        blob.upload.store_full. Whatever is raised, nothing is left.
        """

    def size(self, sha256: str) -> int | None:
        """Return how many bytes are kept under sha256, None when nothing is."""

    def open(self, sha256: str, *, first: int = 0, after: int | None = None) -> Iterator[bytes]:
        """Return the bytes [first, after) in pieces. Raises StoreDown when they are not there."""

    def copy_to(self, sha256: str, target: Path) -> None:
        """Write the bytes to a new read-only file at target, whole or not at all.

        Raises StoreRefused blob.stage.disk_full, StoreDown when the bytes are not there.
        """

    def sweep(self, *, older_than_s: float, spare: Collection[str] = ()) -> int:
        """Remove what uploads that died left behind; return how many pieces.

        spare  codes of uploads that are open: theirs stays, however old
        """

    def remove(self, sha256: str) -> bool:
        """Delete the bytes for good; tell whether there were any."""

    def begin(self, code: str, *, size: int, part_bytes: int) -> Incoming:
        """Make room for a file that will arrive in parts. Raises StoreRefused blob.upload.store_full."""

    def put_part(
        self, incoming: Incoming, number: int, chunks: Iterable[bytes], *, checksum: str
    ) -> Part:
        """Keep one part, in bounded memory, apart from what is kept already. Again is harmless.

        A part that did not arrive whole counts as not there, also when it was there before.
        Raises WrongBytes upload.part.cut_short, upload.part.wrong_checksum; Refused
        upload.part.busy, upload.part.gone; StoreRefused upload.part.store_full.
        """

    def part_link(self, incoming: Incoming, number: int, *, now: datetime) -> Link | None:
        """Return where a part can be sent without passing here; None where it must pass here."""

    def list_parts(self, incoming: Incoming) -> list[Part]:
        """Return the parts that are there whole, in their order. Raises Refused upload.part.gone."""

    def digest(self, incoming: Incoming, *, progress: Callable[[int], None] | None = None) -> str:
        """Return the SHA-256 of the whole; progress is told how many bytes were read.

        Raises Refused upload.complete.parts_missing (parts that were damaged on the disk count as
        missing and must be sent again), upload.complete.busy while one arrives, upload.part.gone.
        """

    def is_quick(self, incoming: Incoming) -> bool:
        """Tell whether digest() answers while somebody waits."""

    def read(self, incoming: Incoming, *, first: int = 0, after: int | None = None) -> bytes:
        """Return bytes [first, after) of a whole that is not kept yet: to look what it is."""

    def keep(self, incoming: Incoming, sha256: str) -> None:
        """Make the whole visible under its SHA-256, at once. Done already, it changes nothing."""

    def abort(self, incoming: Incoming) -> None:
        """Throw away what has arrived. Done already, it changes nothing."""

    def link(self, sha256: str, *, name: str, media_type: str, now: datetime) -> Link | None:
        """Return where the bytes can be fetched as an attachment without passing here; or None."""


class Registrar(Protocol):
    """Who makes an identifier, shaped as a DOI, lead to the page of what it names.

    is_public  whether https://doi.org knows the identifiers; pages and citations say so

    `announce` raises RegistrarDown (try again) or RegistrarRefused (do not).
    """

    is_public: bool

    def announce(self, identifier: str, *, url: str, metadata: Mapping[str, Any]) -> None:
        """Make the identifier lead to url, with what is said of it. Again changes nothing."""


class PortalDown(Exception):
    """Another portal did not answer, or not whole. It may the next time."""


class PortalRefused(Exception):
    """What another portal sent must not or cannot be read, and why, in words for an operator."""


class Portal(Protocol):
    """Another portal whose datasets are listed here too."""

    def page(self, place: str) -> Page:
        """Return one page; place is "" for the first, then what the page before gave.

        Raises PortalDown, PortalRefused.
        """
