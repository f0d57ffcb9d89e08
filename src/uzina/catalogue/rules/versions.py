"""What a version is made of: paths, manifests and their digest."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from uzina.catalogue.rules.datasets import LONGEST_NOTE
from uzina.catalogue.rules.texts import text_problems
from uzina.core.errors import Invalid, Problem
from uzina.core.text import _

MOST_FILES = 10_000
"""Files in one version. The manifest is read as a whole, so it is kept to a few megabytes; many
small files belong in shards."""

LARGEST_FILE = 5 * 2**40
"""Bytes in one file: the 5 TiB that S3 takes as one object."""

LONGEST_PATH = 1_024

LONGEST_NAME = 255

SHA256 = re.compile(r"[0-9a-f]{64}")

MEDIA_TYPES = {
    "csv": "text/csv",
    "gz": "application/gzip",
    "html": "text/html",
    "jinja": "text/plain",
    "json": "application/json",
    "jsonl": "application/jsonl",
    "md": "text/markdown",
    "npy": "application/octet-stream",
    "parquet": "application/vnd.apache.parquet",
    "pdf": "application/pdf",
    "safetensors": "application/octet-stream",
    "toml": "application/toml",
    "tsv": "text/tab-separated-values",
    "txt": "text/plain",
    "xml": "application/xml",
    "xz": "application/x-xz",
    "zip": "application/zip",
    "zst": "application/zstd",
}
"""By ending. A table of our own, not the machine's, so that one folder has one digest everywhere."""


@dataclass(frozen=True, order=True)
class File:
    """One file of a version: where it goes, how long it is, what it is."""

    path: str
    bytes: int
    sha256: str
    media_type: str


def note_problems(note: str, *, after: int) -> list[Problem]:
    """Return what is wrong with what is said of a new version.

    after  the number of the version before it, 0 where nothing has to be said
    """
    if after and not note.strip():
        return [
            Problem(
                "note",
                "version.note.missing",
                _("Say what changed since version {number}, and why."),
                {"number": after},
            )
        ]
    return text_problems("note", note, longest=LONGEST_NOTE, is_needed=False)


def path_problem(path: str) -> str:
    """Return what to say of a path that cannot be in a manifest, or "" when it can.

    A path is relative, with "/" between names, and means the same file on every system: no "..",
    no backslash, no control characters, no drive letters, Unicode composed (NFC).
    """
    names = path.split("/")
    answers = (
        (
            not path or len(path.encode("utf-8", "replace")) > LONGEST_PATH,
            _("The path {path!r} is empty or longer than 1,024 bytes."),
        ),
        (path.startswith("/"), _("The path {path!r} begins at the root. Make it relative.")),
        (
            bool({"", ".", ".."} & set(names)),
            _("The path {path!r} has an empty, '.' or '..' part. Leave it out."),
        ),
        (
            "\\" in path or bool(re.match(r"[A-Za-z]:", path)),
            _("The path {path!r} is written as on Windows. Write it with '/' and without a drive."),
        ),
        (
            any(unicodedata.category(one) in {"Cc", "Cf", "Cs"} for one in path),
            _("The path {path!r} has invisible characters. Leave them out."),
        ),
        (
            unicodedata.normalize("NFC", path) != path,
            _("The path {path!r} has letters in parts. Write it in the Unicode form NFC."),
        ),
        (
            any(len(name.encode("utf-8", "replace")) > LONGEST_NAME for name in names),
            _("A name in the path {path!r} is longer than 255 bytes. Shorten it."),
        ),
    )
    return next((why for is_wrong, why in answers if is_wrong), "")


def media_type(path: str) -> str:
    """Return the media type by the ending of path; octets when the ending says nothing."""
    return MEDIA_TYPES.get(path.rpartition(".")[2].lower(), "application/octet-stream")


def manifest(files: Iterable[Mapping[str, Any] | File]) -> tuple[File, ...]:
    """Return the files in the order of their paths, checked.

    Raises Invalid with every mistake: paths that are unsafe or used twice, a file that is also a
    folder, sizes out of range, checksums that are not SHA-256 in small hexadecimal.
    """
    given = [asdict(one) if isinstance(one, File) else one for one in files]
    if not 1 <= len(given) <= MOST_FILES:
        raise Invalid(
            [
                Problem(
                    "files",
                    "version.files.count",
                    _("A version has 1 to {most} files; this has {count}."),
                    {"most": MOST_FILES, "count": len(given)},
                )
            ]
        )
    problems: list[Problem] = []
    seen: dict[str, int] = {}
    for at, one in enumerate(given):
        problems += _file_problems(f"files.{at}", one)
        path = one.get("path")
        if isinstance(path, str) and seen.setdefault(path, at) != at:
            problems.append(
                Problem(
                    f"files.{at}.path",
                    "version.path.twice",
                    _("The path {path} is used twice."),
                    {"path": path[:200]},
                )
            )
    problems += _folder_problems(seen)
    if problems:
        raise Invalid(problems)
    return tuple(
        sorted(
            File(
                path=one["path"],
                bytes=one["bytes"],
                sha256=one["sha256"],
                media_type=one.get("media_type") or media_type(one["path"]),
            )
            for one in given
        )
    )


def _file_problems(field: str, one: Mapping[str, Any]) -> list[Problem]:
    problems = []
    path, size, sha256 = one.get("path"), one.get("bytes"), one.get("sha256")
    why = path_problem(path) if isinstance(path, str) else _("Give each file a path.")
    if why:
        problems.append(
            Problem(f"{field}.path", "version.path.unsafe", why, {"path": str(path)[:200]})
        )
    if type(size) is not int or not 0 <= size <= LARGEST_FILE:
        problems.append(
            Problem(
                f"{field}.bytes",
                "version.bytes.range",
                _("Give the size in bytes, from 0 to {most}."),
                {"most": LARGEST_FILE},
            )
        )
    if not (isinstance(sha256, str) and SHA256.fullmatch(sha256)):
        problems.append(
            Problem(
                f"{field}.sha256",
                "version.sha256.form",
                _("Give the SHA-256 as 64 digits 0 to 9 and a to f."),
            )
        )
    kept = one.get("media_type") or ""
    if not (isinstance(kept, str) and re.fullmatch(r"[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,60}|", kept)):
        problems.append(
            Problem(
                f"{field}.media_type",
                "version.media_type.form",
                _("Give a media type such as text/plain, or leave it out."),
            )
        )
    return problems


def _folder_problems(seen: Mapping[str, int]) -> list[Problem]:
    problems = []
    for path, at in seen.items():
        names = path.split("/")
        above = ("/".join(names[:depth]) for depth in range(1, len(names)))
        if clash := next((one for one in above if one in seen), ""):
            problems.append(
                Problem(
                    f"files.{at}.path",
                    "version.path.file_and_folder",
                    _("{clash} is a file here and a folder there."),
                    {"clash": clash[:200]},
                )
            )
    return problems


def canonical(files: Iterable[File]) -> bytes:
    """Return a manifest as the bytes its digest is made of.

    JSON in UTF-8 without spaces: a list in the order of the paths, the keys of each file in the
    order of the alphabet.
    """
    rows = [asdict(one) for one in sorted(files)]
    text = json.dumps(rows, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode()


def digest(files: Iterable[File]) -> str:
    """Return what identifies a version: the SHA-256 of its canonical manifest, as `sha256:…`."""
    return f"sha256:{hashlib.sha256(canonical(files)).hexdigest()}"
