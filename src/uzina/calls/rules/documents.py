"""Files that applicants send: judged by their content, refused where they could do harm.

What is taken is what is passed on to assessors and reviewers, who open it on their own machines.
"""

import codecs
import csv
import re
import unicodedata
import zipfile
from collections.abc import Collection, Sequence
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from uzina.calls.rules.modes import DocumentSpec, in_language
from uzina.core.errors import Problem, Refused
from uzina.core.text import _

MIB = 2**20
PIECE = 64 * 1024

MEDIA_TYPES = {
    "pdf": "application/pdf",
    "text": "text/plain",
    "csv": "text/csv",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "odt": "application/vnd.oasis.opendocument.text",
}
ENDINGS = {"pdf": ".pdf", "text": ".txt", "csv": ".csv", "docx": ".docx", "odt": ".odt"}
TITLES = {
    "pdf": "PDF",
    "text": _("plain text"),
    "csv": "CSV",
    "docx": "Word (.docx)",
    "odt": "OpenDocument (.odt)",
}

LONGEST_NAME = 120
MOST_MEMBERS = 2000
MOST_UNPACKED = 200 * MIB
MOST_RATIO = 100
"""A document packs text and pictures 2 to 20 times smaller; a bomb 1000 times and more."""
MOST_OBJECTS = 200_000

UNSEEN = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
"""Unicode categories that have no place in a name; Cf holds the marks that turn text around."""

MARKUP = (
    b"<!doctype",
    b"<html",
    b"<head",
    b"<body",
    b"<script",
    b"<svg",
    b"<?xml",
    b"<?php",
    b"#!",
)

PDF_FORBIDDEN = frozenset(
    {
        "/AA",
        "/EmbeddedFile",
        "/EmbeddedFiles",
        "/ImportData",
        "/JS",
        "/JavaScript",
        "/Launch",
        "/Movie",
        "/Rendition",
        "/RichMedia",
        "/Sound",
        "/SubmitForm",
        "/XFA",
    }
)
"""Names by which a PDF runs something, sends something, or carries another file."""

PDF_WORDS = re.compile(
    rb"/(?:JavaScript|Launch|EmbeddedFiles?|RichMedia|SubmitForm|ImportData)(?![A-Za-z])"
)
"""The same in the raw bytes, where a reader that repairs files might find them. Only words that
compressed data do not hold by chance."""

ZIP_FORBIDDEN = re.compile(
    r"(^|/)(vbaproject\.bin|vbadata\.xml|basic/|scripts/|.*\.(exe|dll|js|vbs|bat|cmd|ps1|scr|hta|jar))"
    r"|^word/(embeddings|activex)/",
    re.IGNORECASE,
)
"""Members of a document that run, or carry another file."""

REMOTE = re.compile(rb"attachedTemplate[^>]*External|External[^>]*attachedTemplate", re.IGNORECASE)
"""A template that is fetched when the document is opened."""


def clean_name(name: str, kind: str) -> str:
    """Return the name to show: the last part of a path, with the ending of what the file is.

    Raises Refused document.attach.name where it holds characters that mislead.
    """
    last = PurePosixPath(unicodedata.normalize("NFC", name).replace("\\", "/")).name.strip(" .")
    if any(unicodedata.category(one) in UNSEEN for one in last) or not last:
        raise Refused(
            "document.attach.name",
            _(
                "The file name is empty or holds characters that cannot be seen. Give the file a "
                "plain name and send it again."
            ),
        )
    ending = ENDINGS[kind]
    stem = last[: -len(ending)] if last.lower().endswith(ending) else last
    return f"{stem[: LONGEST_NAME - len(ending)]}{ending}"


def check_size(size: int, most_mib: int) -> None:
    """Raise Refused document.attach.too_large or document.attach.empty."""
    if size > most_mib * MIB:
        raise Refused(
            "document.attach.too_large",
            _("The file has more than {most} MiB. Send a smaller one."),
            most=most_mib,
        )
    if size == 0:
        raise Refused("document.attach.empty", _("The file is empty. Send the one you meant."))


def kind_of(file: BinaryIO, kinds: Collection[str]) -> str:
    """Return what a file is, one of kinds, by its content; the name says nothing.

    file  at any place, can be read from the start

    Raises Refused document.attach.type for another one, and what the checks of the kinds raise.
    """
    file.seek(0)
    head = file.read(1024)
    found = _sniff(file, head, kinds)
    if found not in kinds:
        raise Refused(
            "document.attach.type",
            _("This file is not of a kind that is asked for. Send one of: {kinds}."),
            kinds=", ".join(TITLES[kind] for kind in kinds),
        )
    match found:
        case "pdf":
            check_pdf(file)
        case "docx" | "odt":
            check_archive(file)
    file.seek(0)
    return found


def _sniff(file: BinaryIO, head: bytes, kinds: Collection[str]) -> str:
    if head.startswith(b"%PDF-"):
        return "pdf"
    if head.startswith(b"PK\x03\x04"):
        return _sniff_archive(file)
    if not {"text", "csv"} & set(kinds) or not is_text(file, head):
        return ""
    if "csv" in kinds and is_table(file):
        return "csv"
    return "text" if "text" in kinds else ""


def _sniff_archive(file: BinaryIO) -> str:
    try:
        with zipfile.ZipFile(file) as archive:
            names = {one.filename for one in archive.infolist()[: MOST_MEMBERS + 1]}
            if {"[Content_Types].xml", "word/document.xml"} <= names:
                return "docx"
            if "mimetype" in names and "content.xml" in names:
                with archive.open("mimetype") as member:
                    return "odt" if member.read(100) == MEDIA_TYPES["odt"].encode() else ""
    except _UNREADABLE:
        return ""
    return ""


