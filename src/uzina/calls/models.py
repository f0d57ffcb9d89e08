"""Calls, applications with their sections, assessments, decisions and awards."""

from datetime import datetime
from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.functional import cached_property
from django.utils.translation import get_language

from uzina.calls.rules import modes
from uzina.calls.rules.clock import Window, after_months
from uzina.calls.rules.flows import ApplicationState, AwardState, CallState
from uzina.core.fields import CodeField, StateField
from uzina.people import queries as people_queries
from uzina.people.models import Person
from uzina.people.rules import RoleKind


def _in_language(english: str, romanian: str) -> str:
    return modes.in_language({"en": english, "ro": romanian}, (get_language() or "en")[:2])


class CallQuerySet(models.QuerySet["Call"]):
    """Calls."""

    def visible_to(self, person: Person | None) -> "CallQuerySet":
        """Keep what person, or somebody not signed in, may see: drafts are the factory's own."""
        if person is not None and person.has_role(RoleKind.OPERATOR, RoleKind.AUDITOR):
            return self
        return self.exclude(state=CallState.DRAFT)


class Call(models.Model):
    """An invitation to apply; may roll for years. Open in [opens_at, closes_at).

    It keeps its own copy of the mode it was made from, so a newer mode changes no open call.
    Its hours are in the capacity account of the ledger.
    """

    code = CodeField("CAL")
    slug = models.SlugField(max_length=60, unique=True)
    title_en = models.CharField(max_length=200)
    title_ro = models.CharField(max_length=200)
    state = StateField(CallState, default=CallState.DRAFT)
    opens_at = models.DateTimeField()
    closes_at = models.DateTimeField(null=True)
    rules = models.JSONField()
    capacity = models.ForeignKey("ledger.Account", on_delete=models.PROTECT, related_name="+")
    partition = models.CharField(max_length=60, blank=True)
    made_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True)

    objects: ClassVar[Any] = CallQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(closes_at__isnull=True) | Q(opens_at__lt=F("closes_at")),
                name="call_opens_before_it_closes",
            ),
        ]

    def __str__(self) -> str:
        return self.slug

    @property
    def title(self) -> str:
        """The title in the language of the reader."""
        return _in_language(self.title_en, self.title_ro)

    @cached_property
    def mode(self) -> modes.Mode:
        """The mode as the call keeps it."""
        return modes.parse_mode(self.rules)

    @property
    def summary(self) -> str:
        """The mode's summary in the language of the reader."""
        return modes.in_language(self.mode.summary, (get_language() or "en")[:2])

    @property
    def windows(self) -> list[Window]:
        """When it takes applications: its cut-offs in order, or its own opening and closing."""
        cut_offs = [Window(one.opens_at, one.closes_at) for one in self.cut_offs.all()]
        return cut_offs or [Window(self.opens_at, self.closes_at)]


class CutOff(models.Model):
    """One deadline of a call. Open from opens_at up to, not including, closes_at.

    A call without cut-offs takes applications as long as it is open itself.
    """

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="cut_offs")
    opens_at = models.DateTimeField()
    closes_at = models.DateTimeField()

    class Meta:
        ordering = ["opens_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(opens_at__lt=F("closes_at")), name="cutoff_opens_before_it_closes"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.call} {self.closes_at:%Y-%m-%d}"


class ApplicationQuerySet(models.QuerySet["Application"]):
    """Applications."""

    def visible_to(self, person: Person) -> "ApplicationQuerySet":
        """Keep what person may see.

        One's own; for operators and auditors all that were handed in; for assessors those that
        were handed in, but none of an organisation they belong to.
        """
        own = Q(applicant=person)
        handed_in = ~Q(state=ApplicationState.DRAFT) & Q(submitted_at__isnull=False)
        if person.has_role(RoleKind.OPERATOR, RoleKind.AUDITOR):
            return self.filter(own | handed_in)
        if person.has_role(RoleKind.ASSESSOR):
            return self.filter(own | (handed_in & ~_conflicted(person)))
        return self.filter(own)

    def assessable_by(self, person: Person) -> "ApplicationQuerySet":
        """Keep what waits for a technical assessment and person may assess, oldest first."""
        if not person.has_role(RoleKind.ASSESSOR):
            return self.none()
        return (
            self.filter(state=ApplicationState.ELIGIBLE, review__isnull=True)
            .exclude(_conflicted(person))
            .exclude(applicant=person)
            .order_by("submitted_at", "pk")
        )


def _conflicted(person: Person) -> Q:
    return Q(organisation__in=people_queries.organisations_of(person).order_by().values("pk"))


class Application(models.Model):
    """One request judged under one call.

    title, months and gpu_ms are copied from the answers at submission, for lists and the queue.
    facts and verdict are what it was judged by then: the organisation may change afterwards.
    reserve_at is set while a positively assessed application waits for capacity.
    """

    code = CodeField("APP")
    call = models.ForeignKey(Call, on_delete=models.PROTECT, related_name="applications")
    applicant = models.ForeignKey("people.Person", on_delete=models.PROTECT, related_name="+")
    organisation = models.ForeignKey(
        "people.Organisation", on_delete=models.PROTECT, related_name="+"
    )
    state = StateField(ApplicationState, default=ApplicationState.DRAFT)
    title = models.CharField(max_length=150, blank=True)
    months = models.PositiveSmallIntegerField(null=True)
    gpu_ms = models.BigIntegerField(null=True)
    facts = models.JSONField(default=dict)
    verdict = models.JSONField(default=dict)
    made_at = models.DateTimeField()
    submitted_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    reserve_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    objects: ClassVar[Any] = ApplicationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=[ApplicationState.DRAFT, ApplicationState.WITHDRAWN])
                | Q(submitted_at__isnull=False, due_at__isnull=False, gpu_ms__gt=0, months__gt=0),
                name="application_handed_in_has_what_it_asks",
            ),
        ]
        indexes = [
            models.Index(fields=["call", "submitted_at"], name="application_queue"),
            models.Index(fields=["applicant"], name="application_of_applicant"),
        ]

    def __str__(self) -> str:
        return self.code


