"""Every write about people, organisations, projects and tokens."""

import hashlib
import secrets
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta

from django.contrib.auth import SESSION_KEY, password_validation
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from stdnum.eu import vat

from uzina.core.db import action
from uzina.core.errors import Invalid, NotAllowed, Problem, Refused
from uzina.core.log import log
from uzina.core.text import _
from uzina.people import access, queries, rules
from uzina.people.models import (
    Affiliation,
    ApiToken,
    FailedSignIn,
    Membership,
    Organisation,
    Person,
    Project,
    RelatedEnterprise,
    Role,
)
from uzina.people.types import IssuedToken

TOKEN_PREFIX = "uz_"  # noqa: S105 - a mark for secret scanners, not a secret
TOKEN_LONGEST = timedelta(days=366)
SIGN_IN_WINDOW = timedelta(minutes=15)
SIGN_IN_TRIES = 10
"""Failed tries for one address and one account in the window. Counted for the pair and, ten times
as many, for the address alone, so that nobody is locked out by what somebody else types."""


@dataclass(frozen=True)
class OrganisationFacts:
    """What an organisation says of itself. Money in whole euros, of the last closed year."""

    name: str
    kind: rules.OrganisationKind
    country: str
    city: str = ""
    website: str = ""
    vat_number: str = ""
    founded_on: date | None = None
    headcount: int = 0
    turnover_eur: int = 0
    balance_eur: int = 0
    related_enterprises: tuple[rules.Related, ...] = ()


@action
def register(*, email: str, name: str, password: str, language: str, now: datetime) -> Person:
    """Make a person who can sign in.

    Raises Invalid for an address already in use, a weak password or an empty name.
    """
    problems = []
    if not name.strip():
        problems.append(Problem("name", "person.name.missing", _("Write your name.")))
    if queries.person_by_email(email):
        problems.append(_email_taken())
    try:
        password_validation.validate_password(password, Person(email=email, name=name))
    except ValidationError as weak:
        problems += [
            Problem("password", "person.password.weak", message) for message in weak.messages
        ]
    if problems:
        raise Invalid(problems)

    person = Person(email=email.strip().lower(), name=name.strip(), language=language, made_at=now)
    person.set_password(password)
    try:
        with transaction.atomic():
            person.save()
    except IntegrityError as taken:
        raise Invalid([_email_taken()]) from taken
    log("person.registered", person.code, by=person, now=now)
    return person


def _email_taken() -> Problem:
    return Problem(
        "email",
        "person.email.taken",
        _("There is already a person with this address. Sign in, or use another address."),
    )


