"""What the worker runs: the only place that talks to the batch system. Each runs at least once."""

from uzina.compute.tasks.endings import follow_up, measure_effort
from uzina.compute.tasks.handing import hand_cancel, hand_over
from uzina.compute.tasks.notices import mail_maintenance, tell_maintenance
from uzina.compute.tasks.sampling import count, forget_samples
from uzina.compute.tasks.watching import sweep, watch

__all__ = [
    "count",
    "follow_up",
    "forget_samples",
    "hand_cancel",
    "hand_over",
    "mail_maintenance",
    "measure_effort",
    "sweep",
    "tell_maintenance",
    "watch",
]
