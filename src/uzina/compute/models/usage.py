"""What was measured, and what it costs."""

from django.db import models
from django.db.models import Q

from uzina.compute.models.clusters import Cluster


class Tariff(models.Model):
    """What a second costs on a partition from a day on. Immutable: a new price is a new row.

    partition  "" for every partition that has no tariff of its own
    since      the first day, in the site's time zone
    version    of several for one day the latest counts: 1 and up restated the one before
    rule       "max": the dearest of the three; "sum": all three together
    gpu_us, cpu_us  GPU-microseconds for one second of one device as the cluster counts them (a GCD
               is half a GPU: 500,000) and of one core
    gib_ns     GPU-nanoseconds for one second of one GiB of memory: a sixty-fourth of a GCD is
               7,812.5 microseconds
    node_gpus  GPUs in one node-hour, where hours are shown so; 0 for GPU-hours only
    source     where the figures come from, for people to look up
    """

    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, related_name="+")
    partition = models.CharField(max_length=80, blank=True)
    since = models.DateField()
    version = models.PositiveIntegerField(default=0)
    rule = models.CharField(max_length=3)
    gpu_us = models.BigIntegerField()
    cpu_us = models.BigIntegerField()
    gib_ns = models.BigIntegerField()
    node_gpus = models.PositiveIntegerField(default=0)
    source = models.CharField(max_length=500)
    reason = models.CharField(max_length=500, blank=True)
    by_code = models.CharField(max_length=40, blank=True)
    made_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cluster", "partition", "since", "version"], name="tariff_once_a_day"
            ),
            models.CheckConstraint(
                condition=Q(rule__in=["max", "sum"]), name="tariff_rule_is_known"
            ),
            models.CheckConstraint(
                condition=Q(gpu_us__gte=0, cpu_us__gte=0, gib_ns__gte=0),
                name="tariff_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.partition or 'all'} from {self.since}"


class Usage(models.Model):
    """What one run of one job used, as the cluster measured it. Immutable: the cluster may measure
    again, which is a row of the next revision, booked by its difference.

    row_key   cluster, id, submit and start: the same measurement comes many times, is kept once
    revision  0 for the first measurement of a run; only the latest counts
    job       null for what was submitted past the portal
    project   null where the cluster's account belongs to no project of ours
    gpu_ms    its cost by the tariff of the day it started; null where it is free of charge
              because the cluster itself failed
    allocation  what its cost is booked on; null where that could not be done
    transfer  what booked it, perhaps with others; null where the job's hold was settled with it,
              or where it changed nothing
    raw       the cluster's own line
    """

    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, related_name="+", db_index=False)
    job = models.ForeignKey(
        "compute.Job", on_delete=models.PROTECT, related_name="usage", null=True, db_index=False
    )
    project = models.ForeignKey(
        "people.Project", on_delete=models.PROTECT, related_name="+", null=True, db_index=False
    )
    allocation = models.ForeignKey(
        "ledger.Allocation", on_delete=models.PROTECT, related_name="+", null=True, db_index=False
    )
    transfer = models.ForeignKey(
        "ledger.Transfer", on_delete=models.PROTECT, related_name="+", null=True, db_index=False
    )
    row_key = models.CharField(max_length=160)
    revision = models.PositiveIntegerField(default=0)
    native_id = models.CharField(max_length=40)
    name = models.CharField(max_length=200, blank=True)
    account = models.CharField(max_length=64, blank=True)
    user = models.CharField(max_length=64, blank=True)
    partition = models.CharField(max_length=80, blank=True)
    submitted_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField()
    elapsed_s = models.BigIntegerField()
    nodes = models.PositiveIntegerField()
    cpus = models.PositiveIntegerField()
    gpus = models.PositiveIntegerField()
    memory_mb = models.BigIntegerField(default=0)
    energy_j = models.BigIntegerField(null=True)
    state = models.CharField(max_length=24)
    gpu_ms = models.BigIntegerField(null=True)
    raw = models.TextField()
    read_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(elapsed_s__gte=0), name="usage_elapsed_not_negative"
            ),
            models.UniqueConstraint(fields=["row_key", "revision"], name="usage_once_per_revision"),
        ]
        indexes = [
            models.Index(fields=["project", "ended_at"], name="usage_by_project"),
            models.Index(fields=["job"], condition=Q(job__isnull=False), name="usage_by_job"),
            models.Index(
                fields=["cluster", "ended_at"],
                condition=Q(project__isnull=True),
                name="usage_of_nobody",
            ),
        ]

    def __str__(self) -> str:
        return self.row_key
