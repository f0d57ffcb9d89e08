"""Awards and what becomes of them."""

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q

from uzina.calls.models.applications import Application
from uzina.calls.models.calls import Capacity
from uzina.calls.rules.clock import after_months
from uzina.calls.rules.flows import AmendmentState, AwardState, ObligationState
from uzina.core.fields import CodeField, StateField
from uzina.people.models import Organisation, Person


class AwardQuerySet(models.QuerySet["Award"]):
    """Awards."""

    def visible_to(self, person: Person) -> "AwardQuerySet":
        """Keep the awards of the applications that person may see."""
        applications = Application.objects.visible_to(person)
        return self.filter(application__in=applications.values("pk"))


class Award(models.Model):
    """An offer of hours that follows a decision. It may be answered before answer_by.

    The period begins on acceptance, so no day is lost to the answer: starts_at and ends_at are
    empty until then. gpu_ms is what was given; what was asked stays in the application.
    value_eur_cents  list value of what is given; aid_eur_cents  how much of it is aid, on aid_basis
    terms  the rules that were accepted with it: the mode and its version
    """

    code = CodeField("AWD")
    application = models.OneToOneField(Application, on_delete=models.PROTECT, related_name="award")
    capacity = models.ForeignKey(Capacity, on_delete=models.PROTECT, related_name="awards")
    state = StateField(AwardState, default=AwardState.OFFERED)
    gpu_ms = models.BigIntegerField()
    months = models.PositiveSmallIntegerField()
    value_eur_cents = models.BigIntegerField(default=0)
    aid_eur_cents = models.BigIntegerField(default=0)
    aid_basis = models.CharField(max_length=24, blank=True)
    offered_at = models.DateTimeField()
    answer_by = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)
    terms = models.CharField(max_length=100, blank=True)
    starts_at = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(null=True)
    suspended_at = models.DateTimeField(null=True)
    ended_early_at = models.DateTimeField(null=True)
    project = models.ForeignKey(
        "people.Project", on_delete=models.PROTECT, related_name="+", null=True
    )

    objects: ClassVar[Any] = AwardQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(gpu_ms__gt=0, months__gt=0), name="award_gives_something"
            ),
            models.CheckConstraint(
                condition=Q(
                    state=AwardState.ACCEPTED,
                    project__isnull=False,
                    starts_at__lt=F("ends_at"),
                )
                | (
                    ~Q(state=AwardState.ACCEPTED)
                    & Q(project__isnull=True, starts_at__isnull=True, ends_at__isnull=True)
                ),
                name="award_has_a_project_once_accepted",
            ),
            models.CheckConstraint(
                condition=Q(aid_eur_cents__gte=0, aid_eur_cents__lte=F("value_eur_cents")),
                name="award_aid_within_its_value",
            ),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def report_due_at(self) -> datetime | None:
        """When the final report is due; None before acceptance."""
        if self.ends_at is None:
            return None
        return after_months(self.ends_at, self.application.call.mode.report_months)

    @property
    def data_deleted_at(self) -> datetime | None:
        """When the project's data are deleted; None before acceptance."""
        if self.ends_at is None:
            return None
        return self.ends_at + timedelta(days=self.application.call.mode.data_days)


class Amendment(models.Model):
    """A change of an award that was asked for, with its reason, and what became of it.

    facts  what is asked: {"ends_at": ...}, {"gpu_ms": ...}, {"organisation": ...}, {"lead": ...}
    """

    code = CodeField("AMD")
    award = models.ForeignKey(Award, on_delete=models.PROTECT, related_name="amendments")
    kind = models.CharField(max_length=24)
    state = StateField(AmendmentState, default=AmendmentState.ASKED)
    facts = models.JSONField(default=dict)
    reason = models.TextField(max_length=4000)
    asked_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()
    decided_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+", null=True)
    decided_at = models.DateTimeField(null=True)
    decided_reason = models.TextField(max_length=4000, blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["award", "kind"],
                condition=Q(state=AmendmentState.ASKED),
                name="amendment_one_open_per_kind",
            )
        ]

    def __str__(self) -> str:
        return self.code


class Obligation(models.Model):
    """What an award's holder owes, by when: an interim or a final report.

    told  how many reminders went out
    """

    award = models.ForeignKey(Award, on_delete=models.PROTECT, related_name="obligations")
    kind = models.CharField(max_length=24)
    state = StateField(ObligationState, default=ObligationState.DUE)
    due_at = models.DateTimeField()
    told = models.PositiveSmallIntegerField(default=0)
    submitted_at = models.DateTimeField(null=True)
    accepted_at = models.DateTimeField(null=True)
    note = models.TextField(max_length=4000, blank=True)

    class Meta:
        ordering = ["due_at"]
        constraints = [
            models.UniqueConstraint(fields=["award", "kind"], name="obligation_once_per_kind")
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.award}"


class Aid(models.Model):
    """State aid that an undertaking got: by an award, by a service, or declared by itself.

    about         code of the award or service; empty for what was declared
    member_state  ISO 3166-1 alpha-2: who gave it
    granted_on    the day on which the legal right arose
    """

    code = CodeField("AID")
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    about = models.CharField(max_length=16, blank=True)
    title = models.CharField(max_length=200)
    member_state = models.CharField(max_length=2)
    basis = models.CharField(max_length=24)
    granted_on = models.DateField()
    value_eur_cents = models.BigIntegerField()
    aid_eur_cents = models.BigIntegerField()
    noted_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+", null=True)
    noted_at = models.DateTimeField()
    voided_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["granted_on", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["about"], condition=~Q(about=""), name="aid_once_per_award"
            ),
            models.CheckConstraint(
                condition=Q(aid_eur_cents__gte=0, aid_eur_cents__lte=F("value_eur_cents")),
                name="aid_within_its_value",
            ),
        ]

    def __str__(self) -> str:
        return self.code
