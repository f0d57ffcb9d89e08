"""Reads worth a name. Each says how many queries it costs."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Case, Count, F, Q, QuerySet, Sum, Value, When
from django.db.models.functions import Coalesce, TruncHour, TruncMonth

from uzina.ledger import rules
from uzina.ledger.models import Account, Allocation, Posting, Resource, Transfer
from uzina.people.models import Project

BURN_DOWN_POINTS = 200
"""As many as a chart 800 pixels wide can show apart."""


def gpu_hours() -> Resource:
    """Return the resource that GPU time is counted in. One query."""
    return Resource.objects.get(slug="gpu-hours")


def allocation(code: str) -> Allocation:
    """Return the allocation of that code. One query."""
    return Allocation.objects.get(code=code)  # type: ignore[no-any-return]


def allocations_of(project: Project) -> QuerySet[Allocation]:
    """Return the project's allocations of GPU-hours, newest first."""
    rows = Allocation.objects.filter(project=project, resource__slug="gpu-hours")
    return rows.order_by("-pk")  # type: ignore[no-any-return]


def storage_allocations(project: Project) -> QuerySet[Allocation]:
    """Return the project's allocations of storage, newest first."""
    rows = Allocation.objects.filter(project=project, resource__slug="storage")
    return rows.order_by("-pk")  # type: ignore[no-any-return]


def storage_mb(project: Project) -> int | None:
    """Return the storage a project was granted, MB of 10**6 bytes; None for no grant. One query.

    Whether the period is over does not matter: a project's spaces end by its own date.
    """
    granted = Account.objects.filter(
        allocation__project=project,
        allocation__resource__slug="storage",
        kind__in=rules.ALLOCATION_KINDS,
    ).aggregate(sum=Sum("balance"))["sum"]
    return None if granted is None else int(granted)


def funded_projects(*, since: datetime, until: datetime) -> QuerySet[Allocation, int]:
    """Return the ids of the projects that may spend hours in a part of [since, until)."""
    open_then = Allocation.objects.filter(
        resource__slug="gpu-hours",
        state__in=["pending", "active"],
        starts_at__lt=until,
        ends_at__gt=since,
    )
    return open_then.values_list("project", flat=True).distinct()  # type: ignore[no-any-return]


def gpu_allocations(projects: Collection[int]) -> list[Allocation]:
    """Return the allocations of GPU-hours of many projects, given by id, oldest first. One query."""
    return list(
        Allocation.objects.filter(project__in=projects, resource__slug="gpu-hours").order_by("pk")
    )


@dataclass(frozen=True)
class Month:
    """What a month changed in the hours of allocations. month: its first midnight in the zone."""

    month: datetime
    granted: int
    used: int
    expired: int


def months(allocations: Collection[Allocation], *, zone: ZoneInfo) -> list[Month]:
    """Return what was granted (and given back), used and expired in each month, oldest first.

    used  with what ran over the grant, less what was given back by hand. One query.
    """
    rows = (
        Posting.objects.filter(account__allocation__in=allocations)
        .order_by()
        .values_list(TruncMonth("transfer__at", tzinfo=zone), "account__kind")
        .annotate(Sum("amount"))
    )
    found: dict[datetime, Counter[str]] = {}
    for month, kind, amount in rows:
        found.setdefault(month, Counter())[kind] += amount
    kinds = rules.AccountKind
    return [
        Month(
            month,
            found[month].total(),
            found[month][kinds.SPENT],
            found[month][kinds.EXPIRED],
        )
        for month in sorted(found)
    ]


def funded(accounts: Collection[int]) -> dict[int, int]:
    """Return what funders put into each of the accounts that calls grant from. One query."""
    rows = Posting.objects.filter(account__in=accounts, transfer__kind=rules.TransferKind.FUND)
    return dict(rows.order_by().values_list("account").annotate(Sum("amount")))


@dataclass(frozen=True)
class ProjectHours:
    """What a project may still use now: free and set aside, of its open allocations."""

    project_id: int
    code: str
    state: str
    left: int


