"""Jobs whose data may no longer be used: refused, stopped before they begin, or told of."""

import hashlib
from datetime import timedelta

import pytest
from django.utils import timezone

from uzina.catalogue import actions as catalogue
from uzina.catalogue.models import Dataset, Evidence
from uzina.compute import actions, tasks
from uzina.compute.models import Job
from uzina.compute.rules import JobState
from uzina.compute.tests.conftest import HOUR, balance, spec
from uzina.core.errors import Refused
from uzina.people import actions as people
from uzina.people.models import Message
from uzina.people.rules import OrganisationKind

pytestmark = pytest.mark.django_db


@pytest.fixture
def grant(stranger, ana, project):
    """A permission of Ana's project to use the stranger's restricted dataset health-texts."""
    now = timezone.now()
    catalogue.seed_licences(now=now)
    holder = people.register_organisation(
        people.OrganisationFacts(
            name="Institut",
            kind=OrganisationKind.PUBLIC,
            country="RO",
            headcount=90,
            turnover_eur=0,
            balance_eur=0,
        ),
        by=stranger,
        now=now,
    )
    dataset = catalogue.register_dataset(
        slug="health-texts",
        title="Texte",
        description="Texte.",
        licence="cc-by-4.0",
        languages=["ro"],
        holder=holder,
        project=None,
        by=stranger,
        now=now,
    )
    body = b"Bun"
    sha256 = hashlib.sha256(body).hexdigest()
    catalogue.upload(sha256, iter([body]), size=len(body), by=stranger, now=now)
    files = [{"path": "a.txt", "bytes": len(body), "sha256": sha256}]
    catalogue.add_version(dataset, files=files, note="First.", by=stranger, now=now)
    Dataset.objects.filter(pk=dataset.pk).update(
        state="published", access_right="restricted", published_at=now
    )
    request = catalogue.ask_access(
        dataset,
        project=project,
        purpose="research",
        why="To count.",
        legal_basis="",
        place="RO",
        until=now + timedelta(days=30),
        by=ana,
        now=now,
    )
    return catalogue.grant_access(request, until=request.until, reason="", by=stranger, now=now)


def submit(project, ana):
    inputs = [{"dataset": "health-texts", "version": 1, "at": "texts"}]
    return actions.submit(project, spec=spec(inputs=inputs), by=ana, now=timezone.now(), key="one")


def revoked(grant, stranger):
    catalogue.revoke_access(grant, reason="Over.", by=stranger, now=timezone.now())
    tasks.access_over(
        event="access.revoked",
        subject=grant.code,
        facts={"dataset": "health-texts", "project": grant.project.code},
        now=timezone.now(),
    )


def told(person):
    return [one.kind for one in Message.objects.filter(to=person, kind="compute.data_lost")]


def test_a_job_that_waits_is_stopped_its_hours_given_back_and_its_owner_told_once(
    grant, stranger, project, ana, allocation
):
    job = submit(project, ana)
    revoked(grant, stranger)
    revoked_again = {"dataset": "health-texts", "project": project.code}
    tasks.access_over(
        event="access.revoked", subject=grant.code, facts=revoked_again, now=timezone.now()
    )
    job.refresh_from_db()
    assert job.state is JobState.CANCELLED
    assert balance(allocation).free == 10 * HOUR
    assert told(ana) == ["compute.data_lost"]
    assert not Evidence.objects.exists()
    grant.refresh_from_db()
    assert grant.running_jobs == []


def test_a_job_handed_over_after_the_end_never_begins(grant, stranger, project, ana, allocation):
    job = submit(project, ana)
    catalogue.revoke_access(grant, reason="Over.", by=stranger, now=timezone.now())
    tasks.hand_over(job=job.code, now=timezone.now())
    job.refresh_from_db()
    assert (job.state, job.reason) == (JobState.FAILED, "AccessOver")
    assert balance(allocation).free == 10 * HOUR
    assert told(ana) == ["compute.data_lost"]


def test_a_running_job_goes_on_is_listed_and_its_owner_told(
    grant, stranger, project, ana, allocation
):
    job = submit(project, ana)
    Job.objects.filter(pk=job.pk).update(state=JobState.RUNNING, started_at=timezone.now())
    revoked(grant, stranger)
    job.refresh_from_db()
    grant.refresh_from_db()
    assert job.state is JobState.RUNNING
    assert grant.running_jobs == [job.code]
    assert told(ana) == ["compute.data_lost"]


def test_a_job_that_another_permission_covers_is_left_alone(
    grant, stranger, project, ana, allocation
):
    now = timezone.now()
    second = catalogue.ask_access(
        grant.dataset,
        project=project,
        purpose="commercial",
        why="To count more.",
        legal_basis="",
        place="RO",
        until=now + timedelta(days=60),
        by=ana,
        now=now,
    )
    catalogue.grant_access(second, until=second.until, reason="", by=stranger, now=now)
    job = submit(project, ana)
    revoked(grant, stranger)
    job.refresh_from_db()
    assert job.state is JobState.CREATED
    assert told(ana) == []


def test_nothing_is_submitted_without_permission_and_nothing_is_held(
    grant, stranger, project, ana, allocation
):
    catalogue.revoke_access(grant, reason="Over.", by=stranger, now=timezone.now())
    with pytest.raises(Refused) as refused:
        submit(project, ana)
    assert refused.value.code == "version.use.no_access"
    assert not Job.objects.exists()
    assert balance(allocation).free == 10 * HOUR
