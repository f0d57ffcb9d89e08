"""What accounts, users and limits there shall be on a cluster, and what to change to get there."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from uzina.compute.rules.costs import DEFAULT_TARIFF, Tariff
from uzina.core.errors import Refused
from uzina.core.text import _

UNIX_NAME = re.compile(r"[a-z_][a-z0-9._-]{0,31}")
"""What useradd takes (shadow-utils: at most 32), with the dots that directory services give out."""


NS_PER_MIN = 60_000_000_000
"""GPU-nanoseconds in a GPU-minute."""


def account_name(prefix: str, project_code: str) -> str:
    """Return the name of a project's account on a cluster: Slurm makes all names small anyway."""
    return f"{prefix}{project_code.lower()}"


def check_unix_name(name: str) -> None:
    """Raise Refused site_user.map.bad_name unless a person's jobs may run as the name."""
    if not UNIX_NAME.fullmatch(name) or name == "root":
        raise Refused(
            "site_user.map.bad_name",
            _(
                "Write a user name of the cluster: at most 32 small letters, digits, dots, hyphens "
                "and underscores, beginning with a letter, and not root."
            ),
        )


# --- what is there ------------------------------------------------------------------------------


@dataclass(frozen=True)
class AccountSeen:
    """An account of ours on the cluster, with its limits and what counts against them.

    users          who may charge it; blocked_users of these may not submit at present
    gpu_min        limit of GPU-minutes (devices as the cluster counts them); None for no limit
    billing_min    limit of the cluster's own billing units; None for no limit
    used_gpu_min, used_billing_min  whole minutes counted against the limits
    is_blocked     takes no new jobs (GrpSubmitJobs=0)
    """

    name: str
    parent: str
    users: frozenset[str]
    blocked_users: frozenset[str]
    gpu_min: int | None
    billing_min: int | None
    used_gpu_min: int
    used_billing_min: int
    is_blocked: bool


@dataclass(frozen=True)
class AccountStep:
    """One change to make on the cluster.

    verb   add_account, add_user, block_user, unblock_user, block, unblock, limit
    users  for the verbs about users
    gpu_min, billing_min  for limit; None lifts it
    """

    verb: str
    account: str
    parent: str = ""
    users: frozenset[str] = frozenset()
    gpu_min: int | None = None
    billing_min: int | None = None


# --- what there shall be ------------------------------------------------------------------------


@dataclass(frozen=True)
class Rate:
    """How our hours become minutes of the cluster.

    gpu_us   GPU-microseconds that a second of one device costs, where it is cheapest: the fence
             stops nobody who could pay. 0 where devices cost nothing, and are not fenced
    billing  the cluster's billing units for one GPU-minute of ours; None where the site has not
             given all partitions weights, so that billing is no measure of our hours
    """

    gpu_us: int = 1_000_000
    billing: Fraction | None = None


@dataclass(frozen=True)
class AccountWanted:
    """What there shall be of one project on the cluster.

    users        the Unix names of its members
    left_gpu_ms  what its allocations have free and set aside; 0 where nothing may start
    read_gpu_s   device-seconds of the usage read so far, since the cluster began to count
    """

    name: str
    users: frozenset[str]
    left_gpu_ms: int
    read_gpu_s: int = 0


@dataclass(frozen=True)
class Fence:
    """The limits of one account; None for no limit."""

    gpu_min: int | None
    billing_min: int | None
    is_blocked: bool