def project_hours(*, now: datetime) -> list[ProjectHours]:
    """Return every project that ever had GPU-hours, with what is left of them now. One query.

    Nothing is left of an allocation that is frozen, has ended or has not begun.
    """
    is_open = Q(
        allocation__state__in=[rules.AllocationState.PENDING, rules.AllocationState.ACTIVE],
        allocation__starts_at__lte=now,
        allocation__ends_at__gt=now,
    )
    rows = (
        Account.objects.filter(
            allocation__resource__slug="gpu-hours",
            kind__in=[rules.AccountKind.FREE, rules.AccountKind.HELD],
        )
        .values_list(
            "allocation__project", "allocation__project__code", "allocation__project__state"
        )
        .annotate(left=Coalesce(Sum("balance", filter=is_open), Value(0)))
        .order_by("allocation__project")
    )
    return [ProjectHours(*row) for row in rows]


def booked_by_project() -> dict[str, int]:
    """Return what each project was ever charged of GPU-hours, by its code. Two queries.

    What was given back by hand counts as charged: it was used, and somebody waived it.
    """
    found = Counter[str]()
    spent = Account.objects.filter(
        allocation__resource__slug="gpu-hours", kind=rules.AccountKind.SPENT
    ).values_list("allocation__project__code")
    found.update(dict(spent.annotate(Sum("balance")).order_by()))
    refunded = Transfer.objects.filter(
        allocation__resource__slug="gpu-hours", kind=rules.TransferKind.REFUND
    ).values_list("allocation__project__code")
    found.update(dict(refunded.annotate(Sum("amount")).order_by()))
    return dict(found)


def allocations_by_id(ids: Collection[int]) -> dict[int, Allocation]:
    """Return allocations by their ids. One query."""
    return dict(Allocation.objects.in_bulk(list(ids)))


def hold_of(key: str) -> Transfer:
    """Return the hold placed with that key. One query."""
    return Transfer.objects.get(key=key, kind=rules.TransferKind.HOLD)


def balance(allocation: Allocation) -> rules.Balance:
    """Return what became of an allocation's hours. One query."""
    return balances([allocation])[allocation.pk]


def balances(allocations: "list[Allocation] | QuerySet[Allocation]") -> dict[int, rules.Balance]:
    """Return the balance of each allocation by its id. One query for all of them."""
    found: dict[int, dict[str, int]] = {}
    rows = Account.objects.filter(allocation__in=allocations)
    for pk, kind, amount in rows.values_list("allocation", "kind", "balance"):
        found.setdefault(pk or 0, {})[kind] = amount
    return {pk: rules.balance_of(kinds) for pk, kinds in found.items()}


def is_slow(allocation: Allocation) -> bool:
    """Tell whether new jobs go behind everybody else's, the hours being near their end. One query."""
    return rules.is_slow(allocation.policy, balance(allocation))


def statement(
    allocation: Allocation, *, last: int | None = None, before: int | None = None
) -> list[rules.Line]:
    """Return the lines of an allocation's statement, newest last.

    last    at most so many, the newest
    before  only lines numbered below it

    Three queries, and memory for the lines returned only.
    """
    transfers = Transfer.objects.filter(allocation=allocation).order_by("pk")
    end = transfers.count()
    if before is not None:
        end = max(0, min(end, before - 1))
    start = 0 if last is None else max(0, end - last)
    rows = list(transfers[start:end]) if start < end else []
    if not rows:
        return []
    postings = Posting.objects.filter(account__allocation=allocation)
    first, final = rows[0].pk, rows[-1].pk
    changes: dict[int, dict[str, int]] = {}
    shown = postings.filter(transfer__gte=first, transfer__lte=final)
    for transfer, kind, amount in shown.values_list("transfer", "account__kind", "amount"):
        changes.setdefault(transfer, {})[kind] = amount
    opening: Mapping[str, int] = {}
    if start:
        sums = postings.filter(transfer__lt=first).values_list("account__kind")
        opening = dict(sums.annotate(Sum("amount")))
    return rules.lines(
        (_movement(row, changes[row.pk]) for row in rows), first=start + 1, opening=opening
    )