_UNREADABLE = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    KeyError,
    OverflowError,
)
"""What zipfile raises for an archive that lies about itself."""


def is_text(file: BinaryIO, head: bytes) -> bool:
    """Tell whether a file is text in UTF-8 without control characters, and no page or program."""
    if head.removeprefix(codecs.BOM_UTF8).lstrip().lower().startswith(MARKUP):
        return False
    file.seek(0)
    decode = codecs.getincrementaldecoder("utf-8")()
    try:
        while piece := file.read(PIECE):
            if re.search(r"[\x00-\x08\x0b\x0e-\x1f\x7f]", decode.decode(piece)):
                return False
        decode.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def is_table(file: BinaryIO) -> bool:
    """Tell whether the first lines of a text have the same number of columns, two or more."""
    file.seek(0)
    sample = file.read(PIECE).decode("utf-8-sig", errors="ignore").splitlines()[:50]
    for separator in ",;\t":
        try:
            widths = {len(row) for row in csv.reader(sample[:-1] or sample, delimiter=separator)}
        except csv.Error:
            continue
        if len(widths - {0}) == 1 and max(widths) > 1:
            return True
    return False


def _harmful(what: str) -> Refused:
    return Refused(
        "document.attach.harmful",
        _(
            "This file holds {what}, which is not taken. Save it without, for instance by printing "
            "it to a new PDF, and send that."
        ),
        what=what,
    )


def _unreadable() -> Refused:
    return Refused(
        "document.attach.unreadable",
        _("This file is damaged or locked by a password. Save it anew and send that."),
    )


def check_archive(file: BinaryIO) -> None:
    """Look through the members of a docx or odt, unpacking each once in small pieces.

    Raises Refused document.attach.bomb, .harmful, .unreadable.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if len(members) > MOST_MEMBERS:
                raise _bomb()
            for member in members:
                name = member.filename.replace("\\", "/")
                if name.startswith("/") or ".." in name.split("/") or ":" in name:
                    raise _harmful("a path")
                if ZIP_FORBIDDEN.search(name):
                    raise _harmful(name.rsplit("/", 1)[-1][:60] or name[:60])
            _unpack(archive, members)
    except _UNREADABLE as mistake:
        raise _unreadable() from mistake


def _unpack(archive: zipfile.ZipFile, members: Sequence[zipfile.ZipInfo]) -> None:
    packed, unpacked = sum(one.compress_size for one in members), 0
    for member in members:
        seen = b""
        with archive.open(member) as content:
            while piece := content.read(PIECE):
                unpacked += len(piece)
                if unpacked > MOST_UNPACKED or unpacked > MIB + MOST_RATIO * packed:
                    raise _bomb()
                if member.filename.endswith(".rels"):
                    if REMOTE.search(seen + piece):
                        raise _harmful("attachedTemplate")
                    seen = piece[-1000:]


def _bomb() -> Refused:
    return Refused(
        "document.attach.bomb",
        _("This file unpacks to far more than a document holds. Save it anew and send that."),
    )


def check_pdf(file: BinaryIO) -> None:
    """Look through all objects of a PDF for what runs, sends or carries.

    Raises Refused document.attach.harmful, .unreadable.
    """
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    _check_raw(file)
    file.seek(0)
    try:
        reader = PdfReader(file, strict=False)
        if reader.is_encrypted:
            raise _unreadable()
        if not reader.pages or len(reader.xref_objStm) > MOST_OBJECTS:
            raise _unreadable()
        for number in _numbers(reader):
            _check_object(reader.get_object(number))
    except (PyPdfError, RecursionError, *_UNREADABLE, TypeError, AttributeError) as mistake:
        raise _unreadable() from mistake


def _numbers(reader: Any) -> list[int]:
    numbers = set(reader.xref_objStm)
    for generation in reader.xref.values():
        numbers |= set(generation)
    if len(numbers) > MOST_OBJECTS:
        raise _unreadable()
    return sorted(numbers)


def _check_object(whole: Any) -> None:
    """Look at an object and what lies in it, not at what it points to: that has its own turn."""
    waiting = [whole]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            names = {str(key) for key in one} | {str(one.get(key)) for key in ("/S", "/Type")}
            if found := names & PDF_FORBIDDEN:
                raise _harmful(min(found))
            waiting += [dict.__getitem__(one, key) for key in one]
        elif isinstance(one, list):
            waiting += list.copy(one)


def _check_raw(file: BinaryIO) -> None:
    file.seek(0)
    kept = b""
    while piece := file.read(PIECE):
        text = re.sub(rb"#([0-9A-Fa-f]{2})", lambda found: bytes([int(found[1], 16)]), kept + piece)
        if found := PDF_WORDS.search(text):
            raise _harmful(found[0].decode())
        kept = piece[-64:]


def missing(
    specs: Sequence[DocumentSpec], attached: Collection[str], language: str
) -> list[Problem]:
    """Return the documents that the mode asks for and that are not there."""
    return [
        Problem(
            f"documents.{spec.slug}",
            "document.attach.missing",
            _("Attach the document “{title}”."),
            {"title": in_language(spec.title, language)},
        )
        for spec in specs
        if spec.is_required and spec.slug not in attached
    ]
