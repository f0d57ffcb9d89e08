"""Rankings, decisions, letters and appeals."""

from django.db import models
from django.db.models import Q

from uzina.calls.models.applications import Application
from uzina.calls.models.calls import Call, Capacity, CutOff
from uzina.calls.rules.flows import AppealState, RankingState
from uzina.core.fields import CodeField, StateField
from uzina.people.models import Person


class Ranking(models.Model):
    """The applications of one cut-off in order, and the cut line under the capacity there is.

    inputs  all that the result follows from; result  what rules.ranking gives for them
    seal    SHA-256 over both, hex, set on adoption and noted in the log
    A draft may be thrown away; an adopted one never changes, so it can be run again.
    """

    code = CodeField("RNK")
    call = models.ForeignKey(Call, on_delete=models.PROTECT, related_name="rankings")
    cut_off = models.ForeignKey(CutOff, on_delete=models.PROTECT, related_name="+", null=True)
    state = StateField(RankingState, default=RankingState.DRAFT)
    inputs = models.JSONField()
    result = models.JSONField()
    seal = models.CharField(max_length=64, blank=True)
    made_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()
    adopted_at = models.DateTimeField(null=True)
    released_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state=RankingState.DRAFT) | (~Q(seal="") & Q(adopted_at__isnull=False)),
                name="ranking_adopted_is_sealed",
            )
        ]

    def __str__(self) -> str:
        return self.code


class Decision(models.Model):
    """What was decided on one application, by which rule, from which inputs. Never changed.

    It is pending until released_at: nobody but the factory sees it before. An appeal that is
    upheld does not change it, it adds an award.
    """

    application = models.OneToOneField(
        Application, on_delete=models.PROTECT, related_name="decision"
    )
    outcome = models.CharField(max_length=10)
    rule = models.CharField(max_length=40)
    inputs = models.JSONField(default=dict)
    gpu_ms = models.BigIntegerField(null=True)
    capacity = models.ForeignKey(Capacity, on_delete=models.PROTECT, related_name="+", null=True)
    ranking = models.ForeignKey(
        Ranking, on_delete=models.PROTECT, related_name="decisions", null=True
    )
    made_at = models.DateTimeField()
    released_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(outcome__in=["award", "reserve", "decline", "redirect", "admit"]),
                name="decision_outcome_is_known",
            )
        ]

    def __str__(self) -> str:
        return f"{self.outcome} {self.application}"


class Letter(models.Model):
    """A letter on a decision, as PDF, in the applicant's language.

    verifier  the code printed on it; with it anybody sees on a public page that the factory wrote
              it and its SHA-256, without its text
    """

    code = CodeField("LET")
    application = models.ForeignKey(Application, on_delete=models.PROTECT, related_name="letters")
    kind = models.CharField(max_length=24)
    language = models.CharField(max_length=5)
    verifier = models.CharField(max_length=32, unique=True)
    sha256 = models.CharField(max_length=64)
    pdf = models.BinaryField()
    facts = models.JSONField(default=dict)
    issued_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["application", "kind"], name="letter_once_per_kind")
        ]

    def __str__(self) -> str:
        return self.code


class Appeal(models.Model):
    """An applicant asks another panel to look at a decision again.

    outcome_text goes to the applicant; gpu_ms is what an upheld appeal gives.
    funding_reason  why the factory adds the hours that the call has no more, should it be upheld
    """

    code = CodeField("APL")
    application = models.OneToOneField(Application, on_delete=models.PROTECT, related_name="appeal")
    state = StateField(AppealState, default=AppealState.FILED)
    grounds = models.TextField(max_length=8000)
    filed_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    filed_at = models.DateTimeField()
    due_at = models.DateTimeField()
    decided_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+", null=True)
    decided_at = models.DateTimeField(null=True)
    outcome_text = models.TextField(max_length=8000, blank=True)
    gpu_ms = models.BigIntegerField(null=True)
    funding_reason = models.CharField(max_length=500, blank=True)
    funded_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+", null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=[AppealState.FILED, AppealState.WITHDRAWN])
                | Q(decided_at__isnull=False, decided_by__isnull=False),
                name="appeal_decided_says_by_whom",
            )
        ]

    def __str__(self) -> str:
        return self.code
