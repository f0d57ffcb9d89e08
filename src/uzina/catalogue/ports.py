"""What we ask of the place where bytes are kept."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

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


class ObjectStore(Protocol):
    """Bytes kept under their own SHA-256, in small hexadecimal: written once, never changed.

    Every method raises StoreDown when the store cannot be reached.
    """

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

    def sweep(self, *, older_than_s: float) -> int:
        """Remove what uploads that died left behind; return how many pieces."""
