"""What the worker runs: messages that leave, the daily digests, questions to the VAT register.

A message may leave twice when the worker dies between the mail server's answer and our note of
it; its Message-ID is made from its code, so mail programs show it once.
"""

import smtplib
from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage

from uzina.people import actions, queries, rules
from uzina.people.adapters import vat_register
from uzina.people.models import Message

PERMANENT = 500
"""Replies of a mail server from here on are final (RFC 5321, section 4.2.1)."""


def send_message(*, message: str, attempt: int, now: datetime) -> None:
    """Hand a message to the mail server. What it refuses for good is failed at once."""
    ready = actions.take_message(message, attempt=attempt, now=now)
    if ready is None:
        return
    try:
        _mail(ready).send()
    except (smtplib.SMTPException, OSError) as error:
        replies = _replies(error)
        actions.note_not_sent(
            message,
            attempt=attempt,
            reason="; ".join(f"{code} {text}" for code, text in replies) or repr(error),
            is_final=any(code >= PERMANENT for code, _text in replies),
            now=now,
        )
    else:
        actions.note_sent(message, now=now)


def send_digests(*, now: datetime) -> None:
    """Write the digests that are due; they leave as every message does."""
    for person in queries.awaiting_digest(now):
        actions.write_digest(person, now=now)


def ask_vat(*, organisation: str, number: str, question: int, failures: int, now: datetime) -> None:
    """Ask the register about an organisation's VAT number, and keep what it says."""
    register = vat_register()
    if register is None:
        return
    answer = register.ask(number)
    actions.note_vat_answer(
        organisation, answer, number=number, question=question, failures=failures, now=now
    )


def _mail(message: Message) -> EmailMessage:
    site = settings.UZINA.site
    headers = {
        "Message-ID": f"<{message.code.lower()}@{urlsplit(site.url).hostname}>",
        "Content-Language": message.language,
        "Auto-Submitted": "auto-generated",
    }
    if not rules.message_kind(message.kind).is_mandatory:
        token = queries.unsubscribe_token(message.to, message.kind)
        headers["List-Unsubscribe"] = f"<{site.url}/messages/unsubscribe/{token}/>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return EmailMessage(
        subject=message.subject, body=message.body, to=[message.to.email], headers=headers
    )


def _replies(error: Exception) -> list[tuple[int, str]]:
    """Return what the mail server said of the recipient or of the text. Nothing for an outage.

    What it says of the sender or of our sign-in is our configuration's fault, and is mended
    while the message waits.
    """
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return [(code, _words(text)) for code, text in error.recipients.values()]
    if isinstance(error, smtplib.SMTPDataError):
        return [(error.smtp_code, _words(error.smtp_error))]
    return []


def _words(reply: bytes | str) -> str:
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
    return actions.one_line(text)
