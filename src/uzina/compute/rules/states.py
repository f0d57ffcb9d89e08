"""Where a job stands, and what may follow."""

from uzina.core.flow import Flow, Move, States
from uzina.core.text import _


class JobState(States):
    """Where a job stands. A state changes because the cluster was seen to say so."""

    CREATED = "created", _("Being handed over"), "quiet"
    QUEUED = "queued", _("Waiting in the queue"), "quiet"
    RUNNING = "running", _("Running"), "busy"
    DONE = "done", _("Done"), "good"
    FAILED = "failed", _("Failed"), "bad"
    CANCELLED = "cancelled", _("Cancelled"), "quiet"
    LOST = "lost", _("Lost by the cluster"), "bad"


S = JobState
OPEN = (S.CREATED, S.QUEUED, S.RUNNING)
ENDED = (S.DONE, S.FAILED, S.CANCELLED, S.LOST)
JOB = Flow(
    "job",
    {
        "accept": Move(S.CREATED, to=S.QUEUED),
        "start": Move(S.QUEUED, to=S.RUNNING),
        "requeue": Move(S.RUNNING, to=S.QUEUED),
        "finish": Move(S.QUEUED, S.RUNNING, to=S.DONE),
        "fail": Move(*OPEN, to=S.FAILED),
        "cancel": Move(*OPEN, to=S.CANCELLED),
        "lose": Move(S.QUEUED, S.RUNNING, to=S.LOST),
    },
)
VERB_TO = {
    S.QUEUED: "accept",
    S.RUNNING: "start",
    S.DONE: "finish",
    S.FAILED: "fail",
    S.CANCELLED: "cancel",
    S.LOST: "lose",
}
