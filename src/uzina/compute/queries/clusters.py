"""Reads about clusters."""

from django.conf import settings
from django.db.models import QuerySet
from django.utils.text import slugify

from uzina.compute.models import Cluster, Partition


def cluster_slug() -> str:
    """Return the name of the configured cluster as it stands in addresses and keys."""
    return slugify(settings.UZINA.scheduler.name)[:40] or "cluster"


def cluster() -> Cluster:
    """Return the configured cluster, made on first sight."""
    found, _made = Cluster.objects.get_or_create(
        slug=cluster_slug(), defaults={"kind": settings.UZINA.scheduler.kind}
    )
    return found


def known_cluster() -> Cluster | None:
    """Return the configured cluster, if it was ever seen."""
    return Cluster.objects.filter(slug=cluster_slug()).first()


def partitions() -> QuerySet[Partition]:
    """Return the partitions of the configured cluster as they were counted last."""
    return Partition.objects.filter(cluster__slug=cluster_slug()).order_by("name")