def fence(wanted: AccountWanted, *, rate: Rate, used_gpu_min: int, used_billing_min: int) -> Fence:
    """Return how far an account may go: what the cluster counted, and what is left on top.

    What it counted of jobs that run, or whose end was not read yet, is still in left_gpu_ms, so
    it is taken off: else a running job would lift its own limit. Nothing left: blocked. A cluster
    that lost its memory counts from 0 again and gets the same hours, not the whole award.
    """
    unread_ms = max(0, used_gpu_min * 60_000 - wanted.read_gpu_s * 1000)
    left_ns = max(0, wanted.left_gpu_ms * 1_000_000 - unread_ms * rate.gpu_us)
    gpu_min = billing_min = None
    if rate.gpu_us:
        gpu_min = used_gpu_min + -(-left_ns // (rate.gpu_us * 60_000))
    if rate.billing is not None:
        billing_min = used_billing_min + math.ceil(left_ns * rate.billing / NS_PER_MIN)
    return Fence(gpu_min, billing_min, is_blocked=left_ns == 0)


def rate_of(prices: Iterable[tuple[Tariff, Mapping[str, float]]]) -> Rate:
    """Return how hours become minutes.

    prices  of each partition its tariff, and the billing weights the site gave it: {"cpu": 1.0,
            "gres/gpu": 16.0}
    """
    gpu_us, billing = [], []
    for tariff, weights in prices:
        gpu_us.append(tariff.gpu_us)
        name, price_us = ("gres/gpu", tariff.gpu_us)
        if not weights.get(name):
            name, price_us = ("cpu", tariff.cpu_us)
        weight = Fraction(str(weights.get(name, 0)))
        billing.append(weight * 1_000_000 / price_us if price_us else Fraction())
    is_billed = bool(billing) and all(billing)
    return Rate(min(gpu_us, default=DEFAULT_TARIFF.gpu_us), max(billing) if is_billed else None)


# --- what differs -------------------------------------------------------------------------------

KINDS = ("account", "user", "limit", "total")


@dataclass(frozen=True)
class Difference:
    """One thing in which the cluster is not as it shall be.

    kind      account, user or limit; subject "account" or "account/user"
    finding   missing (ours only), extra (theirs only) or different
    steps     what mends it; none where only a person can
    is_fence  kept in step without asking: limits, blocks, members that left or came back
    theirs_limits  the limits that were found, of an account that is there
    """

    kind: str
    subject: str
    finding: str
    ours: str
    theirs: str
    steps: tuple[AccountStep, ...]
    is_fence: bool = False
    theirs_limits: Fence | None = None


def compare(
    wanted: Iterable[AccountWanted],
    seen: Iterable[AccountSeen],
    *,
    rate: Rate,
    parent: str,
    known_users: frozenset[str] = frozenset(),
) -> list[Difference]:
    """Return what differs, by account.

    parent       the factory's own account, which those of projects are below
    known_users  names that belong to people of ours: of an account they are no member of they are
                 shut out without asking, while a stranger's name there may be the site's doing
    """
    by_name = {one.name: one for one in seen}
    found: list[Difference] = []
    for one in wanted:
        there = by_name.pop(one.name, None)
        if there is None:
            found.append(_missing(one, rate=rate, parent=parent))
            continue
        if there.parent != parent:
            found.append(Difference("account", one.name, "different", parent, there.parent, ()))
        if limit := _limit(one, there, rate=rate):
            found.append(limit)
        if one.users != there.users or there.blocked_users:
            found += _users(one, there, known_users)
    return found + [_extra(there) for there in by_name.values()]


def plan_accounts(differences: Iterable[Difference]) -> list[AccountStep]:
    """Return the steps that mend the differences, steps of one sort for one account made one.

    Accounts come first and get their limits before anybody may charge them.
    """
    merged: dict[tuple[int, str], AccountStep] = {}
    for step in (step for one in differences for step in one.steps):
        where = (ORDER.index(step.verb), step.account)
        kept = merged.get(where)
        merged[where] = replace(step, users=kept.users | step.users) if kept else step
    return [merged[where] for where in sorted(merged)]


ORDER = ("add_account", "limit", "block", "block_user", "add_user", "unblock_user", "unblock")


def _missing(wanted: AccountWanted, *, rate: Rate, parent: str) -> Difference:
    limits = fence(wanted, rate=rate, used_gpu_min=0, used_billing_min=0)
    name = wanted.name
    steps = [AccountStep("add_account", name, parent=parent), _limit_step(name, parent, limits)]
    if limits.is_blocked:
        steps.append(AccountStep("block", name))
    if wanted.users:
        steps.append(AccountStep("add_user", name, users=wanted.users))
    return Difference("account", name, "missing", in_words(limits), "", tuple(steps))


def _extra(seen: AccountSeen) -> Difference:
    theirs = in_words(Fence(seen.gpu_min, seen.billing_min, seen.is_blocked))
    steps = () if seen.is_blocked else (AccountStep("block", seen.name),)
    return Difference("account", seen.name, "extra", "", theirs, steps)


def _limit(wanted: AccountWanted, seen: AccountSeen, *, rate: Rate) -> Difference | None:
    limits = fence(
        wanted,
        rate=rate,
        used_gpu_min=seen.used_gpu_min,
        used_billing_min=seen.used_billing_min,
    )
    if limits.is_blocked:
        # Any limit at or below what was used lets nothing start: no need to follow the used.
        is_right = _is_spent(seen.gpu_min, seen.used_gpu_min, limits.gpu_min) and _is_spent(
            seen.billing_min, seen.used_billing_min, limits.billing_min
        )
    else:
        is_right = (seen.gpu_min, seen.billing_min) == (limits.gpu_min, limits.billing_min)
    steps = [] if is_right else [_limit_step(wanted.name, seen.parent, limits)]
    if limits.is_blocked is not seen.is_blocked:
        steps.append(AccountStep("block" if limits.is_blocked else "unblock", wanted.name))
    if not steps:
        return None
    theirs = Fence(seen.gpu_min, seen.billing_min, seen.is_blocked)
    return Difference(
        "limit",
        wanted.name,
        "different",
        in_words(limits),
        in_words(theirs),
        tuple(steps),
        is_fence=True,
        theirs_limits=theirs,
    )


def _is_spent(limit: int | None, used: int, wanted: int | None) -> bool:
    if wanted is None or limit is None:
        return wanted is limit
    return limit <= used


def _limit_step(name: str, parent: str, limits: Fence) -> AccountStep:
    return AccountStep(
        "limit", name, parent=parent, gpu_min=limits.gpu_min, billing_min=limits.billing_min
    )


def _users(
    wanted: AccountWanted, seen: AccountSeen, known_users: frozenset[str]
) -> Iterator[Difference]:
    name = wanted.name
    changes = (
        ("missing", wanted.users - seen.users, "add_user"),
        ("different", wanted.users & seen.blocked_users, "unblock_user"),
        ("extra", seen.users - seen.blocked_users - wanted.users, "block_user"),
    )
    for finding, users, verb in changes:
        for user in sorted(users):
            yield Difference(
                "user",
                f"{name}/{user}",
                finding,
                "" if finding == "extra" else user,
                {"missing": "", "different": f"{user} MaxSubmitJobs=0"}.get(finding, user),
                (AccountStep(verb, name, users=frozenset({user})),),
                is_fence=verb == "unblock_user" or (verb == "block_user" and user in known_users),
            )


def in_words(limits: Fence) -> str:
    """Return limits as Slurm's own tools write them, which operators know."""
    parts = []
    if limits.gpu_min is not None:
        parts.append(f"gres/gpu={limits.gpu_min}")
    if limits.billing_min is not None:
        parts.append(f"billing={limits.billing_min}")
    words = f"GrpTRESMins={','.join(parts) or '-'}"
    return f"{words} GrpSubmitJobs=0" if limits.is_blocked else words


def compare_totals(
    *, booked: Mapping[str, int], used: Mapping[str, int | None]
) -> list[Difference]:
    """Return the projects, by code, for which the ledger booked other than was measured.

    booked, used  GPU-milliseconds. The cluster is right: what is missing is read again
    """
    found = []
    for code in sorted({*booked, *used}):
        ours, theirs = booked.get(code, 0), used.get(code) or 0
        if ours != theirs:
            finding = "missing" if not theirs else "extra" if not ours else "different"
            found.append(Difference("total", code, finding, hours(ours), hours(theirs), ()))
    return found


def hours(gpu_ms: int) -> str:
    """Return GPU-hours to the second, for operators."""
    return f"{gpu_ms / 3_600_000:.4f} h"
