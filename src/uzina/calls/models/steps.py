"""The steps of an application's way, and what it waited for."""

from django.db import models
from django.db.models import F, Q

from uzina.calls.models.applications import Application
from uzina.calls.rules.steps import StepKind, StepState
from uzina.core.fields import CodeField, StateField
from uzina.people.models import Person


class Step(models.Model):
    """One step of one application's workflow, as the call's mode lays it out.

    All rows are made at submission; at most one is open or paused. due_at is counted in working
    days from counts_from and moves by what the step was paused. owner is who works on it, empty for
    whoever has the role.

    counts_from  opened_at, or the closing of the cut-off where that is later: those handed in to one
                 cut-off are judged together, and its clock starts when all are there
    escalation   how often somebody was told that it is late
    """

    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="steps")
    kind = models.CharField(max_length=24, choices=[(one.value, one.label) for one in StepKind])
    position = models.PositiveSmallIntegerField()
    state = StateField(StepState, default=StepState.WAITING)
    owner = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+", null=True)
    opened_at = models.DateTimeField(null=True)
    counts_from = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)
    done_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+", null=True)
    outcome = models.CharField(max_length=24, blank=True)
    escalation = models.PositiveSmallIntegerField(default=0)
    escalated_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["application", "position"], name="step_place_once"),
            models.UniqueConstraint(
                fields=["application"],
                condition=Q(state__in=[StepState.OPEN, StepState.PAUSED]),
                name="step_one_at_a_time",
            ),
            models.CheckConstraint(
                condition=Q(state=StepState.WAITING, opened_at__isnull=True)
                | Q(state=StepState.SKIPPED)
                | (
                    ~Q(state__in=[StepState.WAITING, StepState.SKIPPED])
                    & Q(opened_at__isnull=False)
                ),
                name="step_opened_has_its_instant",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"], condition=Q(state=StepState.OPEN), name="step_open_by_due"
            )
        ]

    def __str__(self) -> str:
        return f"{self.application} {self.kind}"


class Pause(models.Model):
    """The clock of a step stood still in [began_at, ended_at).

    reason  question: the applicant was waited for; declined: the application was declined by a
            rule that an operator set aside later
    """

    reason = models.CharField(max_length=10, default="question")
    step = models.ForeignKey(Step, on_delete=models.CASCADE, related_name="pauses")
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["began_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["step"], condition=Q(ended_at__isnull=True), name="pause_one_at_a_time"
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(began_at__lte=F("ended_at")),
                name="pause_ends_after_it_began",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.step} since {self.began_at}"


class Question(models.Model):
    """What somebody who judges asked the applicant; the clock stands still until it is answered.

    closed_at  somebody of the factory ended the waiting without an answer, or the step ended
    Silence decides nothing: from answer_by on the operators are told, once (told_at).
    """

    code = CodeField("QUE")
    step = models.ForeignKey(Step, on_delete=models.CASCADE, related_name="questions")
    asked_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()
    text = models.TextField(max_length=4000)
    answer_by = models.DateTimeField()
    answered_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+", null=True)
    answered_at = models.DateTimeField(null=True)
    answer = models.TextField(max_length=4000, blank=True)
    closed_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+", null=True)
    closed_at = models.DateTimeField(null=True)
    reminded_at = models.DateTimeField(null=True)
    told_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["asked_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["step"],
                condition=Q(answered_at__isnull=True, closed_at__isnull=True),
                name="question_one_open",
            ),
            models.CheckConstraint(
                condition=Q(answered_at__isnull=True) | Q(closed_at__isnull=True),
                name="question_answered_or_closed",
            ),
        ]

    def __str__(self) -> str:
        return f"question on {self.step}"

    @property
    def is_open(self) -> bool:
        """Whether the applicant is waited for."""
        return self.answered_at is None and self.closed_at is None


class Exemption(models.Model):
    """An operator let an application pass although one rule of eligibility failed, and said why.

    found  what the rule had found, in English: it holds for that and nothing else, also when
           eligibility is asked again before an award
    """

    application = models.ForeignKey(
        Application, on_delete=models.CASCADE, related_name="exemptions"
    )
    rule = models.CharField(max_length=40)
    found = models.TextField()
    reason = models.TextField(max_length=2000)
    by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["application", "rule", "found"], name="exemption_once_per_finding"
            )
        ]

    def __str__(self) -> str:
        return f"{self.application} without {self.rule}"
