"""Messages about requests for access: to who decides, and to who asked."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from uzina.catalogue import queries
from uzina.catalogue.models import AccessRequest
from uzina.people import actions as people
from uzina.people import queries as people_queries
from uzina.people.models import Person


def tell_asked(request: AccessRequest, *, now: datetime) -> None:
    """Tell whoever decides that somebody asks."""
    to = queries.deciders(request.dataset)
    _tell(to, request, "catalogue.access_asked", key="asked", now=now)


def tell_waiting(request: AccessRequest, *, days: int, now: datetime) -> None:
    """Remind whoever decides."""
    key = f"waiting.{request.reminders}"
    to = queries.deciders(request.dataset)
    _tell(to, request, "catalogue.access_waiting", key=key, now=now, days=days)


def tell_decided(request: AccessRequest, *, now: datetime) -> None:
    """Tell who asked what the answer is."""
    _tell(_askers(request), request, "catalogue.access_decided", key="decided", now=now)


def tell_ends(request: AccessRequest, *, now: datetime) -> None:
    """Tell who uses a permission that it ends soon."""
    _tell(_askers(request), request, "catalogue.access_ends", key="ends", now=now)


def tell_over(request: AccessRequest, *, now: datetime) -> None:
    """Tell both sides that a request or a permission is over."""
    to = [*_askers(request)]
    to += [one for one in queries.deciders(request.dataset) if one not in to]
    _tell(to, request, "catalogue.access_over", key="over", now=now)


def _askers(request: AccessRequest) -> list[Person]:
    if request.project is None or request.person is None:
        return []  # a participant of a data space hears by the protocol
    found = [request.person]
    found += [one for one in people_queries.leads_of(request.project) if one not in found]
    return [one for one in found if one.is_active]


def _tell(
    to: Iterable[Person],
    request: AccessRequest,
    kind: str,
    *,
    key: str,
    now: datetime,
    **more: Any,
) -> None:
    for person in to:
        people.write_message(
            person,
            kind=kind,
            facts={
                "request": request,
                "dataset": request.dataset,
                "asker": request.asker,
                "until": request.until,
                "path": f"/access/{request.code}/",
                **more,
            },
            about=request.code,
            key=f"access.{key}.{request.code}.{person.code}",
            now=now,
        )
