"""Build a corpus from Debian packages: python build.py CORPUS WORK_FOLDER [OUT_FOLDER].

Needs a Debian 12 machine with apt, dpkg-deb, groff and (for the packages) the network. Nothing is
installed: the packages that packages.toml names are downloaded with `apt-get download` and unpacked
under WORK_FOLDER; those already there are not downloaded again. The documents, corpus.json with
sizes and checksums, LICENCES/ and copyright/ go to OUT_FOLDER. The result is a pure function of the
packages: documents are sorted, and compression has fixed settings.

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
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uzina_recipes.recipes.prepare import pages

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LICENCE_TEXTS = Path("/usr/share/common-licenses")
PACKAGES = Path(__file__).parent / "packages.toml"


@dataclass(frozen=True)
class Source:
    """Some files of one Debian package, in one language as the package declares it."""

    package: str
    version: str
    language: str
    pattern: str
    licence: str
    copyright_from: str
    what: str


def sources(corpus: str) -> list[Source]:
    """The sources of a corpus, as packages.toml lists them."""
    table = tomllib.loads(PACKAGES.read_text("utf-8"))["corpora"][corpus]
    return [
        Source(
            package=row["package"].format(folder=folder.lower()),
            version=row["version"],
            language=language,
            pattern=row["files"].format(folder=folder),
            licence=row["licence"],
            copyright_from=row.get("copyright", row["package"]).format(folder=folder.lower()),
            what=row["what"],
        )
        for row in table["sources"]
        for language, folder in row["languages"].items()
    ]


def page_text(path: Path) -> str:
    """The text of an HTML page, a block a line."""
    return pages.page_text(path.read_text("utf-8", "replace"))


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
    stem = Path(source.pattern.partition("*")[0])
    for path in sorted(root.glob(source.pattern)):
        text = READERS[path.suffix](path)
        if text:
            # Names repeat in folders below, so those keep their path.
            name = path.relative_to(root / stem) if "**" in source.pattern else path.name
            yield {
                "id": f"{source.package}/{source.language}/{name}",
                "language": source.language,
                "source": source.package,
                "licence": source.licence,
                "text": text,
            }


def digest(data: bytes) -> str:
    """A SHA-256."""
    return hashlib.sha256(data).hexdigest()


def packed(raw: bytes, packing: str) -> bytes:
    """Compress, the same bytes each time."""
    if packing == "gz":
        return gzip.compress(raw, 6, mtime=0)
    return lzma.compress(raw, preset=9 | lzma.PRESET_EXTREME)


def build(corpus: str, work: Path, out: Path) -> dict[str, Any]:
    """Write a corpus to out and return what corpus.json says.

    One file, or (for a large one) one for each package, so that no file is large.
    """
    work.mkdir(parents=True, exist_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    table = tomllib.loads(PACKAGES.read_text("utf-8"))["corpora"][corpus]
    packing, chosen = table["packing"], sources(corpus)
    files: dict[str, str] = {}
    raw_digest = hashlib.sha256()
    rows, by_language = [], Counter[str]()
    pending: list[bytes] = []
    for at, source in enumerate(chosen):
        found = list(documents(source, work))
        if not found:
            raise SystemExit(f"{source.package} has no documents at {source.pattern}.")
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found).encode()
        raw_digest.update(lines)
        pending.append(lines)
        size = sum(len(row["text"].encode()) for row in found)
        by_language[source.language] += size
        rows.append(
            {
                "package": source.package,
                "version": source.version,
                "language": source.language,
                "files": source.pattern,
                "licence": source.licence,
                "documents": len(found),
                "bytes": size,
            }
        )
        is_last = at + 1 == len(chosen)
        if is_last or (packing == "gz" and chosen[at + 1].package != source.package):
            stem = "documents" if packing == "xz" else source.package
            data = packed(b"".join(pending), packing)
            (out / f"{stem}.jsonl.{packing}").write_bytes(data)
            files[f"{stem}.jsonl.{packing}"] = digest(data)
            pending.clear()
    write_licences(chosen, work, out)
    facts: dict[str, Any] = {
        "name": corpus,
        "title": table["title"],
        "languages": [
            language for language, _ in sorted(by_language.items(), key=lambda i: (i[0] != "ro", i))
        ],
        "extracted_on": table["extracted_on"].isoformat(),
        "licence": " AND ".join(
            sorted({f"({s.licence})" if " OR " in s.licence else s.licence for s in chosen})
        ),
        "documents": sum(row["documents"] for row in rows),
        "bytes": by_language.total(),
        "bytes_by_declared_language": dict(
            sorted(by_language.items(), key=lambda item: (item[0] != "ro", item[0]))
        ),
        "files": files,
        "sha256_uncompressed": raw_digest.hexdigest(),
        "sources": rows,
    }
    (out / "corpus.json").write_text(json.dumps(facts, ensure_ascii=False, indent=2) + "\n")
    if not (out / "README.md").exists():
        (out / "README.md").write_text(readme(facts, chosen), "utf-8")
    return facts


def readme(facts: dict[str, Any], chosen: Sequence[Source]) -> str:
    """What the corpus is, for whoever finds the folder."""
    what = {source.pattern: source.what for source in chosen}
    lines = [
        f"# {facts['title']['en']}",
        "",
        (
            f"{facts['documents']:,} documents, {facts['bytes'] / 1e6:.1f} MB of text, extracted on "
            f"{facts['extracted_on']} from Debian packages by `build.py {facts['name']}`. Each document "
            "names its package and its licence; the packages' copyright files are in `copyright/`, "
            "full licences in `LICENCES/`, checksums in `corpus.json`."
        ),
        "",
        "| package | version | language | documents | MB | licence | what |",
        "|---|---|---|---:|---:|---|---|",
        *(
            f"| {row['package']} | {row['version']} | {row['language']} | {row['documents']:,} "
            f"| {row['bytes'] / 1e6:.2f} | {row['licence']} | {what[row['files']]} |"
            for row in facts["sources"]
        ),
    ]
    return "\n".join([*lines, ""])


def write_licences(chosen: Sequence[Source], work: Path, out: Path) -> None:
    """Copy each package's copyright file and the full texts of the licences they name."""
    for folder in ("copyright", "LICENCES"):
        (out / folder).mkdir(exist_ok=True)
    versions = {source.copyright_from: source.version for source in chosen}
    for package, version in versions.items():
        root = unpacked(package, version, work)
        shutil.copy(
            root / "usr/share/doc" / package / "copyright", out / "copyright" / f"{package}.txt"
        )
    for name in ("GPL-2", "GPL-3", "GFDL-1.2", "MPL-2.0"):
        shutil.copy(LICENCE_TEXTS / name, out / "LICENCES" / f"{name}.txt")


if __name__ == "__main__":
    name, folder = sys.argv[1], Path(sys.argv[2]).resolve()
    target = Path(sys.argv[3]) if len(sys.argv) > 3 else Path(__file__).parent / name
    print(json.dumps(build(name, folder, target), ensure_ascii=False, indent=2))  # noqa: T201
