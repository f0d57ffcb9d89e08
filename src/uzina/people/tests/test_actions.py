import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import IntegrityError

from uzina.core.errors import Invalid, NotAllowed, Refused
from uzina.core.log import check_log
from uzina.core.models import LogEntry
from uzina.core.tests import NOW
from uzina.people import actions, queries
from uzina.people.models import ApiToken, FailedSignIn, Membership, Organisation, Person, Project
from uzina.people.rules import MembershipKind, OrganisationKind, Related, Relation, RoleKind

pytestmark = pytest.mark.django_db

TICK = timedelta(microseconds=1)
FACTS = actions.OrganisationFacts(name="Limbă Vie", kind=OrganisationKind.STARTUP, country="RO")


def register(email="new@example.org", password="correct horse battery", name="Nou Venit"):
    return actions.register(email=email, name=name, password=password, language="ro", now=NOW)


def events():
    return list(LogEntry.objects.order_by("seq").values_list("event", flat=True))


def test_a_person_registers_and_can_sign_in_in_any_case_of_the_address():
    person = register("New@Example.org")
    assert person.email == "new@example.org"
    found = actions.sign_in(
        email="NEW@example.ORG", password="correct horse battery", address="10.0.0.1", now=NOW
    )
    assert found == person
    assert events() == ["person.registered", "person.signed_in"]


def test_an_address_is_taken_once_in_any_case():
    register()
    with pytest.raises(Invalid) as invalid:
        register("NEW@example.org")
    assert [problem.code for problem in invalid.value.problems] == ["person.email.taken"]
    assert Person.objects.count() == 1


def test_every_mistake_of_a_registration_is_told_at_once():
    with pytest.raises(Invalid) as invalid:
        register(password="short", name=" ")
    assert {problem.field for problem in invalid.value.problems} == {"name", "password"}
    assert not Person.objects.exists()
    assert not LogEntry.objects.exists()


def test_no_personal_data_is_in_the_log():
    register()
    entry = LogEntry.objects.get()
    assert entry.actor == entry.subject == Person.objects.get().code
    assert "example" not in str(entry.facts)


@pytest.mark.parametrize("email", ["new@example.org", "nobody@example.org"])
def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(email):
    register()
    with pytest.raises(NotAllowed) as refused:
        actions.sign_in(email=email, password="wrong", address="10.0.0.1", now=NOW)
    assert refused.value.code == "person.sign_in.wrong"
    assert events() == ["person.registered"]


def test_guessing_is_slowed_down_without_locking_the_owner_out():
    register()
    for _ in range(actions.SIGN_IN_TRIES):
        actions.note_failed_sign_in(email="new@example.org", address="6.6.6.6", now=NOW)

    def sign_in(address, now):
        return actions.sign_in(
            email="new@example.org", password="correct horse battery", address=address, now=now
        )

    with pytest.raises(NotAllowed) as refused:
        sign_in("6.6.6.6", NOW)
    assert refused.value.code == "person.sign_in.too_many"
    with pytest.raises(NotAllowed):
        sign_in("6.6.6.6", NOW + actions.SIGN_IN_WINDOW - TICK)
    assert sign_in("10.0.0.1", NOW)
    assert sign_in("6.6.6.6", NOW + actions.SIGN_IN_WINDOW)


def test_an_address_that_guesses_many_accounts_is_slowed_down_too():
    register()
    FailedSignIn.objects.bulk_create(
        FailedSignIn(email_digest=f"{n}", address="6.6.6.6", at=NOW)
        for n in range(10 * actions.SIGN_IN_TRIES)
    )
    with pytest.raises(NotAllowed) as refused:
        actions.sign_in(
            email="new@example.org", password="correct horse battery", address="6.6.6.6", now=NOW
        )
    assert refused.value.code == "person.sign_in.too_many"


def test_failed_sign_ins_are_forgotten_when_they_no_longer_count():
    actions.note_failed_sign_in(email="a@b.example", address="x", now=NOW)
    actions.note_failed_sign_in(email="a@b.example", address="x", now=NOW + actions.SIGN_IN_WINDOW)
    assert FailedSignIn.objects.count() == 1


def test_who_registers_an_organisation_represents_it(ana):
    organisation = actions.register_organisation(FACTS, by=ana, now=NOW)
    assert queries.represents(ana, organisation)
    assert list(queries.organisations_of(ana)) == [organisation]


def test_the_facts_of_an_organisation_are_checked_all_at_once(ana):
    wrong = replace(
        FACTS,
        name="",
        country="ro",
        vat_number="RO123",
        related_enterprises=(Related("X", Relation.PARTNER, 80, 1, 1, 1),),
    )
    with pytest.raises(Invalid) as invalid:
        actions.register_organisation(wrong, by=ana, now=NOW)
    assert {problem.field for problem in invalid.value.problems} == {
        "name",
        "country",
        "vat_number",
        "related_enterprises.0.relation",
    }
    assert not Organisation.objects.exists()


