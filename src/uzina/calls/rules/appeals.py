"""Appeals: until when, and what an upheld one may give."""

from datetime import datetime

from uzina.calls.rules.awards import MS_PER_HOUR
from uzina.calls.rules.clock import told
from uzina.core.errors import Refused
from uzina.core.text import _

LONGEST = 8000


def check_in_time(appeal_by: datetime | None, now: datetime) -> None:
    """Raise Refused appeal.file.no_appeal where there is none, .too_late from the deadline on."""
    if appeal_by is None:
        raise Refused(
            "appeal.file.no_appeal",
            _("There is nothing to appeal against: only a decision that declines can be appealed."),
        )
    if now >= appeal_by:
        raise Refused(
            "appeal.file.too_late",
            _("An appeal was possible until {appeal_by}."),
            appeal_by=told(appeal_by),
        )


def check_amount(gpu_ms: int, asked_gpu_ms: int) -> None:
    """Raise Refused appeal.uphold.amount unless it is more than nothing and no more than asked."""
    if not 0 < gpu_ms <= asked_gpu_ms:
        raise Refused(
            "appeal.uphold.amount",
            _("Give from 1 to {most} GPU-hours: that is what was asked."),
            most=asked_gpu_ms // MS_PER_HOUR,
        )


def check_room(gpu_ms: int, free_gpu_ms: int) -> None:
    """Raise Refused appeal.uphold.no_capacity where the call has less left."""
    if gpu_ms > free_gpu_ms:
        raise Refused(
            "appeal.uphold.no_capacity",
            _(
                "The call has {free_h} GPU-hours left for this partition. Give less, or have an "
                "operator allow extra hours for this appeal first."
            ),
            free_h=max(0, free_gpu_ms) // MS_PER_HOUR,
        )


def check_money(value_eur_cents: int, left_eur_cents: int | None) -> None:
    """Raise Refused appeal.uphold.no_money where the call may be worth less than that."""
    if left_eur_cents is not None and value_eur_cents > left_eur_cents:
        raise Refused(
            "appeal.uphold.no_money",
            _(
                "The money of this call is spent up to {left_eur} euro. Give less, or have an "
                "operator allow extra hours for this appeal first."
            ),
            left_eur=left_eur_cents // 100,
        )
