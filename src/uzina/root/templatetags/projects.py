"""What every page of a project shows of it: `{% load projects %}{% project_facts project %}`."""

from typing import Any

from django import template
from django.utils import timezone
from django.utils.formats import number_format

from uzina.calls.models import Award
from uzina.people.models import Project
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


@register.filter
def euros(cents: int) -> str:
    """Write cents as euro, with the separators of the language."""
    return number_format(cents / 100, 2, force_grouping=True)
