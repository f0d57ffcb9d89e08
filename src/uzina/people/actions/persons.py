"""Writes about persons: registering, signing in, roles."""

import hashlib
from datetime import datetime, timedelta

from django.contrib.auth import SESSION_KEY, password_validation
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from uzina.core.db import action
from uzina.core.errors import Invalid, NotAllowed, Problem
from uzina.core.log import log
from uzina.core.text import _
from uzina.people import access, queries, rules
from uzina.people.models import (
    FailedSignIn,
    Person,
    Role,
)

SIGN_IN_WINDOW = timedelta(minutes=15)


SIGN_IN_TRIES = 10
"""Failed tries for one address and one account in the window. Counted for the pair and, ten times
as many, for the address alone, so that nobody is locked out by what somebody else types."""


@action
def register(*, email: str, name: str, password: str, language: str, now: datetime) -> Person:
    """Make a person who can sign in.

    Raises Invalid for an address already in use, a weak password or an empty name.
    """
    problems = []
    if not name.strip():
        problems.append(Problem("name", "person.name.missing", _("Write your name.")))
    if queries.person_by_email(email):
        problems.append(_email_taken())
    try:
        password_validation.validate_password(password, Person(email=email, name=name))
    except ValidationError as weak:
        problems += [
            Problem("password", "person.password.weak", message) for message in weak.messages
        ]
    if problems:
        raise Invalid(problems)

    person = Person(email=email.strip().lower(), name=name.strip(), language=language, made_at=now)
    person.set_password(password)
    try:
        with transaction.atomic():
            person.save()
    except IntegrityError as taken:
        raise Invalid([_email_taken()]) from taken
    log("person.registered", person.code, by=person, now=now)
    return person


def _email_taken() -> Problem:
    return Problem(
        "email",
        "person.email.taken",
        _("There is already a person with this address. Sign in, or use another address."),
    )


@action
def sign_in(*, email: str, password: str, address: str, now: datetime) -> Person:
    """Return the person whose password it is.

    address  where the request came from, to slow down guessing

    Raises NotAllowed person.sign_in.wrong and person.sign_in.too_many; the same answer for an
    unknown address and a wrong password, in about the same time.
    """
    digest = hashlib.sha256(email.strip().lower().encode()).hexdigest()
    since = now - SIGN_IN_WINDOW
    here = FailedSignIn.objects.filter(address=address, at__gt=since)
    if (
        here.filter(email_digest=digest).count() >= SIGN_IN_TRIES
        or here.count() >= 10 * SIGN_IN_TRIES
    ):
        raise NotAllowed(
            "person.sign_in.too_many",
            _("Too many failed sign-ins from here. Try again in {minutes} minutes."),
            minutes=int(SIGN_IN_WINDOW.total_seconds() // 60),
        )
    person = queries.person_by_email(email.strip())
    if person is None:
        Person().set_password(password)
    elif person.is_active and person.check_password(password):
        log("person.signed_in", person.code, by=person, now=now)
        return person
    raise NotAllowed(
        "person.sign_in.wrong",
        _("The address and the password do not belong together. Check both and try again."),
    )


@action
def note_failed_sign_in(*, email: str, address: str, now: datetime) -> None:
    """Count a failed sign-in, and forget those that no longer count.

    A transaction of its own: the refused sign-in left no trace.
    """
    FailedSignIn.objects.filter(at__lte=now - SIGN_IN_WINDOW).delete()
    digest = hashlib.sha256(email.strip().lower().encode()).hexdigest()
    FailedSignIn.objects.create(email_digest=digest, address=address[:64], at=now)


@action
def speak(person: Person, *, language: str, now: datetime) -> None:
    """Keep the language a person wants pages and mail in."""
    person.language = language
    person.save(update_fields=["language"])
    log("person.language_chosen", person.code, by=person, now=now, language=language)


@action
def sign_out_everywhere(person: Person, *, by: Person, now: datetime) -> int:
    """End every session of the person and say how many there were. Tokens go on working.

    Reads every open session of the portal: a session does not name its person in a column.

    Raises NotAllowed person.sign_out_everywhere.not_yours.
    """
    if by.pk != person.pk and not access.is_operator(by):
        raise NotAllowed(
            "person.sign_out_everywhere.not_yours",
            _("Only the person or an operator can end a person's sessions."),
        )
    theirs = [
        session.pk
        for session in Session.objects.filter(expire_date__gt=now).iterator()
        if session.get_decoded().get(SESSION_KEY) == str(person.pk)
    ]
    ended = sum(
        Session.objects.filter(pk__in=theirs[start : start + 500]).delete()[0]
        for start in range(0, len(theirs), 500)
    )
    log("person.signed_out_everywhere", person.code, by=by, now=now, sessions=ended)
    return ended


@action
def appoint(person: Person, *, kind: rules.RoleKind, by: Person | None, now: datetime) -> Role:
    """Give a person a role for the factory. Giving it again changes nothing.

    Raises NotAllowed role.appoint.not_operator.
    """
    if not access.is_operator(by):
        raise NotAllowed("role.appoint.not_operator", _("Only an operator can appoint people."))
    role, is_new = Role.objects.get_or_create(person=person, kind=kind)
    if is_new:
        log("role.appointed", person.code, by=by, now=now, kind=kind)
    return role
