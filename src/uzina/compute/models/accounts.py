"""Who is who on a cluster, and where the cluster and the ledger disagree."""

from django.db import models
from django.db.models import Q

from uzina.compute.models.clusters import Cluster


class SiteUser(models.Model):
    """The Unix name of a person on a cluster. One person has one on each; nobody shares one."""

    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, related_name="+")
    person = models.ForeignKey("people.Person", on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=64)
    by_code = models.CharField(max_length=40, blank=True)
    made_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["cluster", "person"], name="site_user_once_a_person"),
            models.UniqueConstraint(fields=["cluster", "name"], name="site_user_of_one_person"),
        ]

    def __str__(self) -> str:
        return f"{self.name}@{self.cluster}"


class SiteAccount(models.Model):
    """A project's account on a cluster, as it was last seen there.

    limit_gpu_min, is_blocked  what was last written there; null limit: none was written yet
    used_gpu_min  what the cluster counts as used against the limit. It only grows; a smaller
                  figure than before means that the cluster lost its memory
    read_gpu_s    device-seconds of the usage read so far, of what ended after reset_at
    reset_at      the newest end of a run, in the cluster's time, that had been read when the
                  cluster was found to have lost its memory
    seen_at       the last good look
    """

    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, related_name="+")
    project = models.ForeignKey("people.Project", on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=64)
    limit_gpu_min = models.BigIntegerField(null=True)
    used_gpu_min = models.BigIntegerField(default=0)
    read_gpu_s = models.BigIntegerField(default=0)
    is_blocked = models.BooleanField(default=False)
    written_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)
    reset_at = models.DateTimeField(null=True)
    made_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cluster", "project"], name="site_account_once_a_project"
            ),
            models.UniqueConstraint(fields=["cluster", "name"], name="site_account_of_one_project"),
        ]

    def __str__(self) -> str:
        return f"{self.name}@{self.cluster}"


class Drift(models.Model):
    """One disagreement between the factory and a cluster, from when it was seen to when it was gone.

    kind     account, user, limit or total
    subject  what it is about: "account", "account/user"
    finding  missing (ours only), extra (theirs only) or different
    winner   who is right about it: "factory" (accounts, users, limits) or "cluster" (totals)
    """

    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=8)
    subject = models.CharField(max_length=140)
    finding = models.CharField(max_length=9)
    ours = models.CharField(max_length=200, blank=True)
    theirs = models.CharField(max_length=200, blank=True)
    winner = models.CharField(max_length=8)
    since_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cluster", "kind", "subject"],
                condition=Q(gone_at__isnull=True),
                name="drift_open_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}: {self.finding}"
