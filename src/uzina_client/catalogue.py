"""Datasets, their versions and their bytes, over HTTP."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from uzina_client import files
from uzina_client.files import fetch_files
from uzina_client.part import Part
from uzina_client.problems import Problem
from uzina_client.transport import Json


class Catalogue(Part):
    """What data there is, under which terms; its versions and their files."""

    def licences(self) -> Iterator[Json]:
        """Yield the licences the portal knows."""
        return self.transport.pages("/catalogue/licences")

    def datasets(self) -> Iterator[Json]:
        """Yield the datasets one may see."""
        return self.transport.pages("/catalogue/datasets")

    def dataset(self, slug: str) -> Json:
        """Return one dataset with its versions."""
        return self.transport.get(f"/catalogue/datasets/{slug}")

    def register(self, facts: Mapping[str, Any]) -> Json:
        """Describe a new dataset: slug, title, licence, languages, holder."""
        return self.transport.post("/catalogue/datasets", dict(facts))

    def publish(self, slug: str) -> Json:
        """Let everyone see a dataset."""
        return self.transport.post(f"/catalogue/datasets/{slug}/publish")

    def version(self, slug: str, number: int) -> Json:
        """Return one version with its manifest."""
        return self.transport.get(f"/catalogue/datasets/{slug}/versions/{number}")

    def upload(self, path: Path) -> files.Blob:
        """Store one file and return what it is. A file the portal already has is not sent again.

        Raises OSError when the file cannot be read, or changes while it is sent.
        """
        blob = files.blob_of(path)
        if not self._has(blob.sha256):
            self.transport.send(
                "PUT",
                f"/catalogue/blobs/{blob.sha256}",
                body=lambda: files.pieces_of(path, blob),
                headers={
                    "Content-Type": "application/octet-stream",
                    "Content-Length": str(blob.bytes),
                },
            )
        return blob

    def _has(self, sha256: str) -> bool:
        try:
            self.transport.get(f"/catalogue/blobs/{sha256}")
        except Problem as problem:
            if problem.status == httpx.codes.NOT_FOUND:
                return False
            raise
        return True

    def add_version(self, slug: str, *, paths: Mapping[str, Path], note: str) -> Json:
        """Upload files and make a new version of them.

        paths  the name of each file inside the version, and where it is now
        """
        listed = [self.upload(path).as_file(name) for name, path in paths.items()]
        return self.transport.post(
            f"/catalogue/datasets/{slug}/versions", {"files": listed, "note": note}
        )

    def download(self, slug: str, number: int, *, to: Path | str) -> list[Path]:
        """Fetch every file of a version into a folder, and check each against its checksum.

        Files already there and right are kept. Raises OSError for one that does not match.
        """
        base = f"/catalogue/datasets/{slug}/versions/{number}"
        return fetch_files(self.transport, base, self.version(slug, number)["manifest"], to=Path(to))
