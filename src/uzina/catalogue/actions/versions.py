"""Versions: added, opened to all, laid into a run directory."""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from uzina.catalogue import access, queries, rules
from uzina.catalogue.actions.evidence import note_use
from uzina.catalogue.actions.fragments import refresh
from uzina.catalogue.actions.laying import is_laid
from uzina.catalogue.actions.layouts import promise_layouts
from uzina.catalogue.actions.naming import keep_bytes
from uzina.catalogue.actions.tags import retag
from uzina.catalogue.actions.uploads import wrong_types
from uzina.catalogue.adapters import store
from uzina.catalogue.models import Dataset, Staging, Upload, Version
from uzina.catalogue.queries.spaces import in_spaces_of
from uzina.catalogue.rules import File
from uzina.core.db import action
from uzina.core.errors import Invalid, NotAllowed, Problem, Refused
from uzina.core.log import log
from uzina.core.text import _
from uzina.people.models import Person, Project

PIECE = 1 << 20


@action
def add_version(
    dataset: Dataset,
    *,
    files: Iterable[Mapping[str, Any] | File],
    note: str,
    by: Person | None,
    now: datetime,
    made_by_job: str = "",
    derived_from: Sequence[Version] = (),
    facts: Mapping[str, Any] | None = None,
) -> Version:
    """Add a version of files that are in the store already. It never changes afterwards.

    files  path, bytes, sha256 and, where it is not to be guessed, media_type of each
    note   what changed and why: needed of a person from the second version on

    Raises Invalid (paths unsafe or twice; version.blob.missing for bytes that were not uploaded
    or have another size), NotAllowed version.add.not_yours, Refused version.add.not_now for a
    withdrawn dataset, version.add.nothing_new when the newest version holds the same.
    """
    rows = rules.manifest(files)
    keep_bytes()
    dataset = (
        Dataset.objects.select_for_update(of=("self",))
        .select_related("holder", "project", "licence")
        .get(pk=dataset.pk)
    )
    if not access.may_add_to(by, dataset):
        raise NotAllowed(
            "version.add.not_yours",
            _("Only members of its project or its holder can add to {dataset}."),
            dataset=dataset.slug,
        )
    if dataset.state is rules.DatasetState.WITHDRAWN:
        raise Refused(
            "version.add.not_now",
            _("{dataset} was withdrawn and takes no new versions."),
            dataset=dataset.slug,
        )
    digest = rules.digest(rows)
    same = dataset.versions.filter(digest=digest).first()
    if same is not None:
        raise Refused(
            "version.add.nothing_new",
            _("{dataset}@{number} holds exactly these files already."),
            dataset=dataset.slug,
            number=same.number,
        )
    last = dataset.versions.order_by("-number").values_list("number", flat=True).first()
    is_told = by is None or bool(made_by_job)
    problems = rules.note_problems(note, after=0 if is_told else last or 0)
    problems += _missing_blobs(dataset, rows, by=by)
    problems += wrong_types(rows, by=by)
    if problems:
        raise Invalid(problems)

    version: Version = Version.objects.create(
        dataset=dataset,
        number=(last or 0) + 1,
        digest=digest,
        manifest=[vars(one) for one in rows],
        bytes=sum(one.bytes for one in rows),
        file_count=len(rows),
        note=note.strip(),
        facts=dict(facts or {}),
        made_by_job=made_by_job,
        created_at=now,
    )
    version.derived_from.set(derived_from)
    refresh(dataset, now=now)
    promise_layouts(version, now=now)
    retag(dataset)
    log(
        "version.added",
        version.reference,
        by=by,
        now=now,
        digest=digest,
        files=len(rows),
        bytes=version.bytes,
        job=made_by_job,
        derived_from=[one.reference for one in derived_from],
    )
    return version


def _missing_blobs(dataset: Dataset, rows: Sequence[File], *, by: Person | None) -> list[Problem]:
    """Return a problem for each file whose bytes are not there, or not this person's to give."""
    kept = store()
    allowed: set[str] | None = None
    if by is not None:
        wanted = {one.sha256 for one in rows}
        allowed = set(
            Upload.objects.kept()
            .filter(person=by, sha256__in=wanted)
            .values_list("sha256", flat=True)
        )
        if wanted - allowed:
            for earlier in dataset.versions.order_by("-number")[:20]:
                allowed |= {one["sha256"] for one in earlier.manifest}
        if wanted - allowed and dataset.project is not None:
            allowed |= in_spaces_of(dataset.project, wanted)
    problems = []
    for at, one in enumerate(rows):
        size = kept.size(one.sha256) if allowed is None or one.sha256 in allowed else None
        if size != one.bytes:
            problems.append(
                Problem(
                    f"files.{at}",
                    "version.blob.missing",
                    _(
                        "The bytes of {path} are not here, or not {bytes} of them: send them to "
                        "/api/v1/catalogue/blobs/{sha256} first."
                    ),
                    {"path": one.path[:200], "bytes": one.bytes, "sha256": one.sha256},
                )
            )
    return problems


