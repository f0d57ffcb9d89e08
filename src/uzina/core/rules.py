"""Decisions of the log and the promise queue. Pure."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from uzina.core.flow import States
from uzina.core.text import _

LEASE = timedelta(seconds=60)
"""How long a worker may be silent about a promise. A worker renews it while the task runs."""

TRIES = 5
"""After so many failures a promise is dead until a person presses the button."""


class PromiseState(States):
    """Where a promise stands."""

    WAITING = "waiting", _("Waiting"), "quiet"
    LEASED = "leased", _("Being worked on"), "busy"
    DONE = "done", _("Done"), "good"
    DEAD = "dead", _("Stopped after too many failures"), "bad"


def back_off(attempts: int, jitter: float) -> timedelta:
    """Return how long to wait after the given number of failures.

    attempts  1 or more
    jitter    0 up to 1, so that promises that failed together do not come back together
    returns   1, 4, 16, 64, ... seconds, at most ten minutes, plus up to half of it
    """
    base = min(4 ** (attempts - 1), 600)
    return timedelta(seconds=base * (1 + jitter / 2))


def seal(key: bytes, previous: str, fields: Mapping[str, Any]) -> str:
    """Return the seal of a log entry: HMAC-SHA256 over its fields and the seal before it, hex."""
    text = json.dumps(
        {"previous": previous, **fields}, sort_keys=True, ensure_ascii=False, default=_plain
    )
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return str(value)
