"""Projects and who takes part."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q

from uzina.core.fields import CodeField, StateField
from uzina.people import rules
from uzina.people.models.organisations import Organisation
from uzina.people.models.persons import Person


class ProjectQuerySet(models.QuerySet["Project"]):
    """Projects."""

    def visible_to(self, person: Person) -> "ProjectQuerySet":
        """Keep what person may see: all for operators and auditors, else where one is a member."""
        if person.has_role(rules.RoleKind.OPERATOR, rules.RoleKind.AUDITOR):
            return self
        return self.filter(pk__in=Membership.objects.filter(person=person).values("project"))


class Project(models.Model):
    """People with one purpose; what gets an allocation. Lives in [starts_at, ends_at).

    data_days  days after its end for which its award promised to keep the data; null: no award
    """

    code = CodeField("PRJ")
    title = models.CharField(max_length=200)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    state = StateField(rules.ProjectState, default=rules.ProjectState.ACTIVE)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    award_code = models.CharField(max_length=16, blank=True)
    data_days = models.PositiveSmallIntegerField(null=True)
    made_at = models.DateTimeField()

    objects: ClassVar[Any] = ProjectQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(starts_at__lt=F("ends_at")), name="project_starts_before_it_ends"
            ),
            models.UniqueConstraint(
                fields=["award_code"], condition=~Q(award_code=""), name="project_once_per_award"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.title}"


class Membership(models.Model):
    """A person takes part in a project."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="memberships")
    kind = models.CharField(
        max_length=8, choices=[(one.value, one.label) for one in rules.MembershipKind]
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "person"], name="membership_once")
        ]

    def __str__(self) -> str:
        return f"{self.person} in {self.project}"

    @property
    def kind_label(self) -> str:
        """The kind in words."""
        return rules.MembershipKind(self.kind).label
