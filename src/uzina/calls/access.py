"""Who may do what."""

from uzina.calls import queries
from uzina.calls.models import Application, Award, Call
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


def may_edit(person: Person, application: Application) -> bool:
    """Tell whether the person may fill in a draft and answer questions: applicant or editor."""
    return (
        application.applicant_id == person.pk or application.editors.filter(person=person).exists()
    )


def may_assess(person: Person) -> bool:
    """Tell whether the person assesses applications for the host."""
    return people_access.is_assessor(person)


def may_see_queue(person: Person) -> bool:
    """Tell whether the person may look at the queue: who works in it, and auditors."""
    return (
        people_access.is_operator(person)
        or people_access.is_assessor(person)
        or people_access.is_auditor(person)
    )


def has_conflict(person: Person, application: Application) -> bool:
    """Tell whether the person has an interest in the application: theirs, found or declared."""
    return queries.has_conflict(person, application)


def may_answer(person: Person, award: Award) -> bool:
    """Tell whether the person may accept or refuse the award: who applied."""
    return award.application.applicant_id == person.pk


def may_see_interests(person: Person, call: Call) -> bool:
    """Tell whether the person may read the expressions of interest and who was admitted."""
    return people_access.is_auditor(person) or may_decide_interest(person, call)


def may_decide_interest(person: Person, call: Call) -> bool:
    """Tell whether the person decides on expressions of interest: operators and the panel."""
    return people_access.is_operator(person) or queries.has_seat(person, call)


def may_follow_up(person: Person, award: Award) -> bool:
    """Tell whether the person may ask for changes of the award and hand its reports in: a lead."""
    return award.project is not None and people_access.is_lead(person, award.project)


def may_declare_aid(person: Person, organisation: Organisation) -> bool:
    """Tell whether the person may say which State aid the organisation got."""
    return people_access.may_change_organisation(person, organisation)


def may_see_rankings(person: Person) -> bool:
    """Tell whether the person may read rankings and all decisions: operators and auditors."""
    return people_access.is_operator(person) or people_access.is_auditor(person)
