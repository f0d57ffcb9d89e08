"""The audit log, the promise queue and the replies kept for repeated requests."""

from django.db import models
from django.db.models import Q

from uzina.core.fields import StateField
from uzina.core.rules import PromiseState


class LogEntry(models.Model):
    """One thing that happened. Rows are added in order and never changed.

    Each row's seal is made from the row and the seal of the row before it, so an edit, a deletion
    and a swap all break the chain. That rows were cut off at the end shows only against LogHead
    and the copy of the head kept outside the database.
    """

    seq = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    event = models.CharField(max_length=80)
    subject = models.CharField(max_length=80)
    actor = models.CharField(max_length=40, blank=True)
    via = models.CharField(max_length=40, blank=True)
    facts = models.JSONField(default=dict)
    seal = models.CharField(max_length=64)

    class Meta:
        indexes = [
            models.Index(fields=["subject", "seq"], name="log_by_subject"),
            models.Index(fields=["event", "seq"], name="log_by_event"),
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.event} {self.subject}"


class LogHead(models.Model):
    """Where the log ends: one row, locked by whoever adds to the log."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    seq = models.BigIntegerField(default=0)
    seal = models.CharField(max_length=64, default="")

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="loghead_is_one_row")]

    def __str__(self) -> str:
        return f"head at {self.seq}"


class Promise(models.Model):
    """Work promised in a transaction and done after it, at least once.

    A worker takes a promise for as long as its lease; when the lease ends without an outcome
    another worker takes it over. `attempts` is the fence: an outcome counts only from the worker
    and the attempt that hold the lease.
    """

    task = models.CharField(max_length=80)
    key = models.CharField(max_length=200, unique=True)
    args = models.JSONField(default=dict)
    state = StateField(PromiseState, default=PromiseState.WAITING)
    run_at = models.DateTimeField()
    repeat_s = models.PositiveIntegerField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    worker = models.CharField(max_length=80, blank=True)
    leased_until = models.DateTimeField(null=True)
    error = models.TextField(blank=True)
    made_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["run_at", "id"],
                condition=Q(state__in=["waiting", "leased"]),
                name="promise_next",
            )
        ]
        constraints = [
            models.CheckConstraint(
                condition=~Q(state="leased") | Q(leased_until__isnull=False),
                name="promise_leased_has_a_lease",
            )
        ]

    def __str__(self) -> str:
        return f"{self.task} {self.key}"


class KeptReply(models.Model):
    """The first reply to a request with an Idempotency-Key, given again when it is repeated."""

    caller = models.CharField(max_length=40)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    content_type = models.CharField(max_length=100)
    body = models.BinaryField()
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["caller", "key"], name="keptreply_once_per_caller")
        ]

    def __str__(self) -> str:
        return f"{self.caller} {self.key}"
