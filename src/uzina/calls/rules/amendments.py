"""What may be changed after an award, and up to how much: the mode decides."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from uzina.calls.rules import clock
from uzina.calls.rules.modes import AmendmentSpec, Mode
from uzina.core.errors import Invalid, Problem, Refused
from uzina.core.text import _
from uzina.people.rules import Named

MS_PER_HOUR = 3_600_000
LONGEST_REASON = 500
"""As much as the ledger keeps with a booking."""

MOST_HOURS = 100_000_000


class AmendmentKind(Named):
    """What is changed."""

    EXTENSION = "extension", _("More time")
    TOP_UP = "top_up", _("More hours")
    REDUCTION = "reduction", _("Give hours back")
    TRANSFER = "transfer", _("Hand over to another organisation")
    CHANGE_OF_LEAD = "change_of_lead", _("Another lead")
    SUSPENSION = "suspension", _("Pause the project")
    RESUMPTION = "resumption", _("Go on after a pause")
    EARLY_END = "early_end", _("End the project early")


K = AmendmentKind

PROTECTING = frozenset({K.REDUCTION, K.SUSPENSION, K.RESUMPTION, K.EARLY_END})
"""What an operator may do in any mode: it gives nothing to anybody and protects the machine."""


@dataclass(frozen=True)
class Held:
    """An award as its amendments find it.

    months, gpu_ms           what was first given
    more_months, more_gpu_ms what approved amendments have added
    usable_until             the end of the period of what it is granted from; None: none
    """

    months: int
    gpu_ms: int
    more_months: int
    more_gpu_ms: int
    starts_at: datetime
    ends_at: datetime
    is_suspended: bool
    usable_until: datetime | None


def parse(kind: AmendmentKind, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is asked, typed: {"months": 3}, {"gpu_ms": ...}, {"organisation": "ORG-..."},
    {"lead": "PER-..."}; nothing for the other kinds. Raises Invalid.
    """
    match kind:
        case K.EXTENSION:
            return {"months": _whole(facts, "months", 60)}
        case K.TOP_UP | K.REDUCTION:
            return {"gpu_ms": _whole(facts, "gpu_hours", MOST_HOURS) * MS_PER_HOUR}
        case K.TRANSFER:
            return {"organisation": _code(facts, "organisation")}
        case K.CHANGE_OF_LEAD:
            return {"lead": _code(facts, "lead")}
        case _:
            return {}


def _whole(facts: Mapping[str, Any], name: str, most: int) -> int:
    value = facts.get(name)
    if type(value) is not int or not 1 <= value <= most:
        raise Invalid(
            [
                Problem(
                    name,
                    f"amendment.{name}.range",
                    _("Write a whole number from {least} to {most}."),
                    {"least": 1, "most": most},
                )
            ]
        )
    return value


def _code(facts: Mapping[str, Any], name: str) -> str:
    value = facts.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= 16:
        raise Invalid([Problem(name, f"amendment.{name}.missing", _("Say who."))])
    return value


def check_reason(reason: str) -> str:
    """Return the reason without its margins. Raises Invalid amendment.reason.missing, .too_long."""
    reason = reason.strip()
    if not reason:
        problem = Problem("reason", "amendment.reason.missing", _("Write the reason."))
    elif len(reason) > LONGEST_REASON:
        problem = Problem(
            "reason",
            "amendment.reason.too_long",
            _("Write at most {most} characters."),
            {"most": LONGEST_REASON},
        )
    else:
        return reason
    raise Invalid([problem])


def spec_of(mode: Mode, kind: AmendmentKind) -> AmendmentSpec | None:
    """Return what the mode says of a kind. A pause may end wherever it may begin."""
    name = K.SUSPENSION if kind is K.RESUMPTION else kind
    return next((one for one in mode.amendments if one.kind == name), None)


def kinds_for(mode: Mode, *, is_operator: bool, is_suspended: bool) -> list[AmendmentKind]:
    """Return what may be asked for now."""
    hidden = K.SUSPENSION if is_suspended else K.RESUMPTION
    return [
        kind
        for kind in AmendmentKind
        if kind is not hidden
        and (spec_of(mode, kind) is not None or (is_operator and kind in PROTECTING))
    ]


