"""Every booking. Lock the accounts in the order of their ids, ask, post, log.

One function writes transfers (`books.post`), so one place keeps the books balanced. A verb called
again with the same key and content gives what it gave before and books nothing; with other content
it is Refused transfer.post.key_reused. What a program can send wrong (an amount of zero, an
overlong reason) is Invalid.

`open_capacity`, `fund`, `grant`, `hold`, `settle`, `void` and `charge` are called by neighbours'
actions, which have asked whether the person may. The corrections ask for an operator themselves.
"""

from uzina.ledger.actions.charges import charge
from uzina.ledger.actions.corrections import (
    expire,
    freeze,
    open_allocation,
    overdraw,
    prolong,
    reduce,
    refund,
    thaw,
    top_up,
)
from uzina.ledger.actions.grants import (
    fund,
    grant,
    grant_storage,
    open_capacity,
    seed_resources,
)
from uzina.ledger.actions.jobs import BATCH, hold, hold_many, settle, settle_many, void

__all__ = [
    "BATCH",
    "charge",
    "expire",
    "freeze",
    "fund",
    "grant",
    "grant_storage",
    "hold",
    "hold_many",
    "open_allocation",
    "open_capacity",
    "overdraw",
    "prolong",
    "reduce",
    "refund",
    "seed_resources",
    "settle",
    "settle_many",
    "thaw",
    "top_up",
    "void",
]
