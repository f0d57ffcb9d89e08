"""Pages of jobs and clusters."""

from uzina.compute.views.cluster_pages import (
    Strip,
    cluster_history,
    cluster_use,
    clusters,
    unused,
    unused_strip,
)
from uzina.compute.views.job_pages import cancel, job, job_new, jobs, live, log
from uzina.compute.views.maintenance_pages import (
    maintenance_cancel,
    maintenance_change,
    maintenance_new,
    maintenances,
)
from uzina.compute.views.session_pages import session_new, session_open

__all__ = [
    "Strip",
    "cancel",
    "cluster_history",
    "cluster_use",
    "clusters",
    "job",
    "job_new",
    "jobs",
    "live",
    "log",
    "maintenance_cancel",
    "maintenance_change",
    "maintenance_new",
    "maintenances",
    "session_new",
    "session_open",
    "unused",
    "unused_strip",
]
