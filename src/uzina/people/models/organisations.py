"""Organisations and who belongs to them."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from uzina.core.fields import CodeField, StateField
from uzina.people import rules
from uzina.people.models.persons import Person


class OrganisationQuerySet(models.QuerySet["Organisation"]):
    """Organisations."""

    def visible_to(self, person: Person) -> "OrganisationQuerySet":
        """Keep what person may see: all for the factory's people, else where one is affiliated."""
        if person.has_role(*rules.HOST_ROLES):
            return self
        return self.filter(pk__in=Affiliation.objects.filter(person=person).values("organisation"))


class Organisation(models.Model):
    """The body a person acts for. The figures are those of its last closed year, its own only.

    public_share_percent  capital or votes held by public bodies (2003/361/EC, Annex, Article 3(4))
    vat_name, vat_consultation  what the register said with a yes: the name registered, and the
                                number that proves that we asked
    vat_reason    why the register gave no answer the last time
    vat_question  counts the questions, so that only the answer to the newest is kept
    """

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
    public_share_percent = models.PositiveSmallIntegerField(default=0)
    pic = models.CharField(max_length=9, blank=True)
    vat_state = StateField(rules.VatState, default=rules.VatState.UNKNOWN)
    vat_checked_at = models.DateTimeField(null=True)
    vat_name = models.CharField(max_length=200, blank=True)
    vat_consultation = models.CharField(max_length=40, blank=True)
    vat_reason = models.CharField(max_length=200, blank=True)
    vat_question = models.PositiveIntegerField(default=0)
    made_at = models.DateTimeField()

    objects: ClassVar[Any] = OrganisationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(public_share_percent__lte=100), name="organisation_public_share_percent"
            ),
            models.CheckConstraint(
                condition=Q(turnover_eur__gte=0, balance_eur__gte=0),
                name="organisation_figures_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def kind_label(self) -> str:
        """The kind in words."""
        return rules.OrganisationKind(self.kind).label


class OrganisationYear(models.Model):
    """The figures of one closed year of an organisation, its own only; or a new one's estimate."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="years")
    year = models.PositiveSmallIntegerField()
    headcount = models.PositiveIntegerField()
    turnover_eur = models.BigIntegerField()
    balance_eur = models.BigIntegerField()
    is_estimate = models.BooleanField(default=False)

    class Meta:
        ordering: ClassVar[list[str]] = ["-year"]
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "year"], name="organisationyear_once_a_year"
            ),
            models.CheckConstraint(
                condition=Q(turnover_eur__gte=0, balance_eur__gte=0),
                name="organisationyear_figures_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.organisation} {self.year}"


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
