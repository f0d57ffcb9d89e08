"""Decisions about jobs: what a description must say, what it costs, what follows what was seen."""

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
from uzina.compute.rules.reasons import REASONS, reason_in_words
from uzina.compute.rules.specs import (
    MAX_CPUS,
    MAX_GPUS,
    MAX_MEMORY_MB,
    MAX_NODES,
    MAX_TIME_LIMIT_S,
    Input,
    JobSpec,
    argv,
    check_stream,
    parse_spec,
)
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
    "MAX_TIME_LIMIT_S",
    "OPEN",
    "REASONS",
    "VERB_TO",
    "Input",
    "JobSpec",
    "JobState",
    "Sight",
    "Step",
    "Wanted",
    "argv",
    "check_stream",
    "cost",
    "cpu_rate",
    "ending",
    "hand_over_delay",
    "hold_amount",
    "is_ours_to_charge",
    "parse_spec",
    "plan",
    "reason_in_words",
]
