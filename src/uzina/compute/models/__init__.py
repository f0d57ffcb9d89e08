"""Clusters, the jobs handed to them, what was measured, and who may use what on them."""

from uzina.compute.models.accounts import Drift, SiteAccount, SiteUser
from uzina.compute.models.clusters import Cluster, Maintenance, Partition, Sample
from uzina.compute.models.commands import AgentCommand
from uzina.compute.models.jobs import Job
from uzina.compute.models.sessions import SessionKey
from uzina.compute.models.usage import Tariff, Usage

__all__ = [
    "AgentCommand",
    "Cluster",
    "Drift",
    "Job",
    "Maintenance",
    "Partition",
    "Sample",
    "SessionKey",
    "SiteAccount",
    "SiteUser",
    "Tariff",
    "Usage",
]
