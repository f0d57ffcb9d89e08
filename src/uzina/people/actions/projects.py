"""Writes about projects. The caller of those without a question has asked who may."""

from datetime import datetime

from uzina.core.db import action
from uzina.core.errors import NotAllowed, Refused
from uzina.core.log import log
from uzina.core.text import _
from uzina.people import access, rules
from uzina.people.models import (
    Membership,
    Organisation,
    Person,
    Project,
)


@action
def open_project(
    organisation: Organisation,
    *,
    title: str,
    lead: Person,
    starts_at: datetime,
    ends_at: datetime,
    award_code: str,
    by: Person | None,
    now: datetime,
    data_days: int | None = None,
) -> Project:
    """Open a project with its lead. The caller has asked who may: an award was accepted.

    data_days  days after its end for which its data are kept, where its award says it

    Raises IntegrityError when the award has a project already.
    """
    project = Project.objects.create(
        title=title,
        organisation=organisation,
        starts_at=starts_at,
        ends_at=ends_at,
        award_code=award_code,
        data_days=data_days,
        made_at=now,
    )
    Membership.objects.create(project=project, person=lead, kind=rules.MembershipKind.LEAD)
    log("project.opened", project.code, by=by, now=now, award=award_code, lead=lead.code)
    return project


@action
def add_member(
    project: Project, person: Person, *, kind: rules.MembershipKind, by: Person, now: datetime
) -> Membership:
    """Take a person into a project, or change what they are in it.

    Raises NotAllowed project.add_member.not_lead, Refused project.add_member.last_lead.
    """
    if not (access.is_lead(by, project) or access.is_operator(by)):
        raise NotAllowed(
            "project.add_member.not_lead", _("Only a lead of the project can take people in.")
        )
    others = Membership.objects.select_for_update().filter(
        project=project, kind=rules.MembershipKind.LEAD
    )
    leads = {row.person_id for row in others}
    if kind is not rules.MembershipKind.LEAD and leads == {person.pk}:
        raise Refused(
            "project.add_member.last_lead",
            _("{name} is the only lead. Name another lead first."),
            name=person.name,
        )
    row, _made = Membership.objects.update_or_create(
        project=project, person=person, defaults={"kind": kind}
    )
    log("project.member_added", project.code, by=by, now=now, person=person.code, kind=kind)
    return row


@action
def extend_project(
    project: Project, *, ends_at: datetime, by: Person | None, now: datetime
) -> Project:
    """Let a project run longer. The caller has asked who may, and whether its mode allows it.

    Raises Refused project.extend.not_now, project.extend.over, project.extend.not_later.
    """
    project = _locked(project)
    rules.PROJECT.after("extend", project.state)
    rules.check_extension(project.ends_at, ends_at, now)

    before, project.ends_at = project.ends_at, ends_at
    project.save(update_fields=["ends_at"])
    log(
        "project.extended",
        project.code,
        by=by,
        now=now,
        before=before.isoformat(),
        ends_at=ends_at.isoformat(),
    )
    return project


@action
def change_lead(project: Project, *, lead: Person, by: Person | None, now: datetime) -> Project:
    """Make a person the only lead; who led before stays a member. The caller has asked who may.

    A person who is the only lead already changes nothing.

    Raises Refused project.change_lead.closed, project.change_lead.not_active.
    """
    project = _locked(project)
    if project.state is rules.ProjectState.CLOSED:
        raise Refused(
            "project.change_lead.closed",
            _("{project} is closed: nobody leads it any more."),
            project=project.code,
        )
    if not lead.is_active:
        raise Refused(
            "project.change_lead.not_active",
            _("{name} cannot sign in any more. Name somebody else."),
            name=lead.name,
        )
    leads = Membership.objects.filter(project=project, kind=rules.MembershipKind.LEAD)
    before = sorted(leads.values_list("person__code", flat=True))
    if before == [lead.code]:
        return project

    leads.exclude(person=lead).update(kind=rules.MembershipKind.MEMBER)
    Membership.objects.update_or_create(
        project=project, person=lead, defaults={"kind": rules.MembershipKind.LEAD}
    )
    log("project.lead_changed", project.code, by=by, now=now, before=before, lead=lead.code)
    return project


@action
def transfer_project(
    project: Project, *, organisation: Organisation, by: Person | None, now: datetime
) -> Project:
    """Hand a project to another organisation. The caller has asked who may.

    Raises Refused project.transfer.not_now, project.transfer.same_organisation.
    """
    project = _locked(project)
    rules.PROJECT.after("transfer", project.state)
    if project.organisation_id == organisation.pk:
        raise Refused(
            "project.transfer.same_organisation",
            _("{project} is a project of {name} already."),
            project=project.code,
            name=organisation.name,
        )

    before, project.organisation = project.organisation.code, organisation
    project.save(update_fields=["organisation"])
    log(
        "project.transferred",
        project.code,
        by=by,
        now=now,
        before=before,
        organisation=organisation.code,
    )
    return project


@action
def wind_up(project: Project, *, by: Person | None, now: datetime) -> Project:
    """End a project: no new work, and what is left to hand in is handed in.

    A project with time left ends now; one that never began keeps its first second, so that its
    period stays a period. The caller has asked who may.

    Raises Refused project.wind_up.not_now.
    """
    project = _locked(project)
    project.state = rules.PROJECT.after("wind_up", project.state)

    project.ends_at = rules.ended_early(project.starts_at, project.ends_at, now)
    project.save(update_fields=["state", "ends_at"])
    log("project.wound_up", project.code, by=by, now=now, ends_at=project.ends_at.isoformat())
    return project


@action
def close(project: Project, *, by: Person | None, now: datetime) -> Project:
    """Close a project that is wound up: nothing is due any more. The caller has asked who may.

    Raises Refused project.close.not_now.
    """
    project = _locked(project)
    project.state = rules.PROJECT.after("close", project.state)

    project.save(update_fields=["state"])
    log("project.closed", project.code, by=by, now=now)
    return project


def _locked(project: Project) -> Project:
    return (
        Project.objects.select_for_update(of=("self",))  # type: ignore[no-any-return]
        .select_related("organisation")
        .get(pk=project.pk)
    )
