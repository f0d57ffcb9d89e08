"""Clusters, the jobs handed to them, and what was measured of each."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q

from uzina.compute import rules
from uzina.core.fields import CodeField, StateField
from uzina.people import access as people_access
from uzina.people import queries as people_queries
from uzina.people.models import Person

ENDED = Q(state__in=[str(state) for state in rules.ENDED])


class Cluster(models.Model):
    """One batch system, and how far its measurements have been read.

    usage_cursor_s  epoch second up to which usage was read; reading goes back an overlap before it
    silent_since    since when it has not answered; null while it does
    """

    slug = models.SlugField(max_length=40, unique=True)
    kind = models.CharField(max_length=12)
    usage_cursor_s = models.BigIntegerField(default=0)
    polled_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    silent_since = models.DateTimeField(null=True)
    counted_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.slug


class Partition(models.Model):
    """The machines of one partition as they were counted last; nodes may be in several."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="partitions")
    name = models.CharField(max_length=80)
    nodes = models.PositiveIntegerField()
    nodes_up = models.PositiveIntegerField()
    cpus = models.PositiveIntegerField()
    cpus_used = models.PositiveIntegerField()
    gpus = models.PositiveIntegerField()
    gpus_used = models.PositiveIntegerField()
    memory_mb = models.BigIntegerField()
    counted_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["cluster", "name"], name="partition_once_per_cluster")
        ]

    def __str__(self) -> str:
        return f"{self.cluster}/{self.name}"


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
    """

    code = CodeField("JOB")
    project = models.ForeignKey("people.Project", on_delete=models.PROTECT, related_name="+")
    allocation = models.ForeignKey("ledger.Allocation", on_delete=models.PROTECT, related_name="+")
    hold = models.ForeignKey("ledger.Transfer", on_delete=models.PROTECT, related_name="+")
    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, related_name="+")
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


class Usage(models.Model):
    """What one run of a job used, as the cluster measured it. Immutable.

    row_key  cluster, id, submit and start: the same measurement comes many times, is kept once
    raw      the cluster's own line
    """

    job = models.ForeignKey(Job, on_delete=models.PROTECT, related_name="usage")
    row_key = models.CharField(max_length=160, unique=True)
    native_id = models.CharField(max_length=40)
    submitted_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField()
    elapsed_s = models.BigIntegerField()
    nodes = models.PositiveIntegerField()
    cpus = models.PositiveIntegerField()
    gpus = models.PositiveIntegerField()
    state = models.CharField(max_length=24)
    raw = models.TextField()
    read_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(elapsed_s__gte=0), name="usage_elapsed_not_negative")
        ]

    def __str__(self) -> str:
        return self.row_key
