"""Faults on demand, so that tests can break a run at an exact place.

UZINA_RECIPES_FAULTS="kill@7,kill-in-checkpoint@10,not-finite@5,stop@8" names events and the step
at which each happens. Without the variable nothing here does anything.
"""

from __future__ import annotations

import os
import signal

VARIABLE = "UZINA_RECIPES_FAULTS"


def due(name: str, step: int) -> bool:
    """Whether this fault is asked for at this step."""
    wanted = os.environ.get(VARIABLE, "")
    return f"{name}@{step}" in wanted.split(",")


def kill_if(name: str, step: int) -> None:
    """End this process as a power cut would, if that is asked for at this step."""
    if due(name, step):
        os.kill(os.getpid(), signal.SIGKILL)
