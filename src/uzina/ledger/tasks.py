"""What the worker runs.

A mail may be sent twice after a crash; its Message-ID is made from its promise, so mail programs
show it once.
"""

from datetime import datetime

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.utils import translation

from uzina.ledger import actions, queries, rules
from uzina.people import queries as people


def watch(*, now: datetime) -> None:
    """Open the allocations whose period has begun and end those whose period is over."""
    opening, ending = queries.due(now)
    for allocation in opening:
        actions.open_allocation(allocation, by=None, now=now)
    for allocation in ending:
        actions.expire(allocation, reason="", key=f"expire:{allocation.code}", by=None, now=now)


def mail_warned(*, allocation: str, person: str, percent: int, now: datetime) -> None:
    """Tell a project's lead how much is spent, what happens at the end, and what to do."""
    found, lead, site = queries.allocation(allocation), people.person(person), settings.UZINA.site
    if lead is None:
        return
    balance = queries.balance(found)
    with translation.override(lead.language):
        context = {
            "allocation": found,
            "project": found.project,
            "balance": balance,
            "percent": percent,
            "slow_from": rules.SLOW_FROM,
            "person": lead,
            "site": site,
            "address": f"{site.url.rstrip('/')}/allocations/{found.code}/",
        }
        subject = render_to_string("ledger/mail/warned_subject.txt", context)
        body = render_to_string("ledger/mail/warned.txt", context)
    host = site.url.split("//")[-1].split("/")[0]
    key = f"warned.{found.code}.{percent}.{balance.budget}".lower()
    EmailMessage(
        subject=" ".join(subject.split()),
        body=body,
        to=[lead.email],
        headers={"Message-ID": f"<{key}@{host}>"},
    ).send()
