"""What becomes of a project after it was opened."""

from datetime import timedelta

import pytest

from uzina.core.errors import Refused
from uzina.core.models import LogEntry
from uzina.core.tests import NOW
from uzina.people import actions
from uzina.people.models import Membership, Project
from uzina.people.rules import MembershipKind, OrganisationKind

pytestmark = pytest.mark.django_db

TICK = timedelta(microseconds=1)
ENDS = NOW + timedelta(days=90)


@pytest.fixture
def project(ana, org):
    return actions.open_project(
        org,
        title="A language model",
        lead=ana,
        starts_at=NOW,
        ends_at=ENDS,
        award_code="",
        by=None,
        now=NOW,
    )


def logged(event):
    return LogEntry.objects.filter(event=event)


def untouched(project, event):
    kept = Project.objects.get(pk=project.pk)
    return (kept.state, kept.ends_at, kept.organisation_id) == (
        project.state,
        project.ends_at,
        project.organisation_id,
    ) and not logged(event).exists()


def leads(project):
    rows = Membership.objects.filter(project=project, kind=MembershipKind.LEAD)
    return list(rows.values_list("person__email", flat=True))


def test_a_running_project_is_extended_by_a_tick_at_least(project, operator):
    with pytest.raises(Refused) as refused:
        actions.extend_project(project, ends_at=ENDS, by=operator, now=NOW)
    assert refused.value.code == "project.extend.not_later"
    assert untouched(project, "project.extended")

    extended = actions.extend_project(project, ends_at=ENDS + TICK, by=operator, now=ENDS - TICK)

    assert extended.ends_at == ENDS + TICK
    (entry,) = logged("project.extended")
    assert entry.facts == {"before": ENDS.isoformat(), "ends_at": (ENDS + TICK).isoformat()}
    assert entry.actor == operator.code


def test_a_project_that_has_ended_is_not_extended(project, operator):
    with pytest.raises(Refused) as refused:
        actions.extend_project(project, ends_at=ENDS + TICK, by=operator, now=ENDS)
    assert refused.value.code == "project.extend.over"
    assert untouched(project, "project.extended")


def test_a_project_gets_one_new_lead_and_the_old_one_stays_a_member(
    project, ana, operator, stranger
):
    actions.change_lead(project, lead=stranger, by=operator, now=NOW)
    actions.change_lead(project, lead=stranger, by=operator, now=NOW)

    assert leads(project) == [stranger.email]
    assert Membership.objects.get(project=project, person=ana).kind == MembershipKind.MEMBER
    (entry,) = logged("project.lead_changed")
    assert entry.facts == {"before": [ana.code], "lead": stranger.code}


def test_who_cannot_sign_in_any_more_does_not_become_the_lead(project, ana, operator, stranger):
    stranger.is_active = False
    with pytest.raises(Refused) as refused:
        actions.change_lead(project, lead=stranger, by=operator, now=NOW)
    assert refused.value.code == "project.change_lead.not_active"
    assert leads(project) == [ana.email]
    assert not logged("project.lead_changed").exists()


def test_a_project_is_handed_to_another_organisation_but_not_to_its_own(
    project, ana, org, operator
):
    with pytest.raises(Refused) as refused:
        actions.transfer_project(project, organisation=org, by=operator, now=NOW)
    assert refused.value.code == "project.transfer.same_organisation"
    assert untouched(project, "project.transferred")

    heir = actions.register_organisation(
        actions.OrganisationFacts(name="Heir", kind=OrganisationKind.SME, country="RO"),
        by=ana,
        now=NOW,
    )
    moved = actions.transfer_project(project, organisation=heir, by=operator, now=NOW)

    assert moved.organisation == heir
    (entry,) = logged("project.transferred")
    assert entry.facts == {"before": org.code, "organisation": heir.code}


@pytest.mark.parametrize(
    ("now", "ends_at"),
    [
        (NOW - timedelta(days=1), NOW + timedelta(seconds=1)),
        (NOW, NOW + timedelta(seconds=1)),
        (NOW + timedelta(days=2), NOW + timedelta(days=2)),
        (ENDS, ENDS),
        (ENDS + timedelta(days=2), ENDS),
    ],
)
def test_winding_up_ends_a_project_now_and_never_later_than_it_would_have(project, now, ends_at):
    wound_up = actions.wind_up(project, by=None, now=now)
    assert (wound_up.state, wound_up.ends_at) == ("closing", ends_at)


def test_a_project_is_closed_after_it_was_wound_up_and_then_nothing_moves(
    project, org, operator, stranger
):
    with pytest.raises(Refused) as refused:
        actions.close(project, by=operator, now=NOW)
    assert refused.value.code == "project.close.not_now"
    assert untouched(project, "project.closed")

    actions.wind_up(project, by=operator, now=ENDS)
    closed = actions.close(project, by=operator, now=ENDS)

    assert closed.state == "closed"
    for again in (
        lambda: actions.wind_up(project, by=operator, now=ENDS),
        lambda: actions.close(project, by=operator, now=ENDS),
        lambda: actions.extend_project(project, ends_at=ENDS + TICK, by=operator, now=NOW),
        lambda: actions.transfer_project(project, organisation=org, by=operator, now=NOW),
        lambda: actions.change_lead(project, lead=stranger, by=operator, now=NOW),
    ):
        with pytest.raises(Refused):
            again()
    assert logged("project.wound_up").count() == logged("project.closed").count() == 1
