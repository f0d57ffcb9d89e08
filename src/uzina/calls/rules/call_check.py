"""What an operator should look at before a call is published. Nothing here stops them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from uzina.calls.rules.clock import Window, told
from uzina.calls.rules.modes import Mode, least_award_gpu_ms
from uzina.core.text import _

MS_PER_HOUR = 3_600_000


@dataclass(frozen=True)
class Remark:
    """One thing to look at: an English template and its facts."""

    code: str
    message: str
    facts: dict[str, Any]


@dataclass(frozen=True)
class Offered:
    """What a capacity of the call grants. partition: empty where there is only one."""

    partition: str
    gpu_ms: int


def remarks(
    mode: Mode, *, windows: Sequence[Window], offered: Sequence[Offered], now: datetime
) -> list[Remark]:
    """Return what deserves a look in a call that is about to be published, if anything."""
    found = []
    if mode.order == "ranked" and any(one.closes_at is None for one in windows):
        found.append(
            Remark(
                "call.check.no_cut_off",
                _("Applications are compared, and the call has no cut-off at which they would be."),
                {},
            )
        )
    found += [
        Remark(
            "call.check.past",
            _("The cut-off of {closes_at} has passed already."),
            {"closes_at": told(one.closes_at)},
        )
        for one in windows
        if one.closes_at is not None and one.closes_at <= now
    ]
    if mode.kind != "interest" and not offered:
        found.append(Remark("call.check.no_capacity", _("The call has no hours to grant yet."), {}))
    known = {one.name for one in mode.partitions}
    for one in offered:
        if known and one.partition not in known:
            found.append(
                Remark(
                    "call.check.partition",
                    _(
                        "The mode names no partition {partition}: its general limits hold for what"
                        " may be asked."
                    ),
                    {"partition": one.partition or "–"},
                )
            )
        if one.gpu_ms < least_award_gpu_ms(mode, one.partition):
            found.append(
                Remark(
                    "call.check.too_little",
                    _(
                        "{partition} has {hours} GPU-hours, less than the smallest award of"
                        " {least}: the call closes at once."
                    ),
                    {
                        "partition": one.partition or "–",
                        "hours": one.gpu_ms // MS_PER_HOUR,
                        "least": least_award_gpu_ms(mode, one.partition) // MS_PER_HOUR,
                    },
                )
            )
    found += [
        Remark(
            "call.check.unverified",
            _("Check {name} with its source before you publish: {source}"),
            {"name": name, "source": source},
        )
        for name, source in mode.sources.items()
        if "unverified" in source or "verify" in source or "check each" in source
    ]
    return found
