"""Writes about tokens."""

import hashlib
import secrets
from datetime import datetime, timedelta

from uzina.core.db import action
from uzina.core.errors import Invalid, NotAllowed, Problem
from uzina.core.log import log
from uzina.core.text import _
from uzina.people import access
from uzina.people.models import (
    ApiToken,
    Person,
)
from uzina.people.types import IssuedToken

TOKEN_PREFIX = "uz_"  # noqa: S105 - a mark for secret scanners, not a secret


TOKEN_LONGEST = timedelta(days=366)


@action
def issue_token(
    person: Person, *, name: str, lifetime: timedelta, by: Person, now: datetime
) -> IssuedToken:
    """Make a token for oneself. The secret is in the answer and kept nowhere.

    Raises NotAllowed token.issue.not_yours, Invalid for a lifetime of zero or over 366 days.
    """
    if by.pk != person.pk:
        raise NotAllowed("token.issue.not_yours", _("A token is made by its owner only."))
    problems = []
    if not name.strip():
        problems.append(
            Problem("name", "token.name.missing", _("Name the token: where will it be used?"))
        )
    if not timedelta() < lifetime <= TOKEN_LONGEST:
        problems.append(
            Problem(
                "days",
                "token.lifetime.range",
                _("Choose a lifetime from 1 to {most} days."),
                {"most": TOKEN_LONGEST.days},
            )
        )
    if problems:
        raise Invalid(problems)

    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        person=person,
        name=name.strip(),
        digest=hashlib.sha256(secret.encode()).hexdigest(),
        made_at=now,
        expires_at=now + lifetime,
    )
    log("token.issued", token.code, by=by, now=now, expires_at=token.expires_at.isoformat())
    return IssuedToken(token, secret)


@action
def revoke_token(token: ApiToken, *, by: Person, now: datetime) -> ApiToken:
    """End a token at once. Revoking it again changes nothing.

    Raises NotAllowed token.revoke.not_yours.
    """
    token = ApiToken.objects.select_for_update().get(pk=token.pk)
    if by.pk != token.person_id and not access.is_operator(by):
        raise NotAllowed("token.revoke.not_yours", _("A token is revoked by its owner only."))
    if token.revoked_at is None:
        token.revoked_at = now
        token.save(update_fields=["revoked_at"])
        log("token.revoked", token.code, by=by, now=now)
    return token
