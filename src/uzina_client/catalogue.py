"""Datasets, their versions and their bytes, over HTTP."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from uzina_client import files, folders
from uzina_client.part import Part
from uzina_client.transfer import Transfer
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

    @cached_property
    def transfer(self) -> Transfer:
        """What sends and fetches files; set its `progress` to be told how far it has come."""
        return Transfer(self.transport)

    def upload(self, path: Path | str) -> files.Blob:
        """Store one file and return what it is. A file the portal already has is not sent again.

        A large one goes in parts; begun before and cut off, it goes on where it stopped.
        Raises OSError when the file cannot be read, or changes while it is sent.
        """
        return self.transfer.send(Path(path))

    def add_version(self, slug: str, *, paths: Mapping[str, Path], note: str) -> Json:
        """Upload files and make a new version of them.

        paths  the name of each file inside the version, and where it is now
        """
        sent = self.transfer.send_all(paths)
        return self._version(slug, [blob.as_file(name) for name, blob in sent.items()], note)

    def _version(self, slug: str, listed: list[dict[str, str | int]], note: str) -> Json:
        return self.transport.post(
            f"/catalogue/datasets/{slug}/versions", {"files": listed, "note": note}
        )

    def download(self, slug: str, number: int, *, to: Path | str) -> list[Path]:
        """Fetch every file of a version into a folder, and check each against its checksum.

        Files already there and right are kept. Raises OSError for one that does not match.
        """
        base = f"/catalogue/datasets/{slug}/versions/{number}"
        manifest = self.version(slug, number)["manifest"]
        return self.transfer.fetch_all(base, manifest, to=Path(to))

    def compare(self, reference: str, folder: Path | str) -> folders.Plan:
        """Return what differs between a folder here and a dataset or space there."""
        return folders.compare(self.transfer, Path(folder), folders.listed(self, reference))

    def push(
        self, reference: str, folder: Path | str, *, note: str = "", delete: bool = False
    ) -> Json:
        """Send what differs from a folder to a dataset, as a new version, or to a space.

        reference  ro-corpus, or PRJ-7Q3K2M:scratch/run-1
        delete     what is only there is left out of the new version, or goes to the space's trash

        Returns the new version, or the files put. None when nothing differs.
        """
        return folders.push(self, reference, Path(folder), note=note, delete=delete)

    def pull(self, reference: str, folder: Path | str, *, delete: bool = False) -> list[Path]:
        """Fetch what differs from a dataset or space into a folder, and return what was fetched.

        delete  files that are only here are removed
        """
        return folders.pull(self, reference, Path(folder), delete=delete)

    def record(self, slug: str) -> Json:
        """Return what a dataset says of itself, and what is missing before it is published."""
        return self.transport.get(f"/catalogue/datasets/{slug}/record")

    def describe(self, slug: str, facts: Mapping[str, Any]) -> Json:
        """Change what a dataset says of itself: only what is given. An answer of None goes."""
        return self.transport.post(f"/catalogue/datasets/{slug}/describe", dict(facts))

    def questions(self) -> Any:
        """Return what a steward is asked about a dataset, why, and when."""
        return self.transport.get("/catalogue/questions")

    def terms(self, table: str) -> Any:
        """Return the codes of a vocabulary: data-theme, frequency, country, language, licence."""
        return self.transport.get(f"/catalogue/vocabularies/{table}")

    def citation(self, slug: str, number: int) -> Json:
        """Return how a version is cited: text, bibtex, cff and csl."""
        return self.transport.get(f"/catalogue/datasets/{slug}/versions/{number}/citation")
