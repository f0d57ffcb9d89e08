"""Build corpora/debian-docs from Debian packages: python build.py WORK_FOLDER [OUT_FOLDER].

Needs a Debian 12 machine with apt, dpkg-deb, groff and (for the packages) the network. It downloads
the packages named in SOURCES with `apt-get download`, unpacks them under WORK_FOLDER and writes
documents.jsonl.xz, corpus.json, LICENCES/ and copyright/ to OUT_FOLDER. Packages already in
WORK_FOLDER are not downloaded again. The result is a pure function of the packages: documents are
sorted, and compression has fixed settings.

The text is left raw on purpose: navigation bars, page footers, pages that were never translated,
repeated paragraphs and cedilla spellings all stay in, for the prepare recipe to deal with.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import lzma
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

EXTRACTED_ON = "2026-11-21"
LICENCE_TEXTS = Path("/usr/share/common-licenses")


@dataclass(frozen=True)
class Source:
    """Some files of one Debian package, in one language as the package declares it."""

    package: str
    version: str
    language: str
    pattern: str
    licence: str
    copyright_package: str = ""

    @property
    def copyright_from(self) -> str:
        """The package whose copyright file covers these files."""
        return self.copyright_package or self.package


HANDBOOK = "GPL-2.0-or-later OR CC-BY-SA-3.0"
SOURCES = (
    Source(
        "debian-handbook",
        "11.20220922",
        "en",
        "usr/share/doc/debian-handbook/html/en-US/*.html",
        HANDBOOK,
    ),
    Source(
        "debian-handbook",
        "11.20220922",
        "ro",
        "usr/share/doc/debian-handbook/html/ro-RO/*.html",
        HANDBOOK,
    ),
    Source(
        "debian-reference-en",
        "2.100",
        "en",
        "usr/share/debian-reference/*.html",
        "GPL-2.0-or-later",
    ),
    Source(
        "gimp-help-en",
        "2.10.34-2",
        "en",
        "usr/share/gimp/2.0/help/en/*.html",
        "GFDL-1.2-no-invariants-or-later",
        "gimp-help-common",
    ),
    Source(
        "gimp-help-ro",
        "2.10.34-2",
        "ro",
        "usr/share/gimp/2.0/help/ro/*.html",
        "GFDL-1.2-no-invariants-or-later",
        "gimp-help-common",
    ),
    Source(
        "installation-guide-amd64",
        "20230508+deb12u1",
        "en",
        "usr/share/doc/installation-guide-amd64/en/*.html",
        "GPL-2.0-only",
    ),
    Source(
        "installation-guide-amd64",
        "20230508+deb12u1",
        "ro",
        "usr/share/doc/installation-guide-amd64/ro/*.html",
        "GPL-2.0-only",
    ),
    Source("manpages-ro", "4.18.1-1", "ro", "usr/share/man/ro/man*/*.gz", "GPL-3.0-or-later"),
    Source(
        "libreoffice-l10n-ro",
        "4:7.4.7-1+deb12u14",
        "ro",
        "usr/lib/libreoffice/program/resource/ro/LC_MESSAGES/*.mo",
        "MPL-2.0",
    ),
)


class PageText(HTMLParser):
    """Turn a page into lines, one for each block element; everything that is shown is kept."""

    BLOCKS = frozenset(
        [
            "address",
            "article",
            "blockquote",
            "body",
            "br",
            "caption",
            "center",
            "dd",
            "div",
            "dl",
            "dt",
            "fieldset",
            "figure",
            "footer",
            "form",
            "h1",
            "h2",
            "h3",
            "h4",
            "h5",
            "h6",
            "header",
            "hr",
            "li",
            "nav",
            "ol",
            "p",
            "pre",
            "section",
            "table",
            "tbody",
            "td",
            "tfoot",
            "th",
            "thead",
            "title",
            "tr",
            "ul",
        ]
    )
    HIDDEN = frozenset({"script", "style"})

    def __init__(self) -> None:
        """Start with an empty page."""
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = [""]
        self.hidden = 0
        self.verbatim = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a new line at a block."""
        del attrs
        self.hidden += tag in self.HIDDEN
        self.verbatim += tag == "pre"
        if tag in self.BLOCKS:
            self.lines.append("")

    def handle_endtag(self, tag: str) -> None:
        """End the line at the end of a block."""
        self.hidden -= tag in self.HIDDEN
        self.verbatim -= tag == "pre"
        if tag in self.BLOCKS:
            self.lines.append("")

    def handle_data(self, data: str) -> None:
        """Add to the current line; line breaks count only inside <pre>."""
        if self.hidden:
            return
        if not self.verbatim:
            self.lines[-1] += re.sub(r"\s+", " ", data)
            return
        first, *rest = data.split("\n")
        self.lines[-1] += first
        self.lines.extend(rest)

    def text(self) -> str:
        """The lines that have something in them."""
        return "\n".join(line.rstrip() for line in self.lines if line.strip())


def page_text(path: Path) -> str:
    """The text of an HTML page, a block a line."""
    page = PageText()
    page.feed(path.read_text("utf-8", "replace"))
    page.close()
    return page.text()


