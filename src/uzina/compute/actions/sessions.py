"""Sessions: the keys that open a notebook."""

import hashlib
import secrets
from datetime import datetime

from uzina.compute import access, queries
from uzina.compute.models import Job, SessionKey
from uzina.compute.rules import JobState
from uzina.compute.rules.sessions import TICKET_LIFE
from uzina.core.db import action
from uzina.core.errors import NotAllowed, Refused
from uzina.core.log import log
from uzina.core.text import _
from uzina.people.models import Person


@action
def issue_ticket(job: Job, *, by: Person, now: datetime) -> str:
    """Return a ticket that opens the session once within TICKET_LIFE.

    Raises NotAllowed session.open.not_yours, Refused session.open.not_running,
    session.open.not_ready, session.open.elsewhere.
    """
    if not access.may_open(by, job):
        raise NotAllowed(
            "session.open.not_yours",
            _("Only who started {job} can open its notebook: it runs in their name."),
            job=job.code,
        )
    if job.state is not JobState.RUNNING:
        raise Refused(
            "session.open.not_running",
            _("{job} does not run. Wait until it does, or start a new session."),
            job=job.code,
        )
    queries.door(job)
    ticket = secrets.token_urlsafe(32)
    SessionKey.objects.create(
        job=job, person=by, ticket=digest(ticket), ticket_ends_at=now + TICKET_LIFE
    )
    log("session.opened", job.code, by=by, now=now)
    return ticket


@action
def use_ticket(ticket: str, *, now: datetime) -> tuple[str, Job]:
    """Take a ticket and return the cookie it gives, with the job it opens.

    Raises Refused session.open.used for one that is unknown, too old or was used before.
    """
    cookie = secrets.token_urlsafe(32)
    taken = SessionKey.objects.filter(
        ticket=digest(ticket), used_at=None, ticket_ends_at__gt=now
    ).update(used_at=now, cookie=digest(cookie))
    if not taken:
        raise Refused(
            "session.open.used",
            _("This address opens the notebook once. Open it again from the job's page."),
        )
    key = SessionKey.objects.select_related("job").get(ticket=digest(ticket))
    return cookie, key.job


def digest(secret: str) -> str:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()
