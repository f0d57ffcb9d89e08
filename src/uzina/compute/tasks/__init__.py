"""What the worker runs: the only place that talks to the batch system. Each runs at least once."""

from uzina.compute.tasks.handing import hand_cancel, hand_over
from uzina.compute.tasks.sampling import count, forget_samples
from uzina.compute.tasks.watching import watch

__all__ = ["count", "forget_samples", "hand_cancel", "hand_over", "watch"]
