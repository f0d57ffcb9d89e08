"""Grand challenges: entries scored on data that entrants never see."""

from django.db import models
from django.db.models import Q

from uzina.calls.models.applications import Application, documents_storage
from uzina.calls.models.calls import Call
from uzina.calls.rules.flows import EntryState
from uzina.core.fields import CodeField, StateField
from uzina.people.models import Person


class Challenge(models.Model):
    """What the entries to a call are scored on.

    truth     the held-out answers: a CSV of id, answer and part (public or private); never shown
    metric    a word of rules.challenges.METRICS
    prizes    GPU-hours by rank: [100000, 50000, 25000]
    entries_per_day  how often one entrant may be scored in one day of the factory's zone
    closes_at  the last entry counts before it
    revealed_at  when the private scores were shown
    """

    call = models.OneToOneField(Call, on_delete=models.PROTECT, related_name="challenge")
    truth = models.FileField(storage=documents_storage, max_length=120)
    truth_sha256 = models.CharField(max_length=64)
    metric = models.CharField(max_length=24)
    prizes = models.JSONField(default=list)
    entries_per_day = models.PositiveSmallIntegerField()
    closes_at = models.DateTimeField()
    revealed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"challenge of {self.call}"


class Entry(models.Model):
    """One set of predictions that an entrant sent in, and what it scored. Never changed but scored.

    public_score, private_score  millionths of the metric's unit; null until scored
    is_late  it came at or after the close: scored, shown, never ranked
    """

    code = CodeField("ENT")
    application = models.ForeignKey(Application, on_delete=models.PROTECT, related_name="entries")
    state = StateField(EntryState, default=EntryState.RECEIVED)
    file = models.FileField(storage=documents_storage, max_length=120)
    sha256 = models.CharField(max_length=64)
    size = models.PositiveIntegerField()
    note = models.CharField(max_length=200, blank=True)
    sent_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    received_at = models.DateTimeField()
    is_late = models.BooleanField(default=False)
    public_score = models.BigIntegerField(null=True)
    private_score = models.BigIntegerField(null=True)
    problem = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(state=EntryState.SCORED)
                | Q(public_score__isnull=False, private_score__isnull=False),
                name="entry_scored_has_its_scores",
            )
        ]

    def __str__(self) -> str:
        return self.code
