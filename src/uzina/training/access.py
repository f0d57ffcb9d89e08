"""Who may do what."""

from uzina.people import access as people
from uzina.people.models import Person, Project
from uzina.training.models import ModelVersion, Run


def may_start(person: Person | None, project: Project) -> bool:
    """Tell whether the person may start runs in the project: its members. None is the factory."""
    return person is None or people.is_member(person, project)


def may_stop(person: Person | None, run: Run) -> bool:
    """Tell whether the person may stop the run or let it go on: members, and operators."""
    return people.is_operator(person) or (
        person is not None and people.is_member(person, run.project)
    )


def may_release(person: Person | None, version: ModelVersion) -> bool:
    """Tell whether the person may release or retire the version: the project's lead."""
    return person is None or people.is_lead(person, version.model.project)


def may_document(person: Person, version: ModelVersion) -> bool:
    """Tell whether the person may state what the record cannot: members of the project."""
    return people.is_member(person, version.model.project)
