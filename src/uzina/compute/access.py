"""Who may do what."""

from uzina.compute.models import Job
from uzina.core.errors import NotAllowed
from uzina.core.text import _
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


def check_submit(person: Person | None, project: Project) -> None:
    """Raise NotAllowed job.submit.not_a_member for who may not spend the project's hours."""
    if not may_submit(person, project):
        raise NotAllowed(
            "job.submit.not_a_member",
            _("Only members of {project} can spend its hours."),
            project=project.code,
        )


def check_fetch(person: Person, job: Job) -> None:
    """Raise NotAllowed job.fetch.not_a_member for who may not take the job's files."""
    if not may_fetch(person, job):
        raise NotAllowed(
            "job.fetch.not_a_member",
            _("Only members of {project} can take files of its jobs."),
            project=job.project.code,
        )


STANDING_ALONE = frozenset({"command", "script"})
"""Kinds of jobs that belong to nothing else: not to a training run, not to a notebook."""


def may_rerun(person: Person, job: Job) -> bool:
    """Tell whether the person may take the same job on once more."""
    return job.kind in STANDING_ALONE and may_submit(person, job.project)


def may_fetch(person: Person, job: Job) -> bool:
    """Tell whether the person may take files out of the job's run directory: its members."""
    return people.is_member(person, job.project)


def may_open(person: Person, job: Job) -> bool:
    """Tell whether the person may work in the job's notebook: who started it, while a member."""
    return job.submitted_by_id == person.pk and people.is_member(person, job.project)


def may_see_clusters(person: Person) -> bool:
    """Tell whether the person sees who uses the machines for what: operators and auditors."""
    return people.is_operator(person) or people.is_auditor(person)


def may_repair(person: Person | None) -> bool:
    """Tell whether the person may put the cluster right and say who is who there: operators."""
    return people.is_operator(person)


def may_announce(person: Person | None) -> bool:
    """Tell whether the person may announce a maintenance: operators."""
    return people.is_operator(person)