def add_version_from_folder(
    dataset: Dataset,
    *,
    folder: Path,
    note: str,
    made_by_job: str,
    by: Person | None,
    now: datetime,
    derived_from: Sequence[Version] = (),
    facts: Mapping[str, Any] | None = None,
) -> Version:
    """Keep every file of a folder and add them as a version; again for one job, return the first.

    Links are refused, not followed: a job could name any file of the machine with one.
    Raises what add_version raises, Refused version.folder.odd, StoreRefused blob.upload.store_full.
    """
    if made_by_job:
        made = dataset.versions.filter(made_by_job=made_by_job).first()
        if made is not None:
            return made  # type: ignore[no-any-return]
    files = keep_folder(folder)
    return add_version(
        dataset,
        files=files,
        note=note,
        by=by,
        now=now,
        made_by_job=made_by_job,
        derived_from=derived_from,
        facts=facts,
    )


def keep_folder(folder: Path) -> tuple[File, ...]:
    """Put every file of a folder into the store and return them as a checked manifest."""
    found = []
    for path in (folder.parent, folder, *sorted(folder.rglob("*"))):
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            raise Refused(
                "version.folder.odd",
                _("{path} is a link or not a plain file, so it cannot be kept."),
                path=path.name[:200],
            )
        if path.is_file():
            found.append(path)
    names = [path.relative_to(folder).as_posix() for path in found]
    rules.manifest({"path": name, "bytes": 0, "sha256": "0" * 64} for name in names)
    return rules.manifest(_keep_file(path, name) for path, name in zip(found, names, strict=True))


def _keep_file(path: Path, name: str) -> File:
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        size = os.fstat(file.fileno()).st_size
        if store().size(sha256) != size:
            file.seek(0)
            store().put(sha256, iter(lambda: file.read(PIECE), b""), size=size)
    return File(path=name, bytes=size, sha256=sha256, media_type=rules.media_type(name))


@action
def open_version(version: Version, *, by: Person | None, now: datetime) -> Version:
    """Let everybody read this version alone. The caller has asked: a model was released."""
    version = Version.objects.select_for_update(of=("self",)).whole().get(pk=version.pk)
    version.opened_at = now
    version.save(update_fields=["opened_at"])
    log("version.opened", version.reference, by=by, now=now)
    return version


@action
def close_version(version: Version, *, by: Person | None, now: datetime) -> Version:
    """Take back what open_version gave. The caller has asked."""
    version = Version.objects.select_for_update(of=("self",)).whole().get(pk=version.pk)
    version.opened_at = None
    version.save(update_fields=["opened_at"])
    log("version.closed", version.reference, by=by, now=now)
    return version


def stage(
    version: Version,
    *,
    to: Path,
    by: Person | None,
    project: Project | None,
    now: datetime,
    subject: str = "",
) -> int:
    """Lay the files of a version into a folder, read-only; return the bytes. Again is harmless.

    project  for whose job: what it may use is asked again here
    subject  code of the job it is for, noted as a use of the data

    Copies, never links: a job that runs as the factory's own user could write through a link
    into the store. A file that is there already with the right bytes is kept.

    Raises what queries.usable_version raises, StoreRefused blob.stage.disk_full, StoreDown.
    """
    version = queries.usable_version(
        by, version.dataset.slug, version.number, project=project, now=now
    )
    kept = store()
    for file in version.files:
        target = to / file.path
        if not is_laid(target, size=file.bytes, sha256=file.sha256):
            target.parent.mkdir(parents=True, exist_ok=True)
            kept.copy_to(file.sha256, target)
    if subject:
        _note_staging(version, subject=subject, by=by, project=project, now=now)
    return version.bytes


@action
def _note_staging(
    version: Version, *, subject: str, by: Person | None, project: Project | None, now: datetime
) -> None:
    row = note_use(
        version, kind=rules.UseKind.JOB, person=by, project=project, subject=subject, now=now
    )
    grant = row.request.code if row is not None and row.request is not None else ""
    _row, is_new = Staging.objects.get_or_create(
        version=version, subject=subject, defaults={"project": project, "at": now}
    )
    if is_new:
        log("version.staged", version.reference, by=by, now=now, job=subject, grant=grant)
