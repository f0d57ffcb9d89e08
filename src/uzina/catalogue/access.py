"""Who may do what."""

from datetime import datetime

from django.contrib.auth.models import AnonymousUser

from uzina.catalogue import rules
from uzina.catalogue.models import AccessRequest, Dataset, Space, Version
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


def may_manage_sources(person: Person | None) -> bool:
    """Tell whether the person says which portals are harvested. None is the factory itself."""
    return person is None or people.is_operator(person)


def may_see_sources(person: Person) -> bool:
    """Tell whether the person sees which portals are harvested, and how that went."""
    return people.is_operator(person) or people.is_auditor(person)


def may_add_to(person: Person | None, dataset: Dataset) -> bool:
    """Tell whether the person may add versions: a member, or the holder's representative.

    Harvested data is changed where it was harvested from, never here.
    """
    if dataset.source_id is not None:
        return False
    return may_hold(person, dataset.holder, dataset.project)


def may_read_answers(person: Person, dataset: Dataset) -> bool:
    """Tell whether the person reads what the steward answered but keeps inside."""
    return may_add_to(person, dataset) or people.is_auditor(person)


def may_see_jobs(person: Person | AnonymousUser, dataset: Dataset) -> bool:
    """Tell whether the person sees which jobs made and used the data: who holds them, operators and
    auditors. Others see the jobs of their own projects.
    """
    return isinstance(person, Person) and (
        may_hold(person, dataset.holder, dataset.project)
        or queries.represents(person, dataset.holder)
        or people.is_auditor(person)
    )


def may_publish(person: Person | None, dataset: Dataset) -> bool:
    """Tell whether the person may publish or withdraw: the lead, or the holder's representative."""
    if dataset.source_id is not None:
        return False
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


def may_read_bytes(
    person: Person | AnonymousUser | None,
    version: Version,
    *,
    project: Project | None = None,
    now: datetime,
) -> bool:
    """Tell whether the person may read the version's bytes, in a job of the project if one is given.

    Whoever serves bytes asks this: downloads, links, previews, staging. One query.
    """
    rows = Version.objects.filter(pk=version.pk)
    return bool(rows.readable_by(person, project=project, now=now).exists())


def may_see_sample(person: Person | AnonymousUser, version: Version, *, now: datetime) -> bool:
    """Tell whether samples and statistics of the version may be shown: to who may read the bytes,
    and to everybody where the holder's policy says so.
    """
    if may_read_bytes(person, version, now=now):
        return True
    policy = version.dataset.policies.order_by("-number").first()
    is_shown = Version.objects.visible_to(person).filter(pk=version.pk).exists()
    return policy is not None and policy.shows_sample and is_shown


def may_decide_access(person: Person | None, dataset: Dataset) -> bool:
    """Tell whether the person answers requests: the holder's representative, or the lead of the
    project that made the data. None is the factory, where a policy answers by itself.
    """
    if person is None:
        return True
    leads = dataset.project is not None and people.is_lead(person, dataset.project)
    return leads or queries.represents(person, dataset.holder)


def may_revoke_access(person: Person | None, dataset: Dataset) -> bool:
    """Tell whether the person may take a permission back: who gives it, or an operator, who can
    close what they cannot open.
    """
    return may_decide_access(person, dataset) or people.is_operator(person)


def may_speak_for(person: Person | None, request: AccessRequest) -> bool:
    """Tell whether the person may withdraw the request or end its grant: who asked, or the lead."""
    return (
        person is None
        or request.person_id == person.pk
        or (request.project is not None and people.is_lead(person, request.project))
    )


def may_see_evidence(person: Person, dataset: Dataset) -> bool:
    """Tell whether the person may see who used the data: who decides, operators and auditors."""
    return (
        may_decide_access(person, dataset)
        or people.is_operator(person)
        or people.is_auditor(person)
    )


def may_read_space(person: Person | None, space: Space) -> bool:
    """Tell whether the person may read the files of a space: members, and operators."""
    return people.is_operator(person) or (
        person is not None and people.is_member(person, space.project)
    )


def may_write_space(person: Person | None, space: Space) -> bool:
    """Tell whether the person may put, move and trash files: members. None is the factory itself."""
    return person is None or people.is_member(person, space.project)


def may_manage_space(person: Person | None, space: Space) -> bool:
    """Tell whether the person may trash a whole space, or take it back: the lead, and operators."""
    return people.is_operator(person) or (
        person is not None and people.is_lead(person, space.project)
    )


def verbs(person: Person, request: AccessRequest) -> list[str]:
    """Return what the person may do with a request as it stands."""
    decides = may_decide_access(person, request.dataset)
    found = []
    for verb in rules.ACCESS.verbs(request.state):
        is_allowed = (
            may_speak_for(person, request)
            if verb in rules.BY_ASKERS
            else decides or (verb == "revoke" and people.is_operator(person))
        )
        if is_allowed:
            found.append(verb)
    return found


def may_keep_longer(person: Person) -> bool:
    """Tell whether the person may give a space more time as often as needed: an operator."""
    return people.is_operator(person)
