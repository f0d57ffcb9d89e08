"""Whether a site's settings keep budgets true, asked before hours are entrusted to it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from uzina.core.text import _

MOST_SKEW_S = 5.0
LEAST_JOB_AGE_S = 60
ENFORCED = ("associations", "limits", "safe")

FINDINGS = {
    "controller_silent": _(
        "The cluster's controller does not answer, so its settings could not be looked at. Start "
        "slurmctld, or mend the way to it."
    ),
    "accounting_silent": _(
        "The cluster's accounting does not answer, so no usage can be read. Start slurmdbd, or "
        "mend the way to it."
    ),
    "no_accounting": _(
        "The cluster keeps no accounting, so nothing can be booked. Set "
        "AccountingStorageType=accounting_storage/slurmdbd."
    ),
    "decay": _(
        "Used hours are forgotten with a half-life of {value}, so spent budgets grow back. Set "
        "PriorityDecayHalfLife=0."
    ),
    "usage_reset": _(
        "Used hours are set to zero regularly ({value}), so spent budgets come back whole. Set "
        "PriorityUsageResetPeriod=NONE."
    ),
    "no_usage": _(
        "With {value} the cluster does not count what accounts used, so limits of hours stop "
        "nobody. Set PriorityType=priority/multifactor."
    ),
    "gpus_not_counted": _(
        "GPUs are not counted, so GPU-hours can be neither booked nor limited. Add gres/gpu to "
        "AccountingStorageTRES."
    ),
    "not_enforced": _(
        "Limits are not all enforced: {missing} is missing. Set "
        "AccountingStorageEnforce=associations,limits,qos,safe."
    ),
    "no_default_time": _(
        "A job without a time limit waits for ever on a limited account. Set DefaultTime on these "
        "partitions: {partitions}."
    ),
    "no_billing_weights": _(
        "Cores and memory without GPUs are not limited by value. Set TRESBillingWeights on these "
        "partitions: {partitions}."
    ),
    "short_job_age": _(
        "Ended jobs leave the queue after {value} s, before they may be in the accounting. Set "
        "MinJobAge to 60 or more."
    ),
    "no_job_comment": _(
        "The accounting does not keep the comments of jobs, a second place for our keys. Set "
        "AccountingStoreFlags=job_comment."
    ),
    "batch_delay": _(
        "Jobs wait {value} s before the scheduler looks at them. Add batch_sched_delay=0 to "
        "SchedulerParameters."
    ),
    "private": _(
        "The cluster hides jobs and usage from others ({value}). The factory's user must be an "
        "Operator of Slurm, or it sees only its own jobs."
    ),
    "skew": _(
        "The cluster's clock differs from the factory's by {value} s. Let both follow the same "
        "time servers."
    ),
}
"""What each finding means and what to set. Braces are filled in from its facts."""

BATCH_DELAY_S = 3
"""Slurm's own batch_sched_delay where none is set (slurm.conf manual)."""
HOURS = re.compile(r"(?:(\d+)-)?(\d+):(\d+):(\d+)")


@dataclass(frozen=True)
class Finding:
    """One thing the preflight of a site found. level: "refuse" (budgets would lie) or "warn".

    code  one of FINDINGS; facts fill its sentence in
    """

    code: str
    level: str
    facts: Mapping[str, str] = field(default_factory=dict)


class PartitionSettings(Protocol):
    """What is asked of a partition."""

    @property
    def name(self) -> str: ...
    @property
    def default_time_s(self) -> int | None: ...
    @property
    def billing(self) -> Mapping[str, float]: ...


def site_preflight(
    settings: Mapping[str, str],
    partitions: Iterable[PartitionSettings],
    *,
    skew_s: float | None = None,
) -> tuple[Finding, ...]:
    """Return what is wrong with a site's settings, as `scontrol show config` names them."""
    refused = [Finding(code, "refuse", facts) for code, facts in _lies(settings)]
    warned = [
        Finding(code, "warn", facts) for code, facts in _cautions(settings, partitions, skew_s)
    ]
    return (*refused, *warned)


def finding_in_words(code: str, facts: Mapping[str, str]) -> str:
    """Return the English sentence of a finding; its code where there is none."""
    try:
        return FINDINGS.get(code, code).format_map(facts)
    except KeyError:
        return FINDINGS[code]


def _lies(settings: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield what makes budgets untrue."""
    if not settings.get("AccountingStorageType", "").endswith("slurmdbd"):
        yield "no_accounting", {}
    half_life = settings.get("PriorityDecayHalfLife", "7-00:00:00")
    if _is_time(half_life):
        yield "decay", {"value": half_life}
    reset = settings.get("PriorityUsageResetPeriod", "NONE")
    if reset.upper() != "NONE":
        yield "usage_reset", {"value": reset}
    kind = settings.get("PriorityType", "priority/basic")
    if not kind.endswith("multifactor"):
        yield "no_usage", {"value": kind}
    if "gres/gpu" not in _words(settings.get("AccountingStorageTRES", "")):
        yield "gpus_not_counted", {}
    enforced = _words(settings.get("AccountingStorageEnforce", ""))
    missing = [word for word in ENFORCED if word not in enforced and "all" not in enforced]
    if missing:
        yield "not_enforced", {"missing": ", ".join(missing)}


def _cautions(
    settings: Mapping[str, str], partitions: Iterable[PartitionSettings], skew_s: float | None
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield what makes life harder than it need be."""
    every = list(partitions)
    if timeless := [one.name for one in every if one.default_time_s is None]:
        yield "no_default_time", {"partitions": ", ".join(timeless)}
    if weightless := [one.name for one in every if not one.billing]:
        yield "no_billing_weights", {"partitions": ", ".join(weightless)}
    age = settings.get("MinJobAge", "300").partition(" ")[0]
    if age.isdigit() and int(age) < LEAST_JOB_AGE_S:
        yield "short_job_age", {"value": age}
    if "job_comment" not in _words(settings.get("AccountingStoreFlags", "")):
        yield "no_job_comment", {}
    delays = re.findall(r"batch_sched_delay=(\d+)", settings.get("SchedulerParameters", ""))
    delay_s = int(delays[-1]) if delays else BATCH_DELAY_S
    if delay_s > 0:
        yield "batch_delay", {"value": str(delay_s)}
    hidden = _words(settings.get("PrivateData", "none"))
    if hidden & {"jobs", "usage", "accounts", "all"}:
        yield "private", {"value": ", ".join(sorted(hidden))}
    if skew_s is not None and abs(skew_s) >= MOST_SKEW_S:
        yield "skew", {"value": f"{skew_s:+.0f}"}


def _words(text: str) -> set[str]:
    return {word.strip().lower() for word in text.split(",") if word.strip()}


def _is_time(text: str) -> bool:
    """Tell whether a duration such as "7-00:00:00" is longer than nothing."""
    found = HOURS.fullmatch(text)
    return not found or any(int(part or 0) for part in found.groups())
