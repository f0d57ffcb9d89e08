"""Decisions about uploads: in which parts, until when, and with which checksums."""

import base64
import binascii
import hashlib
import re
import zlib
from datetime import timedelta

from uzina.catalogue.rules.versions import LARGEST_FILE, LONGEST_PATH, SHA256, path_problem
from uzina.core.errors import Invalid, Problem
from uzina.core.flow import Flow, Move, States
from uzina.core.text import _

LEAST_PART = 16 << 20
MOST_PARTS = 10_000
"""S3 takes 10,000 parts of 5 MiB to 5 GiB. 16 MiB is lost at most when a client is killed."""

LIFE = timedelta(days=7)
"""How long an upload waits for its next part, and how long a client may be away."""

LONGEST_LIFE = timedelta(days=14)
"""However often parts come, an upload ends by then."""

AT_ONCE = 64 << 20
"""Up to so many bytes are checked while the client waits; more in the background."""

MOST_OPEN = 1_000
"""Uploads one person may have open."""

PURPOSES = ("dataset", "space")


class UploadState(States):
    """Where an upload stands."""

    RECEIVING = "receiving", _("Receiving"), "busy"
    CHECKING = "checking", _("Being checked"), "busy"
    KEPT = "kept", _("Kept"), "good"
    STOPPED = "stopped", _("Stopped"), "bad"


U = UploadState

UPLOAD = Flow(
    "upload",
    {
        "complete": Move(U.RECEIVING, to=U.CHECKING),
        "reopen": Move(U.CHECKING, to=U.RECEIVING),
        "send": Move(U.RECEIVING, to=U.RECEIVING),
        "keep": Move(U.RECEIVING, U.CHECKING, to=U.KEPT),
        "abort": Move(U.RECEIVING, U.CHECKING, to=U.STOPPED),
    },
)


class Checksum:
    """What a part announces: CRC-32 (fast) or SHA-256 (what a browser can)."""

    def __init__(self, announced: str) -> None:
        self.kind = announced.partition(":")[0]
        self.crc = 0
        self.sha = hashlib.sha256() if self.kind == "sha256" else None

    def update(self, chunk: bytes) -> None:
        """Take more bytes in."""
        if self.sha:
            self.sha.update(chunk)
        else:
            self.crc = zlib.crc32(chunk, self.crc)

    def __str__(self) -> str:
        return f"{self.kind}:{self.sha.hexdigest() if self.sha else format(self.crc, '08x')}"


def part_bytes(size: int) -> int:
    """Return the size of the parts of a file, in bytes: whole MiB, the fewest that will do."""
    needed = -(-size // MOST_PARTS)
    return max(LEAST_PART, -(-needed // 2**20) * 2**20)


def parse_checksum(*, crc32: str, digest: str) -> str:
    """Return the checksum a part announces, as "crc32:…" or "sha256:…".

    crc32   the header X-Part-CRC32: eight digits 0 to 9 and a to f
    digest  the header Content-Digest of RFC 9530: sha-256=:BASE64:

    Raises Invalid upload.part.no_checksum where there is neither, or none that can be read.
    """
    if re.fullmatch(r"[0-9a-f]{8}", crc32):
        return f"crc32:{crc32}"
    if match := re.search(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):", digest):
        try:
            return f"sha256:{base64.b64decode(match[1], validate=True).hex()}"
        except binascii.Error:
            pass
    raise Invalid(
        [
            Problem(
                "headers",
                "upload.part.no_checksum",
                _(
                    "Send the part's checksum: Content-Digest with sha-256, or X-Part-CRC32 with "
                    "eight digits 0 to 9 and a to f."
                ),
            )
        ]
    )


def upload_problems(*, name: str, size: int, sha256: str, purpose: str) -> list[Problem]:
    """Return what is wrong with what a client says of a file that it will send."""
    problems = []
    why = path_problem(name)
    if why:
        problems.append(
            Problem("name", "version.path.unsafe", why, {"path": name[:LONGEST_PATH][:200]})
        )
    if not 0 <= size <= LARGEST_FILE:
        problems.append(
            Problem(
                "bytes",
                "version.bytes.range",
                _("Give the size in bytes, from 0 to {most}."),
                {"most": LARGEST_FILE},
            )
        )
    if sha256 and not SHA256.fullmatch(sha256):
        problems.append(
            Problem(
                "sha256",
                "version.sha256.form",
                _("Give the SHA-256 as 64 digits 0 to 9 and a to f."),
            )
        )
    if purpose not in PURPOSES:
        problems.append(
            Problem(
                "purpose",
                "upload.begin.purpose",
                _("Say what the file is for: dataset, or space."),
            )
        )
    return problems


def check_part_number(number: int, count: int) -> None:
    """Raise Invalid upload.part.number unless the upload has such a part."""
    if not 1 <= number <= count:
        raise Invalid(
            [
                Problem(
                    "number",
                    "upload.part.number",
                    _("This upload has the parts 1 to {count}."),
                    {"count": count},
                )
            ]
        )
