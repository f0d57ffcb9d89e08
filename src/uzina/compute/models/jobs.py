"""Jobs."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q

from uzina.compute import rules
from uzina.core.fields import CodeField, StateField
from uzina.people import access as people_access
from uzina.people import queries as people_queries
from uzina.people.models import Person

ENDED = Q(state__in=[str(state) for state in rules.ENDED])


class JobQuerySet(models.QuerySet["Job"]):
    """Jobs."""

    def visible_to(self, person: Person) -> "JobQuerySet":
        """Keep what person may see: all for operators and auditors, else one's projects'."""
        if people_access.is_operator(person) or people_access.is_auditor(person):
            return self
        return self.filter(project__in=people_queries.projects_of(person).values("pk"))


class Job(models.Model):
    """One piece of work on a cluster.

    key         the submitter's: the same key in a project is the same job
    native_key  the cluster's name for it, for ever; native_id is reused by clusters, this is not
    attempts    how often handing over began: more than once means to look it up first
    reason      why it waits or how it ended, one of rules.REASONS; detail is in the cluster's words
    started_at, ended_at, submitted_at (to the cluster) are the cluster's whole seconds
    settled_at  when its hold was settled or voided; only then is it over for the ledger
    gpu_ms      what it was charged
    site_user, site_account  as whom and for which account of the cluster it was handed over
    tasks       how many runs an array asks for; 1 for a plain job
    continues   the job whose run directory it goes on in
    chain_left  how many more links may follow when it reaches its time limit; null: not chained
    chain       of a link: "mark", what its run directory held when it began; when it was the last,
                "why": finished, links, no_step, cancelled, failed or refused, with the refusal
    rerun_of    the job it repeats exactly
    expected_at when it starts at the earliest, as the cluster said at expected_seen_at
    effort      what was measured of its processes: cpu_s, max_rss_mb, energy_j and how
    door        for a session (a notebook): where it listens and until when its lease runs
    """

    code = CodeField("JOB")
    project = models.ForeignKey("people.Project", on_delete=models.PROTECT, related_name="+")
    allocation = models.ForeignKey("ledger.Allocation", on_delete=models.PROTECT, related_name="+")
    hold = models.ForeignKey("ledger.Transfer", on_delete=models.PROTECT, related_name="+")
    cluster = models.ForeignKey("compute.Cluster", on_delete=models.PROTECT, related_name="+")
    submitted_by = models.ForeignKey(
        "people.Person", on_delete=models.PROTECT, related_name="+", null=True
    )
    key = models.CharField(max_length=255)
    native_key = models.CharField(max_length=64, unique=True)
    native_id = models.CharField(max_length=40, blank=True)
    native_submitted_at = models.DateTimeField(null=True)
    spec = models.JSONField()
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=40)
    nodes = models.PositiveIntegerField()
    gpus = models.PositiveIntegerField()
    cpus = models.PositiveIntegerField()
    memory_mb = models.PositiveIntegerField()
    time_limit_s = models.PositiveIntegerField()
    held_gpu_ms = models.BigIntegerField()
    state = StateField(rules.JobState, default=rules.JobState.CREATED)
    reason = models.CharField(max_length=80, blank=True)
    detail = models.CharField(max_length=500, blank=True)
    run_dir = models.CharField(max_length=500)
    attempts = models.PositiveIntegerField(default=0)
    submitted_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    exit_code = models.IntegerField(null=True)
    observed_at = models.DateTimeField(null=True)
    missing_since = models.DateTimeField(null=True)
    cancel_asked_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    gpu_ms = models.BigIntegerField(null=True)
    partition = models.CharField(max_length=80, blank=True)
    site_user = models.CharField(max_length=64, blank=True)
    site_account = models.CharField(max_length=64, blank=True)
    tasks = models.PositiveIntegerField(default=1)
    continues = models.ForeignKey("self", on_delete=models.PROTECT, related_name="+", null=True)
    chain_left = models.PositiveIntegerField(null=True)
    chain = models.JSONField(default=dict)
    rerun_of = models.ForeignKey("self", on_delete=models.PROTECT, related_name="+", null=True)
    expected_at = models.DateTimeField(null=True)
    expected_seen_at = models.DateTimeField(null=True)
    effort = models.JSONField(default=dict)
    door = models.JSONField(default=dict)

    objects: ClassVar[Any] = JobQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "key"], name="job_once_per_key"),
            models.CheckConstraint(
                condition=Q(state__in=[str(state) for state in rules.JobState]),
                name="job_state_is_known",
            ),
            models.CheckConstraint(
                condition=Q(settled_at__isnull=True) | ENDED, name="job_ends_before_it_is_settled"
            ),
            models.CheckConstraint(
                condition=Q(settled_at__isnull=True, gpu_ms__isnull=True)
                | Q(settled_at__isnull=False, gpu_ms__gte=0),
                name="job_settled_has_a_cost",
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True)
                | Q(started_at__isnull=True)
                | Q(ended_at__gte=F("started_at")),
                name="job_starts_before_it_ends",
            ),
        ]
        indexes = [
            models.Index(fields=["project", "-id"], name="job_by_project"),
            models.Index(fields=["id"], condition=Q(settled_at__isnull=True), name="job_unsettled"),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.name}"

    @property
    def gpus_total(self) -> int:
        """GPUs over all nodes."""
        return self.nodes * self.gpus

    @property
    def is_open(self) -> bool:
        """Whether it still may run."""
        return self.state in rules.OPEN
