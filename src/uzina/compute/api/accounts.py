"""A cluster's accounts: what differs from the ledger, and who is who there."""

from datetime import datetime
from typing import Annotated, Any

from django.conf import settings
from django.http import Http404
from django.utils.timezone import now
from django.utils.translation import gettext
from ninja import Router, Schema, Status
from pydantic import Field

from uzina.compute import access, actions, queries, rules
from uzina.compute.models import Drift, SiteUser
from uzina.core.errors import Invalid, Problem
from uzina.core.paging import Page, paged
from uzina.core.text import _
from uzina.people import queries as people
from uzina.people.types import SignedIn

router = Router(tags=["compute"])


class FindingOut(Schema):
    """A setting of the cluster that makes budgets lie (refuse) or life harder (warn)."""

    code: str
    level: str
    words: str

    @staticmethod
    def resolve_words(one: rules.Finding) -> str:
        return gettext(rules.FINDINGS.get(one.code, one.code)).format_map(one.facts)


class ReconciliationOut(Schema):
    """How the accounts of the cluster are kept, and when they were looked at last."""

    cluster: str
    accounts: str
    repair: str
    reconciled_at: datetime | None
    silent_since: datetime | None
    count: int
    findings: list[FindingOut]


class DriftOut(Schema):
    """One disagreement. kind: account, user, limit, total; finding: missing on the cluster, extra
    there, different; winner: who is right, factory or cluster.
    """

    kind: str
    subject: str
    finding: str
    ours: str
    theirs: str
    winner: str
    since_at: datetime


class RepairIn(Schema):
    """What to put right: of account, user, limit, total."""

    kinds: Annotated[list[Annotated[str, Field(max_length=16)]], Field(max_length=8)]


class SiteUserIn(Schema):
    """Which user of the cluster somebody is, given by the address they sign in with."""

    email: Annotated[str, Field(max_length=254)]
    name: Annotated[str, Field(max_length=64)]


class SiteUserOut(Schema):
    person: str
    name: str
    made_at: datetime

    @staticmethod
    def resolve_person(one: SiteUser) -> str:
        return one.person.code


@router.get("/reconciliation", response=ReconciliationOut)
def reconciliation(request: SignedIn) -> dict[str, Any]:
    """Say how accounts are kept, and the age of the last good look. Operators and auditors."""
    _check_sees(request)
    cluster = queries.cluster()
    return {
        "cluster": cluster.slug,
        "accounts": settings.UZINA.scheduler.accounts,
        "repair": settings.UZINA.scheduler.repair,
        "reconciled_at": cluster.reconciled_at,
        "silent_since": cluster.silent_since,
        "count": queries.drifts(cluster).count(),
        "findings": queries.site_findings(cluster),
    }


@router.get("/reconciliation/drifts", response=Page[DriftOut])
def drifts(request: SignedIn, limit: int = 50, cursor: str = "") -> dict[str, Any]:
    """List what differs at present between the cluster and the factory, the newest first."""
    _check_sees(request)
    rows = Drift.objects.filter(cluster=queries.cluster(), gone_at=None)
    return paged(rows, limit=limit, cursor=cursor)


@router.post("/reconciliation/repair", response={202: None})
def repair(request: SignedIn, body: RepairIn) -> Status[None]:
    """Have differences put right; the list says what is left. Operators."""
    _check_sees(request)
    actions.ask_repair(queries.cluster(), kinds=body.kinds, by=request.user, now=now())
    return Status(202, None)


@router.get("/users", response=Page[SiteUserOut])
def site_users(request: SignedIn, limit: int = 50, cursor: str = "") -> dict[str, Any]:
    """List who is who on the cluster. Operators and auditors."""
    _check_sees(request)
    return paged(queries.site_users(queries.cluster()), limit=limit, cursor=cursor)


@router.post("/users", response={201: SiteUserOut})
def map_person(request: SignedIn, body: SiteUserIn) -> Status[SiteUser]:
    """Say which user of the cluster a person is. Operators."""
    _check_sees(request)
    person = people.person_by_email(body.email)
    if person is None:
        raise Invalid(
            [Problem("email", "site_user.map.nobody", _("Nobody signs in with this address."))]
        )
    made = actions.map_person(queries.cluster(), person, name=body.name, by=request.user, now=now())
    return Status(201, made)


def _check_sees(request: SignedIn) -> None:
    if not access.may_see_clusters(request.user):
        raise Http404
