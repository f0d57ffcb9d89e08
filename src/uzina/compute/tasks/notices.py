"""Telling people of a maintenance."""

from datetime import datetime

from uzina.compute import actions, queries
from uzina.people import actions as people_actions
from uzina.people import queries as people

AT_ONCE = 200
"""So many promises in one transaction: a page waits no longer than that for its turn to write."""


def tell_maintenance(*, maintenance: str, what: str, now: datetime) -> None:
    """Promise mails to those a maintenance gets in the way of, and to those told of it before.

    what  announced, changed or cancelled; of one that is cancelled only those hear who were told
    """
    window = queries.maintenance(maintenance)
    codes = set(window.told)
    if what != "cancelled":
        codes |= set(queries.affected(window).values_list("code", flat=True))
    listed = sorted(codes)
    for start in range(0, max(len(listed), 1), AT_ONCE):
        actions.promise_notices(window, people=listed[start : start + AT_ONCE], what=what, now=now)


def mail_maintenance(*, maintenance: str, what: str, person: str, now: datetime) -> None:
    """Tell one person of a maintenance; not once something newer is to be told of it."""
    window, reader = queries.maintenance(maintenance), people.person(person)
    is_stale = (window.cancelled_at is not None) != (what == "cancelled")
    if reader is None or not reader.is_active or is_stale or window.ends_at <= now:
        return
    people_actions.write_message(
        reader,
        kind="compute.maintenance",
        facts={
            "what": what,
            "window": window,
            "starts_at": window.starts_at,
            "ends_at": window.ends_at,
            "path": "/clusters/",
        },
        about=window.code,
        key=f"maintenance.{window.code}.{what}.{reader.code}",
        now=now,
    )
