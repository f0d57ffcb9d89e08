"""Which bookings may be made."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from uzina.core.errors import Invalid, Problem, Refused
from uzina.core.text import _
from uzina.ledger.rules.kinds import (
    ALLOCATION,
    GPU_MS_PER_HOUR,
    KEY_LONGEST,
    LARGEST,
    MARK,
    MAY_BE_NEGATIVE,
    REASON_LONGEST,
    SUBJECT_LONGEST,
    AccountKind,
    AllocationState,
    Balance,
    S,
)
from uzina.ledger.rules.splits import Settlement


def fingerprint(verb: str, **content: Any) -> str:
    """Return the SHA-256 of what is asked, so that a key used for something else is noticed.

    Who asks and when are left out: a retry comes later, and perhaps from a colleague.
    """
    text = json.dumps([verb, content], sort_keys=True, default=_plain, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.timestamp().hex()
    raise TypeError(value)


def check_same(key: str, kept: str, asked: str) -> None:
    """Raise Refused transfer.post.key_reused unless the fingerprints are the same."""
    if kept != asked:
        raise Refused(
            "transfer.post.key_reused",
            _("The key {key} was used for another booking. Use a new key for a new booking."),
            key=key,
        )


def check_amount(amount: int) -> None:
    """Raise Invalid transfer.amount.range unless amount is from 1 to LARGEST."""
    if not 0 < amount <= LARGEST:
        raise Invalid(
            [
                Problem(
                    "amount",
                    "transfer.amount.range",
                    _("Write an amount above zero and up to {most}."),
                    {"most": LARGEST},
                )
            ]
        )


def check_charge(amount: int) -> None:
    """Raise Invalid charge.amount.range for zero, or an amount beyond LARGEST either way."""
    if not 0 < abs(amount) <= LARGEST:
        raise Invalid(
            [
                Problem(
                    "amount",
                    "charge.amount.range",
                    _("Write an amount other than zero, {most} at most."),
                    {"most": LARGEST},
                )
            ]
        )


def check_used(used: int) -> None:
    """Raise Invalid transfer.used.range unless used is from 0 to LARGEST."""
    if not 0 <= used <= LARGEST:
        raise Invalid(
            [
                Problem(
                    "used",
                    "transfer.used.range",
                    _("Write what was used as a number from zero to {most}."),
                    {"most": LARGEST},
                )
            ]
        )


def check_words(*, key: str, subject: str = "", reason: str = "") -> None:
    """Raise Invalid for a missing or overlong key, an overlong subject or reason, or NUL bytes."""
    problems = []
    for field, value, longest in (
        ("key", key, KEY_LONGEST),
        ("subject", subject, SUBJECT_LONGEST),
        ("reason", reason, REASON_LONGEST),
    ):
        if len(value) > longest:
            problems.append(
                Problem(
                    field,
                    f"transfer.{field}.too_long",
                    _("Write at most {most} characters."),
                    {"most": longest},
                )
            )
        if "\0" in value:
            problems.append(
                Problem(field, f"transfer.{field}.nul", _("Leave out the character NUL."))
            )
    if MARK in key:
        problems.append(
            Problem("key", "transfer.key.reserved", _("Leave out {mark}."), {"mark": MARK})
        )
    if not key:
        problems.append(Problem("key", "transfer.key.missing", _("Give the booking a key.")))
    if problems:
        raise Invalid(problems)


def check_reason(reason: str) -> None:
    """Raise Invalid transfer.reason.missing unless something is said."""
    if not reason.strip():
        raise Invalid(
            [
                Problem(
                    "reason",
                    "transfer.reason.missing",
                    _("Write why: the people of the project read it on their statement."),
                )
            ]
        )


def check_period(starts_at: datetime, ends_at: datetime) -> None:
    """Raise Invalid allocation.period.empty unless the period has some length."""
    if not starts_at < ends_at:
        raise Invalid(
            [
                Problem(
                    "ends_at",
                    "allocation.period.empty",
                    _("Choose an end that is later than the start."),
                )
            ]
        )


def check_grant(ends_at: datetime, now: datetime) -> None:
    """Raise Refused allocation.grant.period_over once the period has ended."""
    if ends_at <= now:
        raise Refused(
            "allocation.grant.period_over",
            _("The period ended on {ends_at}, so nobody could use the hours. Choose a later end."),
            ends_at=_instant(ends_at),
        )


def check_expire(ends_at: datetime, now: datetime) -> None:
    """Raise Refused allocation.expire.not_yet before the end of the period.

    For the factory itself, which ends allocations by the clock; an operator may do it any time.
    """
    if now < ends_at:
        raise Refused(
            "allocation.expire.not_yet",
            _("This allocation runs until {ends_at}."),
            ends_at=_instant(ends_at),
        )


def check_capacity(left: int, amount: int) -> None:
    """Raise Refused allocation.grant.too_big unless the capacity has the amount left."""
    if amount > left:
        raise Refused(
            "allocation.grant.too_big",
            _(
                "This takes {asked_h} GPU-hours and the call has {left_h} left to grant. "
                "Grant less, or add to the budget of the call."
            ),
            asked_h=hours(amount),
            left_h=hours(left),
        )


def check_reduce(free: int, amount: int) -> None:
    """Raise Refused allocation.reduce.too_big unless so much is free: what is held stays."""
    if amount > free:
        raise Refused(
            "allocation.reduce.too_big",
            _(
                "{asked_h} GPU-hours cannot be given back: {free_h} are free. Give back at most those."
            ),
            asked_h=hours(amount),
            free_h=hours(free),
        )


def check_prolong(ends_at: datetime, later: datetime, now: datetime) -> None:
    """Raise Refused allocation.prolong.over and allocation.prolong.not_later."""
    if ends_at <= now:
        raise Refused(
            "allocation.prolong.over",
            _("The period ended on {ends_at}: what was left has expired. Grant a new one."),
            ends_at=_instant(ends_at),
        )
    if later <= ends_at:
        raise Refused(
            "allocation.prolong.not_later",
            _("The period runs until {ends_at} already. Choose a later end."),
            ends_at=_instant(ends_at),
        )


def is_within(starts_at: datetime, ends_at: datetime, now: datetime) -> bool:
    """Say whether now is in [starts_at, ends_at)."""
    return starts_at <= now < ends_at


def check_hold(
    *,
    state: AllocationState,
    starts_at: datetime,
    ends_at: datetime,
    free: int,
    amount: int,
    now: datetime,
) -> AllocationState:
    """Return the state of the allocation in which the amount may be held.

    A pending allocation opens with its first hold, if its time has come: nobody waits for a
    worker to notice.

    Raises Refused allocation.hold.outside_period, allocation.hold.not_active,
    allocation.hold.too_big. What is held counts as gone, so two jobs are never promised the same
    hours.
    """
    if not is_within(starts_at, ends_at, now):
        raise Refused(
            "allocation.hold.outside_period",
            _(
                "These hours can be used from {starts_at} until {ends_at}, not now. "
                "Ask the factory's operators if you need another period."
            ),
            starts_at=_instant(starts_at),
            ends_at=_instant(ends_at),
        )
    if state is S.PENDING:
        state = ALLOCATION.after("open", state)
    if state is S.FROZEN:
        raise Refused(
            "allocation.hold.not_active",
            _("This allocation is frozen: no job can start on it. Ask the operators why."),
            state=str(state),
        )
    if state is S.ENDED:
        raise Refused(
            "allocation.hold.not_active",
            _(
                "This allocation has ended: no job can start on it. Ask the operators for a new one."
            ),
            state=str(state),
        )
    if amount > free:
        raise Refused(
            "allocation.hold.too_big",
            _(
                "This job needs {needs_h} GPU-hours and the project has {free_h} left. "
                "Shorten the job, use fewer GPUs, or ask for an extension."
            ),
            needs_h=hours(amount),
            free_h=hours(free),
        )
    return state


def check_open(state: AllocationState, verb: str) -> None:
    """Raise Refused allocation.<verb>.ended once the allocation has ended.

    Hours that cannot be used any more are not handed out.
    """
    if state is S.ENDED:
        raise Refused(
            f"allocation.{verb}.ended",
            _("This allocation has ended, so nobody could use the hours. Grant a new one."),
            verb=verb,
        )


def check_refund(balance: Balance, amount: int) -> None:
    """Raise Refused allocation.refund.too_big unless so much was charged.

    What ran over the grant was never charged to the project, so it is not given back either.
    """
    if amount > balance.charged:
        raise Refused(
            "allocation.refund.too_big",
            _(
                "The project was charged {charged_h} GPU-hours, so {asked_h} cannot be refunded. "
                "Refund at most what was charged, or top up."
            ),
            charged_h=hours(balance.charged),
            asked_h=hours(amount),
        )


def check_settled_so(settled: Settlement, used: int) -> None:
    """Raise Refused hold.settle.already unless the hold was settled with the same figure."""
    if settled.spent != used:
        raise Refused(
            "hold.settle.already",
            _(
                "This hold was settled with {settled_h} GPU-hours and stays so. "
                "Correct a charge by a refund."
            ),
            settled_h=hours(settled.spent),
        )


def check_balance(kind: AccountKind, balance: int) -> None:
    """Raise Refused transfer.post.out_of_range for a balance that would not be exact in JSON.

    A balance below zero where none may be is a bug in the rules of the verb: AssertionError.
    """
    if abs(balance) > LARGEST:
        raise Refused(
            "transfer.post.out_of_range",
            _("The books hold at most {most_h} GPU-hours in one account. Book a smaller amount."),
            most_h=hours(LARGEST),
        )
    if balance < 0 and kind not in MAY_BE_NEGATIVE:
        msg = f"a {kind} account would stand at {balance}"
        raise AssertionError(msg)


def hours(amount: int) -> str:
    """Return GPU-milliseconds as GPU-hours for a message, read the same in every language."""
    return f"{amount / GPU_MS_PER_HOUR:.4f}".rstrip("0").rstrip(".")


def _instant(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
