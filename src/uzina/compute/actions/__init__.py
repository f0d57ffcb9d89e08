"""Every write about jobs. Nothing here talks to a batch system: tasks do, and tell it here.

Orders go out by promises, keyed so that a retry hands a job over once. Facts come in by observe()
and measure(): the cluster is the truth about jobs, the ledger about hours.
"""

from uzina.compute.actions.accounts import map_person
from uzina.compute.actions.bursts import accept_many, begin_attempts, submit_many
from uzina.compute.actions.chains import chain_on, note_effort, postpone_effort, release
from uzina.compute.actions.clusters import (
    begin_poll,
    count,
    end_poll,
    forget_samples,
    note_answer,
    note_silence,
)
from uzina.compute.actions.commands import answer_command, take_command
from uzina.compute.actions.following import observe
from uzina.compute.actions.hand_over import (
    Turn,
    abandon,
    accept,
    begin_attempt,
    mark,
    postpone,
    postpone_cancel,
    reject,
)
from uzina.compute.actions.jobs import cancel, rerun, submit
from uzina.compute.actions.maintenance import (
    Window,
    announce,
    cancel_maintenance,
    change,
    promise_notices,
)
from uzina.compute.actions.permits import stop_waiting, tell_data_lost
from uzina.compute.actions.reconciling import (
    WRITING,
    ask_repair,
    begin_writing,
    count_in,
    end_writing,
    look_soon,
    note_health,
    note_looked,
    note_totals,
    open_accounts,
)
from uzina.compute.actions.sessions import issue_ticket, use_ticket
from uzina.compute.actions.tariffs import restate, set_tariff
from uzina.compute.actions.usage import (
    READING_TAKES,
    ask_sweep,
    begin_reading,
    end_reading,
    go_on_reading,
    measure,
    note_account,
    promise_sweep,
    settle,
)

__all__ = [
    "READING_TAKES",
    "WRITING",
    "Turn",
    "Window",
    "abandon",
    "accept",
    "accept_many",
    "announce",
    "answer_command",
    "ask_repair",
    "ask_sweep",
    "begin_attempt",
    "begin_attempts",
    "begin_poll",
    "begin_reading",
    "begin_writing",
    "cancel",
    "cancel_maintenance",
    "chain_on",
    "change",
    "count",
    "count_in",
    "end_poll",
    "end_reading",
    "end_writing",
    "forget_samples",
    "go_on_reading",
    "issue_ticket",
    "look_soon",
    "map_person",
    "mark",
    "measure",
    "note_account",
    "note_answer",
    "note_effort",
    "note_health",
    "note_looked",
    "note_silence",
    "note_totals",
    "observe",
    "open_accounts",
    "postpone",
    "postpone_cancel",
    "postpone_effort",
    "promise_notices",
    "promise_sweep",
    "reject",
    "release",
    "rerun",
    "restate",
    "set_tariff",
    "settle",
    "stop_waiting",
    "submit",
    "submit_many",
    "take_command",
    "tell_data_lost",
    "use_ticket",
]