def test_a_valid_vat_number_is_taken(ana):
    actions.register_organisation(replace(FACTS, vat_number="RO 185 472 90"), by=ana, now=NOW)


def test_related_enterprises_are_written_anew_with_the_facts(ana):
    linked = Related("Sora SRL", Relation.LINKED, 60, 300, 0, 0)
    organisation = actions.register_organisation(
        replace(FACTS, related_enterprises=(linked,)), by=ana, now=NOW
    )
    assert not queries.sized(organisation).is_sme
    actions.change_organisation(organisation, FACTS, by=ana, now=NOW)
    assert queries.sized(organisation).is_sme
    assert events()[-1] == "organisation.changed"


def test_a_stranger_cannot_change_an_organisation(ana, stranger):
    organisation = actions.register_organisation(FACTS, by=ana, now=NOW)
    with pytest.raises(NotAllowed):
        actions.change_organisation(organisation, replace(FACTS, name="Mine"), by=stranger, now=NOW)
    organisation.refresh_from_db()
    assert organisation.name == FACTS.name


def test_only_an_operator_appoints(ana, operator):
    with pytest.raises(NotAllowed):
        actions.appoint(ana, kind=RoleKind.OPERATOR, by=ana, now=NOW)
    actions.appoint(ana, kind=RoleKind.ASSESSOR, by=operator, now=NOW)
    before = len(events())
    actions.appoint(ana, kind=RoleKind.ASSESSOR, by=operator, now=NOW)
    assert len(events()) == before


def test_an_award_opens_one_project(ana, org):
    def open_one():
        return actions.open_project(
            org,
            title="T",
            lead=ana,
            starts_at=NOW,
            ends_at=NOW + timedelta(days=1),
            award_code="AWD-1",
            by=ana,
            now=NOW,
        )

    project = open_one()
    assert Membership.objects.get().kind == MembershipKind.LEAD
    with pytest.raises(IntegrityError):
        open_one()
    assert project.award_code == "AWD-1"


def test_a_lead_takes_people_in_and_the_last_lead_stays(ana, project, stranger):
    with pytest.raises(NotAllowed):
        actions.add_member(project, stranger, kind=MembershipKind.MEMBER, by=stranger, now=NOW)
    actions.add_member(project, stranger, kind=MembershipKind.MEMBER, by=ana, now=NOW)
    with pytest.raises(Refused) as refused:
        actions.add_member(project, ana, kind=MembershipKind.MEMBER, by=ana, now=NOW)
    assert refused.value.code == "project.add_member.last_lead"
    actions.add_member(project, stranger, kind=MembershipKind.LEAD, by=ana, now=NOW)
    actions.add_member(project, ana, kind=MembershipKind.MEMBER, by=ana, now=NOW)
    assert list(Project.objects.visible_to(stranger)) == [project]


def test_a_token_is_kept_as_a_digest_only(ana):
    issued = actions.issue_token(ana, name="ci", lifetime=timedelta(days=1), by=ana, now=NOW)
    row = ApiToken.objects.get()
    assert issued.secret.startswith("uz_")
    assert row.digest == hashlib.sha256(issued.secret.encode()).hexdigest()
    assert issued.secret not in str(vars(row))
    holder = queries.token_holder(issued.secret, now=NOW)
    assert (holder, holder.via) == (ana, row.code)


def test_a_token_works_until_it_expires_and_not_a_tick_longer(ana):
    issued = actions.issue_token(ana, name="ci", lifetime=timedelta(days=1), by=ana, now=NOW)
    end = NOW + timedelta(days=1)
    assert queries.token_holder(issued.secret, now=end - TICK) == ana
    assert queries.token_holder(issued.secret, now=end) is None


def test_a_revoked_token_works_no_more_at_once(ana, stranger):
    issued = actions.issue_token(ana, name="ci", lifetime=timedelta(days=1), by=ana, now=NOW)
    with pytest.raises(NotAllowed):
        actions.revoke_token(issued.token, by=stranger, now=NOW)
    actions.revoke_token(issued.token, by=ana, now=NOW)
    assert queries.token_holder(issued.secret, now=NOW) is None


@pytest.mark.parametrize("lifetime", [timedelta(0), timedelta(days=366) + TICK])
def test_a_token_lives_from_a_day_to_a_year(ana, lifetime):
    with pytest.raises(Invalid):
        actions.issue_token(ana, name="ci", lifetime=lifetime, by=ana, now=NOW)
    assert not ApiToken.objects.exists()


def test_what_is_done_through_a_token_is_logged_with_it(ana):
    issued = actions.issue_token(ana, name="ci", lifetime=timedelta(days=1), by=ana, now=NOW)
    holder = queries.token_holder(issued.secret, now=NOW)
    actions.register_organisation(FACTS, by=holder, now=NOW)
    entry = LogEntry.objects.get(event="organisation.registered")
    assert (entry.actor, entry.via) == (ana.code, issued.token.code)
    assert check_log().problems == []
