"""What the public page of data says of the jobs that used them."""

import pytest
from django.test import Client

from uzina.calls.tests.accepted import accepted, national
from uzina.catalogue import actions, queries
from uzina.catalogue.tests.conftest import right
from uzina.core.tests import NOW
from uzina.people import actions as people
from uzina.people.rules import MembershipKind

SHY, PROUD, OWN = "JOB-SHY222", "JOB-PRD333", "JOB-OWN444"


def shown(person):
    client = Client()
    if person is not None:
        client.force_login(person)
    return client.get("/datasets/ro-corpus/").content.decode()


@pytest.fixture
def used(dataset, version, project, ana, org, operator, tmp_path):
    """Public data that jobs of three projects used, one of which agreed to be named."""
    call = national(operator)
    shy = accepted(call, org, ana, may_publish=False, title="Secret plan").its_project
    proud = accepted(call, org, ana, title="Open plan").its_project
    actions.publish(dataset, by=ana, now=NOW)
    jobs = {SHY: shy, PROUD: proud, OWN: project}
    for code, one in jobs.items():
        actions.stage(version, to=tmp_path / code, by=ana, project=one, now=NOW, subject=code)
    return jobs


def test_visitors_see_how_many_jobs_used_data_and_who_agreed_to_be_named(used, stranger):
    for page in (shown(None), shown(stranger)):
        assert "3 jobs" in page
        assert "Open plan, " in page
        assert "Secret plan" not in page
        assert not [code for code in used if code in page]


def test_who_may_see_a_job_sees_its_code_and_who_holds_the_data_sees_all(
    used, stranger, ana, operator, auditor
):
    people.add_member(used[SHY], stranger, kind=MembershipKind.MEMBER, by=ana, now=NOW)
    mine = shown(stranger)
    assert [code for code in used if code in mine] == [SHY]
    for person in (ana, operator, auditor):
        page = shown(person)
        assert [code for code in used if code in page] == list(used)


def test_the_job_that_made_a_version_is_named_to_who_holds_the_data(
    api, dataset, send, ana, stranger
):
    files = [send(ana, "a.txt", b"a")]
    actions.add_version(dataset, files=files, note="", by=ana, now=NOW, made_by_job="JOB-7Q3K2M")
    right(actions.publish(dataset, by=ana, now=NOW), "restricted")
    for address in ("/datasets/ro-corpus/", "/datasets/ro-corpus/versions/1/"):
        client = Client()
        page = client.get(address).content.decode()
        assert "JOB-7Q3K2M" not in page
        assert "a job" in page
        client.force_login(ana)
        assert "JOB-7Q3K2M" in client.get(address).content.decode()
    base = "/api/v1/catalogue/datasets/ro-corpus"
    for person, code in ((stranger, ""), (ana, "JOB-7Q3K2M")):
        listed = api(person).get(base).json()["version_list"]
        told = api(person).get(f"{base}/versions/1").json()
        assert [one["made_by_job"] for one in (*listed, told)] == [code, code]


@pytest.mark.parametrize("count", [1, 3])
def test_uses_cost_the_same_statements_for_one_and_three(
    version, stranger, project, tmp_path, django_assert_num_queries, count
):
    for at in range(count):
        code = f"JOB-{at}22222"
        actions.stage(version, to=tmp_path, by=None, project=project, now=NOW, subject=code)
    with django_assert_num_queries(3):
        uses = queries.job_uses(version.dataset, seen_by=stranger, may_see_all=False, most=9)
    assert (uses.total, uses.projects, uses.shown) == (count, [project.pk], [])
