"""Reads worth a name."""

from uzina.compute.queries.accounts import site_account, site_user, site_users
from uzina.compute.queries.clusters import cluster, cluster_slug, known_cluster, partitions
from uzina.compute.queries.jobs import (
    Price,
    cost_so_far,
    job,
    jobs_of,
    known_rows,
    open_allocation,
    price,
    run_dir,
    successor,
    unsettled,
    usage_of,
    visible_project,
    why,
)

__all__ = [
    "Price",
    "cluster",
    "cluster_slug",
    "cost_so_far",
    "job",
    "jobs_of",
    "known_cluster",
    "known_rows",
    "open_allocation",
    "partitions",
    "price",
    "run_dir",
    "site_account",
    "site_user",
    "site_users",
    "successor",
    "unsettled",
    "usage_of",
    "visible_project",
    "why",
]
