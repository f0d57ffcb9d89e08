"""A folder here and files there: what differs, and what to do about it."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uzina_client.files import Blob, files_under
from uzina_client.transfer import Transfer
from uzina_client.transport import Json

if TYPE_CHECKING:
    from uzina_client.catalogue import Catalogue

LIST = 200
"""Rows of one page of a list, and names in one request: the most that the portal takes."""
PAGE = 1000
ROW = ("path", "bytes", "sha256", "media_type")

SPACE = re.compile(r"(?P<space>(?P<project>PRJ-[0-9A-Z]{4,12}):(?P<kind>[a-z]+))(?:/(?P<path>.*))?")
OUR_PARTS = re.compile(r"\..+\.[0-9a-f]{12}\.part")
"""What a download that was cut off leaves; it is never sent."""


@dataclass(frozen=True)
class Target:
    """Where files are on the portal: a dataset (a version of it, or the newest), or a space.

    base  address of the space below /catalogue, "" for a dataset
    path  the folder in the space, "" for all of it
    """

    slug: str = ""
    number: int = 0
    space: str = ""
    base: str = ""
    path: str = ""

    @property
    def below(self) -> str:
        """What comes before the names of its files there."""
        return f"{self.path}/" if self.path else ""


def target(reference: str) -> Target:
    """Return what a person names: ro-corpus, ro-corpus@3, PRJ-7Q3K2M:scratch/run-1.

    Raises ValueError for a version that is no number.
    """
    match = SPACE.fullmatch(reference)
    if match:
        return Target(
            space=match["space"],
            base=f"/catalogue/spaces/{match['project']}/{match['kind']}",
            path=(match["path"] or "").strip("/"),
        )
    slug, _at, number = reference.partition("@")
    if number and not (number.isascii() and number.isdigit()):
        msg = f"{reference!r} names no version: write {slug}@3."
        raise ValueError(msg)
    return Target(slug=slug, number=int(number or 0))


@dataclass(frozen=True)
class Plan:
    """What differs, by name.

    here   what each file here is, as far as it had to be known
    new    only here
    other  here and there, and not the same
    same   here and there, the same
    gone   only there
    """

    files: Mapping[str, Path]
    new: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    @property
    def is_done(self) -> bool:
        """Nothing differs."""
        return not (self.new or self.other or self.gone)

    def size(self) -> int:
        """Return the bytes of the files that are only here or differ."""
        return sum(self.files[name].stat().st_size for name in (*self.new, *self.other))


def here(folder: Path) -> dict[str, Path]:
    """Return the files of a folder by the names they get there: Unicode composed, as NFC."""
    return {
        unicodedata.normalize("NFC", name): path
        for name, path in files_under(folder).items()
        if not OUR_PARTS.fullmatch(path.name)
    }


def compare(transfer: Transfer, folder: Path, there: Iterable[Mapping[str, Any]]) -> Plan:
    """Return what differs. A file is read only where its size is the same and it has changed."""
    files = here(folder) if folder.exists() else {}
    known = {one["path"]: one for one in there}
    plan = Plan(files=files, gone=sorted(set(known) - set(files)))
    for name, path in sorted(files.items()):
        if name not in known:
            plan.new.append(name)
            continue
        blob = Blob(int(known[name]["bytes"]), known[name]["sha256"])
        (plan.same if transfer.is_there(path, blob) else plan.other).append(name)
    return plan


def newest(catalogue: "Catalogue", slug: str) -> int:
    """Return the number of a dataset's newest version, 0 while it has none."""
    versions = catalogue.dataset(slug)["version_list"]
    return max((int(one["number"]) for one in versions), default=0)


def listed(catalogue: "Catalogue", reference: str) -> list[Json]:
    """Return the files of a version, the newest where none is named, or below a space's path.

    Their paths are relative to what is named.
    """
    goal = target(reference)
    if goal.space:
        rows = catalogue.transport.pages(f"{goal.base}/items", path=goal.path, limit=LIST)
        return [dict(one, path=one["path"].removeprefix(goal.below)) for one in rows]
    number = goal.number or newest(catalogue, goal.slug)
    return list(catalogue.version(goal.slug, number)["manifest"]) if number else []


def push(catalogue: "Catalogue", reference: str, folder: Path, *, note: str, delete: bool) -> Json:
    """Send what differs; see Catalogue.push."""
    goal = target(reference)
    there = {one["path"]: one for one in listed(catalogue, reference)}
    plan = compare(catalogue.transfer, folder, there.values())
    moved = plan.new + plan.other
    if not moved and not (delete and plan.gone):
        return None
    sent = catalogue.transfer.send_all(
        {goal.below + name: plan.files[name] for name in moved}, space=goal.space
    )
    if goal.space:
        if delete and plan.gone:
            paths = [goal.below + name for name in plan.gone]
            for first in range(0, len(paths), PAGE):
                catalogue.transport.post(
                    f"{goal.base}/trash", {"paths": paths[first : first + PAGE]}
                )
        return {"files": moved, "trashed": plan.gone if delete else []}
    kept = plan.same if delete else plan.same + plan.gone
    rows = [{key: there[name][key] for key in ROW} for name in kept]
    rows += [blob.as_file(name) for name, blob in sent.items()]
    return catalogue.transport.post(
        f"/catalogue/datasets/{goal.slug}/versions", {"files": rows, "note": note}
    )


def pull(catalogue: "Catalogue", reference: str, folder: Path, *, delete: bool) -> list[Path]:
    """Fetch what differs; see Catalogue.pull."""
    goal = target(reference)
    there = listed(catalogue, reference)
    plan = compare(catalogue.transfer, folder, there)
    base = goal.base
    if not goal.space:
        number = goal.number or newest(catalogue, goal.slug)
        base = f"/catalogue/datasets/{goal.slug}/versions/{number}"
    wanted = set(plan.other) | set(plan.gone)
    rows = [one for one in there if one["path"] in wanted]
    found = catalogue.transfer.fetch_all(base, rows, to=folder, below=goal.below)
    if delete:
        for name in plan.new:
            plan.files[name].unlink()
    return found
