"""Who may do what."""

from uzina.people import rules
from uzina.people.models import Membership, Organisation, Person, Project


def is_operator(person: Person | None) -> bool:
    """Tell whether the person operates the factory. None is the factory itself."""
    return person is None or person.has_role(rules.RoleKind.OPERATOR)


def is_assessor(person: Person) -> bool:
    """Tell whether the person assesses applications for the host."""
    return person.has_role(rules.RoleKind.ASSESSOR)


def is_auditor(person: Person) -> bool:
    """Tell whether the person audits: reads everything, changes nothing."""
    return person.has_role(rules.RoleKind.AUDITOR)


def is_member(person: Person, project: Project) -> bool:
    """Tell whether the person takes part in the project."""
    return Membership.objects.filter(person=person, project=project).exists()


def is_lead(person: Person, project: Project) -> bool:
    """Tell whether the person leads the project."""
    return Membership.objects.filter(
        person=person, project=project, kind=rules.MembershipKind.LEAD
    ).exists()


def may_change_organisation(person: Person | None, organisation: Organisation) -> bool:
    """Tell whether the person may change the organisation's facts."""
    return (
        is_operator(person)
        or organisation.affiliations.filter(person=person, is_representative=True).exists()
    )