def manual_text(path: Path) -> str:
    """A manual page as groff shows it, without line filling."""
    done = subprocess.run(
        ["groff", "-K", "utf8", "-mandoc", "-T", "utf8", "-P-cbou", "-rLL=1900n", "-rHY=0"],
        input=gzip.decompress(path.read_bytes()),
        capture_output=True,
        check=True,
    )
    lines = (re.sub(r" {9,}", " " * 8, line.strip()) for line in done.stdout.decode().splitlines())
    return "\n".join(line for line in lines if line)


def catalogue_text(path: Path) -> str:
    """The translations in a gettext catalogue, one after the other, in the order of the file."""
    data = path.read_bytes()
    order = "little" if data[:4] == b"\xde\x12\x04\x95" else "big"
    number = lambda at: int.from_bytes(data[at : at + 4], order)  # type: ignore[arg-type]  # noqa: E731
    count, table = number(8), number(16)
    texts = []
    for row in range(1, count):  # row 0 is the header
        length, at = number(table + 8 * row), number(table + 8 * row + 4)
        texts.extend(data[at : at + length].decode("utf-8").replace("\0", "\n").split("\n"))
    return "\n".join(text.strip() for text in texts if text.strip())


READERS = {".html": page_text, ".gz": manual_text, ".mo": catalogue_text}


def run(*command: str, cwd: Path) -> None:
    """Run a command; CalledProcessError when it fails."""
    subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.DEVNULL)


def unpacked(package: str, version: str, work: Path) -> Path:
    """The folder with a package's files, downloaded and unpacked where it is not there yet."""
    folder = work / f"{package}_{version}".replace(":", "%3a")
    if not folder.exists():
        archives = work / "archives"
        archives.mkdir(parents=True, exist_ok=True)
        name = f"{package}_{version.replace(':', '%3a')}_all.deb"
        if not (archives / name).exists():
            run("apt-get", "download", f"{package}={version}", cwd=archives)
        run("dpkg-deb", "--extract", str(archives / name), str(folder), cwd=work)
    return folder


def documents(source: Source, work: Path) -> Iterator[dict[str, str]]:
    """The documents of one source, sorted by file name."""
    root = unpacked(source.package, source.version, work)
    for path in sorted(root.glob(source.pattern)):
        text = READERS[path.suffix](path)
        if text:
            yield {
                "id": f"{source.package}/{source.language}/{path.name}",
                "language": source.language,
                "source": source.package,
                "licence": source.licence,
                "text": text,
            }


def build(work: Path, out: Path) -> dict[str, object]:
    """Write the corpus to out and return what corpus.json says."""
    work.mkdir(parents=True, exist_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    rows, sources = [], []
    for source in SOURCES:
        found = list(documents(source, work))
        rows += found
        sources.append(
            {
                "package": source.package,
                "version": source.version,
                "language": source.language,
                "files": source.pattern,
                "licence": source.licence,
                "documents": len(found),
                "bytes": sum(len(row["text"].encode()) for row in found),
            }
        )
    raw = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    packed = lzma.compress(raw, preset=9 | lzma.PRESET_EXTREME)
    (out / "documents.jsonl.xz").write_bytes(packed)
    write_licences(work, out)
    facts: dict[str, object] = {
        "name": "debian-docs",
        "title": {
            "en": "Debian and free software documentation, Romanian and English",
            "ro": "Documentație Debian și software liber, română și engleză",
        },
        "languages": ["ro", "en"],
        "extracted_on": EXTRACTED_ON,
        "licence": " AND ".join(
            sorted({f"({s.licence})" if " OR " in s.licence else s.licence for s in SOURCES})
        ),
        "documents": len(rows),
        "bytes": sum(len(row["text"].encode()) for row in rows),
        "bytes_by_declared_language": {
            language: sum(len(r["text"].encode()) for r in rows if r["language"] == language)
            for language in ("ro", "en")
        },
        "files": {"documents.jsonl.xz": hashlib.sha256(packed).hexdigest()},
        "sha256_uncompressed": hashlib.sha256(raw).hexdigest(),
        "sources": sources,
    }
    (out / "corpus.json").write_text(json.dumps(facts, ensure_ascii=False, indent=2) + "\n")
    return facts


def write_licences(work: Path, out: Path) -> None:
    """Copy each package's copyright file and the full texts of the licences they name."""
    for folder in ("copyright", "LICENCES"):
        (out / folder).mkdir(exist_ok=True)
    versions = {source.copyright_from: source.version for source in SOURCES}
    for package, version in versions.items():
        root = unpacked(package, version, work)
        shutil.copy(
            root / "usr/share/doc" / package / "copyright", out / "copyright" / f"{package}.txt"
        )
    for name in ("GPL-2", "GPL-3", "GFDL-1.2", "MPL-2.0"):
        shutil.copy(LICENCE_TEXTS / name, out / "LICENCES" / f"{name}.txt")


if __name__ == "__main__":
    target = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parent / "debian-docs"
    print(json.dumps(build(Path(sys.argv[1]).resolve(), target), ensure_ascii=False, indent=2))  # noqa: T201
