"""People, organisations, roles, projects and tokens."""

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower

from uzina.core.fields import CodeField, StateField
from uzina.people import rules


class PersonQuerySet(models.QuerySet["Person"]):
    """People."""

    def visible_to(self, person: "Person") -> "PersonQuerySet":
        """Keep whom person may see: all for operators and auditors, else oneself and one's teams."""
        if person.has_role(rules.RoleKind.OPERATOR, rules.RoleKind.AUDITOR):
            return self
        mine = Membership.objects.filter(person=person).values("project")
        return self.filter(
            Q(pk=person.pk) | Q(pk__in=Membership.objects.filter(project__in=mine).values("person"))
        )


class PersonManager(BaseUserManager["Person"].from_queryset(PersonQuerySet)):  # type: ignore[misc]
    """Finds people by e-mail address in any case, as they type it."""

    def get_by_natural_key(self, username: str | None) -> "Person":
        return self.get(email__iexact=username)  # type: ignore[no-any-return]


class Person(AbstractBaseUser):
    """Somebody who signs in. Known to the log by the code only."""

    code = CodeField("PER")
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=150)
    language = models.CharField(max_length=5, default="en")
    is_active = models.BooleanField(default=True)
    made_at = models.DateTimeField()

    objects: ClassVar[Any] = PersonManager()
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    via = ""
    """The token the person acts through, set by the door; empty on a page."""

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(email=""), name="person_has_an_email"),
            models.UniqueConstraint(Lower("email"), name="person_email_once_in_any_case"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def roles(self) -> frozenset[str]:
        """The roles for the factory, asked once a request."""
        if not hasattr(self, "_roles"):
            self._roles = frozenset(Role.objects.filter(person=self).values_list("kind", flat=True))
        return self._roles

    def has_role(self, *kinds: rules.RoleKind) -> bool:
        """Tell whether the person has any of the roles."""
        return any(kind in self.roles for kind in kinds)


class OrganisationQuerySet(models.QuerySet["Organisation"]):
    """Organisations."""

    def visible_to(self, person: Person) -> "OrganisationQuerySet":
        """Keep what person may see: all for the factory's people, else where one is affiliated."""
        if person.has_role(*rules.HOST_ROLES):
            return self
        return self.filter(pk__in=Affiliation.objects.filter(person=person).values("organisation"))


class Organisation(models.Model):
    """The body a person acts for. The figures are those of its last closed year, its own only."""

    code = CodeField("ORG")
    name = models.CharField(max_length=200)
    kind = models.CharField(
        max_length=24, choices=[(kind.value, kind.label) for kind in rules.OrganisationKind]
    )
    country = models.CharField(max_length=2)
    city = models.CharField(max_length=100, blank=True)
    website = models.URLField(blank=True)
    vat_number = models.CharField(max_length=20, blank=True)
    founded_on = models.DateField(null=True)
    headcount = models.PositiveIntegerField(default=0)
    turnover_eur = models.BigIntegerField(default=0)
    balance_eur = models.BigIntegerField(default=0)
    made_at = models.DateTimeField()

    objects: ClassVar[Any] = OrganisationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(turnover_eur__gte=0, balance_eur__gte=0),
                name="organisation_figures_not_negative",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def kind_label(self) -> str:
        """The kind in words."""
        return rules.OrganisationKind(self.kind).label


class RelatedEnterprise(models.Model):
    """A partner or linked enterprise of an organisation, for its size class."""

    organisation = models.ForeignKey(
        Organisation, on_delete=models.CASCADE, related_name="related_enterprises"
    )
    name = models.CharField(max_length=200)
    relation = models.CharField(
        max_length=10, choices=[(one.value, one.label) for one in rules.Relation]
    )
    share_percent = models.PositiveSmallIntegerField()
    headcount = models.PositiveIntegerField()
    turnover_eur = models.BigIntegerField()
    balance_eur = models.BigIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(share_percent__gte=rules.PARTNER_FROM, share_percent__lte=100),
                name="relatedenterprise_share_counts",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Affiliation(models.Model):
    """A person belongs to an organisation; a representative may apply in its name."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="affiliations")
    organisation = models.ForeignKey(
        Organisation, on_delete=models.PROTECT, related_name="affiliations"
    )
    is_representative = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["person", "organisation"], name="affiliation_once")
        ]

    def __str__(self) -> str:
        return f"{self.person} at {self.organisation}"


class Role(models.Model):
    """What a person may do for the factory itself."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(
        max_length=12, choices=[(one.value, one.label) for one in rules.RoleKind]
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["person", "kind"], name="role_once")]

    def __str__(self) -> str:
        return f"{self.person}: {self.kind}"


class ProjectQuerySet(models.QuerySet["Project"]):
    """Projects."""

    def visible_to(self, person: Person) -> "ProjectQuerySet":
        """Keep what person may see: all for operators and auditors, else where one is a member."""
        if person.has_role(rules.RoleKind.OPERATOR, rules.RoleKind.AUDITOR):
            return self
        return self.filter(pk__in=Membership.objects.filter(person=person).values("project"))


class Project(models.Model):
    """People with one purpose; what gets an allocation. Lives in [starts_at, ends_at)."""

    code = CodeField("PRJ")
    title = models.CharField(max_length=200)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    state = StateField(rules.ProjectState, default=rules.ProjectState.ACTIVE)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    award_code = models.CharField(max_length=16, blank=True)
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


class ApiToken(models.Model):
    """A key a program signs in with. The secret itself is never kept, only its SHA-256."""

    code = CodeField("TOK")
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True)
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(made_at__lt=F("expires_at")), name="apitoken_lives_a_while"
            )
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.name}"


class FailedSignIn(models.Model):
    """A sign-in that failed, kept for the time that limits count over.

    email    hashed, so that what people mistype is not kept
    address  where it came from
    """

    email_digest = models.CharField(max_length=64)
    address = models.CharField(max_length=64)
    at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["email_digest", "at"], name="failed_by_email"),
            models.Index(fields=["address", "at"], name="failed_by_address"),
        ]

    def __str__(self) -> str:
        return f"{self.address} {self.at}"
