"""What changed from one version to the next, told from their manifests."""

from collections.abc import Sequence
from dataclasses import dataclass

from uzina.catalogue.rules.versions import File


@dataclass(frozen=True)
class Difference:
    """What changed, each list in the order of the paths.

    changed    files that hold other bytes than before, as they are now
    moved      (path before, path now) of bytes that are elsewhere now
    unchanged  how many files are as they were
    bytes      how much larger the whole is; below zero when it is smaller
    """

    added: tuple[File, ...]
    removed: tuple[File, ...]
    changed: tuple[File, ...]
    moved: tuple[tuple[str, str], ...]
    unchanged: int
    bytes: int


def difference(before: Sequence[File], after: Sequence[File]) -> Difference:
    """Return what changed from one manifest to another. Time: that of sorting the paths."""
    old = {one.path: one for one in before}
    new = {one.path: one for one in after}
    gone: dict[str, list[str]] = {}
    for path in sorted(old.keys() - new.keys(), reverse=True):
        gone.setdefault(old[path].sha256, []).append(path)
    added, moved = [], []
    for path in sorted(new.keys() - old.keys()):
        if left := gone.get(new[path].sha256):
            moved.append((left.pop(), path))
        else:
            added.append(new[path])
    removed = sorted(path for left in gone.values() for path in left)
    stayed = sorted(old.keys() & new.keys())
    changed = [new[path] for path in stayed if new[path].sha256 != old[path].sha256]
    return Difference(
        added=tuple(added),
        removed=tuple(old[path] for path in removed),
        changed=tuple(changed),
        moved=tuple(moved),
        unchanged=len(stayed) - len(changed),
        bytes=sum(one.bytes for one in after) - sum(one.bytes for one in before),
    )
