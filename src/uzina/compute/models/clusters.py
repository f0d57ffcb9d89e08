"""Batch systems and their machines."""

from django.db import models
from django.db.models import F, Q

from uzina.core.fields import CodeField


class Cluster(models.Model):
    """One batch system, and how far its measurements have been read.

    usage_cursor_s  epoch second up to which usage was read; reading goes back an overlap before it
    silent_since    since when it has not answered; null while it does
    poll_next_at    when the queue may be asked next: the longer it took, the longer it rests
    usage_next_at   when usage may be read next; while it is being read, when that is given up
    swept_at        when the usage of the last week was read whole, last
    reconciled_at   when accounts, limits and totals were compared with ours, last
    fenced_usage_id  the last usage row that the accounts' read_gpu_s have in them
    writing_until   while accounts are being written there, when that is given up
    health          what the preflight of the site found, as ports.Health gives it
    """

    slug = models.SlugField(max_length=40, unique=True)
    kind = models.CharField(max_length=12)
    usage_cursor_s = models.BigIntegerField(default=0)
    polled_at = models.DateTimeField(null=True)
    poll_next_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    silent_since = models.DateTimeField(null=True)
    counted_at = models.DateTimeField(null=True)
    usage_next_at = models.DateTimeField(null=True)
    swept_at = models.DateTimeField(null=True)
    reconciled_at = models.DateTimeField(null=True)
    fenced_usage_id = models.BigIntegerField(default=0)
    writing_until = models.DateTimeField(null=True)
    health = models.JSONField(default=dict)
    health_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.slug


class Partition(models.Model):
    """The machines of one partition as they were counted last; nodes may be in several.

    gpus_free, cpus_free  not in use, on nodes that take jobs
    is_up       it starts jobs; one that does not still takes them
    max_time_s  the longest time limit it takes; null for none
    jobs_running, jobs_waiting, gpus_wanted  its queue at that look
    groups      its nodes by sort of GPU and state: [{"gpu_type": ..., "state": ..., "nodes": ...,
                "gpus": ..., "gpus_used": ...}]
    drained     nodes that take no jobs: [{"name": ..., "state": ..., "reason": ..., "since": ...}],
                since when as we saw it
    """

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="partitions")
    name = models.CharField(max_length=80)
    nodes = models.PositiveIntegerField()
    nodes_up = models.PositiveIntegerField()
    cpus = models.PositiveIntegerField()
    cpus_used = models.PositiveIntegerField()
    gpus = models.PositiveIntegerField()
    gpus_used = models.PositiveIntegerField()
    memory_mb = models.BigIntegerField()
    gpu_type = models.CharField(max_length=40, blank=True)
    max_time_s = models.BigIntegerField(null=True)
    is_default = models.BooleanField(default=False)
    is_up = models.BooleanField(default=True)
    gpus_free = models.PositiveIntegerField(default=0)
    cpus_free = models.PositiveIntegerField(default=0)
    jobs_running = models.PositiveIntegerField(default=0)
    jobs_waiting = models.PositiveIntegerField(default=0)
    gpus_wanted = models.PositiveIntegerField(default=0)
    groups = models.JSONField(default=list)
    drained = models.JSONField(default=list)
    counted_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["cluster", "name"], name="partition_once_per_cluster")
        ]

    def __str__(self) -> str:
        return f"{self.cluster}/{self.name}"


class Sample(models.Model):
    """How busy a partition was in one hour: sums over the looks taken in it.

    Slurm keeps no such history; ours answers "was the cluster full, or was nothing submitted".
    Averages are sums divided by looks. full_looks counts the looks at which no GPU (in a partition
    without GPUs, no core) was free while jobs waited; what stands on nodes that take no jobs is
    not free.
    partition  "" for all of the cluster, each node counted once
    """

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="+")
    partition = models.CharField(max_length=80, blank=True)
    hour_at = models.DateTimeField()
    looks = models.PositiveIntegerField(default=0)
    full_looks = models.PositiveIntegerField(default=0)
    gpus = models.BigIntegerField(default=0)
    gpus_used = models.BigIntegerField(default=0)
    cpus = models.BigIntegerField(default=0)
    cpus_used = models.BigIntegerField(default=0)
    jobs_running = models.BigIntegerField(default=0)
    jobs_waiting = models.BigIntegerField(default=0)
    gpus_wanted = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cluster", "partition", "hour_at"], name="sample_once_an_hour"
            )
        ]

    def __str__(self) -> str:
        return f"{self.partition} {self.hour_at:%Y-%m-%d %H}"


class Maintenance(models.Model):
    """A time in [starts_at, ends_at) in which partitions take no jobs, announced to whom it hits.

    Its times and place never change: a changed one is cancelled and another stands for it, so what
    people were told when stays to be read.

    partition     "" for all of the cluster
    announced_at  when all mails about it were promised
    told          the codes of those who were told of it
    replaces      the one it stands for since its times or place were changed
    """

    code = CodeField("MNT")
    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="+")
    partition = models.CharField(max_length=80, blank=True)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    reason = models.CharField(max_length=500)
    announced_at = models.DateTimeField(null=True)
    told = models.JSONField(default=list)
    cancelled_at = models.DateTimeField(null=True)
    replaces = models.OneToOneField(
        "self", on_delete=models.PROTECT, related_name="replaced_by", null=True
    )
    by_code = models.CharField(max_length=40)
    made_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(starts_at__lt=F("ends_at")), name="maintenance_starts_before_it_ends"
            )
        ]

    def __str__(self) -> str:
        return f"{self.partition or self.cluster} {self.starts_at:%Y-%m-%d %H:%M}"
