"""Reads about jobs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.db.models import QuerySet

from uzina.compute import rules
from uzina.compute.models import Cluster, Job
from uzina.compute.queries.accounts import site_user
from uzina.compute.queries.usage import tariff
from uzina.core.errors import Refused
from uzina.core.text import _
from uzina.ledger import queries as ledger
from uzina.ledger import rules as ledger_rules
from uzina.ledger.models import Allocation
from uzina.people import access as people_access
from uzina.people import queries as people
from uzina.people.models import Person, Project


def job(code: str) -> Job:
    """Return the job of a code. Raises Job.DoesNotExist."""
    return Job.objects.select_related("project", "cluster", "submitted_by").get(code=code)  # type: ignore[no-any-return]


def visible_project(person: Person, code: str) -> Project | None:
    """Return the project of a code if the person may see its jobs."""
    found = people.project(code)
    if found is None:
        return None
    may_see = (
        people_access.is_operator(person)
        or people_access.is_auditor(person)
        or people_access.is_member(person, found)
    )
    return found if may_see else None


def jobs_of(project: Project) -> QuerySet[Job]:
    """Return a project's jobs, newest first."""
    return Job.objects.filter(project=project).order_by("-pk")  # type: ignore[no-any-return]


def open_jobs_with(*, project: str, dataset: str) -> list[Job]:
    """Return the jobs of a project that have not ended and read a dataset, oldest first."""
    rows = (
        Job.objects.filter(project__code=project, state__in=rules.OPEN)
        .select_related("project", "submitted_by")
        .order_by("pk")
    )
    return [
        job for job in rows if any(one["dataset"] == dataset for one in job.spec.get("inputs", ()))
    ]


def successor(job: Job) -> Job | None:
    """Return the job that went on in this one's run directory, the latest of several."""
    return Job.objects.filter(run_dir=job.run_dir, pk__gt=job.pk).order_by("-pk").first()  # type: ignore[no-any-return]


def run_dir(job: Job) -> Path:
    """Return where the job runs and leaves its files."""
    return Path(job.run_dir)


def has_unsettled(cluster: Cluster) -> bool:
    """Tell whether any job is not over for the ledger."""
    return Job.objects.filter(cluster=cluster, settled_at=None).exists()  # type: ignore[no-any-return]


def on_cluster(cluster: Cluster) -> list[Job]:
    """Return the open jobs that the cluster has, oldest first, without what is big about them."""
    jobs = Job.objects.filter(cluster=cluster, settled_at=None, state__in=rules.OPEN)
    return list(jobs.exclude(native_id="").defer("spec", "effort", "door").order_by("pk"))


def unsettled(cluster: Cluster) -> list[Job]:
    """Return the jobs that ended and are not over for the ledger, oldest first."""
    jobs = Job.objects.filter(cluster=cluster, settled_at=None, state__in=rules.ENDED)
    return list(jobs.order_by("pk"))


def open_allocation(project: Project, *, amount: int, now: datetime) -> Allocation:
    """Return the allocation a job is held on: the one that ends first among those with room.

    amount  GPU-milliseconds. Where none has room, the fullest, so that the refusal of the hold
            says how much is left.

    Raises Refused job.submit.no_allocation.
    """
    open_now = [
        one
        for one in ledger.allocations_of(project)
        if one.resource_id == ledger.gpu_hours().pk
        and one.state in {"pending", "active"}
        and one.starts_at <= now < one.ends_at
    ]
    if not open_now:
        raise Refused(
            "job.submit.no_allocation",
            _(
                "{project} has no GPU-hours to spend today. Look at its allocations: one may not "
                "have begun, be frozen, or be over."
            ),
            project=project.code,
        )
    free = {pk: balance.free for pk, balance in ledger.balances(open_now).items()}
    roomy = [one for one in open_now if free[one.pk] >= amount]
    if roomy:
        return min(roomy, key=lambda one: (one.ends_at, one.pk))
    return max(open_now, key=lambda one: (free[one.pk], -one.pk))


@dataclass(frozen=True)
class Price:
    """What a job would set aside, and of which allocation. GPU-milliseconds."""

    held_gpu_ms: int
    free_gpu_ms: int
    allocation: Allocation

    @property
    def left_gpu_ms(self) -> int:
        """What would be free while the job waits and runs."""
        return self.free_gpu_ms - self.held_gpu_ms


def price(
    project: Project,
    *,
    spec: rules.JobSpec,
    by: Person | None,
    now: datetime,
    before: Sequence[rules.JobSpec] = (),
) -> Price:
    """Return what a job would set aside, and those that come before it, holding nothing yet.

    Raises Refused job.submit.no_site_user, job.submit.no_allocation and what a hold of that size
    would be refused with.
    """
    site_user(by)
    amount = sum(rules.hold_amount(one, tariff(one.partition, now=now)) for one in (*before, spec))
    allocation = open_allocation(project, amount=amount, now=now)
    free = ledger.balance(allocation).free
    ledger_rules.check_hold(
        state=allocation.state,
        starts_at=allocation.starts_at,
        ends_at=allocation.ends_at,
        free=free,
        amount=amount,
        now=now,
    )
    return Price(amount, free, allocation)


def cost_so_far(job: Job, *, now: datetime) -> int:
    """Return GPU-milliseconds: what was charged, or what a running job has used until now, at the
    price of a second that its hold was reckoned with.
    """
    if job.gpu_ms is not None:
        return job.gpu_ms
    if job.started_at is None:
        return 0
    elapsed_s = max(0, int(((job.ended_at or now) - job.started_at).total_seconds()))
    return job.held_gpu_ms * elapsed_s // job.time_limit_s


def why(job: Job) -> str:
    """Return, in English, why the job waits or how it ended; "" where there is nothing to say."""
    if job.state in rules.OPEN and job.state is not rules.JobState.CREATED:
        if job.cluster.silent_since is not None:
            return rules.reason_in_words("Silent")
        if job.state is rules.JobState.RUNNING and job.reason != "Unmeasured":
            return ""
    return rules.reason_in_words(job.reason)
