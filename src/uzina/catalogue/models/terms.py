"""Usage policies, requests for access, and the evidence of use."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from django.db import models
from django.db.models import F, Q

from uzina.catalogue import rules
from uzina.core.fields import CodeField, StateField

if TYPE_CHECKING:
    from datetime import datetime

    from uzina.people.models import Person
from uzina.catalogue.models.datasets import Dataset


class Policy(models.Model):
    """What a holder allows with restricted data. The newest counts; the earlier ones are kept,
    since grants were given under them.

    offer         an ODRL Offer in the profile of docs/reference/usage-policy.md
    is_automatic  who fits the policy is let in at once, without the holder's answer
    shows_sample  everybody may see samples and statistics
    """

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="policies")
    number = models.PositiveIntegerField()
    offer = models.JSONField()
    is_automatic = models.BooleanField(default=False)
    shows_sample = models.BooleanField(default=False)
    offered_by = models.ForeignKey(
        "people.Person", null=True, on_delete=models.PROTECT, related_name="+"
    )
    offered_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["dataset", "number"], name="policy_number_once"),
            models.CheckConstraint(condition=Q(number__gte=1), name="policy_counts_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.dataset.slug} {self.number}"


class Participant(models.Model):
    """An organisation of a data space that speaks with us by the Dataspace Protocol.

    participant_id  its name there, such as a DID
    kind, country   of the organisation, as `people` names kinds; a policy looks at them
    callback_base   its messages are taken only to addresses that begin so
    token_digest    SHA-256 of the token it signs in with; the token itself is never kept
    stopped_at      from when it is not listened to any more
    """

    code = CodeField("PTC")
    name = models.CharField(max_length=200)
    participant_id = models.CharField(max_length=200, unique=True)
    kind = models.CharField(max_length=24)
    country = models.CharField(max_length=2)
    callback_base = models.URLField(max_length=300)
    token_digest = models.CharField(max_length=64, unique=True)
    registered_by = models.ForeignKey(
        "people.Person", null=True, on_delete=models.PROTECT, related_name="+"
    )
    registered_at = models.DateTimeField()
    stopped_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Asker:
    """Who asks for access: a project and its organisation, or a participant of a data space."""

    code: str
    title: str
    organisation: str
    kind: str
    country: str


class AccessRequestQuerySet(models.QuerySet["AccessRequest"]):
    """Requests for access."""

    def visible_to(self, person: "Person") -> "AccessRequestQuerySet":
        """Keep what person may see: their projects' requests, those to their organisations and
        projects, and all for operators and auditors.
        """
        if {"operator", "auditor"} & person.roles:
            return self
        return self.filter(
            Q(project__in=person.memberships.values("project")) | Q(_to_decide_by(person))
        )

    def to_decide_by(self, person: "Person") -> "AccessRequestQuerySet":
        """Keep what is the person's to answer: a representative of the holder, or the lead of the
        project that made the data.
        """
        return self.filter(_to_decide_by(person))

    def running(self, now: "datetime") -> "AccessRequestQuerySet":
        """Keep the grants that let somebody in now, whether or not the worker is late."""
        return self.filter(state=rules.AccessState.GRANTED, until__gt=now)


def _to_decide_by(person: "Person") -> Q:
    stands_for = person.affiliations.filter(is_representative=True).values("organisation")
    leads = person.memberships.filter(kind="lead").values("project")
    return Q(dataset__holder__in=stands_for) | Q(dataset__project__in=leads)


class AccessRequest(models.Model):
    """A project asks the holder of restricted data to be let in; granted, it is the permission.

    project, person   who asks, or
    participant  of a data space, for which nobody here signs in
    purpose      "" where a participant takes what the policy allows
    policy       what was offered when it was granted, or asked
    place        the country where the data is processed, two letters
    until        asked for; after the answer what was granted: use ends before it
    decided_by   None where a policy answered by itself
    reason       why it was decided so
    end_reason   why it was revoked, or ended before its time
    running_jobs codes of the jobs that ran with the data when the permission was revoked or ended
    reminders    how often whoever decides was reminded
    """

    code = CodeField("ACC")
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="access_requests")
    policy = models.ForeignKey(Policy, null=True, on_delete=models.PROTECT, related_name="+")
    project = models.ForeignKey(
        "people.Project", null=True, on_delete=models.PROTECT, related_name="+"
    )
    person = models.ForeignKey(
        "people.Person", null=True, on_delete=models.PROTECT, related_name="+"
    )
    participant = models.ForeignKey(
        Participant, null=True, on_delete=models.PROTECT, related_name="+"
    )
    purpose = models.CharField(max_length=40, blank=True)
    why = models.TextField()
    legal_basis = models.CharField(max_length=rules.LONGEST_LEGAL_BASIS, blank=True)
    place = models.CharField(max_length=2)
    until = models.DateTimeField()
    state = StateField(rules.AccessState, default=rules.AccessState.ASKED)
    asked_at = models.DateTimeField()
    decided_by = models.ForeignKey(
        "people.Person", null=True, on_delete=models.PROTECT, related_name="+"
    )
    decided_at = models.DateTimeField(null=True)
    reason = models.TextField(blank=True)
    ended_at = models.DateTimeField(null=True)
    end_reason = models.TextField(blank=True)
    running_jobs = models.JSONField(default=list)
    reminders = models.PositiveSmallIntegerField(default=0)
    warned_at = models.DateTimeField(null=True)

    objects: ClassVar[Any] = AccessRequestQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["dataset", "project"],
                condition=Q(state="asked"),
                name="accessrequest_one_waiting_a_project",
            ),
            models.CheckConstraint(
                condition=Q(project__isnull=False, person__isnull=False, participant__isnull=True)
                | Q(project__isnull=True, person__isnull=True, participant__isnull=False),
                name="accessrequest_of_a_project_or_a_participant",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["asked", "withdrawn"]) | Q(decided_at__isnull=False),
                name="accessrequest_decided_has_a_time",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["withdrawn", "ended", "revoked"])
                | Q(ended_at__isnull=False),
                name="accessrequest_over_has_a_time",
            ),
            models.CheckConstraint(
                condition=Q(until__gt=F("asked_at")), name="accessrequest_ends_after_it_is_asked"
            ),
        ]
        indexes = [
            models.Index(fields=["state", "until"], name="accessrequest_by_end"),
            models.Index(fields=["dataset", "state"], name="accessrequest_by_dataset"),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def tone(self) -> str:
        """The tone of the state."""
        return self.state.tone  # type: ignore[no-any-return, attr-defined]

    @property
    def asker(self) -> Asker:
        """Who asks."""
        if self.participant is not None:
            one = self.participant
            return Asker(one.code, one.name, one.name, one.kind, one.country)
        project = self.project
        assert project is not None  # noqa: S101 - a constraint of the table: one of the two asks
        of = project.organisation
        return Asker(project.code, project.title, of.name, of.kind, of.country)


class Evidence(models.Model):
    """Restricted bytes left the store: which, by whom, in which job, under which grant.

    request  None where the holder's own people used them
    subject  code of the job, "" for a download
    on       the day: one row a day for who reads the same again
    """

    version = models.ForeignKey("catalogue.Version", on_delete=models.PROTECT, related_name="+")
    request = models.ForeignKey(
        AccessRequest, null=True, on_delete=models.PROTECT, related_name="uses"
    )
    person = models.ForeignKey(
        "people.Person", null=True, on_delete=models.PROTECT, related_name="+"
    )
    kind = StateField(rules.UseKind)
    subject = models.CharField(max_length=24, blank=True)
    on = models.DateField()
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["version", "person", "kind", "subject", "on"], name="evidence_once_a_day"
            ),
            models.UniqueConstraint(
                fields=["version", "kind", "subject", "on"],
                condition=Q(person=None),
                name="evidence_once_a_day_of_nobody",
            ),
        ]
        indexes = [models.Index(fields=["request", "-at"], name="evidence_by_request")]

    def __str__(self) -> str:
        return f"{self.version_id} {self.kind} {self.subject}"
