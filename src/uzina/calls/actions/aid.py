"""State aid: what awards grant, what undertakings declare."""

from dataclasses import dataclass
from datetime import date, datetime

from django.conf import settings

from uzina.calls import access, queries
from uzina.calls.models import Aid
from uzina.calls.queries import aid as aid_queries
from uzina.calls.rules import aid
from uzina.calls.rules.amendments import check_reason
from uzina.calls.rules.modes import AID_BASES
from uzina.core.db import action
from uzina.core.errors import Invalid, NotAllowed, Problem, Refused
from uzina.core.log import log
from uzina.core.text import _
from uzina.people import actions as people
from uzina.people.models import Organisation, Person

LONGEST_TITLE = 200
LARGEST_EUR_CENTS = 10**13


@dataclass(frozen=True)
class AidFacts:
    """What an undertaking says it got elsewhere. member_state: who gave it."""

    title: str
    member_state: str
    basis: str
    granted_on: date
    value_eur_cents: int
    aid_eur_cents: int


@action
def grant_aid(
    organisation: Organisation,
    *,
    about: str,
    title: str,
    basis: str,
    value_eur_cents: int,
    aid_eur_cents: int,
    verb: str,
    by: Person | None,
    now: datetime,
) -> Aid | None:
    """Enter what an award, or more of it, grants; None where it is no aid.

    The legal right arises now, so the ceiling is asked now, with the undertaking's organisations
    locked: two grants at once are added up one after the other.

    Raises Refused award.<verb>.de_minimis_ceiling.
    """
    if basis not in aid.AID_BASES_OF_AID or not aid_eur_cents:
        return None
    kept: Aid | None = Aid.objects.filter(about=about).first()
    if kept is not None:
        return kept
    if basis == aid.DE_MINIMIS:
        people.hold_organisations(aid_queries.undertaking(organisation))
        found = queries.standing(organisation, asked_eur_cents=aid_eur_cents, now=now)
        aid.check_ceiling(found, verb=verb)

    row: Aid = Aid.objects.create(
        organisation=organisation,
        about=about,
        title=title[:LONGEST_TITLE],
        member_state=settings.UZINA.site.country,
        basis=basis,
        granted_on=queries.day_of(now),
        value_eur_cents=value_eur_cents,
        aid_eur_cents=aid_eur_cents,
        noted_by=by,
        noted_at=now,
    )
    log(
        "aid.granted",
        row.code,
        by=by,
        now=now,
        about=about,
        organisation=organisation.code,
        basis=basis,
        aid_eur_cents=aid_eur_cents,
    )
    return row


@action
def declare_aid(organisation: Organisation, facts: AidFacts, *, by: Person, now: datetime) -> Aid:
    """Keep what an undertaking says it got elsewhere.

    Raises NotAllowed aid.declare.not_yours, Invalid with every mistake.
    """
    if not access.may_declare_aid(by, organisation):
        raise NotAllowed(
            "aid.declare.not_yours",
            _("Only who represents {name} can declare its State aid."),
            name=organisation.name,
        )
    problems = list(_problems(facts, queries.day_of(now)))
    if problems:
        raise Invalid(problems)

    row: Aid = Aid.objects.create(
        organisation=organisation,
        title=facts.title.strip(),
        member_state=facts.member_state,
        basis=facts.basis,
        granted_on=facts.granted_on,
        value_eur_cents=facts.value_eur_cents,
        aid_eur_cents=facts.aid_eur_cents,
        noted_by=by,
        noted_at=now,
    )
    log(
        "aid.declared",
        row.code,
        by=by,
        now=now,
        organisation=organisation.code,
        basis=facts.basis,
        granted_on=facts.granted_on.isoformat(),
        aid_eur_cents=facts.aid_eur_cents,
    )
    return row


def _problems(facts: AidFacts, today: date) -> list[Problem]:
    problems = []
    if not facts.title.strip() or len(facts.title) > LONGEST_TITLE:
        problems.append(
            Problem(
                "title",
                "aid.title.missing",
                _("Say who gave it and what for, in at most {most} characters."),
                {"most": LONGEST_TITLE},
            )
        )
    if facts.member_state not in queries.country_groups()["eu"]:
        problems.append(
            Problem("member_state", "aid.member_state.unknown", _("Choose a Member State."))
        )
    if facts.basis not in AID_BASES:
        problems.append(
            Problem(
                "basis",
                "aid.basis.unknown",
                _("Choose one of: {choices}."),
                {"choices": ", ".join(AID_BASES)},
            )
        )
    if facts.granted_on > today:
        problems.append(
            Problem("granted_on", "aid.granted_on.to_come", _("Write a day that is not to come."))
        )
    if not 0 < facts.aid_eur_cents <= facts.value_eur_cents <= LARGEST_EUR_CENTS:
        problems.append(
            Problem(
                "aid_eur_cents",
                "aid.amount.range",
                _("Write an amount above zero that is not more than the value."),
            )
        )
    return problems


@action
def void_aid(row: Aid, *, reason: str, by: Person, now: datetime) -> Aid:
    """Take a row out of the sums, with the reason; it stays in the register as void.

    Raises NotAllowed aid.void.not_operator, Refused aid.void.not_now, Invalid.
    """
    if not access.may_run_calls(by):
        raise NotAllowed(
            "aid.void.not_operator", _("Only an operator of the factory can void State aid.")
        )
    row = Aid.objects.select_for_update(of=("self",)).get(pk=row.pk)
    if row.voided_at is not None:
        raise Refused("aid.void.not_now", _("This row is void already."))
    reason = check_reason(reason)

    row.voided_at = now
    row.save(update_fields=["voided_at"])
    log("aid.voided", row.code, by=by, now=now, about=row.about, reason=reason)
    return row
