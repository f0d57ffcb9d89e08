"""What the worker runs: mails that were promised, and offers whose time is over.

A mail may be sent twice after a crash; its Message-ID is made from its promise, so mail programs
show it once.
"""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.utils import timezone, translation

from uzina.calls import actions, queries
from uzina.calls.models import Application, Award
from uzina.calls.rules import modes
from uzina.core.charts import day_words


def mail_receipt(*, application: str, now: datetime) -> None:
    """Tell the applicant that the application is in, eligible, and by when they hear more."""
    _mail_application("receipt", queries.application(application))


def mail_decline(*, application: str, now: datetime) -> None:
    """Tell the applicant that the application was declined, why, and what to do."""
    _mail_application("decline", queries.application(application))


def mail_reserve(*, application: str, now: datetime) -> None:
    """Tell the applicant that the call has no hours left and that they keep their place."""
    _mail_application("reserve", queries.application(application))


def mail_award(*, award: str, now: datetime) -> None:
    """Tell the applicant of the offer and by when to answer."""
    _mail_award("award", queries.award(award))


def mail_lapse(*, award: str, now: datetime) -> None:
    """Tell the applicant that the offer lapsed."""
    _mail_award("lapse", queries.award(award))


def lapse_offers(*, now: datetime) -> None:
    """Let the offers lapse that were not answered in time, and offer what became free."""
    for award in queries.lapsed(now):
        actions.lapse(award, now=now)
    for call in queries.calls_with_reserve():
        actions.offer_next(call, now=now)


def _mail_application(kind: str, application: Application) -> None:
    language = application.applicant.language
    reasons = [
        {
            "text": modes.in_language(reason["text"], language),
            "todo": modes.in_language(reason["todo"], language),
            "source": reason["source"],
        }
        for reason in application.verdict.get("reasons", [])
        if reason["passed"] is False
    ]
    _send(
        kind,
        application,
        key=f"{kind}.{application.code}",
        path=f"/applications/{application.code}/",
        reasons=reasons,
        assessment=getattr(application, "assessment", None),
    )


def _mail_award(kind: str, award: Award) -> None:
    _send(
        kind,
        award.application,
        key=f"{kind}.{award.code}",
        path=f"/awards/{award.code}/",
        award=award,
        answer_by=award.answer_by,
    )


def _send(kind: str, application: Application, *, key: str, path: str, **facts: Any) -> None:
    person, site = application.applicant, settings.UZINA.site
    with translation.override(person.language):
        context = {
            "application": application,
            "call": application.call,
            "person": person,
            "site": site,
            "due": _moment(application.due_at),
            "address": f"{site.url.rstrip('/')}{path}",
            **facts,
        }
        if "answer_by" in facts:
            context["answer_by"] = _moment(facts["answer_by"])
        subject = render_to_string(f"calls/mail/{kind}_subject.txt", context)
        body = render_to_string(f"calls/mail/{kind}.txt", context)
    EmailMessage(
        subject=" ".join(subject.split()),
        body=body,
        to=[person.email],
        headers={"Message-ID": f"<{key.lower()}@{site.url.split('//')[-1].split('/')[0]}>"},
    ).send()


def _moment(at: datetime | None) -> str:
    """Write an instant in the language at hand and the factory's time zone, which is named."""
    if at is None:
        return ""
    local = timezone.localtime(at)
    return f"{day_words(local, 'j F Y')}, {local:%H:%M %Z}"
