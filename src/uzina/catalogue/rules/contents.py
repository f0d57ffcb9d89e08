"""What a file is by its own bytes, and which archives do harm."""

import bz2
import gzip
import itertools
import lzma
import re
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from io import BufferedReader
from typing import Any, BinaryIO

from uzina.catalogue.rules.versions import LONGEST_NAME, LONGEST_PATH
from uzina.core.errors import Refused
from uzina.core.text import _

HEAD_BYTES = 4096
"""Enough to tell every type below; tar's mark, the furthest, ends at byte 265."""

MARKS = (
    (0, b"%PDF-", "application/pdf"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"PK\x05\x06", "application/zip"),
    (0, b"\x1f\x8b\x08", "application/gzip"),
    (0, b"\xfd7zXZ\x00", "application/x-xz"),
    (0, b"BZh", "application/x-bzip2"),
    (0, b"\x28\xb5\x2f\xfd", "application/zstd"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (257, b"ustar", "application/x-tar"),
    (0, b"PAR1", "application/vnd.apache.parquet"),
    (0, b"ARROW1", "application/vnd.apache.arrow.file"),
    (0, b"\x93NUMPY", "application/x-npy"),
    (0, b"\x89HDF\r\n\x1a\n", "application/x-hdf5"),
    (0, b"SQLite format 3\x00", "application/vnd.sqlite3"),
    (0, b"GGUF", "application/x-gguf"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF8", "image/gif"),
    (0, b"RIFF", "application/x-riff"),
    (0, b"OggS", "application/ogg"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"fLaC", "audio/flac"),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x7fELF", "application/x-executable"),
    (0, b"MZ", "application/x-msdownload"),
    (0, b"\xca\xfe\xba\xbe", "application/java-vm"),
    (0, b"\xcf\xfa\xed\xfe", "application/x-mach-binary"),
)
"""Where, which bytes, what. From each format's own description; RIFF, ZIP and the like hold many."""

HTML = re.compile(
    rb"^(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|script|iframe|svg)\b",
    re.IGNORECASE | re.DOTALL,
)

PROGRAMS = frozenset(
    {"application/x-executable", "application/x-msdownload", "application/java-vm"}
)

TEXTS = frozenset(
    {
        "application/json",
        "application/jsonl",
        "application/toml",
        "application/xml",
        "text/csv",
        "text/html",
        "text/markdown",
        "text/plain",
        "text/tab-separated-values",
    }
)
"""Declared types that hold text, so that a NUL byte or a mark of another type gives the lie."""

ONE_OF_MANY = {
    "application/zip": re.compile(
        r"application/(zip|java-archive|epub\+zip|vnd\.(openxmlformats-|oasis\.opendocument).*"
        r"|x-npz|octet-stream)"
    ),
    "application/x-riff": re.compile(r"(audio/(x-)?wav|audio/vnd\.wave|image/webp|video/.*)"),
    "application/ogg": re.compile(r"(audio|video|application)/ogg|audio/(opus|vorbis)"),
    "video/mp4": re.compile(r"(video|audio|image|application)/.*"),
    "application/gzip": re.compile(r"application/(x-)?(gzip|tgz|gtar|tar).*"),
    "application/x-npy": re.compile(r"application/(x-npy|octet-stream)"),
    "audio/mpeg": re.compile(r"audio/(mpeg|mp3)"),
}
"""Types whose bytes begin alike: what each may be called."""

EMPTY = "application/x-empty"
UNKNOWN = "application/x-unknown"
"""Looked at, and neither a known type nor text in Unicode: it may be text in an older encoding."""

CHECKED = frozenset(mark[2] for mark in MARKS) | TEXTS
"""Declared types whose bytes we know. Of others nothing is said."""

MOST_MEMBERS = 50_000
LARGEST_TOTAL = 1 << 40
RATIO = 200
"""Text compresses 3 to 20 times, the emptiest tables some 100 times; deflate's limit is 1,032."""
RATIO_FROM = 64 << 20
"""Below so many bytes unpacked nothing is a bomb."""
LARGEST_LOOK = 16 << 30
"""Bytes unpacked at most to look into a compressed tar."""
LARGEST_READ = 10 << 20
"""Bytes of a directory or a header that are held at once."""

RESERVED = re.compile(
    r"(con|prn|aux|nul|com[1-9¹²³]|lpt[1-9¹²³])(\.|$)",
    re.IGNORECASE,
)
ARCHIVES = (
    ".zip",
    ".tar",
    ".tgz",
    ".tar.gz",
    ".tbz2",
    ".tar.bz2",
    ".txz",
    ".tar.xz",
    ".jar",
    ".7z",
)
UNPACKED: Mapping[str, Callable[[Any], Any]] = {
    "application/gzip": lambda file: gzip.GzipFile(fileobj=file),
    "application/x-bzip2": bz2.BZ2File,
    "application/x-xz": lzma.LZMAFile,
}


def found_type(head: bytes) -> str:
    """Return what the first bytes of a file say it is.

    head  up to HEAD_BYTES. Text is told as text/plain or text/html, bytes that are no text as
          application/octet-stream; "" is for what may be text in an older encoding
    """
    for at, mark, kind in MARKS:
        if head[at : at + len(mark)] == mark and _is_really(kind, head):
            return kind
    if not head:
        return EMPTY
    if HTML.match(head):
        return "text/html"
    if _is_text(head):
        return "text/plain"
    return "application/octet-stream" if b"\0" in head else UNKNOWN


def _is_really(kind: str, head: bytes) -> bool:
    """Look once more where a mark is short enough to be the beginning of a text."""
    match kind:
        case "application/x-bzip2":
            return head[3:4].isdigit() and head[4:10] == b"1AY&SY"
        case "application/x-msdownload":
            if len(head) < 64:
                return False
            (at,) = struct.unpack("<I", head[60:64])
            return head[at : at + 4] == b"PE\0\0" or b"\0" in head[:64]
        case "video/mp4" | "audio/mpeg" | "application/x-riff" | "application/x-gguf":
            return b"\0" in head[:64]
    return True


def _is_text(head: bytes) -> bool:
    if head[:2] in {b"\xff\xfe", b"\xfe\xff"}:  # UTF-16 with its mark
        return True
    if b"\0" in head:
        return False
    # A letter may be cut in two at the end of what was read.
    for cut in range(4):
        try:
            head[: len(head) - cut].decode()
        except UnicodeDecodeError:
            continue
        return True
    return False


def check_type(path: str, *, declared: str, found: str) -> None:
    """Raise Refused file.type.mismatch unless a file can be what it is declared to be.

    declared  the media type of the manifest
    found     what found_type() said, "" where nobody looked
    """
    if not is_told_rightly(declared, found):
        raise Refused(
            "file.type.mismatch",
            _(
                "{path} is declared as {declared}, but its bytes are {found}. Give it its right "
                "type and ending, or leave the file out."
            ),
            path=path[:200],
            declared=declared,
            found=found,
        )


def is_told_rightly(declared: str, found: str) -> bool:
    """Tell whether bytes that look like `found` may be called `declared`."""
    declared = declared.partition(";")[0].strip().lower()
    if declared in {found, "", "application/octet-stream"} or found in {"", EMPTY}:
        return True
    if declared not in CHECKED:
        return found not in PROGRAMS
    if found in ONE_OF_MANY and ONE_OF_MANY[found].fullmatch(declared):
        return True
    # HTML called text is text: only as an attachment is any of it ever sent.
    return declared in TEXTS and found in {"text/plain", "text/html", UNKNOWN}


# --- archives ---------------------------------------------------------------------------------


def check_archive(file: BinaryIO, *, size: int, kind: str, name: str) -> None:
    """Raise Refused archive.… unless unpacking an archive would be harmless.

    file  the archive, seekable
    size  its length in bytes
    kind  what found_type() said; anything but an archive passes
    name  for the sentence

    Only headers are read: of zip the directory, of tar the header of each member; of a compressed
    tar what lies between has to be unpacked, and is thrown away.
    """
    match kind:
        case "application/zip":
            members = _zip_members(file, name)
        case "application/x-tar":
            members = _tar_members(file, name)
        case _ if kind in UNPACKED:
            members = _packed_members(file, name, kind)
        case _:
            return
    total = 0
    seen: set[str] = set()
    for count, (path, unpacked, is_link) in enumerate(members, 1):
        total += max(0, unpacked)
        _check_member(path, name, seen, is_link=is_link)
        if count > MOST_MEMBERS:
            raise _refused(
                "archive.look.too_many",
                _("{name} holds more than {most} files."),
                name,
                most=MOST_MEMBERS,
            )
        _check_total(total, size, name)


def _check_total(total: int, size: int, name: str) -> None:
    if total > LARGEST_TOTAL or (total > RATIO_FROM and total > RATIO * max(size, 1)):
        raise _refused(
            "archive.look.bomb",
            _(
                "{name} would unpack to {total} bytes or more from {size}. Archives that grow more "
                "than {ratio} times are not taken."
            ),
            name,
            total=total,
            size=size,
            ratio=RATIO,
        )


def _check_member(path: str, name: str, seen: set[str], *, is_link: bool) -> None:
    folded = unicodedata.normalize("NFC", path).rstrip("/").casefold()
    why = member_problem(path)
    if why:
        raise _refused("archive.look.member", why, name, member=ascii(path)[1:-1][:200])
    if is_link:
        raise _refused(
            "archive.look.link",
            _("{name} holds the link or device {member}. Only files and folders are taken."),
            name,
            member=path[:200],
        )
    if path.lower().endswith(ARCHIVES):
        raise _refused(
            "archive.look.nested",
            _("{name} holds another archive, {member}. Unpack it first."),
            name,
            member=path[:200],
        )
    if folded in seen and not path.endswith("/"):
        raise _refused(
            "archive.look.twice",
            _("{name} holds {member} twice, or once more in other capitals."),
            name,
            member=path[:200],
        )
    seen.add(folded)


def member_problem(path: str) -> str:
    """Return what to say of a name in an archive that does harm where it is unpacked, or ""."""
    names = path.rstrip("/").split("/")
    answers = (
        (
            not path.strip("/") or len(path.encode("utf-8", "replace")) > LONGEST_PATH,
            _("A name in {name} is empty or longer than 1,024 bytes: {member}."),
        ),
        (
            path.startswith("/") or "\\" in path or bool(re.match(r"[A-Za-z]:", path)),
            _("{name} holds {member}, which begins at the root or is written as on Windows."),
        ),
        (
            ".." in names,
            _("{name} holds {member}, which would be unpacked outside its folder."),
        ),
        (
            any(unicodedata.category(one) in {"Cc", "Cf", "Cs"} for one in path),
            _("{name} holds {member}, whose name has invisible or reversing characters."),
        ),
        (
            unicodedata.normalize("NFC", path) != path,
            _("{name} holds {member}, whose letters are in parts. Use the Unicode form NFC."),
        ),
        (
            any(RESERVED.match(one) or one.endswith((" ", ".")) for one in names if one != "."),
            _("{name} holds {member}, a name that Windows keeps for itself."),
        ),
        (
            any(len(one.encode("utf-8", "replace")) > LONGEST_NAME for one in names),
            _("{name} holds {member}, a name longer than 255 bytes."),
        ),
    )
    return next((why for is_wrong, why in answers if is_wrong), "")


def _zip_members(file: BinaryIO, name: str) -> Iterator[tuple[str, int, bool]]:
    try:
        with zipfile.ZipFile(Held(file)) as archive:
            spans = sorted((one.header_offset, one.compress_size) for one in archive.infolist())
            if any(
                first + length > after
                for (first, length), (after, _length) in itertools.pairwise(spans)
            ):
                raise _refused(
                    "archive.look.overlap", _("Files in {name} share their bytes."), name
                )
            for one in archive.infolist():
                mode = one.external_attr >> 16
                is_odd = bool(stat.S_IFMT(mode)) and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
                yield one.orig_filename, one.file_size, is_odd
    except (zipfile.BadZipFile, ValueError, struct.error, NotImplementedError, EOFError) as broken:
        raise _broken(name) from broken


def _packed_members(file: BinaryIO, name: str, kind: str) -> Iterator[tuple[str, int, bool]]:
    """Yield the members of a compressed tar. A compressed file that holds no tar has none."""
    with UNPACKED[kind](file) as unpacked:
        try:
            head = unpacked.read(HEAD_BYTES)
        except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
            return
        if found_type(head) == "application/x-tar":
            unpacked.seek(0)
            yield from _tar_members(unpacked, name)


def _tar_members(file: Any, name: str) -> Iterator[tuple[str, int, bool]]:
    try:
        with tarfile.open(fileobj=Held(file), mode="r:") as archive:  # type: ignore[call-overload]
            while (one := archive.next()) is not None:
                archive.members = []  # what was looked at need not be remembered
                yield one.name, one.size, not (one.isfile() or one.isdir())
                if archive.offset > LARGEST_LOOK and not isinstance(file, BufferedReader):
                    raise _refused(
                        "archive.look.too_large",
                        _("{name} unpacks to more than {most} bytes. Send its files one by one."),
                        name,
                        most=LARGEST_LOOK,
                    )
    except (tarfile.TarError, EOFError, OSError, ValueError, zlib.error, lzma.LZMAError) as broken:
        raise _broken(name) from broken


class Held:
    """A file that never gives more at once than a header may have: what an archive says of its own
    sizes is not believed.
    """

    def __init__(self, file: Any) -> None:
        self.file = file

    def read(self, size: int = -1) -> bytes:
        """Return bytes. Raises ValueError for more than LARGEST_READ."""
        found = bytes(self.file.read(LARGEST_READ + 1 if size < 0 else min(size, LARGEST_READ + 1)))
        if len(found) > LARGEST_READ:
            msg = f"an archive asks for {size} bytes at once"
            raise ValueError(msg)
        return found

    def seek(self, at: int, whence: int = 0) -> int:
        """Go to a place."""
        return int(self.file.seek(at, whence))

    def tell(self) -> int:
        """Return the place."""
        return int(self.file.tell())

    def seekable(self) -> bool:
        """Archives are read from files."""
        return True


def _broken(name: str) -> Refused:
    return _refused("archive.look.broken", _("{name} is a damaged archive. Pack it anew."), name)


def _refused(code: str, message: str, name: str, **facts: object) -> Refused:
    return Refused(code, message, name=name[:200], **facts)
