"""Reports: saved as they are written, handed in with what the record says."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings

from uzina.calls import actions as calls
from uzina.calls.models import Obligation
from uzina.calls.rules.flows import OBLIGATION
from uzina.core.db import action
from uzina.core.errors import NotAllowed
from uzina.core.log import log
from uzina.core.text import _
from uzina.people.models import Person
from uzina.programme import access, queries
from uzina.programme.models import Report
from uzina.programme.rules import reports


@action
def save_report(
    obligation: Obligation, *, answers: Mapping[str, Any], version: int, by: Person, now: datetime
) -> Report:
    """Keep what was written so far; questions that are left out keep their answers.

    version  the one the writer saw: 0 for a report nobody began

    Raises NotAllowed report.save.not_lead, Refused obligation.submit.not_now,
    report.save.changed_meanwhile, Invalid.
    """
    _check_lead(obligation, by, "save")
    given = reports.parse(answers)
    OBLIGATION.after("submit", obligation.state)
    kept, _made = Report.objects.select_for_update().get_or_create(
        obligation=obligation, defaults={"saved_at": now}
    )
    reports.check_version(version, kept.version)

    kept.answers = {**kept.answers, **given}
    kept.version += 1
    kept.saved_at, kept.saved_by = now, by
    kept.save(update_fields=["answers", "version", "saved_at", "saved_by"])
    code = obligation.award.code
    log("report.saved", code, by=by, now=now, kind=obligation.kind, version=kept.version)
    return kept  # type: ignore[no-any-return]


@action
def submit_report(obligation: Obligation, *, version: int, by: Person, now: datetime) -> Report:
    """Hand a report in: what the record says at this moment is kept with it.

    Raises NotAllowed report.submit.not_lead, Refused report.save.changed_meanwhile,
    obligation.submit.not_now, Invalid for what is missing.
    """
    _check_lead(obligation, by, "submit")
    calls.submit_report(obligation, by=by, now=now)
    kept, _made = Report.objects.select_for_update().get_or_create(
        obligation=obligation, defaults={"saved_at": now}
    )
    reports.check_version(version, kept.version)
    facts = queries.facts_of(obligation.award, now=now)
    reports.check_complete(
        kept.answers,
        used_percent=facts["hours"]["used_percent"],
        share_percent=settings.UZINA.programme.under_use_percent,
    )

    kept.facts, kept.submitted_at = facts, now
    kept.save(update_fields=["facts", "submitted_at"])
    log("report.submitted", obligation.award.code, by=by, now=now, kind=obligation.kind)
    return kept  # type: ignore[no-any-return]


def _check_lead(obligation: Obligation, by: Person, verb: str) -> None:
    if not access.may_report(by, obligation.award):
        raise NotAllowed(
            f"report.{verb}.not_lead", _("Only a lead of the project can write its report.")
        )
