"""Restricted bytes that leave the store: asked before, and noted."""

from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import AnonymousUser

from uzina.catalogue import access, queries, rules
from uzina.catalogue.models import AccessRequest, Evidence, Version
from uzina.core.db import action
from uzina.core.errors import NotAllowed
from uzina.core.log import log
from uzina.core.text import _
from uzina.people.models import Person, Project


@action
def note_use(
    version: Version,
    *,
    kind: rules.UseKind,
    person: Person | None,
    project: Project | None,
    subject: str,
    now: datetime,
    under: AccessRequest | None = None,
) -> Evidence | None:
    """Note that restricted bytes leave the store; None for data that everybody may read.

    project  whose job it is; None: the person's, under the longest grant of their projects
    subject  code of the job, of the participant it was transferred to, "" for a download
    under    the permission, where it is known

    Once a day for the same use. Whoever serves bytes to a person calls it.
    """
    if _is_free(version):
        return None
    dataset = version.dataset
    request = under or queries.grant_in_use(dataset, person=person, project=project, now=now)
    row, is_new = Evidence.objects.get_or_create(
        version=version,
        person=person,
        kind=kind,
        subject=subject,
        on=now.date(),
        defaults={"request": request, "at": now},
    )
    if is_new:
        log(
            "data.used",
            version.reference,
            by=person,
            now=now,
            kind=kind,
            grant=request.code if request else "",
            job=subject,
        )
    return row


def _is_free(version: Version) -> bool:
    dataset = version.dataset
    is_open = dataset.access_right is rules.AccessRight.PUBLIC or version.opened_at is not None
    return is_open or dataset.kind is not rules.DatasetKind.DATA


def begin_read(
    version: Version,
    *,
    by: Person | AnonymousUser,
    now: datetime,
) -> None:
    """Let somebody read bytes of the version, and note it where the data is restricted.

    Every door that serves bytes or a link to them calls it first. For public data it writes
    nothing.

    Raises NotAllowed version.read.no_access, Refused version.use.purged.
    """
    if not access.may_read_bytes(by, version, now=now):
        raise NotAllowed(
            "version.read.no_access",
            _("The files of {reference} are for those its holder lets in. Ask at {address}."),
            reference=version.reference,
            address=f"{settings.UZINA.site.url}/datasets/{version.dataset.slug}/access/",
        )
    queries.check_not_purged(version)
    if isinstance(by, Person):
        note_use(
            version,
            kind=rules.UseKind.DOWNLOAD,
            person=by,
            project=None,
            subject="",
            now=now,
        )


def begin_look(version: Version, *, by: Person | AnonymousUser, now: datetime) -> bool:
    """Tell whether somebody may see samples and statistics of the version, and note that they do
    where not everybody may. Every door that shows any calls it first.
    """
    if not access.may_see_sample(by, version, now=now):
        return False
    if isinstance(by, Person) and not _is_free(version):
        policy = queries.policy_of(version.dataset)
        if policy is None or not policy.shows_sample:
            kind = rules.UseKind.PREVIEW
            note_use(version, kind=kind, person=by, project=None, subject="", now=now)
    return True
