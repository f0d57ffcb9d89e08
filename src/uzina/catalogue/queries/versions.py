"""Versions, what they hold and where they came from."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from uzina.catalogue import rules
from uzina.catalogue.adapters import store
from uzina.catalogue.models import Dataset, Purge, Version
from uzina.catalogue.queries.terms import check_use
from uzina.core.errors import Refused
from uzina.core.text import _

if TYPE_CHECKING:
    from uzina.people.models import Person, Project


def version(slug: str, number: int) -> Version:
    """Return a version by name, whoever asks. Raises Refused version.find.unknown."""
    found: Version | None = (
        Version.objects.whole().filter(dataset__slug=slug, number=number).first()
    )
    if found is None:
        raise _unknown(slug, number)
    return found


def usable_version(
    person: "Person | None",
    slug: str,
    number: int,
    *,
    project: "Project | None",
    now: datetime,
) -> Version:
    """Return a version the person may put into a job of the project; None is the factory itself.

    A withdrawn dataset takes no new uses, and restricted data only those its holder permitted.
    Asked when a job is submitted and again when its inputs are laid out.

    Raises Refused version.find.unknown for what is not there or may not be seen,
    version.use.withdrawn, version.use.no_access, version.use.policy.
    """
    found = version(slug, number)
    if person is not None and not Version.objects.visible_to(person).filter(pk=found.pk).exists():
        raise _unknown(slug, number)
    if found.dataset.state is rules.DatasetState.WITHDRAWN:
        raise Refused(
            "version.use.withdrawn",
            _("{reference} was withdrawn by its holder and cannot be used in new jobs."),
            reference=found.reference,
        )
    check_not_purged(found)
    check_use(found, person=person, project=project, now=now)
    return found


def check_not_purged(version: Version) -> None:
    """Raise Refused version.use.purged when the bytes of the version were given up."""
    purge = Purge.objects.filter(version=version).first()
    if purge is not None:
        raise Refused(
            "version.use.purged",
            _("The files of {reference} were deleted on {day}. What it held and its lineage stay."),
            reference=version.reference,
            day=f"{purge.at:%Y-%m-%d}",
        )


def is_purged(version: Version) -> bool:
    """Tell whether the bytes of the version were given up."""
    found: bool = Purge.objects.filter(version=version).exists()
    return found


def _unknown(slug: str, number: int) -> Refused:
    return Refused(
        "version.find.unknown",
        _("There is no dataset version {reference} that you may use."),
        reference=f"{slug[:63]}@{number}",
    )


def versions_made_by(job: str) -> QuerySet[Version]:
    """Return the versions a job made."""
    found: QuerySet[Version] = Version.objects.whole().filter(made_by_job=job).order_by("pk")
    return found


def same_content(dataset: Dataset, files: Iterable[rules.File]) -> Version | None:
    """Return the version of the dataset that holds exactly these files; None when none does."""
    found: Version | None = dataset.versions.filter(digest=rules.digest(files)).first()
    return found


def sources(version: Version, *, seen_by: "Person | AnonymousUser") -> QuerySet[Version]:
    """Return the versions this one was made from, as far as the person may see them."""
    found: QuerySet[Version] = (
        version.derived_from.whole()
        .filter(pk__in=Version.objects.visible_to(seen_by).values("pk"))
        .order_by("dataset__slug", "number")
    )
    return found


def uses(dataset: Dataset, *, seen_by: "Person | AnonymousUser") -> QuerySet[Version]:
    """Return the versions made from any version of the dataset, as far as the person may see."""
    found: QuerySet[Version] = (
        Version.objects.visible_to(seen_by)
        .filter(derived_from__dataset=dataset)
        .whole()
        .distinct()
        .order_by("dataset__slug", "number")
    )
    return found


def data_for(person: "Person", *, most: int, now: datetime) -> QuerySet[Version]:
    """Return the newest data versions a person may read, of datasets that take new uses."""
    found: QuerySet[Version] = (
        Version.objects.readable_by(person, now=now)
        .filter(dataset__kind=rules.DatasetKind.DATA)
        .exclude(dataset__state=rules.DatasetState.WITHDRAWN)
        .select_related("dataset")
        .order_by("-pk")[:most]
    )
    return found


def contents(
    version: Version, path: str, *, first: int = 0, after: int | None = None
) -> Iterator[bytes]:
    """Return the bytes [first, after) of a file of the version, in pieces.

    Raises Refused file.find.unknown, StoreDown.
    """
    file = version.file(path)
    if file is None:
        raise Refused(
            "file.find.unknown",
            _("{reference} has no file {path}."),
            reference=version.reference,
            path=path[:200],
        )
    check_not_purged(version)
    return store().open(file.sha256, first=first, after=after)


def text(version: Version, path: str, *, most: int) -> str:
    """Return at most `most` bytes of a file as text; "" when the version has no such file."""
    file = version.file(path)
    if file is None or is_purged(version):
        return ""
    pieces = store().open(file.sha256, first=0, after=min(file.bytes, most))
    return b"".join(pieces).decode("utf-8", errors="replace")


def check_versions() -> list[str]:
    """Return what is wrong with what is kept: digests that do not fit, bytes that are gone.

    Compares sizes, not checksums: one look at the folder a file. Cost: one query in chunks.
    """
    problems = []
    kept = store()
    rows = Version.objects.select_related("dataset", "purge").order_by("pk")
    for row in rows.iterator(chunk_size=200):
        files = row.files
        if rules.digest(files) != row.digest:
            problems.append(f"{row.reference}: the manifest does not fit the digest.")
        problems += [
            f"{row.reference}: {one.path} is missing or has another size."
            for one in files
            if not hasattr(row, "purge") and kept.size(one.sha256) != one.bytes
        ]
    return problems
