"""Reads worth a name."""

from uzina.programme.queries.facts import facts_of
from uzina.programme.queries.projects import (
    ProjectFacts,
    acknowledgement,
    project_facts,
)
from uzina.programme.queries.reports import kept_report, report_data, report_of, reports_listed
from uzina.programme.queries.use import checks_of, running_awards, use_of

__all__ = [
    "ProjectFacts",
    "acknowledgement",
    "checks_of",
    "facts_of",
    "kept_report",
    "project_facts",
    "report_data",
    "report_of",
    "reports_listed",
    "running_awards",
    "use_of",
]
