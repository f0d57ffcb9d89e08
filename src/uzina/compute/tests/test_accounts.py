"""Accounts, users and limits of a cluster: what there shall be, and getting there."""

from dataclasses import replace

import pytest
from django.conf import settings
from django.test import override_settings
from django.utils import timezone

from uzina.compute import actions, queries, rules
from uzina.compute.models import Job, SiteUser
from uzina.compute.tests.conftest import spec
from uzina.core.errors import NotAllowed, Refused
from uzina.core.models import LogEntry
from uzina.core.tests import NOW


def configured(**changes):
    """Return settings with changes to [scheduler]."""
    config = settings.UZINA
    return override_settings(UZINA=replace(config, scheduler=replace(config.scheduler, **changes)))


@pytest.fixture
def cluster(db):
    return queries.cluster()


# --- who is who ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "root", "Ana", "9ana", "ana pop", "a" * 33, "ana\n", "-ana"])
def test_a_name_no_job_may_run_as_is_refused_and_leaves_no_trace(cluster, ana, operator, name):
    with pytest.raises(Refused) as refused:
        actions.map_person(cluster, ana, name=name, by=operator, now=NOW)

    assert refused.value.code == "site_user.map.bad_name"
    assert not SiteUser.objects.exists()
    assert not LogEntry.objects.filter(event="site_user.mapped").exists()


@pytest.mark.parametrize("name", ["ana", "_svc", "ana.pop", "a" * 32, "u-1_2"])
def test_an_operator_maps_a_person_to_a_name_once(cluster, ana, operator, name):
    for _ in range(2):
        actions.map_person(cluster, ana, name=name, by=operator, now=NOW)

    assert SiteUser.objects.get().name == name
    assert LogEntry.objects.filter(event="site_user.mapped", subject=ana.code).count() == 1


def test_a_name_belongs_to_one_person_and_a_person_may_change_it(cluster, ana, stranger, operator):
    actions.map_person(cluster, ana, name="ana", by=operator, now=NOW)
    with pytest.raises(Refused) as refused:
        actions.map_person(cluster, stranger, name="ana", by=operator, now=NOW)
    assert refused.value.code == "site_user.map.taken"

    actions.map_person(cluster, ana, name="apop", by=operator, now=NOW)
    actions.map_person(cluster, stranger, name="ana", by=operator, now=NOW)

    assert dict(SiteUser.objects.values_list("person__name", "name")) == {
        ana.name: "apop",
        stranger.name: "ana",
    }


def test_only_operators_say_who_is_who(cluster, ana, auditor):
    for person in (ana, auditor):
        with pytest.raises(NotAllowed) as refused:
            actions.map_person(cluster, ana, name="ana", by=person, now=NOW)
        assert refused.value.code == "site_user.map.not_operator"
    assert not SiteUser.objects.exists()


def test_without_a_user_name_nothing_is_taken_on_and_the_refusal_says_whom_to_ask(
    ana, project, allocation
):
    with configured(identity="person"), pytest.raises(Refused, match="Ask an operator") as refused:
        actions.submit(project, spec=spec(), by=ana, now=timezone.now(), key="one")

    assert refused.value.code == "job.submit.no_site_user"
    assert "factory@example.org" in str(refused.value)
    assert not Job.objects.exists()
    with configured(identity="person"), pytest.raises(Refused):
        queries.price(project, spec=spec(), by=ana, now=timezone.now())


def test_a_job_keeps_as_whom_and_for_which_account_it_goes(
    cluster, ana, operator, project, allocation
):
    actions.map_person(cluster, ana, name="ana", by=operator, now=NOW)
    shared = actions.submit(project, spec=spec(), by=ana, now=timezone.now(), key="shared")
    with configured(identity="person", accounts="project", account="uzina"):
        own = actions.submit(project, spec=spec(), by=ana, now=timezone.now(), key="own")

    assert (shared.site_user, shared.site_account) == ("", "")
    assert (own.site_user, own.site_account) == ("ana", f"uz-{project.code.lower()}")
    assert own.site_account == rules.account_name("uz-", project.code)
