"""Who may do what."""

from uzina.calls.models import Application, Award
from uzina.people import access as people_access
from uzina.people import queries as people_queries
from uzina.people.models import Organisation, Person


def may_run_calls(person: Person) -> bool:
    """Tell whether the person may make, publish and archive calls."""
    return people_access.is_operator(person)


def may_apply(person: Person, organisation: Organisation) -> bool:
    """Tell whether the person may apply in the organisation's name."""
    return people_queries.is_affiliated(person, organisation)


def may_change(person: Person, application: Application) -> bool:
    """Tell whether the person may fill in, hand in or withdraw the application."""
    return application.applicant_id == person.pk


def may_assess(person: Person) -> bool:
    """Tell whether the person assesses applications for the host."""
    return people_access.is_assessor(person)


def has_conflict(person: Person, application: Application) -> bool:
    """Tell whether the person has an interest in the application: own, or own organisation's."""
    return application.applicant_id == person.pk or people_queries.is_affiliated(
        person, application.organisation
    )


def may_answer(person: Person, award: Award) -> bool:
    """Tell whether the person may accept or refuse the award: who applied."""
    return award.application.applicant_id == person.pk


def may_enter(person: Person, application: Application) -> bool:
    """Tell whether the person may send entries of an entrant: who applied or helped to."""
    return Application.objects.owned_by(person).filter(pk=application.pk).exists()
