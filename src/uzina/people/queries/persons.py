"""Reads about persons."""

import hashlib
from collections.abc import Collection
from datetime import datetime

from django.db.models import QuerySet

from uzina.people import rules
from uzina.people.models import (
    ApiToken,
    Person,
    Role,
)


def person(code: str) -> Person | None:
    """Return the person of a code."""
    return Person.objects.filter(code=code).first()  # type: ignore[no-any-return]


def person_by_email(email: str) -> Person | None:
    """Return the person who signs in with the address, in any case."""
    return Person.objects.filter(email__iexact=email).first()  # type: ignore[no-any-return]


def people_by_ids(ids: Collection[int]) -> QuerySet[Person]:
    """Return the people of the ids, by name."""
    return Person.objects.filter(pk__in=list(ids)).order_by("name", "pk")  # type: ignore[no-any-return]


def people_with_role(kind: rules.RoleKind) -> QuerySet[Person]:
    """Return the active people who have the role."""
    holders = Role.objects.filter(kind=kind).values("person")
    return Person.objects.filter(is_active=True, pk__in=holders).order_by("name")  # type: ignore[no-any-return]


def token_holder(secret: str, *, now: datetime) -> Person | None:
    """Return who acts through the token, None when it is unknown, expired or revoked."""
    digest = hashlib.sha256(secret.encode()).hexdigest()
    token = (
        ApiToken.objects.select_related("person")
        .filter(digest=digest, revoked_at=None, expires_at__gt=now, person__is_active=True)
        .first()
    )
    if token is None:
        return None
    token.person.via = token.code
    return token.person
