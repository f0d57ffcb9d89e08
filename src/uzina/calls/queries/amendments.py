"""Amendments of awards."""

from django.db.models import QuerySet

from uzina.calls.models import Amendment, Application, Award
from uzina.calls.queries.applications import answers_of, organisation_facts
from uzina.calls.queries.obligations import has_defaulted
from uzina.calls.queries.sections import offer
from uzina.calls.rules import amendments, modes, sections
from uzina.calls.rules.flows import AmendmentState
from uzina.people.models import Organisation, Project


def amendments_of(award: Award) -> QuerySet[Amendment]:
    """Return an award's amendments, newest first, with who asked and decided."""
    return (  # type: ignore[no-any-return]
        Amendment.objects.filter(award=award)
        .select_related("asked_by", "decided_by")
        .order_by("-pk")
    )


def asked_amendments() -> QuerySet[Amendment]:
    """Return what waits for an operator, oldest first."""
    return (  # type: ignore[no-any-return]
        Amendment.objects.filter(state=AmendmentState.ASKED)
        .select_related("award__project", "award__application__call", "asked_by")
        .order_by("pk")
    )


def held(award: Award) -> amendments.Held:
    """Return an accepted award as its amendments find it. One query."""
    approved = Amendment.objects.filter(award=award, state=AmendmentState.APPROVED)
    months, gpu_ms = amendments.added(approved.values_list("kind", "facts"))
    if award.starts_at is None or award.ends_at is None:
        msg = f"{award} was not accepted"
        raise ValueError(msg)
    return amendments.Held(
        months=award.months,
        gpu_ms=award.gpu_ms,
        more_months=months,
        more_gpu_ms=gpu_ms,
        starts_at=award.starts_at,
        ends_at=award.ends_at,
        is_suspended=award.suspended_at is not None,
        usable_until=award.capacity.usable_until,
    )


def verdict_for(application: Application, organisation: Organisation) -> modes.Verdict:
    """Return what the rules say of an application if another organisation had made it."""
    facts = organisation_facts(organisation)
    facts |= sections.asked_facts(answers_of(application), offer(application.call))
    facts["has_defaulted"] = has_defaulted(organisation, people=[])
    return modes.qualify(facts, application.call.mode)


def award_of_project(project: Project) -> Award | None:
    """Return the award a project came from, with its call and capacity. One query."""
    found: Award | None = (
        Award.objects.select_related("application__call", "capacity", "project")
        .filter(project=project)
        .first()
    )
    return found