class SavedSection(models.Model):
    """One step of an application as it was last saved.

    version counts the saves. Whoever saves says which version they saw, so that the later of two
    tabs is told instead of overwriting.
    """

    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="sections")
    slug = models.CharField(max_length=24)
    answers = models.JSONField(default=dict)
    version = models.PositiveIntegerField(default=0)
    saved_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["application", "slug"], name="savedsection_once_per_application"
            )
        ]

    def __str__(self) -> str:
        return f"{self.application} {self.slug} v{self.version}"


class Review(models.Model):
    """The technical assessment of one application by the host.

    comment goes to the applicant; note stays with the host.
    """

    application = models.OneToOneField(Application, on_delete=models.PROTECT, related_name="review")
    reviewer = models.ForeignKey("people.Person", on_delete=models.PROTECT, related_name="+")
    is_fitting = models.BooleanField()
    is_ready = models.BooleanField()
    is_justified = models.BooleanField()
    recommended_gpu_ms = models.BigIntegerField()
    comment = models.TextField(max_length=4000, blank=True)
    note = models.TextField(max_length=4000, blank=True)
    made_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(recommended_gpu_ms__gt=0)
                | Q(is_fitting=False)
                | Q(is_ready=False)
                | Q(is_justified=False),
                name="review_positive_recommends_hours",
            )
        ]

    def __str__(self) -> str:
        return f"assessment of {self.application}"

    @property
    def is_positive(self) -> bool:
        """Whether it fits the partition, the code is ready and the ask is justified."""
        return self.is_fitting and self.is_ready and self.is_justified


class Decision(models.Model):
    """What was decided on one application, by which rule, from which inputs. Never changed."""

    application = models.OneToOneField(
        Application, on_delete=models.PROTECT, related_name="decision"
    )
    outcome = models.CharField(max_length=10)
    rule = models.CharField(max_length=40)
    inputs = models.JSONField(default=dict)
    made_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(outcome__in=["award", "decline"]), name="decision_outcome_is_known"
            )
        ]

    def __str__(self) -> str:
        return f"{self.outcome} {self.application}"


class AwardQuerySet(models.QuerySet["Award"]):
    """Awards."""

    def visible_to(self, person: Person) -> "AwardQuerySet":
        """Keep the awards of the applications that person may see."""
        applications = Application.objects.visible_to(person)
        return self.filter(application__in=applications.values("pk"))


class Award(models.Model):
    """An offer of hours that follows a decision. It may be answered before answer_by.

    The period begins on acceptance, so no day is lost to the answer: starts_at and ends_at are
    empty until then.
    """

    code = CodeField("AWD")
    application = models.OneToOneField(Application, on_delete=models.PROTECT, related_name="award")
    state = StateField(AwardState, default=AwardState.OFFERED)
    gpu_ms = models.BigIntegerField()
    months = models.PositiveSmallIntegerField()
    offered_at = models.DateTimeField()
    answer_by = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)
    starts_at = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(null=True)
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
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def report_due_at(self) -> datetime | None:
        """When the final report is due; None before acceptance."""
        if self.ends_at is None:
            return None
        return after_months(self.ends_at, self.application.call.mode.report_months)
