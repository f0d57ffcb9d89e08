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


def may_open(person: Person, job: Job) -> bool:
    """Tell whether the person may work in the job's notebook: who started it, while a member."""
    return job.submitted_by_id == person.pk and people.is_member(person, job.project)


def may_see_clusters(person: Person) -> bool:
    """Tell whether the person sees who uses the machines for what: operators and auditors."""
    return people.is_operator(person) or people.is_auditor(person)


def may_announce(person: Person | None) -> bool:
    """Tell whether the person may announce a maintenance: operators."""
    return people.is_operator(person)
