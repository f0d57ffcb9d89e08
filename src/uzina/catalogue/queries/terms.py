"""Usage policies, requests for access, grants, and who used what."""

from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import Q, QuerySet

from uzina.catalogue import rules
from uzina.catalogue.models import AccessRequest, Dataset, Evidence, Policy, Version
from uzina.catalogue.models.terms import Asker
from uzina.catalogue.rules import odrl
from uzina.core.errors import Problem, Refused
from uzina.core.text import _
from uzina.people import queries as people
from uzina.people.rules import RoleKind

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from uzina.people.models import Person, Project


def policy_of(dataset: Dataset) -> Policy | None:
    """Return the policy a dataset is offered under now; None when its holder offered none."""
    found: Policy | None = dataset.policies.order_by("-number").first()
    return found


def readable_versions(
    person: "Person | AnonymousUser | None", *, project: "Project | None" = None, now: datetime
) -> QuerySet[Version]:
    """Return the versions whose bytes the person may read. A filter, not a query."""
    found: QuerySet[Version] = Version.objects.readable_by(person, project=project, now=now)
    return found


def use_of(asker: Asker, *, purpose: str, place: str, now: datetime) -> odrl.Use:
    """Return the use somebody has in mind, as a policy looks at it."""
    return odrl.Use(purpose=purpose, country=asker.country, kind=asker.kind, place=place, now=now)


def failed_constraints(request: AccessRequest, *, now: datetime) -> list[Problem]:
    """Return which constraints of the dataset's newest policy the request does not meet."""
    policy = policy_of(request.dataset)
    return [] if policy is None else failures(policy, request, now=now)


def failures(policy: Policy, request: AccessRequest, *, now: datetime) -> list[Problem]:
    """Return which constraints of a policy the request does not meet, up to its end."""
    terms = odrl.parse(policy.offer)
    use = use_of(request.asker, purpose=request.purpose, place=request.place, now=now)
    found = odrl.evaluate(terms, use)
    if request.participant is not None and not request.purpose:
        # It names no purpose: its agreement carries the constraint, and the holder decides.
        found = [one for one in found if one.code != "policy.use.purpose"]
    if terms.until is not None and now < terms.until < request.until:
        found.append(
            Problem(
                "until",
                "policy.use.too_long",
                _("The policy allows use before {until} only: grant it for less."),
                {"until": terms.until.isoformat()},
            )
        )
    return found


def grant_for(dataset: Dataset, project: "Project", *, now: datetime) -> AccessRequest | None:
    """Return the grant under which a project uses a dataset now, the longest of several."""
    found: AccessRequest | None = (
        AccessRequest.objects.running(now)
        .filter(dataset=dataset, project=project)
        .select_related("policy", "project__organisation", "participant")
        .order_by("-until")
        .first()
    )
    return found


def check_use(
    version: Version, *, person: "Person | None", project: "Project | None", now: datetime
) -> AccessRequest | None:
    """Return the grant under which a job of the project may read the version; None where it needs
    none: public data, models, the project's own. Without a project, in no project's name.

    Raises Refused version.use.no_access, version.use.policy.
    """
    dataset = version.dataset
    rows = Version.objects.filter(pk=version.pk)
    if not rows.readable_by(person, project=project, now=now).exists():
        raise Refused(
            "version.use.no_access",
            _(
                "{reference} is restricted, and {project} has no permission of its holder that "
                "runs. Ask for access at {address}."
            ),
            reference=version.reference,
            project=project.code if project is not None else "-",
            address=f"{settings.UZINA.site.url}/datasets/{dataset.slug}/access/",
        )
    if project is None or _needs_no_grant(version):
        return None
    grant = grant_for(dataset, project, now=now)
    if grant is not None and grant.policy is not None:
        use = use_of(
            grant.asker,
            purpose=grant.purpose,
            place=settings.UZINA.site.country,
            now=now,
        )
        if failed := odrl.evaluate(odrl.parse(grant.policy.offer), use):
            raise Refused(
                "version.use.policy",
                _("{reference} cannot be used here under {grant}: {why}"),
                reference=version.reference,
                grant=grant.code,
                why=" ".join(str(one) for one in failed),
            )
    return grant