def _movement(transfer: Transfer, changes: Mapping[str, int]) -> rules.Movement:
    return rules.Movement(
        kind=rules.TransferKind(transfer.kind),
        at=transfer.at,
        amount=transfer.amount,
        subject=transfer.subject,
        reason=transfer.reason,
        by_code=transfer.by_code,
        key=transfer.key,
        changes=changes,
    )


def burn_down(allocation: Allocation) -> list[tuple[datetime, int]]:
    """Return how much was spent in all at each instant something was spent or refunded.

    At most BURN_DOWN_POINTS of them, in order; empty before the first job. One query.
    """
    rows = (
        Posting.objects.filter(
            account__allocation=allocation, account__kind=rules.AccountKind.SPENT
        )
        .order_by("transfer")
        .values_list("transfer__at", "amount")
    )
    spent, points = 0, []
    for at, amount in rows.iterator(chunk_size=2000):
        spent += amount
        points.append((at, spent))
    return rules.thinned(points, BURN_DOWN_POINTS)


def forecast(allocation: Allocation, now: datetime) -> rules.Forecast:
    """Return how long an allocation's hours last at the pace of the last weeks. Two queries.

    Pace is what was booked, and corrected, in the hours before now; refunds are not slower use.
    """
    rows = (
        Posting.objects.filter(
            account__allocation=allocation,
            account__kind=rules.AccountKind.SPENT,
            transfer__at__gt=now - timedelta(days=rules.LOOK_BACK_DAYS),
        )
        .exclude(transfer__kind=rules.TransferKind.REFUND)
        .values_list(TruncHour("transfer__at", tzinfo=UTC))
        .annotate(Sum("amount"))
    )
    return rules.forecast(
        state=allocation.state,
        starts_at=allocation.starts_at,
        ends_at=allocation.ends_at,
        balance=balance(allocation),
        days=rules.daily(rows, now),
        now=now,
    )


def due(now: datetime) -> tuple[list[Allocation], list[Allocation]]:
    """Return the allocations to open and those to end at this time. One query."""
    rows = Allocation.objects.exclude(state=rules.AllocationState.ENDED).filter(
        Q(ends_at__lte=now) | Q(state=rules.AllocationState.PENDING, starts_at__lte=now)
    )
    opening: list[Allocation] = []
    ending: list[Allocation] = []
    for row in rows.order_by("pk"):
        (ending if row.ends_at <= now else opening).append(row)
    return opening, ending


# --- the proof ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Books:
    """What a check of the books counted, and what it found wrong."""

    accounts: int
    transfers: int
    postings: int
    problems: list[str]

    @property
    def balanced(self) -> bool:
        """Whether nothing was found wrong."""
        return not self.problems

    def __str__(self) -> str:
        verdict = "the books balance" if self.balanced else f"{len(self.problems)} problems"
        return (
            f"{self.accounts} accounts, {self.transfers} transfers, {self.postings} postings: "
            f"{verdict}"
        )


PROBLEMS_SHOWN = 100


def check_books() -> Books:
    """Prove the books from the postings up, and count what was proved.

    All postings sum to zero; each transfer has two, of its amount, along a way its kind may go;
    each cached balance is the sum of its postings and not below zero where it may not be; each
    settled hold adds up; each allocation's grant is what is used, held, left and expired; an
    ended allocation has nothing free.

    A constant number of queries. At most PROBLEMS_SHOWN of each sort are listed. For a copy of
    the books that nobody writes to meanwhile, call it inside an action: SQLite's writers wait,
    and in PostgreSQL each query reads what was committed, so a problem that goes away when asked
    again was a booking in between.
    """
    problems: list[str] = []
    for sort in (
        _wrong_total,
        _wrong_transfers,
        _wrong_accounts,
        _wrong_holds,
        _wrong_allocations,
    ):
        for count, problem in enumerate(sort()):
            if count == PROBLEMS_SHOWN:
                problems.append("... and more of this sort.")
                break
            problems.append(problem)
    return Books(
        accounts=Account.objects.count(),
        transfers=Transfer.objects.count(),
        postings=Posting.objects.count(),
        problems=problems,
    )


def _wrong_total() -> Iterator[str]:
    total = Posting.objects.aggregate(total=Coalesce(Sum("amount"), Value(0)))["total"]
    if total:
        yield f"All postings together are {total}, not 0."


