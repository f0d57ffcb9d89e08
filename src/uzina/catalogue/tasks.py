"""What the worker runs."""

from datetime import datetime
from typing import Any
from urllib.parse import quote

from uzina.catalogue import actions
from uzina.catalogue.actions import keeping
from uzina.catalogue.actions import spaces as space_actions
from uzina.catalogue.adapters.callbacks import callbacks
from uzina.catalogue.queries import dataspace
from uzina.catalogue.queries import spaces as space_queries
from uzina.people import actions as people_actions
from uzina.people import queries as people


def watch_access(*, now: datetime) -> None:
    """End permissions whose time is over; remind of requests that wait; warn of what ends."""
    actions.watch_access(now=now)


def sweep(*, now: datetime) -> None:
    """Remove what uploads that died left behind."""
    actions.sweep(now=now)


def check_upload(*, code: str, now: datetime) -> None:
    """Check a large file that has arrived in parts, and keep it."""
    actions.check_upload(code, now=now)


def read_layouts(*, slug: str, number: int, now: datetime) -> None:
    """Read the columns of a new version's files."""
    actions.read_layouts(slug, number, now=now)


def follow_spaces(*, event: str, subject: str, facts: dict[str, Any], now: datetime) -> None:
    """Give a project the spaces, quotas and ends that news of it asks for."""
    project = people.project(facts.get("project", subject))
    if project is not None:
        space_actions.follow_project(project, now=now)


def keep_spaces(*, now: datetime) -> None:
    """Do what the clock asks of spaces: tell, tidy, trash, delete for good. Again is harmless."""
    space_actions.release_stale(now=now)
    for project in space_queries.projects_with_spaces():
        for space in space_actions.follow_project(project, now=now):
            keeping.warn(space, now=now)
            keeping.end(space, now=now)
            while keeping.tidy_scratch(space, now=now):
                pass
            while keeping.purge_trash(space, now=now):
                pass
            while keeping.purge_space(space, now=now) is not None:
                pass
    keeping.remove_bytes(now=now)


def mail_space(*, space: int, person: str, what: str, days: int, now: datetime) -> None:
    """Tell somebody that a space comes to its end, or has."""
    found, member = space_queries.space_by_id(space), people.person(person)
    if found is None or member is None:
        return
    people_actions.write_message(
        member,
        kind=f"catalogue.space_{what}",
        facts={
            "space": found.reference,
            "project": found.project,
            "days": days,
            "files": found.taken.files,
            "ends_at": found.expires_at,
            "gone_at": space_queries.gone_at(found),
            "path": f"/projects/{found.project.code}/storage/",
        },
        about=found.project.code,
        key=f"space.{found.pk}.{what}.{days}.{found.expires_at.isoformat()}.{member.code}",
        now=now,
    )


def plan_harvests(*, now: datetime) -> None:
    """Begin the harvests of other portals that the clock asks for."""
    actions.plan_harvests(now=now)


def harvest_page(*, harvest: str, page: int, now: datetime) -> None:
    """Read one page of another portal. Each page is a task of its own, so that others get a turn."""
    actions.harvest_page(harvest, page=page, now=now)


def follow_decision(*, event: str, subject: str, facts: dict[str, Any], now: datetime) -> None:
    """Go on with what a data space negotiates once a holder answered, or a permission is over."""
    del event, facts
    actions.follow_decision(subject, now=now)


def answer_negotiation(*, negotiation: str, now: datetime) -> None:
    """Answer what a participant of a data space sent."""
    actions.answer_negotiation(dataspace.negotiation_by_uid(negotiation), now=now)


def start_transfer(*, transfer: str, now: datetime) -> None:
    """Start what a participant of a data space may fetch."""
    actions.start_transfer(dataspace.transfer_by_uid(transfer), now=now)


def send_negotiation(*, negotiation: str, what: str, now: datetime) -> None:
    """Take a message of a negotiation to its participant; tried again until it arrives.

    The message says what is so now: one that a later message has overtaken is not sent.
    """
    del now
    row = dataspace.negotiation_by_uid(negotiation)
    found = dataspace.negotiation_message(row, what)
    if found is not None:
        place, message = found
        url = f"{row.callback}/negotiations/{quote(row.consumer_pid, safe=':')}/{place}"
        callbacks().post(url, message, token=dataspace.callback_token(row.participant))


def send_transfer(*, transfer: str, what: str, now: datetime) -> None:
    """Take a message of a transfer to its participant; tried again until it arrives."""
    row = dataspace.transfer_by_uid(transfer)
    found = dataspace.transfer_message(row, what, now=now)
    if found is not None:
        place, message = found
        url = f"{row.callback}/transfers/{quote(row.consumer_pid, safe=':')}/{place}"
        callbacks().post(url, message, token=dataspace.callback_token(row.negotiation.participant))


def refresh_all(*, now: datetime) -> None:
    """Have harvesters and the search learn of holders renamed and licences retitled."""
    actions.refresh_all(now=now)


def refresh_derived(*, slug: str, now: datetime) -> None:
    """Have harvesters learn that what data were made of is public, or no longer."""
    actions.refresh_derived(slug, now=now)
