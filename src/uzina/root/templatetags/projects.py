"""What every page of a project shows of it: `{% load projects %}{% project_facts project %}`."""

from typing import Any

from django import template
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import get_language

from uzina.calls import queries as calls
from uzina.calls.models import Application, Award
from uzina.calls.queries import public_awards
from uzina.calls.rules import aid as calls_aid
from uzina.calls.rules import modes as calls_modes
from uzina.calls.rules.flows import AwardState
from uzina.people.models import Organisation, Project
from uzina.programme import queries

register = template.Library()


@register.inclusion_tag("root/project_facts.html")
def project_facts(project: Project) -> dict[str, Any]:
    """Show when a project ends, what it has left, its pace, and what is due."""
    moment = timezone.now()
    facts = queries.project_facts(project, now=moment)
    return {
        "facts": facts,
        "project": project,
        "has_ended": facts.ends_at <= moment,
        "days_left": max((facts.ends_at - moment).days, 0),
    }


@register.inclusion_tag("root/acknowledgement.html")
def acknowledgement(project: Project, award: Award | None) -> dict[str, Any]:
    """Show the sentence that publications carry, with a button that copies it."""
    return {"text": queries.acknowledgement(project, award)}


@register.inclusion_tag("root/public_projects.html")
def public_projects(keys: list[int]) -> dict[str, Any]:
    """Name those of some projects, given by their keys, whose awards are public."""
    return {"rows": public_awards.public_projects(keys, language=get_language() or "en")}


@register.filter
def euros(cents: int) -> str:
    """Write cents as euro, with the separators of the language."""
    return number_format(cents / 100, 2, force_grouping=True)


@register.inclusion_tag("root/aid.html")
def award_aid(award: Award) -> dict[str, Any]:
    """Show what an award is worth, and warn where it brings de minimis aid near its ceiling."""
    return _aid(award.application.organisation, award.aid_basis, award.aid_eur_cents) | {
        "value": award.value_eur_cents,
        "is_open": award.state is AwardState.OFFERED,
    }


@register.inclusion_tag("root/aid.html")
def application_aid(application: Application) -> dict[str, Any]:
    """Show what an application asks for is worth, and warn as award_aid does."""
    mode = application.call.mode
    answers = calls.answers_of(application)
    try:
        gpu_ms = calls_modes.asked_gpu_ms(mode, answers, gpus_per_node=1)
    except (TypeError, ValueError):
        gpu_ms = 0
    value = calls_aid.value_eur_cents(mode, gpu_ms)
    cents = calls_aid.aid_eur_cents(mode.aid_basis, value)
    return _aid(application.organisation, mode.aid_basis, cents) | {
        "value": value,
        "is_open": True,
    }


def _aid(organisation: Organisation, basis: str, cents: int) -> dict[str, Any]:
    standing = None
    if basis == calls_aid.DE_MINIMIS and cents:
        standing = calls.standing(organisation, asked_eur_cents=cents, now=timezone.now())
    return {
        "basis": calls_aid.BASIS_LABELS.get(basis, ""),
        "standing": standing,
        "organisation": organisation,
    }
