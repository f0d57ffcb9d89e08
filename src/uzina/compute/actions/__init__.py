"""Every write about jobs. Nothing here talks to a batch system: tasks do, and tell it here.

Orders go out by promises, keyed so that a retry hands a job over once. Facts come in by observe()
and measure(): the cluster is the truth about jobs, the ledger about hours.
"""

from uzina.compute.actions.accounts import map_person
from uzina.compute.actions.clusters import (
    begin_poll,
    count,
    forget_samples,
    note_answer,
    note_silence,
)
from uzina.compute.actions.following import observe
from uzina.compute.actions.hand_over import (
    Turn,
    abandon,
    accept,
    begin_attempt,
    postpone,
    postpone_cancel,
    reject,
)
from uzina.compute.actions.jobs import cancel, submit
from uzina.compute.actions.usage import charge_of, measure, settle

__all__ = [
    "Turn",
    "abandon",
    "accept",
    "begin_attempt",
    "begin_poll",
    "cancel",
    "charge_of",
    "count",
    "forget_samples",
    "map_person",
    "measure",
    "note_answer",
    "note_silence",
    "observe",
    "postpone",
    "postpone_cancel",
    "reject",
    "settle",
    "submit",
]