@action
def sign_in(*, email: str, password: str, address: str, now: datetime) -> Person:
    """Return the person whose password it is.

    address  where the request came from, to slow down guessing

    Raises NotAllowed person.sign_in.wrong and person.sign_in.too_many; the same answer for an
    unknown address and a wrong password, in about the same time.
    """
    digest = hashlib.sha256(email.strip().lower().encode()).hexdigest()
    since = now - SIGN_IN_WINDOW
    here = FailedSignIn.objects.filter(address=address, at__gt=since)
    if (
        here.filter(email_digest=digest).count() >= SIGN_IN_TRIES
        or here.count() >= 10 * SIGN_IN_TRIES
    ):
        raise NotAllowed(
            "person.sign_in.too_many",
            _("Too many failed sign-ins from here. Try again in {minutes} minutes."),
            minutes=int(SIGN_IN_WINDOW.total_seconds() // 60),
        )
    person = queries.person_by_email(email.strip())
    if person is None:
        Person().set_password(password)
    elif person.is_active and person.check_password(password):
        log("person.signed_in", person.code, by=person, now=now)
        return person
    raise NotAllowed(
        "person.sign_in.wrong",
        _("The address and the password do not belong together. Check both and try again."),
    )


@action
def note_failed_sign_in(*, email: str, address: str, now: datetime) -> None:
    """Count a failed sign-in, and forget those that no longer count.

    A transaction of its own: the refused sign-in left no trace.
    """
    FailedSignIn.objects.filter(at__lte=now - SIGN_IN_WINDOW).delete()
    digest = hashlib.sha256(email.strip().lower().encode()).hexdigest()
    FailedSignIn.objects.create(email_digest=digest, address=address[:64], at=now)


@action
def speak(person: Person, *, language: str, now: datetime) -> None:
    """Keep the language a person wants pages and mail in."""
    person.language = language
    person.save(update_fields=["language"])
    log("person.language_chosen", person.code, by=person, now=now, language=language)


@action
def sign_out_everywhere(person: Person, *, by: Person, now: datetime) -> int:
    """End every session of the person and say how many there were. Tokens go on working.

    Reads every open session of the portal: a session does not name its person in a column.

    Raises NotAllowed person.sign_out_everywhere.not_yours.
    """
    if by.pk != person.pk and not access.is_operator(by):
        raise NotAllowed(
            "person.sign_out_everywhere.not_yours",
            _("Only the person or an operator can end a person's sessions."),
        )
    theirs = [
        session.pk
        for session in Session.objects.filter(expire_date__gt=now).iterator()
        if session.get_decoded().get(SESSION_KEY) == str(person.pk)
    ]
    ended = sum(
        Session.objects.filter(pk__in=theirs[start : start + 500]).delete()[0]
        for start in range(0, len(theirs), 500)
    )
    log("person.signed_out_everywhere", person.code, by=by, now=now, sessions=ended)
    return ended


@action
def register_organisation(facts: OrganisationFacts, *, by: Person, now: datetime) -> Organisation:
    """Make an organisation and make the person its representative.

    Raises Invalid with every fact that cannot be.
    """
    _check_facts(facts)

    organisation = Organisation(made_at=now)
    _write_facts(organisation, facts)
    Affiliation.objects.create(person=by, organisation=organisation, is_representative=True)
    log("organisation.registered", organisation.code, by=by, now=now, kind=facts.kind)
    return organisation


@action
def change_organisation(
    organisation: Organisation, facts: OrganisationFacts, *, by: Person, now: datetime
) -> Organisation:
    """Write the organisation's facts anew. Applications keep the facts they were judged by.

    Raises NotAllowed organisation.change.not_yours, Invalid.
    """
    organisation = Organisation.objects.select_for_update().get(pk=organisation.pk)
    if not access.may_change_organisation(by, organisation):
        raise NotAllowed(
            "organisation.change.not_yours",
            _("Only a representative of {name} can change its facts."),
            name=organisation.name,
        )
    _check_facts(facts)

    organisation.related_enterprises.all().delete()
    _write_facts(organisation, facts)
    log("organisation.changed", organisation.code, by=by, now=now)
    return organisation


def _check_facts(facts: OrganisationFacts) -> None:
    problems: list[Problem] = list(rules.related_problems(facts.related_enterprises))
    if not facts.name.strip():
        problems.append(
            Problem("name", "organisation.name.missing", _("Write the name of the organisation."))
        )
    if len(facts.country) != 2 or not facts.country.isascii() or not facts.country.isupper():
        problems.append(Problem("country", "organisation.country.unknown", _("Choose a country.")))
    if facts.vat_number and not vat.is_valid(facts.vat_number):
        problems.append(
            Problem(
                "vat_number",
                "organisation.vat_number.malformed",
                _("This is not the form of a VAT number. Write it with the country in front: RO…"),
            )
        )
    if problems:
        raise Invalid(problems)


def _write_facts(organisation: Organisation, facts: OrganisationFacts) -> None:
    values = asdict(facts)
    values.pop("related_enterprises")
    for name, value in values.items():
        setattr(organisation, name, value)
    organisation.save()
    RelatedEnterprise.objects.bulk_create(
        RelatedEnterprise(organisation=organisation, **asdict(other))
        for other in facts.related_enterprises
    )


@action
def appoint(person: Person, *, kind: rules.RoleKind, by: Person | None, now: datetime) -> Role:
    """Give a person a role for the factory. Giving it again changes nothing.

    Raises NotAllowed role.appoint.not_operator.
    """
    if not access.is_operator(by):
        raise NotAllowed("role.appoint.not_operator", _("Only an operator can appoint people."))
    role, is_new = Role.objects.get_or_create(person=person, kind=kind)
    if is_new:
        log("role.appointed", person.code, by=by, now=now, kind=kind)
    return role


@action
def open_project(
    organisation: Organisation,
    *,
    title: str,
    lead: Person,
    starts_at: datetime,
    ends_at: datetime,
    award_code: str,
    by: Person | None,
    now: datetime,
) -> Project:
    """Open a project with its lead. The caller has asked who may: an award was accepted.

    Raises IntegrityError when the award has a project already.
    """
    project = Project.objects.create(
        title=title,
        organisation=organisation,
        starts_at=starts_at,
        ends_at=ends_at,
        award_code=award_code,
        made_at=now,
    )
    Membership.objects.create(project=project, person=lead, kind=rules.MembershipKind.LEAD)
    log("project.opened", project.code, by=by, now=now, award=award_code, lead=lead.code)
    return project


@action
def add_member(
    project: Project, person: Person, *, kind: rules.MembershipKind, by: Person, now: datetime
) -> Membership:
    """Take a person into a project, or change what they are in it.

    Raises NotAllowed project.add_member.not_lead, Refused project.add_member.last_lead.
    """
    if not (access.is_lead(by, project) or access.is_operator(by)):
        raise NotAllowed(
            "project.add_member.not_lead", _("Only a lead of the project can take people in.")
        )
    others = Membership.objects.select_for_update().filter(
        project=project, kind=rules.MembershipKind.LEAD
    )
    leads = {row.person_id for row in others}
    if kind is not rules.MembershipKind.LEAD and leads == {person.pk}:
        raise Refused(
            "project.add_member.last_lead",
            _("{name} is the only lead. Name another lead first."),
            name=person.name,
        )
    row, _made = Membership.objects.update_or_create(
        project=project, person=person, defaults={"kind": kind}
    )
    log("project.member_added", project.code, by=by, now=now, person=person.code, kind=kind)
    return row


@action
def issue_token(
    person: Person, *, name: str, lifetime: timedelta, by: Person, now: datetime
) -> IssuedToken:
    """Make a token for oneself. The secret is in the answer and kept nowhere.

    Raises NotAllowed token.issue.not_yours, Invalid for a lifetime of zero or over 366 days.
    """
    if by.pk != person.pk:
        raise NotAllowed("token.issue.not_yours", _("A token is made by its owner only."))
    problems = []
    if not name.strip():
        problems.append(
            Problem("name", "token.name.missing", _("Name the token: where will it be used?"))
        )
    if not timedelta() < lifetime <= TOKEN_LONGEST:
        problems.append(
            Problem(
                "days",
                "token.lifetime.range",
                _("Choose a lifetime from 1 to {most} days."),
                {"most": TOKEN_LONGEST.days},
            )
        )
    if problems:
        raise Invalid(problems)

    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        person=person,
        name=name.strip(),
        digest=hashlib.sha256(secret.encode()).hexdigest(),
        made_at=now,
        expires_at=now + lifetime,
    )
    log("token.issued", token.code, by=by, now=now, expires_at=token.expires_at.isoformat())
    return IssuedToken(token, secret)


@action
def revoke_token(token: ApiToken, *, by: Person, now: datetime) -> ApiToken:
    """End a token at once. Revoking it again changes nothing.

    Raises NotAllowed token.revoke.not_yours.
    """
    token = ApiToken.objects.select_for_update().get(pk=token.pk)
    if by.pk != token.person_id and not access.is_operator(by):
        raise NotAllowed("token.revoke.not_yours", _("A token is revoked by its owner only."))
    if token.revoked_at is None:
        token.revoked_at = now
        token.save(update_fields=["revoked_at"])
        log("token.revoked", token.code, by=by, now=now)
    return token
