"""The factory's opening state: what must be there before its first call."""

import secrets
from datetime import datetime

from django.core.management import call_command

from uzina.catalogue import actions as catalogue
from uzina.core.db import action
from uzina.people import actions as people
from uzina.people import queries
from uzina.people.rules import RoleKind
from uzina.training import actions as training


def bring_up_to_date(*, now: datetime) -> None:
    """Migrate the database and write the data this version ships."""
    call_command("migrate", verbosity=0)
    open_factory(now=now)


@action
def open_factory(*, now: datetime) -> None:
    """Write the licences and recipes that this version ships. Doing it again changes nothing."""
    catalogue.seed_licences(now=now)
    training.sync_recipes(now=now)


@action
def open_person(
    *, email: str, name: str, password: str, kind: RoleKind, language: str, now: datetime
) -> None:
    """Make one of the factory's own people, where the address is still free."""
    person = queries.person_by_email(email) or people.register(
        email=email, name=name, password=password, language=language, now=now
    )
    people.appoint(person, kind=kind, by=None, now=now)


def new_password() -> str:
    """Return a password for a person who will change it."""
    return secrets.token_urlsafe(12)
