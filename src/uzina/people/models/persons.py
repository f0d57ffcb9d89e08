"""Persons, their roles and their tokens."""

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower

from uzina.core.fields import CodeField
from uzina.people import rules


class PersonQuerySet(models.QuerySet["Person"]):
    """People."""

    def visible_to(self, person: "Person") -> "PersonQuerySet":
        """Keep whom person may see: all for operators and auditors, else oneself and one's teams."""
        if person.has_role(rules.RoleKind.OPERATOR, rules.RoleKind.AUDITOR):
            return self
        mine = person.memberships.values("project")
        mates = Person.objects.filter(memberships__project__in=mine).values("pk")
        return self.filter(Q(pk=person.pk) | Q(pk__in=mates))


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
