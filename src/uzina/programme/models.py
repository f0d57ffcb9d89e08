"""Reports on projects, and the monthly look at their use."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from uzina.calls.models import Obligation
from uzina.people.models import Person


class ReportQuerySet(models.QuerySet["Report"]):
    """Reports."""

    def visible_to(self, person: Person) -> "ReportQuerySet":
        """Keep the reports on what the person sees the obligation of."""
        return self.filter(obligation__in=Obligation.objects.visible_to(person).values("pk"))


class Report(models.Model):
    """What a person adds to what the record says of a project. Due in calls, kept here.

    answers  by question
    facts    what the record said at the moment of handing in; until then it is read anew
    version  counts the saves: the later of two tabs is told instead of overwriting
    """

    obligation = models.OneToOneField(
        "calls.Obligation", on_delete=models.PROTECT, related_name="+"
    )
    answers = models.JSONField(default=dict)
    facts = models.JSONField(default=dict)
    version = models.PositiveIntegerField(default=0)
    saved_at = models.DateTimeField()
    saved_by = models.ForeignKey(
        "people.Person", on_delete=models.PROTECT, related_name="+", null=True
    )
    submitted_at = models.DateTimeField(null=True)

    objects: ClassVar[Any] = ReportQuerySet.as_manager()

    def __str__(self) -> str:
        return f"report for {self.obligation}"


class UseCheckQuerySet(models.QuerySet["UseCheck"]):
    """Monthly looks."""

    def visible_to(self, person: Person) -> "UseCheckQuerySet":
        """Keep those of the awards whose life the person may see."""
        owed = Obligation.objects.visible_to(person).order_by()
        return self.filter(award__in=owed.values("award"))


class UseCheck(models.Model):
    """What was used of an award when a month began, beside an even pace. Once a month.

    month     its first day
    facts     how many days of the month before were what: ran, full, maintenance, waited, nothing
    asked_at  set where it was too little and the leads were asked why
    """

    award = models.ForeignKey("calls.Award", on_delete=models.PROTECT, related_name="+")
    month = models.DateField()
    expected_gpu_ms = models.BigIntegerField()
    used_gpu_ms = models.BigIntegerField()
    share_percent = models.PositiveSmallIntegerField()
    facts = models.JSONField(default=dict)
    made_at = models.DateTimeField()
    asked_at = models.DateTimeField(null=True)
    answer = models.TextField(max_length=4000, blank=True)
    answered_by = models.ForeignKey(
        "people.Person", on_delete=models.PROTECT, related_name="+", null=True
    )
    answered_at = models.DateTimeField(null=True)

    objects: ClassVar[Any] = UseCheckQuerySet.as_manager()

    class Meta:
        ordering = ["-month", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["award", "month"], name="usecheck_once_a_month"),
            models.CheckConstraint(
                condition=Q(answered_at__isnull=True) | Q(asked_at__isnull=False),
                name="usecheck_answers_what_was_asked",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.award} {self.month:%Y-%m}"

    @property
    def percent(self) -> int:
        """What was used of what an even pace would have used."""
        return self.used_gpu_ms * 100 // self.expected_gpu_ms if self.expected_gpu_ms else 100
