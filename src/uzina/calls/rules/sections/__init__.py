"""What an application asks, section by section: shapes, limits, and what is still missing.

Answers are kept as one JSON document a section. The declarations here are their schema: parse()
takes nothing they do not say, so what is kept is typed although no column is.
"""

from uzina.calls.rules.sections.asking import ALL, Offer, asked, asked_all
from uzina.calls.rules.sections.declarations import DECLARATIONS
from uzina.calls.rules.sections.facts import asked_facts
from uzina.calls.rules.sections.fields import (
    AMOUNT,
    ELSEWHERE,
    MOST_ROWS,
    Field,
    Kind,
    Limit,
    Section,
)
from uzina.calls.rules.sections.judged import DATA, ETHICS, IMPACT, PLAN
from uzina.calls.rules.sections.parsing import parse
from uzina.calls.rules.sections.people import (
    DATE_OF_BIRTH,
    INTEREST,
    PRINCIPAL_INVESTIGATOR,
    TEAM,
)
from uzina.calls.rules.sections.project import PROJECT, RESEARCH
from uzina.calls.rules.sections.whole import incomplete, missing
from uzina.calls.rules.sections.work import CODE, READINESS, TASKS, WORK

__all__ = [
    "ALL",
    "AMOUNT",
    "CODE",
    "DATA",
    "DATE_OF_BIRTH",
    "DECLARATIONS",
    "ELSEWHERE",
    "ETHICS",
    "IMPACT",
    "INTEREST",
    "MOST_ROWS",
    "PLAN",
    "PRINCIPAL_INVESTIGATOR",
    "PROJECT",
    "READINESS",
    "RESEARCH",
    "TASKS",
    "TEAM",
    "WORK",
    "Field",
    "Kind",
    "Limit",
    "Offer",
    "Section",
    "asked",
    "asked_all",
    "asked_facts",
    "incomplete",
    "missing",
    "parse",
]
