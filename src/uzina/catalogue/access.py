"""Who may do what."""

from uzina.catalogue.models import Dataset
from uzina.people import access as people
from uzina.people import queries
from uzina.people.models import Organisation, Person, Project


def may_hold(person: Person | None, holder: Organisation, project: Project | None) -> bool:
    """Tell whether the person may register data of the holder, in the project if there is one."""
    if person is None or people.is_operator(person):
        return True
    if project is not None:
        return project.organisation_id == holder.pk and people.is_member(person, project)
    return queries.represents(person, holder)


def may_add_to(person: Person | None, dataset: Dataset) -> bool:
    """Tell whether the person may add versions: a member, or the holder's representative."""
    return may_hold(person, dataset.holder, dataset.project)


def may_publish(person: Person | None, dataset: Dataset) -> bool:
    """Tell whether the person may publish or withdraw: the lead, or the holder's representative."""
    if person is None or people.is_operator(person):
        return True
    if dataset.project is not None:
        return people.is_lead(person, dataset.project)
    return queries.represents(person, dataset.holder)


def may_upload(person: Person) -> bool:
    """Tell whether the person may send files: whoever could put them into some dataset."""
    return (
        people.is_operator(person)
        or person.memberships.exists()
        or person.affiliations.filter(is_representative=True).exists()
    )
