"""Announcing a maintenance, changing it, calling it off, and telling those it hits."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from uzina.compute import access, rules
from uzina.compute.models import Cluster, Maintenance, Partition
from uzina.core.db import action
from uzina.core.errors import NotAllowed, Refused
from uzina.core.log import log
from uzina.core.promises import promise
from uzina.core.text import _
from uzina.people.models import Person


@dataclass(frozen=True)
class Window:
    """When and where a maintenance is, and why. partition "" for all of the cluster."""

    partition: str
    starts_at: datetime
    ends_at: datetime
    reason: str


@action
def announce(cluster: Cluster, window: Window, *, by: Person | None, now: datetime) -> Maintenance:
    """Announce a maintenance, and promise mails to those it gets in the way of.

    Raises NotAllowed maintenance.announce.not_yours, Refused maintenance.announce.backwards,
    .too_long, .over, .no_partition, .known.
    """
    cluster = Cluster.objects.select_for_update().get(pk=cluster.pk)
    _check(cluster, window, by=by, now=now)

    made = _made(cluster, window, replaces=None, by=by, now=now)
    log("maintenance.announced", made.code, by=by, now=now, **_facts(made))
    _promise_telling(made, "announced", now=now)
    return made


@action
def change(
    maintenance: Maintenance, window: Window, *, by: Person | None, now: datetime
) -> Maintenance:
    """Put another maintenance in the place of one that is not over, and tell people.

    Raises what announce() does, and Refused maintenance.change.cancelled, .over.
    """
    cluster = Cluster.objects.select_for_update().get(pk=maintenance.cluster_id)
    maintenance = Maintenance.objects.get(pk=maintenance.pk)
    _check_may(by)
    rules.check_not_over(maintenance.ends_at, maintenance.cancelled_at, now)
    _check(cluster, window, by=by, now=now)

    maintenance.cancelled_at = now
    maintenance.save(update_fields=["cancelled_at"])
    made = _made(cluster, window, replaces=maintenance, by=by, now=now)
    log("maintenance.changed", made.code, by=by, now=now, replaces=maintenance.code, **_facts(made))
    _promise_telling(made, "changed", now=now)
    return made


@action
def cancel_maintenance(
    maintenance: Maintenance, *, by: Person | None, now: datetime
) -> Maintenance:
    """Call off a maintenance, or end one early, and tell those who were told of it.

    Raises NotAllowed maintenance.announce.not_yours, Refused maintenance.change.cancelled, .over.
    """
    Cluster.objects.select_for_update().get(pk=maintenance.cluster_id)
    maintenance = Maintenance.objects.get(pk=maintenance.pk)
    _check_may(by)
    rules.check_not_over(maintenance.ends_at, maintenance.cancelled_at, now)

    maintenance.cancelled_at = now
    maintenance.save(update_fields=["cancelled_at"])
    log("maintenance.cancelled", maintenance.code, by=by, now=now)
    _promise_telling(maintenance, "cancelled", now=now)
    return maintenance


@action
def promise_notices(
    maintenance: Maintenance, *, people: Collection[str], what: str, now: datetime
) -> None:
    """Promise a mail to each of these people, by their codes; asked again, nobody gets two."""
    maintenance = Maintenance.objects.select_for_update().get(pk=maintenance.pk)
    for code in people:
        promise(
            "compute.mail_maintenance",
            key=f"maintenance:{maintenance.code}:{what}:{code}",
            now=now,
            maintenance=maintenance.code,
            what=what,
            person=code,
        )
    maintenance.told = sorted({*maintenance.told, *people})
    maintenance.announced_at = now
    maintenance.save(update_fields=["told", "announced_at"])


def _check_may(by: Person | None) -> None:
    if not access.may_announce(by):
        raise NotAllowed(
            "maintenance.announce.not_yours", _("Only operators announce maintenance.")
        )


def _check(cluster: Cluster, window: Window, *, by: Person | None, now: datetime) -> None:
    _check_may(by)
    rules.check_window(window.starts_at, window.ends_at, now)
    if window.partition:
        names = Partition.objects.filter(cluster=cluster).values_list("name", flat=True)
        if window.partition not in names:
            raise Refused(
                "maintenance.announce.no_partition",
                _("The cluster has no partition {partition}."),
                partition=window.partition[:80],
            )
    standing = Maintenance.objects.filter(cluster=cluster, cancelled_at=None)
    if standing.filter(
        partition=window.partition,
        starts_at=window.starts_at,
        ends_at=window.ends_at,
        reason=window.reason,
    ).exists():
        raise Refused("maintenance.announce.known", _("This maintenance is announced already."))


def _made(
    cluster: Cluster,
    window: Window,
    *,
    replaces: Maintenance | None,
    by: Person | None,
    now: datetime,
) -> Maintenance:
    return Maintenance.objects.create(
        cluster=cluster,
        partition=window.partition,
        starts_at=window.starts_at,
        ends_at=window.ends_at,
        reason=window.reason,
        replaces=replaces,
        told=replaces.told if replaces else [],
        by_code=by.code if by else "",
        made_at=now,
    )


def _facts(maintenance: Maintenance) -> dict[str, str]:
    return {
        "cluster": maintenance.cluster.slug,
        "partition": maintenance.partition,
        "starts_at": maintenance.starts_at.isoformat(),
        "ends_at": maintenance.ends_at.isoformat(),
    }


def _promise_telling(maintenance: Maintenance, what: str, *, now: datetime) -> None:
    promise(
        "compute.tell_maintenance",
        key=f"maintenance:{maintenance.code}:{what}",
        now=now,
        maintenance=maintenance.code,
        what=what,
    )
