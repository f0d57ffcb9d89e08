"""Reads about who is who on a cluster."""

from django.conf import settings
from django.db.models import QuerySet

from uzina.compute import rules
from uzina.compute.models import Cluster, SiteAccount, SiteUser
from uzina.compute.queries.clusters import cluster_slug
from uzina.core.errors import Refused
from uzina.core.text import _
from uzina.people.models import Person, Project


def site_account(project: Project) -> str:
    """Return the account of the cluster that the project's jobs are charged to.

    "" where all jobs are charged to one. A name once given is kept when the prefix changes.
    """
    scheduler = settings.UZINA.scheduler
    if scheduler.accounts == "shared":
        return ""
    kept = SiteAccount.objects.filter(cluster__slug=cluster_slug(), project=project).first()
    return kept.name if kept else rules.account_name(scheduler.account_prefix, project.code)


def site_user(person: Person | None) -> str:
    """Return the Unix name that the person's jobs run as; "" where all run as the factory's own.

    Raises Refused job.submit.no_site_user.
    """
    if settings.UZINA.scheduler.identity == "shared":
        return ""
    found = SiteUser.objects.filter(cluster__slug=cluster_slug(), person=person).first()
    if person is None or found is None:
        raise Refused(
            "job.submit.no_site_user",
            _(
                "Jobs on {cluster} run under your own user name there, and the factory does not "
                "know yours. Ask an operator to add it: {sender}."
            ),
            cluster=settings.UZINA.scheduler.name,
            sender=settings.UZINA.mail.sender,
        )
    return found.name


def site_users(cluster: Cluster) -> QuerySet[SiteUser]:
    """Return who is who on the cluster, by name."""
    return SiteUser.objects.filter(cluster=cluster).select_related("person").order_by("name")
