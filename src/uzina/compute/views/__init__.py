"""Pages of jobs and clusters."""

from uzina.compute.views.account_pages import (
    reconciliation,
    reconciliation_repair,
    site_users,
)
from uzina.compute.views.cluster_pages import (
    Strip,
    cluster_history,
    cluster_use,
    clusters,
    unused,
    unused_strip,
)
from uzina.compute.views.job_pages import cancel, job, job_file, job_new, jobs, live, log, rerun
from uzina.compute.views.maintenance_pages import (
    maintenance_cancel,
    maintenance_change,
    maintenance_new,
    maintenances,
)
from uzina.compute.views.session_pages import session_new, session_open
from uzina.compute.views.usage_pages import (
    tariff_new,
    tariffs,
    usage,
    usage_csv,
    usage_of_nobody,
    usage_sweep,
)

__all__ = [
    "Strip",
    "cancel",
    "cluster_history",
    "cluster_use",
    "clusters",
    "job",
    "job_file",
    "job_new",
    "jobs",
    "live",
    "log",
    "maintenance_cancel",
    "maintenance_change",
    "maintenance_new",
    "maintenances",
    "reconciliation",
    "reconciliation_repair",
    "rerun",
    "session_new",
    "session_open",
    "site_users",
    "tariff_new",
    "tariffs",
    "unused",
    "unused_strip",
    "usage",
    "usage_csv",
    "usage_of_nobody",
    "usage_sweep",
]
