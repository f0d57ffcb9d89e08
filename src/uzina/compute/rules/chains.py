"""Jobs that wait for jobs, and jobs that go on where one reached its time limit."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from uzina.compute.rules.states import OPEN, JobState
from uzina.core.text import _


@dataclass(frozen=True)
class Fate:
    """What became of a job that another waits for.

    needs_done  the other wants it done, not merely ended
    may_go_on   it is a link of a chain that may still be continued
    """

    code: str
    state: JobState
    needs_done: bool
    may_go_on: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it is not over yet."""
        return self.state in OPEN or self.may_go_on

    @property
    def is_hopeless(self) -> bool:
        """Whether what the other waits for can never come."""
        return not self.is_open and self.needs_done and self.state is not JobState.DONE


def is_waiting(fates: Iterable[Fate]) -> bool:
    """Tell whether a job has to wait still."""
    return any(one.is_open for one in fates)


def why_no_link(
    *,
    state: JobState,
    reason: str,
    left: int,
    cancel_asked: bool,
    was_stopped: bool,
    said: Any,
    has_moved: bool,
) -> str:
    """Return "" where another link is to follow, else why none does: one of CHAIN_ENDS.

    was_stopped  the stop file was set because its time was nearly up
    said         what the program says of itself: True it is to go on, False it is finished or
                 would fail again, None it says nothing
    has_moved    it left a checkpoint, a measurement or a file that was not there before
    """
    if cancel_asked or state is JobState.CANCELLED:
        return "cancelled"
    if said is False and state is JobState.DONE:
        return "finished"
    timed_out = state is JobState.FAILED and reason == "TimeLimit"
    if not timed_out and not was_stopped:
        return "finished" if state is JobState.DONE else "failed"
    if said is False or (state is not JobState.DONE and not timed_out):
        return "failed"
    if not has_moved:
        return "no_step"
    return "" if left else "links"


CHAIN_ENDS = {
    "finished": _("The chain ends here: the program has finished."),
    "links": _("The chain ends here: it has as many links as were asked for."),
    "no_step": _(
        "The chain ends here: this link left no new checkpoint, measurement or file, so another "
        "would get no further. Save more often, or give it a longer time limit."
    ),
    "cancelled": _("The chain ends here: this link was cancelled."),
    "failed": _("The chain ends here: this link failed, and another would fail in the same way."),
    "refused": _("The chain ends here: the next link was refused."),
}


def rehearsed(*, has_saved: bool, has_ended: bool, was_stopped: bool) -> str:
    """Return, in English, what a rehearsal showed.

    has_ended    the program ended by itself and well
    was_stopped  it was still running when it was asked to stop
    """
    if has_ended and not was_stopped:
        return _("The rehearsal shows nothing about stopping: the program had finished before.")
    if has_ended and has_saved:
        return _("The rehearsal went well: the program saved its work and ended when asked to.")
    if has_saved:
        return _(
            "In the rehearsal the program saved its work but did not end well when asked to. Have "
            "it look for the file STOP in its run directory, save, and end."
        )
    if has_ended:
        return _(
            "In the rehearsal the program ended when asked to, but no checkpoint was seen. Note one "
            "in events.jsonl, or write it to a folder named checkpoints."
        )
    return _(
        "In the rehearsal the program neither saved its work nor ended well when asked to. Have it "
        "look for the file STOP in its run directory, save, and end."
    )