def check_allowed(mode: Mode, kind: AmendmentKind, *, is_operator: bool) -> AmendmentSpec:
    """Return what the mode says of the kind. Raises Refused amendment.ask.not_allowed."""
    spec = spec_of(mode, kind)
    if spec is not None:
        return spec
    if is_operator and kind in PROTECTING:
        return AmendmentSpec(str(kind), 0, 0, needs_report=False)
    allowed = [str(one) for one in kinds_for(mode, is_operator=False, is_suspended=False)]
    raise Refused(
        "amendment.ask.not_allowed",
        _("Awards of this mode do not allow this change. Allowed are: {allowed}."),
        kind=str(kind),
        allowed=", ".join(allowed) or "-",
    )


def check_running(ends_at: datetime | None, now: datetime) -> None:
    """Raise Refused amendment.ask.not_running unless the award was accepted and has not ended."""
    if ends_at is None or now >= ends_at:
        raise Refused(
            "amendment.ask.not_running",
            _("Only an award that was accepted and has not ended can be changed."),
        )


def check(kind: AmendmentKind, facts: Mapping[str, Any], spec: AmendmentSpec, held: Held) -> None:
    """Raise Refused unless the mode allows so much. Asked when it is asked for and when approved.

    amendment.ask.too_long, .capacity_over, .too_much, .suspended_already, .not_suspended
    """
    if kind is K.EXTENSION:
        _check_extension(facts["months"], spec, held)
    elif kind is K.TOP_UP:
        _check_top_up(facts["gpu_ms"], spec, held)
    elif kind is K.SUSPENSION and held.is_suspended:
        raise Refused("amendment.ask.suspended_already", _("The project is paused already."))
    elif kind is K.RESUMPTION and not held.is_suspended:
        raise Refused("amendment.ask.not_suspended", _("The project is not paused."))


def extended_end(held: Held, months: int) -> datetime:
    """Return the end after so many more months, counted from the start like the first period."""
    return clock.after_months(held.starts_at, held.months + held.more_months + months)


def _check_extension(months: int, spec: AmendmentSpec, held: Held) -> None:
    left = spec.most_months - held.more_months
    if months > left:
        raise Refused(
            "amendment.ask.too_long",
            _("Months by which awards of this mode can be extended: {most} in all, {left} left."),
            most=spec.most_months,
            left=left,
        )
    end = extended_end(held, months)
    if held.usable_until is not None and end > held.usable_until:
        raise Refused(
            "amendment.ask.capacity_over",
            _("The hours of this call can be used until {until} only. Ask for less time."),
            until=clock.told(held.usable_until),
        )


def most_top_up(spec: AmendmentSpec, held: Held) -> int:
    """Return how much more the mode allows, GPU-milliseconds."""
    return max(0, held.gpu_ms * spec.most_percent // 100 - held.more_gpu_ms)


def _check_top_up(gpu_ms: int, spec: AmendmentSpec, held: Held) -> None:
    left = most_top_up(spec, held)
    if gpu_ms > left:
        raise Refused(
            "amendment.ask.too_much",
            _(
                "Awards of this mode get at most {percent} % of the first grant on top; "
                "{left_hours} GPU-hours are left of that."
            ),
            percent=spec.most_percent,
            left_hours=left // MS_PER_HOUR,
        )


def check_free(gpu_ms: int, free_gpu_ms: int) -> None:
    """Raise Refused amendment.approve.not_free: what is promised to others is not given."""
    if gpu_ms > free_gpu_ms:
        raise Refused(
            "amendment.approve.not_free",
            _("The call has {free_hours} GPU-hours that are neither granted nor offered."),
            free_hours=max(0, free_gpu_ms) // MS_PER_HOUR,
        )


def check_report(*, is_needed: bool, is_accepted: bool) -> None:
    """Raise Refused amendment.approve.report_missing where an interim report comes first."""
    if is_needed and not is_accepted:
        raise Refused(
            "amendment.approve.report_missing",
            _("An accepted interim report comes first. It is due, and can be handed in now."),
        )


def added(approved: Iterable[tuple[str, Mapping[str, Any]]]) -> tuple[int, int]:
    """Return the months and GPU-milliseconds that approved amendments (kind, facts) added."""
    months = gpu_ms = 0
    for kind, facts in approved:
        if kind == K.EXTENSION:
            months += facts["months"]
        elif kind == K.TOP_UP:
            gpu_ms += facts["gpu_ms"]
    return months, gpu_ms