def _needs_no_grant(version: Version) -> bool:
    dataset = version.dataset
    return (
        dataset.access_right is rules.AccessRight.PUBLIC
        or dataset.kind is rules.DatasetKind.MODEL
        or version.opened_at is not None
    )


def deciders(dataset: Dataset) -> list["Person"]:
    """Return who answers requests: the holder's representatives and the leads of the project that
    made the data; the operators where there is nobody.
    """
    found = list(people.representatives_of(dataset.holder))
    if dataset.project is not None:
        found += [one for one in people.leads_of(dataset.project) if one not in found]
    return found or list(people.people_with_role(RoleKind.OPERATOR))


def request_of(code: str) -> AccessRequest:
    """Return the request with a code, whoever asks. Raises AccessRequest.DoesNotExist."""
    found: AccessRequest = with_all(AccessRequest.objects.filter(code=code)).get()
    return found


def with_all(rows: QuerySet[AccessRequest]) -> QuerySet[AccessRequest]:
    """Bring along what pages and messages say of requests."""
    return rows.select_related(
        "dataset__holder",
        "dataset__project",
        "project__organisation",
        "person",
        "participant",
        "policy",
        "decided_by",
    )


def other_grants(request: AccessRequest) -> QuerySet[AccessRequest]:
    """Return what else the same organisation asked for of anybody, newest first."""
    theirs = (
        Q(participant=request.participant)
        if request.project is None
        else Q(project__organisation=request.project.organisation_id)
    )
    found: QuerySet[AccessRequest] = (
        AccessRequest.objects.filter(theirs)
        .exclude(pk=request.pk)
        .select_related("dataset", "project__organisation", "participant")
        .order_by("-pk")
    )
    return found


def waiting(*, until: datetime) -> QuerySet[AccessRequest]:
    """Return the requests without an answer that were made before an instant, oldest first."""
    found: QuerySet[AccessRequest] = AccessRequest.objects.filter(
        state=rules.AccessState.ASKED, asked_at__lte=until
    ).order_by("pk")
    return found


def ending(*, before: datetime) -> QuerySet[AccessRequest]:
    """Return the grants that end before an instant, soonest first."""
    found: QuerySet[AccessRequest] = AccessRequest.objects.filter(
        state=rules.AccessState.GRANTED, until__lte=before
    ).order_by("until", "pk")
    return found


def of_closed_projects() -> QuerySet[AccessRequest]:
    """Return the grants and waiting requests of projects that are closed."""
    found: QuerySet[AccessRequest] = AccessRequest.objects.filter(
        state__in=[rules.AccessState.ASKED, rules.AccessState.GRANTED], project__state="closed"
    ).order_by("pk")
    return found


def evidence_of(dataset: Dataset) -> QuerySet[Evidence]:
    """Return every use of the dataset's restricted bytes, newest first."""
    found: QuerySet[Evidence] = (
        Evidence.objects.filter(version__dataset=dataset)
        .select_related("version__dataset", "person", "request__project", "request__participant")
        .order_by("-at", "-pk")
    )
    return found


def grant_in_use(
    dataset: Dataset,
    *,
    person: "Person | None",
    project: "Project | None",
    now: datetime,
) -> AccessRequest | None:
    """Return the grant under which a person, or a project, reads a dataset now; None where what
    they read is their own.
    """
    rows = AccessRequest.objects.running(now).filter(dataset=dataset)
    if project is not None:
        rows = rows.filter(project=project)
    elif person is not None:
        rows = rows.filter(project__in=person.memberships.values("project"))
    found: AccessRequest | None = rows.order_by("-until").first()
    return found


def has_personal_data(dataset: Dataset) -> bool:
    """Tell whether the steward said that the data speak of people."""
    return dataset.answers.get("personal_data") in {"personal", "pseudonymised"}


def uses_of(request: AccessRequest) -> QuerySet[Evidence]:
    """Return what was used under one permission, newest first."""
    found: QuerySet[Evidence] = (
        Evidence.objects.filter(request=request)
        .select_related("version__dataset", "person", "request__project", "request__participant")
        .order_by("-at", "-pk")
    )
    return found
