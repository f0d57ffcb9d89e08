"""Reads about sessions."""

import hashlib

from django.conf import settings

from uzina.compute.adapters import run_directory
from uzina.compute.models import Job, SessionKey
from uzina.compute.queries.jobs import run_dir
from uzina.compute.rules import JobState
from uzina.compute.rules.sessions import check_door


def session_key(code: str, cookie: str) -> SessionKey | None:
    """Return the key to the running session of a code that a cookie is."""
    digest = hashlib.sha256(cookie.encode("utf-8", "replace")).hexdigest()
    return (
        SessionKey.objects.select_related("job__project", "person")
        .filter(cookie=digest, job__code=code, job__state=JobState.RUNNING)
        .first()
    )


def door(job: Job) -> tuple[str, int, str, str]:
    """Return host, port, token and base of a running session.

    Raises Refused session.open.not_ready, session.open.elsewhere.
    """
    found = run_directory.record(run_dir(job), ".door.json")
    return check_door(found, settings.UZINA.session.hosts)
