"""The monthly look at the use of awards, and what the leads answer."""

from datetime import datetime, timedelta

from django.conf import settings

from uzina.calls import queries as calls
from uzina.calls.models import Award
from uzina.compute import queries as compute
from uzina.core.db import action
from uzina.core.errors import NotAllowed, Refused
from uzina.core.log import log
from uzina.core.text import _
from uzina.people import actions as people
from uzina.people import queries as people_queries
from uzina.people.models import Person
from uzina.programme import access, queries
from uzina.programme.models import UseCheck
from uzina.programme.rules import use


@action
def check_use(award: Award, *, now: datetime) -> UseCheck:
    """Keep what was used of an award when this month began, and ask why where it is too little.

    Once a month: doing it again returns the same. The question carries what the record says:
    on how many days of the month before jobs waited for a full cluster, or nothing was submitted.
    """
    month = use.first_of_month(calls.day_of(now))
    kept: UseCheck | None = UseCheck.objects.filter(award=award, month=month).first()
    if kept is not None:
        return kept
    found = queries.use_of(award, now=now)
    share = settings.UZINA.programme.under_use_percent
    starts_at = award.starts_at or now
    days = compute.unused(
        award.its_project, since=max(starts_at, now - timedelta(days=31)), until=now
    )
    is_old_enough = now - starts_at >= timedelta(days=use.FEWEST_DAYS)
    is_asked = is_old_enough and use.is_asked(found, share_percent=share)

    row, is_new = UseCheck.objects.get_or_create(
        award=award,
        month=month,
        defaults={
            "expected_gpu_ms": found.expected,
            "used_gpu_ms": found.used,
            "share_percent": share,
            "facts": use.day_counts(day.why for day in days),
            "made_at": now,
            "asked_at": now if is_asked else None,
        },
    )
    if is_new and is_asked:
        log("use.asked", award.code, by=None, now=now, percent=found.percent, days=row.facts)
        _ask(row, award, found, now=now)
    return row  # type: ignore[no-any-return]


def _ask(row: UseCheck, award: Award, found: use.Use, *, now: datetime) -> None:
    for lead in people_queries.leads_of(award.its_project):
        people.write_message(
            lead,
            kind="programme.not_used",
            facts={
                "project": award.its_project,
                "used": found.used,
                "expected": found.expected,
                "percent": found.percent,
                "nothing_days": row.facts.get("nothing", 0),
                "full_days": row.facts.get("full", 0),
                "path": f"/projects/{award.its_project.code}/use/",
            },
            about=award.code,
            key=f"not_used.{award.code}.{row.month}.{lead.code}",
            now=now,
        )


@action
def answer_use(check: UseCheck, *, answer: str, by: Person, now: datetime) -> UseCheck:
    """Keep why hours were not used. It may be changed until the report is written.

    Raises NotAllowed use.answer.not_lead, Refused use.answer.not_asked, Invalid.
    """
    check = (
        UseCheck.objects.select_for_update(of=("self",))
        .select_related("award__project")
        .get(pk=check.pk)
    )
    if not access.may_report(by, check.award):
        raise NotAllowed("use.answer.not_lead", _("Only a lead of the project can answer."))
    if check.asked_at is None:
        raise Refused("use.answer.not_asked", _("Enough was used in this month: nothing is asked."))
    text = use.check_answer(answer)

    check.answer, check.answered_by, check.answered_at = text, by, now
    check.save(update_fields=["answer", "answered_by", "answered_at"])
    log("use.answered", check.award.code, by=by, now=now, month=check.month.isoformat())
    return check
