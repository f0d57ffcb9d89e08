"""Who may do what."""

from uzina.compute.models import Job
from uzina.people import access as people
from uzina.people.models import Person, Project


def may_submit(person: Person | None, project: Project) -> bool:
    """Tell whether the person may spend the project's hours: its members. None is the factory."""
    return person is None or people.is_member(person, project)


def may_cancel(person: Person | None, job: Job) -> bool:
    """Tell whether the person may stop the job: members of its project, and operators."""
    return people.is_operator(person) or (
        person is not None and people.is_member(person, job.project)
    )
