"""Storage of projects over HTTP: spaces, their folders and their trash. Files are sent and fetched
by `catalogue`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from uzina_client.part import Part
from uzina_client.transport import Json


class Spaces(Part):
    """What a project may keep where, and until when. A place is PROJECT:KIND/path."""

    def list(self, *, project: str = "") -> Iterator[Json]:
        """Yield the spaces one may see: quota, what is taken, and until when."""
        given = {"project": project} if project else {}
        return self.transport.pages("/catalogue/spaces", **given)

    def show(self, place: str) -> Json:
        """Return one space."""
        return self.transport.get(_parts(place)[0])

    def folder(self, place: str, *, q: str = "", sort: str = "name", first: int = 0) -> Json:
        """Return what is in a folder: `entries`, up to 200 from `first` on, and `count` of all."""
        base, path = _parts(place)
        return self.transport.get(f"{base}/folder", path=path, q=q, sort=sort, first=first)

    def items(self, place: str, *, is_trashed: bool = False) -> Iterator[Json]:
        """Yield every file at a place or below it; with is_trashed, what lies in the trash."""
        base, path = _parts(place)
        flag = str(is_trashed).lower()
        return self.transport.pages(f"{base}/items", path=path, is_trashed=flag)

    def trash(self, *places: str) -> int:
        """Move files and folders of one space to the trash; return how many files went."""
        base, _path = _parts(places[0])
        paths = [_parts(one)[1] for one in places]
        return int(self.transport.post(f"{base}/trash", {"paths": paths})["files"])

    def restore(self, place: str, ids: Sequence[int]) -> int:
        """Take files out of the trash by their ids; return how many came back."""
        base, _path = _parts(place)
        return int(self.transport.post(f"{base}/restore", {"ids": list(ids)})["files"])

    def move(self, place: str, to: str) -> int:
        """Move or rename a file or folder, also to another space of the project; how many files."""
        base, path = _parts(place)
        target, goal = _parts(to)
        body: dict[str, Any] = {"path": path, "to": goal, "kind": target.rpartition("/")[2]}
        return int(self.transport.post(f"{base}/move", body)["files"])

    def empty_trash(self, place: str) -> int:
        """Delete for good what is in the trash. For leads."""
        return int(self.transport.post(f"{_parts(place)[0]}/empty-trash")["files"])

    def trash_all(self, place: str) -> Json:
        """Put a whole space into the trash. For leads."""
        return self.transport.post(f"{_parts(place)[0]}/trash-all")

    def restore_all(self, place: str) -> Json:
        """Take a whole space out of the trash. For leads."""
        return self.transport.post(f"{_parts(place)[0]}/restore-all")

    def add_version(self, place: str, slug: str, *, note: str = "") -> Json:
        """Make a dataset version of a folder. Nothing is copied."""
        base, path = _parts(place)
        return self.transport.post(f"{base}/version", {"path": path, "dataset": slug, "note": note})

    def made_from(self, slug: str, number: int) -> Any:
        """Return every version made from this one, directly or not: data and models."""
        return self.transport.get(f"/catalogue/datasets/{slug}/versions/{number}/made-from")

    def purge_version(self, slug: str, number: int, *, basis: str, reason: str) -> Json:
        """Give up the bytes of a version: basis erasure, retention, rights, order or no_need."""
        body = {"basis": basis, "reason": reason}
        return self.transport.post(f"/catalogue/datasets/{slug}/versions/{number}/purge", body)


def _parts(place: str) -> tuple[str, str]:
    """Return the address of the space and the path in it. Raises ValueError for another form."""
    space, _slash, path = place.partition("/")
    project, colon, kind = space.partition(":")
    if not (project and colon and kind):
        msg = f"{place!r} names no space: write PROJECT:KIND/path, such as PRJ-7Q3K2M:scratch/run."
        raise ValueError(msg)
    return f"/catalogue/spaces/{project}/{kind}", path.strip("/")