def _wrong_transfers() -> Iterator[str]:
    out = Q(postings__amount__lt=0)
    into = Q(postings__amount__gt=0)
    pairs = Transfer.objects.annotate(
        sides=Count("postings"),
        left=Coalesce(Sum("postings__amount", filter=out), Value(0)),
        reached=Coalesce(Sum("postings__amount", filter=into), Value(0)),
    )
    uneven = ~Q(sides=2) | ~Q(left=-F("amount")) | ~Q(reached=F("amount"))
    for row in pairs.filter(uneven).order_by("pk"):
        yield (
            f"Transfer {row.key} of {row.amount} has {row.sides} postings, "
            f"{row.left} out and {row.reached} in."
        )
    ways = Q()
    for kind, allowed in rules.WAYS.items():
        ways |= Q(transfer__kind=kind, amount__lt=0, account__kind__in=[a for a, _b in allowed])
        ways |= Q(transfer__kind=kind, amount__gt=0, account__kind__in=[b for _a, b in allowed])
    astray = Posting.objects.exclude(ways).select_related("transfer", "account")
    for posting in astray.order_by("pk"):
        yield (
            f"Transfer {posting.transfer.key} is a {posting.transfer.kind} "
            f"and moved {posting.amount} on an account {posting.account.kind}."
        )


def _wrong_accounts() -> Iterator[str]:
    sums = dict(Posting.objects.values_list("account").annotate(Sum("amount")))
    for account in Account.objects.order_by("pk").iterator(chunk_size=2000):
        proved = sums.get(account.pk, 0)
        if account.balance != proved:
            yield (
                f"Account {account.pk} ({account.kind}) says {account.balance}, "
                f"its postings say {proved}."
            )
        if account.balance < 0 and account.kind not in rules.MAY_BE_NEGATIVE:
            yield f"Account {account.pk} ({account.kind}) is below zero: {account.balance}."


def _wrong_holds() -> Iterator[str]:
    kinds = rules.TransferKind
    parts = (
        Transfer.objects.filter(hold__isnull=False, kind__in=[kinds.SPEND, kinds.RELEASE])
        .exclude(key__endswith=f"{rules.MARK}spent-more")
        .values("hold")
        .annotate(settled=Sum("amount"), held=F("hold__amount"), of=F("hold__key"))
    )
    for row in parts.exclude(settled=F("held")).order_by("hold"):
        yield f"Hold {row['of']} of {row['held']} was settled with {row['settled']}."


def _wrong_allocations() -> Iterator[str]:
    given = [rules.TransferKind.GRANT, rules.TransferKind.TOP_UP]
    back = rules.TransferKind.REDUCE
    granted = dict(
        Transfer.objects.filter(kind__in=[*given, back])
        .values_list("allocation")
        .annotate(
            total=Coalesce(Sum("amount", filter=~Q(kind=back)), Value(0))
            - Coalesce(Sum("amount", filter=Q(kind=back)), Value(0))
        )
    )
    open_holds = dict(
        Transfer.objects.filter(kind=rules.TransferKind.HOLD)
        .exclude(pk__in=Transfer.objects.filter(hold__isnull=False).values("hold"))
        .values_list("allocation")
        .annotate(Sum("amount"))
    )
    kinds = {
        str(kind): Coalesce(
            Sum(Case(When(accounts__kind=kind, then=F("accounts__balance")))), Value(0)
        )
        for kind in rules.ALLOCATION_KINDS
    }
    for row in Allocation.objects.order_by("pk").annotate(**kinds):
        stands = rules.balance_of({kind: getattr(row, kind) for kind in kinds})
        given = granted.get(row.pk, 0)
        if given != stands.granted:
            yield (
                f"{row.code} was granted {given}; used, held, left and expired are "
                f"{stands.granted}."
            )
        if stands.held != open_holds.get(row.pk, 0):
            yield (
                f"{row.code} holds {stands.held}; its open holds are {open_holds.get(row.pk, 0)}."
            )
        if row.state is rules.AllocationState.ENDED and stands.free:
            yield f"{row.code} has ended and still has {stands.free} free."
