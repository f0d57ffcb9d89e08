"""Decisions about jobs: what a description must say, what it costs, what follows what was seen."""

from uzina.compute.rules.accounts import account_name, check_unix_name
from uzina.compute.rules.arrays import MAX_TASKS, read_array
from uzina.compute.rules.bodies import argv, laid, needs_body
from uzina.compute.rules.busy import (
    SHORT_FROM,
    SHORT_S,
    TAKES_JOBS,
    DayUse,
    Held,
    Pause,
    Stay,
    Why,
    days_of,
    is_full,
    percentile,
    waste,
)
from uzina.compute.rules.costs import CPU_RATES, cost, cpu_rate, hold_amount
from uzina.compute.rules.following import (
    FORGET_AFTER,
    Sight,
    Step,
    Wanted,
    ending,
    hand_over_delay,
    is_ours_to_charge,
    plan,
)
from uzina.compute.rules.maintenance import check_not_over, check_window, overlaps
from uzina.compute.rules.reading import (
    MAX_CPUS,
    MAX_GPUS,
    MAX_MEMORY_MB,
    MAX_NODES,
    MAX_TIME_LIMIT_S,
    parse_spec,
)
from uzina.compute.rules.reasons import REASONS, reason_in_words
from uzina.compute.rules.scripts import read_script
from uzina.compute.rules.specs import OUTPUTS, STOP, Input, JobSpec, check_stream
from uzina.compute.rules.states import ENDED, JOB, OPEN, VERB_TO, JobState

__all__ = [
    "CPU_RATES",
    "ENDED",
    "FORGET_AFTER",
    "JOB",
    "MAX_CPUS",
    "MAX_GPUS",
    "MAX_MEMORY_MB",
    "MAX_NODES",
    "MAX_TASKS",
    "MAX_TIME_LIMIT_S",
    "OPEN",
    "OUTPUTS",
    "REASONS",
    "SHORT_FROM",
    "SHORT_S",
    "STOP",
    "TAKES_JOBS",
    "VERB_TO",
    "DayUse",
    "Held",
    "Input",
    "JobSpec",
    "JobState",
    "Pause",
    "Sight",
    "Stay",
    "Step",
    "Wanted",
    "Why",
    "account_name",
    "argv",
    "check_not_over",
    "check_stream",
    "check_unix_name",
    "check_window",
    "cost",
    "cpu_rate",
    "days_of",
    "ending",
    "hand_over_delay",
    "hold_amount",
    "is_full",
    "is_ours_to_charge",
    "laid",
    "needs_body",
    "overlaps",
    "parse_spec",
    "percentile",
    "plan",
    "read_array",
    "read_script",
    "reason_in_words",
    "waste",
]
