"""Commands for an agent on a cluster host, which dials out to fetch them."""

from django.db import models

from uzina.compute.models.clusters import Cluster


class AgentCommand(models.Model):
    """One command line for the agent of a cluster, and how it ended.

    state    waiting -> taken -> done; expired when nobody took it in time
    code     null while it runs and when it was killed because it took too long
    """

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="+")
    argv = models.JSONField()
    stdin = models.BinaryField(blank=True)
    timeout_s = models.FloatField()
    state = models.CharField(max_length=8, default="waiting")
    made_at = models.DateTimeField()
    taken_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)
    code = models.IntegerField(null=True)
    stdout = models.BinaryField(blank=True)
    stderr = models.TextField(blank=True)

    class Meta:
        indexes = [models.Index(fields=["cluster", "state", "id"], name="agent_command_next")]

    def __str__(self) -> str:
        return " ".join(self.argv[:1])
