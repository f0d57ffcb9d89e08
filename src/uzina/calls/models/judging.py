"""What the host and the reviewers say of an application."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from uzina.calls.models.applications import Application, conflicted
from uzina.calls.models.calls import Call, CutOff
from uzina.calls.rules.flows import ReviewState
from uzina.core.fields import CodeField, StateField
from uzina.people.models import Person


class Assessment(models.Model):
    """The technical assessment of one application by the host.

    comment goes to the applicant; note stays with the host. What it recommends instead is kept
    apart from what was asked: another amount, another partition; another mode or factory is a
    Redirect.
    """

    application = models.OneToOneField(
        Application, on_delete=models.PROTECT, related_name="assessment"
    )
    assessor = models.ForeignKey("people.Person", on_delete=models.PROTECT, related_name="+")
    is_fitting = models.BooleanField()
    is_ready = models.BooleanField()
    is_justified = models.BooleanField()
    recommended_gpu_ms = models.BigIntegerField()
    recommended_partition = models.CharField(max_length=60, blank=True)
    comment = models.TextField(max_length=4000, blank=True)
    note = models.TextField(max_length=4000, blank=True)
    made_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(recommended_gpu_ms__gte=0), name="assessment_recommends_no_debt"
            )
        ]

    def __str__(self) -> str:
        return f"assessment of {self.application}"

    @property
    def is_positive(self) -> bool:
        """Whether it fits the partition, the code is ready and the ask is justified."""
        return self.is_fitting and self.is_ready and self.is_justified


class Reviewer(models.Model):
    """An expert who may be asked for reviews: what they know, what they read, how much they take.

    topics      slugs of the factory's list (topics.toml)
    languages   that they read, ISO 639-1
    orcid       their own iD, or empty
    past_organisations  [{"name": ..., "code": "" or an organisation here, "until": "YYYY-MM-DD" or
                        "" where they still are}]
    co_authors  [{"name": ..., "orcid": ...}]: people they published with in the last years
    most        how many reviews they take at a time
    """

    person = models.OneToOneField(Person, on_delete=models.PROTECT, related_name="+")
    topics = models.JSONField(default=list)
    languages = models.JSONField(default=list)
    orcid = models.CharField(max_length=19, blank=True)
    past_organisations = models.JSONField(default=list)
    co_authors = models.JSONField(default=list)
    most = models.PositiveSmallIntegerField(default=10)
    is_active = models.BooleanField(default=True)
    made_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.person)


class PoolExclusion(models.Model):
    """A reviewer is not asked for reviews in one call. All others who are active are its pool."""

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="pool_exclusions")
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+")
    made_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["call", "person"], name="poolexclusion_once")
        ]

    def __str__(self) -> str:
        return f"{self.person} not in {self.call}"


class Bid(models.Model):
    """How gladly a reviewer would take an application: 2 eager, 1 willing, 0 not willing."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+")
    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="bids")
    value = models.PositiveSmallIntegerField()
    made_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["person", "application"], name="bid_once"),
            models.CheckConstraint(condition=Q(value__lte=2), name="bid_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.person} bids {self.value} for {self.application}"


class AssignmentPlan(models.Model):
    """Who was to review what, as the solver found it: its inputs, its seed and its objective.

    inputs, result  as rules.assignment reads and gives them
    """

    code = CodeField("PLN")
    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="assignment_plans")
    cut_off = models.ForeignKey(CutOff, on_delete=models.CASCADE, related_name="+", null=True)
    inputs = models.JSONField()
    result = models.JSONField()
    made_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()
    adopted_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"assignment of {self.call} at {self.made_at:%Y-%m-%d %H:%M}"


class ReviewQuerySet(models.QuerySet["Review"]):
    """Reviews."""

    def given_to(self, person: Person) -> "ReviewQuerySet":
        """Keep the reviews that the person was asked for: never one with a conflict of interest."""
        return self.filter(
            reviewer=person,
            state__in=[ReviewState.ASSIGNED, ReviewState.ACCEPTED, ReviewState.SUBMITTED],
            application__in=Application.objects.filter(
                ~conflicted(person), submitted_at__isnull=False
            ).values("pk"),
        )


class Review(models.Model):
    """One reviewer's verdict on one application.

    scores   {criterion key: whole number on the mode's scale}
    score_milli  the weighted mean in thousandths of a point; null until submitted
    comment  for the applicant; panel_comment for the panel; notes for the reviewer alone
    reminders  how many were sent: one before it is due, one when it is late
    """

    code = CodeField("REV")
    application = models.ForeignKey(Application, on_delete=models.PROTECT, related_name="reviews")
    reviewer = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    state = StateField(ReviewState, default=ReviewState.ASSIGNED)
    is_by_hand = models.BooleanField(default=False)
    assigned_at = models.DateTimeField()
    due_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)
    refused_reason = models.CharField(max_length=500, blank=True)
    scores = models.JSONField(default=dict)
    score_milli = models.PositiveIntegerField(null=True)
    comment = models.TextField(max_length=8000, blank=True)
    panel_comment = models.TextField(max_length=8000, blank=True)
    notes = models.TextField(max_length=8000, blank=True)
    version = models.PositiveIntegerField(default=0)
    reminders = models.PositiveSmallIntegerField(default=0)
    saved_at = models.DateTimeField(null=True)
    submitted_at = models.DateTimeField(null=True)

    objects: ClassVar[Any] = ReviewQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["application", "reviewer"], name="review_once_per_reviewer"
            ),
            models.CheckConstraint(
                condition=~Q(state=ReviewState.SUBMITTED)
                | Q(submitted_at__isnull=False, score_milli__isnull=False),
                name="review_submitted_has_a_score",
            ),
        ]

    def __str__(self) -> str:
        return self.code


class Reply(models.Model):
    """What the applicant replied to the reviewers' comments, once, before the panel met."""

    application = models.OneToOneField(Application, on_delete=models.CASCADE, related_name="reply")
    text = models.TextField(max_length=8000)
    made_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"reply of {self.application}"


class PanelSeat(models.Model):
    """A person sits on the panel of a call: `appeal` for its second panel."""

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="panel_seats")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    is_for_appeals = models.BooleanField(default=False)
    is_chair = models.BooleanField(default=False)
    made_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["call", "person"], name="panelseat_one_panel_each")
        ]

    def __str__(self) -> str:
        return f"{self.person} on the panel of {self.call}"


class Consensus(models.Model):
    """What the panel agreed on one application: the score that ranks it, and why.

    scores       {criterion key: thousandths of a point}
    score_milli  their weighted mean by the mode
    comment for the applicant; note for the record
    is_by_mean   the panel did not discuss it: the mean of the reviews stands, note says why
    """

    application = models.OneToOneField(
        Application, on_delete=models.CASCADE, related_name="consensus"
    )
    scores = models.JSONField(default=dict)
    score_milli = models.PositiveIntegerField()
    comment = models.TextField(max_length=8000, blank=True)
    note = models.TextField(max_length=8000, blank=True)
    is_by_mean = models.BooleanField(default=False)
    made_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"consensus on {self.application}"
