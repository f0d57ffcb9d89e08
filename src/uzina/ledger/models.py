"""Accounts, allocations, and the transfers between them."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import Case, F, Q, When

from uzina.core.fields import CodeField, StateField
from uzina.ledger import rules
from uzina.people import access as people_access
from uzina.people import queries as people_queries
from uzina.people.models import Person

IN_ALLOCATION = Q(kind__in=[str(kind) for kind in rules.ALLOCATION_KINDS])


class Resource(models.Model):
    """Something countable with one unit. Amounts everywhere are integers of that unit."""

    slug = models.SlugField(max_length=40, unique=True)
    title = models.CharField(max_length=80)
    unit = models.CharField(max_length=20)

    def __str__(self) -> str:
        return self.title


class AllocationQuerySet(models.QuerySet["Allocation"]):
    """Allocations."""

    def visible_to(self, person: Person) -> "AllocationQuerySet":
        """Keep what person may see: all for operators and auditors, else one's projects'."""
        if people_access.is_operator(person) or people_access.is_auditor(person):
            return self
        return self.filter(project__in=people_queries.projects_of(person).values("pk"))


class Allocation(models.Model):
    """What one project may spend of one resource in [starts_at, ends_at).

    Its amounts are in its six accounts. The state is guarded by their locks, not by one of its
    own: lock the accounts, then read the row.

    policy  what happens when the hours come to their end, as its call says
    warned  the highest of the percentages rules.WARN_AT that was told
    """

    code = CodeField("ALL")
    project = models.ForeignKey("people.Project", on_delete=models.PROTECT, related_name="+")
    resource = models.ForeignKey(Resource, on_delete=models.PROTECT, related_name="+")
    capacity = models.ForeignKey("ledger.Account", on_delete=models.PROTECT, related_name="+")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    state = StateField(rules.AllocationState, default=rules.AllocationState.PENDING)
    policy = models.CharField(max_length=10, default=str(rules.AtExhaustion.FINISH))
    warned = models.PositiveSmallIntegerField(default=0)
    made_at = models.DateTimeField()

    objects: ClassVar[Any] = AllocationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(starts_at__lt=F("ends_at")), name="allocation_starts_before_it_ends"
            ),
            models.CheckConstraint(
                condition=Q(state__in=[str(state) for state in rules.AllocationState]),
                name="allocation_state_is_known",
            ),
            models.CheckConstraint(
                condition=Q(policy__in=[str(policy) for policy in rules.AtExhaustion]),
                name="allocation_policy_is_known",
            ),
            models.CheckConstraint(
                condition=Q(warned__in=[0, *rules.WARN_AT]), name="allocation_warned_is_known"
            ),
        ]
        indexes = [
            models.Index(
                fields=["ends_at"], condition=~Q(state="ended"), name="allocation_not_ended"
            )
        ]

    def __str__(self) -> str:
        return self.code


class Account(models.Model):
    """A place where amounts of one resource are. The balance is the sum of its postings, cached.

    A source belongs to the factory, a capacity to its owner (the code of a call), all other
    kinds to an allocation. Only actions change a balance, and only with a transfer.
    """

    kind = models.CharField(max_length=10)
    resource = models.ForeignKey(Resource, on_delete=models.PROTECT, related_name="+")
    allocation = models.ForeignKey(
        Allocation, on_delete=models.PROTECT, related_name="accounts", null=True
    )
    owner = models.CharField(max_length=80, blank=True)
    title = models.CharField(max_length=200, blank=True)
    balance = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=[str(kind) for kind in rules.AccountKind]),
                name="account_kind_is_known",
            ),
            models.CheckConstraint(
                condition=Q(balance__gte=0)
                | Q(kind__in=[str(kind) for kind in sorted(rules.MAY_BE_NEGATIVE)]),
                name="account_balance_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(balance__lte=0)
                | ~Q(kind__in=[str(kind) for kind in sorted(rules.MAY_BE_NEGATIVE)]),
                name="account_of_what_is_owed_not_positive",
            ),
            models.CheckConstraint(
                condition=(IN_ALLOCATION & Q(allocation__isnull=False))
                | (~IN_ALLOCATION & Q(allocation__isnull=True)),
                name="account_kind_fits_its_place",
            ),
            models.UniqueConstraint(fields=["allocation", "kind"], name="account_once_per_kind"),
            models.UniqueConstraint(
                fields=["resource"], condition=Q(kind="source"), name="account_one_source"
            ),
            models.UniqueConstraint(
                fields=["resource", "owner"],
                condition=Q(kind="capacity"),
                name="account_one_capacity_per_owner",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.allocation or self.owner or 'the factory'}"


class Transfer(models.Model):
    """One immutable movement between two accounts. Never updated, never deleted.

    key  the caller's: posting it again gives this transfer, posting something else with it is
         refused, which `fingerprint` tells apart. Verbs that post several add "#..." to it.
    subject  the code of what it was for: a job, mostly
    hold     the hold it settles
    """

    kind = models.CharField(max_length=10)
    key = models.CharField(max_length=rules.KEY_LONGEST + 20)
    fingerprint = models.CharField(max_length=64)
    amount = models.BigIntegerField()
    allocation = models.ForeignKey(
        Allocation, on_delete=models.PROTECT, related_name="+", null=True
    )
    hold = models.ForeignKey("self", on_delete=models.PROTECT, related_name="+", null=True)
    subject = models.CharField(max_length=rules.SUBJECT_LONGEST, blank=True)
    reason = models.CharField(max_length=rules.REASON_LONGEST, blank=True)
    at = models.DateTimeField()
    by_code = models.CharField(max_length=40, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=[str(kind) for kind in rules.TransferKind]),
                name="transfer_kind_is_known",
            ),
            models.CheckConstraint(
                condition=Q(amount__gt=0, amount__lte=rules.LARGEST),
                name="transfer_moves_something",
            ),
            models.CheckConstraint(
                condition=Q(kind="fund", allocation__isnull=True)
                | (~Q(kind="fund") & Q(allocation__isnull=False)),
                name="transfer_kind_fits_its_place",
            ),
            models.UniqueConstraint(fields=["key"], name="transfer_key_once"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class Posting(models.Model):
    """One side of a transfer: what left one account (below zero) or reached another (above)."""

    transfer = models.ForeignKey(
        Transfer, on_delete=models.PROTECT, related_name="postings", db_index=False
    )
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    amount = models.BigIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(amount=0), name="posting_moves_something"),
            # At most one side out and one side in: with a sum of zero there are exactly two.
            models.UniqueConstraint(
                "transfer",
                Case(When(amount__gt=0, then=1), default=0),
                name="posting_one_out_one_in",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount:+} on {self.account}"
