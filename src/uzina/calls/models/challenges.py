"""Grand challenges: entries scored on data that entrants never see."""

from django.db import models
from django.db.models import Q

from uzina.calls.models.applications import Application, documents_storage
from uzina.calls.models.calls import Call
from uzina.calls.rules.challenges import Metric
from uzina.calls.rules.flows import EntryState
from uzina.core.fields import CodeField, StateField
from uzina.people.models import Person


class Challenge(models.Model):
    """What the entries to a call are scored on. Never changed once there is an entry.

    truth     the held-out answers, as rules.challenges.read_truth reads them; never shown
    seal      SHA-256 of salt and file, shown to everybody: proof that the answers were not
              changed, from which nobody can try answers out. The salt and the file's own SHA-256
              are for operators and auditors
    prizes    GPU-hours by rank: [100000, 50000, 25000]
    entries_per_day  how often one entrant may be scored in one day of the factory's zone
    closes_at  the last entry counts before it
    revealed_at  when the private scores were shown; released_at: when the prizes were offered
    """

    call = models.OneToOneField(Call, on_delete=models.PROTECT, related_name="challenge")
    truth = models.FileField(storage=documents_storage, max_length=120)
    truth_sha256 = models.CharField(max_length=64)
    salt = models.CharField(max_length=64)
    seal = models.CharField(max_length=64)
    public_items = models.PositiveIntegerField()
    private_items = models.PositiveIntegerField()
    metric = models.CharField(max_length=24, choices=[(one.value, one.label) for one in Metric])
    prizes = models.JSONField(default=list)
    entries_per_day = models.PositiveSmallIntegerField()
    closes_at = models.DateTimeField()
    made_at = models.DateTimeField()
    revealed_at = models.DateTimeField(null=True)
    released_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(public_items__gt=0, private_items__gt=0, entries_per_day__gt=0),
                name="challenge_has_both_parts",
            ),
            models.CheckConstraint(
                condition=Q(released_at__isnull=True) | Q(revealed_at__isnull=False),
                name="challenge_revealed_before_released",
            ),
        ]

    def __str__(self) -> str:
        return f"challenge of {self.call}"


class Entry(models.Model):
    """One set of predictions that an entrant sent in, and what it scored. Never changed but scored.

    public_score, private_score  millionths of the metric's unit; null until scored
    is_late  it came at or after the close: scored, shown, never ranked
    is_chosen  the one that the entrant wants to count; without one the best public score counts
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
    is_chosen = models.BooleanField(default=False)
    scored_at = models.DateTimeField(null=True)
    public_score = models.BigIntegerField(null=True)
    private_score = models.BigIntegerField(null=True)
    problem_code = models.CharField(max_length=60, blank=True)
    problem = models.CharField(max_length=500, blank=True)
    problem_facts = models.JSONField(default=dict)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["application", "sha256"], name="entry_file_once"),
            models.UniqueConstraint(
                fields=["application"], condition=Q(is_chosen=True), name="entry_one_chosen"
            ),
            models.CheckConstraint(
                condition=~Q(state=EntryState.SCORED)
                | Q(public_score__isnull=False, private_score__isnull=False),
                name="entry_scored_has_its_scores",
            ),
            models.CheckConstraint(
                condition=Q(is_chosen=False) | Q(is_late=False), name="entry_late_is_never_chosen"
            ),
        ]
        indexes = [models.Index(fields=["application", "received_at"], name="entry_of_application")]

    def __str__(self) -> str:
        return self.code
