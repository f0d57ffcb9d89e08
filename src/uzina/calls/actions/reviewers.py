"""Making reviewers, and what they say of themselves."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from uzina.calls import queries
from uzina.calls.actions import conflicts
from uzina.calls.models import Call, PoolExclusion, Reviewer
from uzina.calls.rules import conflicts as conflict_rules
from uzina.calls.rules import topics
from uzina.core.db import action
from uzina.core.errors import Invalid, NotAllowed, Problem
from uzina.core.log import log
from uzina.core.text import _
from uzina.people import access as people_access
from uzina.people import actions as people
from uzina.people.models import Person
from uzina.people.rules import RoleKind

MOST_ROWS = 100
MOST_REVIEWS = 100


@dataclass(frozen=True)
class Past:
    """Where a reviewer is or was, besides the organisations here. until: None where they still are."""

    name: str
    code: str = ""
    until: date | None = None


@dataclass(frozen=True)
class CoAuthor:
    """Somebody a reviewer published with in recent years."""

    name: str
    orcid: str = ""


@dataclass(frozen=True)
class Profile:
    """What a reviewer says of themselves."""

    topics: Sequence[str]
    languages: Sequence[str]
    most: int
    orcid: str = ""
    past: Sequence[Past] = ()
    co_authors: Sequence[CoAuthor] = ()


@action
def make_reviewer(person: Person, profile: Profile, *, by: Person, now: datetime) -> Reviewer:
    """Make a person a reviewer, or write anew what they are asked for.

    Raises NotAllowed reviewer.make.not_operator, Invalid with every mistake in the profile.
    """
    if not people_access.is_operator(by):
        raise NotAllowed("reviewer.make.not_operator", _("Only an operator can make reviewers."))
    kept = _kept(profile)

    people.appoint(person, kind=RoleKind.REVIEWER, by=by, now=now)
    reviewer, _is_new = Reviewer.objects.update_or_create(
        person=person,
        defaults={**kept, "is_active": True},
        create_defaults={**kept, "made_at": now},
    )
    log("reviewer.made", person.code, by=by, now=now, topics=kept["topics"], most=kept["most"])
    conflicts.screen_person(person, now=now)
    return reviewer


@action
def change_profile(reviewer: Reviewer, profile: Profile, *, by: Person, now: datetime) -> Reviewer:
    """Write a reviewer's own profile anew; conflicts are looked for again at once.

    Raises NotAllowed reviewer.change.not_yours, Invalid.
    """
    reviewer = (
        Reviewer.objects.select_for_update(of=("self",))
        .select_related("person")
        .get(pk=reviewer.pk)
    )
    if by.pk != reviewer.person_id and not people_access.is_operator(by):
        raise NotAllowed(
            "reviewer.change.not_yours", _("Only the reviewer or an operator can change a profile.")
        )
    kept = _kept(profile)

    for name, value in kept.items():
        setattr(reviewer, name, value)
    reviewer.save(update_fields=list(kept))
    log("reviewer.changed", reviewer.person.code, by=by, now=now)
    conflicts.screen_person(reviewer.person, now=now)
    return reviewer


def _kept(profile: Profile) -> dict[str, object]:
    """Return a profile as columns. Raises Invalid with every mistake in it."""
    problems = []
    if not profile.topics or not set(profile.topics) <= set(queries.topics()):
        problems.append(
            Problem(
                "topics", "reviewer.topics.unknown", _("Choose at least one topic of the list.")
            )
        )
    if not profile.languages or not set(profile.languages) <= set(topics.LANGUAGES):
        problems.append(
            Problem("languages", "reviewer.languages.unknown", _("Choose at least one language."))
        )
    if not 1 <= profile.most <= MOST_REVIEWS:
        problems.append(
            Problem(
                "most",
                "reviewer.most.range",
                _("Write a whole number from {least} to {most}."),
                {"least": 1, "most": MOST_REVIEWS},
            )
        )
    if len(profile.past) > MOST_ROWS or len(profile.co_authors) > MOST_ROWS:
        problems.append(
            Problem(
                "co_authors",
                "reviewer.rows.too_many",
                _("Write at most {most} lines."),
                {"most": MOST_ROWS},
            )
        )
    orcid = _orcid(profile.orcid, "orcid", problems)
    co_authors = [
        {"name": one.name.strip(), "orcid": _orcid(one.orcid, "co_authors", problems)}
        for one in profile.co_authors
        if one.name.strip() or one.orcid.strip()
    ]
    if problems:
        raise Invalid(problems)
    return {
        "topics": [slug for slug in queries.topics() if slug in profile.topics],
        "languages": [one for one in topics.LANGUAGES if one in profile.languages],
        "most": profile.most,
        "orcid": orcid,
        "past_organisations": [
            {
                "name": one.name.strip(),
                "code": one.code.strip(),
                "until": one.until.isoformat() if one.until else "",
            }
            for one in profile.past
            if one.name.strip() or one.code.strip()
        ],
        "co_authors": co_authors,
    }


def _orcid(orcid: str, field: str, problems: list[Problem]) -> str:
    try:
        return conflict_rules.check_orcid(orcid)
    except ValueError:
        problems.append(
            Problem(
                field,
                "reviewer.orcid.wrong",
                _("“{orcid}” is no ORCID iD. It has 16 digits, as 0000-0002-1825-0097."),
                {"orcid": orcid},
            )
        )
        return ""


@action
def rest_reviewer(reviewer: Reviewer, *, by: Person, now: datetime) -> Reviewer:
    """Ask a reviewer for nothing new; what they have in hand stays. Raises NotAllowed."""
    return _set_active(reviewer, is_active=False, by=by, now=now)


@action
def wake_reviewer(reviewer: Reviewer, *, by: Person, now: datetime) -> Reviewer:
    """Ask a reviewer again. Raises NotAllowed reviewer.change.not_operator."""
    return _set_active(reviewer, is_active=True, by=by, now=now)


def _set_active(reviewer: Reviewer, *, is_active: bool, by: Person, now: datetime) -> Reviewer:
    reviewer = (
        Reviewer.objects.select_for_update(of=("self",))
        .select_related("person")
        .get(pk=reviewer.pk)
    )
    _check_operator(by)
    if reviewer.is_active is not is_active:
        reviewer.is_active = is_active
        reviewer.save(update_fields=["is_active"])
        verb = "woken" if is_active else "rested"
        log(f"reviewer.{verb}", reviewer.person.code, by=by, now=now)
    return reviewer


def _check_operator(by: Person) -> None:
    if not people_access.is_operator(by):
        raise NotAllowed("reviewer.change.not_operator", _("Only an operator can do this."))


@action
def leave_out(call: Call, reviewer: Reviewer, *, by: Person, now: datetime) -> None:
    """Take a reviewer out of a call's pool. Raises NotAllowed reviewer.change.not_operator."""
    _check_operator(by)
    Call.objects.select_for_update(of=("self",)).get(pk=call.pk)
    _row, is_new = PoolExclusion.objects.get_or_create(
        call=call, person=reviewer.person, defaults={"made_at": now}
    )
    if is_new:
        log("reviewer.left_out", call.code, by=by, now=now, person=reviewer.person.code)


@action
def take_in(call: Call, reviewer: Reviewer, *, by: Person, now: datetime) -> None:
    """Put a reviewer back into a call's pool. Raises NotAllowed reviewer.change.not_operator."""
    _check_operator(by)
    Call.objects.select_for_update(of=("self",)).get(pk=call.pk)
    gone, _rows = PoolExclusion.objects.filter(call=call, person=reviewer.person).delete()
    if gone:
        log("reviewer.taken_in", call.code, by=by, now=now, person=reviewer.person.code)
