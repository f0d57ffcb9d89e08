"""Awards and what becomes of them."""

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q

from uzina.calls.models.applications import Application
from uzina.calls.models.calls import Capacity
from uzina.calls.rules.amendments import AmendmentKind
from uzina.calls.rules.clock import after_months
from uzina.calls.rules.flows import AmendmentState, AwardState, ObligationState
from uzina.calls.rules.obligations import ObligationKind
from uzina.core.fields import CodeField, StateField
from uzina.people import queries as people_queries
from uzina.people.models import Organisation, Person, Project
from uzina.people.rules import RoleKind


class AwardQuerySet(models.QuerySet["Award"]):
    """Awards."""

    def visible_to(self, person: Person) -> "AwardQuerySet":
        """Keep the awards of the applications that person may see."""
        applications = Application.objects.visible_to(person)
        return self.filter(application__in=applications.values("pk"))

    def followed_by(self, person: Person) -> "AwardQuerySet":
        """Keep the accepted awards whose life after acceptance the person may see.

        Operators and auditors see all, everybody else those of their projects: whoever leads a
        project now need not be who applied.
        """
        accepted = self.filter(state=AwardState.ACCEPTED)
        if person.has_role(RoleKind.OPERATOR, RoleKind.AUDITOR):
            return accepted
        projects = people_queries.projects_of(person).order_by().values("pk")
        return accepted.filter(project__in=projects)


class Award(models.Model):
    """An offer of hours that follows a decision. It may be answered before answer_by.

    The period begins on acceptance, so no day is lost to the answer: starts_at and ends_at are
    empty until then. gpu_ms is what was given; what was asked stays in the application.
    value_eur_cents  list value of what is given; aid_eur_cents  how much of it is aid, on aid_basis
    terms  the version of the terms that were accepted with it
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
    def its_project(self) -> Project:
        """The project it became. Raises ValueError before acceptance."""
        if self.project is None:
            msg = f"{self} was not accepted"
            raise ValueError(msg)
        return self.project

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


class AmendmentQuerySet(models.QuerySet["Amendment"]):
    """Amendments."""

    def visible_to(self, person: Person) -> "AmendmentQuerySet":
        """Keep the amendments of the awards whose life the person may see."""
        return self.filter(award__in=Award.objects.followed_by(person).values("pk"))


class Amendment(models.Model):
    """A change of an award that was asked for, with its reason, and what became of it.

    kind   a rules.amendments.AmendmentKind
    facts  what is asked: {"months": 3}, {"gpu_ms": ...}, {"organisation": ...}, {"lead": ...}
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

    objects: ClassVar[Any] = AmendmentQuerySet.as_manager()

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

    @property
    def kind_label(self) -> str:
        """The kind in words."""
        return AmendmentKind(self.kind).label


class ObligationQuerySet(models.QuerySet["Obligation"]):
    """Obligations."""

    def visible_to(self, person: Person) -> "ObligationQuerySet":
        """Keep the obligations of the awards whose life the person may see."""
        return self.filter(award__in=Award.objects.followed_by(person).values("pk"))


class Obligation(models.Model):
    """What an award's holder owes, by when: an interim or a final report.

    kind  a rules.obligations.ObligationKind
    told  how many of the reminders are behind it
    note  why it was sent back
    """

    award = models.ForeignKey(Award, on_delete=models.PROTECT, related_name="obligations")
    kind = models.CharField(max_length=24)
    state = StateField(ObligationState, default=ObligationState.DUE)
    due_at = models.DateTimeField()
    told = models.PositiveSmallIntegerField(default=0)
    submitted_at = models.DateTimeField(null=True)
    accepted_at = models.DateTimeField(null=True)
    note = models.TextField(max_length=4000, blank=True)

    objects: ClassVar[Any] = ObligationQuerySet.as_manager()

    class Meta:
        ordering = ["due_at", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["award", "kind"], name="obligation_once_per_kind")
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.award}"

    @property
    def kind_label(self) -> str:
        """The kind in words."""
        return ObligationKind(self.kind).label


class AidQuerySet(models.QuerySet["Aid"]):
    """State aid."""

    def visible_to(self, person: Person) -> "AidQuerySet":
        """Keep what person may see: all for operators and auditors, else one's organisations'."""
        if person.has_role(RoleKind.OPERATOR, RoleKind.AUDITOR):
            return self
        own = people_queries.organisations_of(person).order_by().values("pk")
        return self.filter(organisation__in=own)


class Aid(models.Model):
    """State aid that an undertaking got: by an award, by a service, or declared by itself.

    about         code of the award, amendment or service; empty for what was declared
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

    objects: ClassVar[Any] = AidQuerySet.as_manager()

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
