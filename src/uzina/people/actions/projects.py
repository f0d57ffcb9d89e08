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
) -> Project:
    """Open a project with its lead. The caller has asked who may: an award was accepted.

    Raises IntegrityError when the award has a project already.
    """
    project = Project.objects.create(
        title=title,
        organisation=organisation,
        starts_at=starts_at,
        ends_at=ends_at,
        award_code=award_code,
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
