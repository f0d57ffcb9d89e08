"""Tests of people, and what those of every module let messages leave with."""

from uzina.core.models import Promise
from uzina.core.promises import find_task
from uzina.core.tests import NOW


def deliver(now=NOW):
    """Hand the messages that wait to the mail server, each once, as the worker does."""
    waiting = Promise.objects.filter(task="people.send_message", state="waiting").order_by("pk")
    for row in waiting:
        find_task(row.task)(**row.args, now=now)
        Promise.objects.filter(pk=row.pk).update(state="done")


PASSWORD = "a long enough password"


def make_person(email, name, *roles):
    """Register somebody, with roles."""
    from uzina.people import actions
    from uzina.people.rules import RoleKind

    person = actions.register(email=email, name=name, password=PASSWORD, language="en", now=NOW)
    for role in roles:
        actions.appoint(person, kind=RoleKind(role), by=None, now=NOW)
    return type(person).objects.get(pk=person.pk)
