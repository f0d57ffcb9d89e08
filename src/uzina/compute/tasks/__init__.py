"""What the worker runs: the only place that talks to the batch system. Each runs at least once."""

from uzina.compute.tasks.accounts import (
    accounts_changed,
    compare_totals,
    examine,
    reconcile,
    repair,
    stop_exhausted,
)
from uzina.compute.tasks.endings import follow_up, measure_effort
from uzina.compute.tasks.handing import hand_cancel, hand_over, hand_over_many
from uzina.compute.tasks.notices import mail_maintenance, tell_maintenance
from uzina.compute.tasks.permits import access_over
from uzina.compute.tasks.sampling import count, forget_samples
from uzina.compute.tasks.watching import sweep, watch

__all__ = [
    "access_over",
    "accounts_changed",
    "compare_totals",
    "count",
    "examine",
    "follow_up",
    "forget_samples",
    "hand_cancel",
    "hand_over",
    "hand_over_many",
    "mail_maintenance",
    "measure_effort",
    "reconcile",
    "repair",
    "stop_exhausted",
    "sweep",
    "tell_maintenance",
    "watch",
]
