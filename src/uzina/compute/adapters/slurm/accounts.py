"""Accounts, users and limits as sacctmgr knows them: what to ask, what to order, how to read it.

Orders are gathered: one call costs 0.35 to 0.65 s on Slurm 22.05, but one call for many accounts
only 2 to 4 ms for each. Different limits for many accounts go fastest by `sacctmgr load`, which
changes what its file names and nothing else. Calls run one after another: of four at a time on
22.05, 2 of 48 were lost in silence.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

from uzina.compute.rules import AccountSeen, AccountStep

T = TypeVar("T")

ASSOCIATION_FIELDS = "Account,User,ParentName,GrpTRESMins,GrpSubmit,MaxSubmit"
SHARE_FIELDS = "Account,User,GrpTRESRaw"
MOST_NAMES, MOST_USERS = 500, 50
"""Accounts, and associations of users, in one call. A word of a command line holds at most 128 KiB
(Linux, MAX_ARG_STRLEN); 4,500 associations of users in one call on 22.05 were not done after ten
minutes and held up everyone else."""
MOST_IN_FILE = 200
"""Associations of users in one file: each takes longer than the one before."""
FEW = 2
"""So many different limits are set by a call each; from three on a file is faster."""

SO_ALREADY = re.compile(r"Nothing new added|already exist", re.IGNORECASE)
AWAY = re.compile(
    r"Connection refused|timed out|Unable to contact|Unable to connect|persist_conn|DBD_"
    r"|No such file or directory|Problem talking to the database",
    re.IGNORECASE,
)


# --- what is there ------------------------------------------------------------------------------


def cluster_argv() -> list[str]:
    """Return the command that lists the clusters accounting knows: the least it can be asked."""
    return ["sacctmgr", "-n", "-P", "show", "cluster", "format=Cluster"]


def associations_argv(cluster: str) -> list[str]:
    """Return the command that lists every association of a cluster with its own limits (wopl: not
    those of its parents, which would cost a query each). One accounting may serve many clusters.
    """
    return [
        *("sacctmgr", "-n", "-P", "show", "assoc", f"cluster={cluster}", "wopl"),
        f"format={ASSOCIATION_FIELDS}",
    ]


def shares_argv() -> list[str]:
    """Return the command that lists what counts against the limits of every account, in whole
    minutes. Of users it lists only ourselves.
    """
    return ["sshare", "-n", "-P", "-o", SHARE_FIELDS]


def read_accounts(associations: str, shares: str, *, below: str) -> tuple[AccountSeen, ...]:
    """Read ASSOCIATION_FIELDS and SHARE_FIELDS: the accounts below one, by name."""
    rows = _rows(associations)
    parents = read_parents(associations)
    used = _used(shares)
    users: dict[str, set[str]] = {}
    blocked: dict[str, set[str]] = {}
    for account, user, _parent, _minutes, most, most_own in rows:
        if user:
            users.setdefault(account, set()).add(user)
            if "0" in {most, most_own}:
                blocked.setdefault(account, set()).add(user)
    found = []
    for account, user, parent, minutes, most, _most_own in rows:
        if user or not _is_below(account, below, parents):
            continue
        limits, counted = _counts(minutes), used.get(account, {})
        found.append(
            AccountSeen(
                name=account,
                parent=parent,
                users=frozenset(users.get(account, ())),
                blocked_users=frozenset(blocked.get(account, ())),
                gpu_min=limits.get("gres/gpu"),
                billing_min=limits.get("billing"),
                used_gpu_min=counted.get("gres/gpu", 0),
                used_billing_min=counted.get("billing", 0),
                is_blocked=most == "0",
            )
        )
    return tuple(sorted(found, key=lambda one: one.name))


def read_parents(associations: str) -> dict[str, str]:
    """Return the parent of every account there is."""
    return {account: parent for account, user, parent, *_limits in _rows(associations) if not user}


def _rows(associations: str) -> list[list[str]]:
    lines = (line.split("|") for line in associations.splitlines())
    return [parts for parts in lines if len(parts) == ASSOCIATION_FIELDS.count(",") + 1]


def _used(shares: str) -> dict[str, dict[str, int]]:
    found = {}
    for line in shares.splitlines():
        account, user, counts = (*line.split("|"), "", "", "")[:3]
        if account.strip() and not user:
            found[account.strip()] = _counts(counts)
    return found


def _counts(text: str) -> dict[str, int]:
    """Read "billing=70,gres/gpu=60"; of typed devices the untyped sum is what counts."""
    pairs = (part.partition("=") for part in text.split(","))
    return {name: int(value) for name, _equals, value in pairs if value.isdigit()}


def _is_below(account: str, above: str, parents: Mapping[str, str]) -> bool:
    seen: set[str] = set()
    while (account := parents.get(account, "")) and account not in seen:
        if account == above:
            return True
        seen.add(account)
    return False


# --- what is to change --------------------------------------------------------------------------


@dataclass(frozen=True)
class Order:
    """One call: the command, what goes to its standard input, and what it is about."""

    argv: tuple[str, ...]
    about: str
    stdin: str = ""


def orders(
    steps: Sequence[AccountStep], *, cluster: str, parents: Mapping[str, str]
) -> Iterator[Order]:
    """Yield the calls that make the changes, in the order of the steps.

    parents  of the accounts that are there. `load` would make an account that is not, and move one
             whose parent the file does not name: other accounts get no limit

    Steps of one verb that follow one another are gathered. Nothing here deletes anything.
    """
    below = dict(parents)
    for verb, group in groupby(steps, key=lambda step: step.verb):
        some = list(group)
        match verb:
            case "add_account":
                below |= {step.account: step.parent for step in some}
                yield from _add_accounts(some, cluster)
            case "limit":
                yield from _limit([step for step in some if step.account in below], cluster, below)
            case "block" | "unblock":
                most = "0" if verb == "block" else "-1"
                for names in _portions([step.account for step in some], MOST_NAMES):
                    yield _modify(verb, names, cluster, f"GrpSubmitJobs={most}")
            case "add_user" | "block_user" | "unblock_user":
                yield from _users(verb, some, cluster, below)
            case _:
                raise ValueError(verb)


def absent(steps: Sequence[AccountStep], parents: Mapping[str, str]) -> Iterator[str]:
    """Yield a refusal for each limit and user of an account that neither is nor is to be made."""
    known = {*parents, *(step.account for step in steps if step.verb == "add_account")}
    for step in steps:
        if step.verb in {"limit", "add_user"} and step.account not in known:
            yield f"{step.verb} {step.account}: there is no such account."


def refusal(order: Order, *, code: int | None, said: str) -> str:
    """Return what a call refused, in the cluster's words; "" for none. What was so already is
    none.
    """
    words = " ".join(said.split())
    if code == 0 or SO_ALREADY.search(words):
        return ""
    return f"{order.about}: {words[-300:]}"


def _add_accounts(steps: list[AccountStep], cluster: str) -> Iterator[Order]:
    for parent, alike in _alike(steps, lambda step: step.parent):
        for names in _portions([step.account for step in alike], MOST_NAMES):
            yield _order(
                f"add_account {_few(names)}",
                *("add", "account", ",".join(names), f"cluster={cluster}", f"parent={parent}"),
                *("Description=uzina", f"Organization={parent}"),
            )


def _users(
    verb: str, steps: list[AccountStep], cluster: str, parents: Mapping[str, str]
) -> Iterator[Order]:
    lots = list(_alike(steps, lambda step: ",".join(sorted(step.users))))
    if verb == "add_user" and len(lots) > FEW:
        yield from _users_files([step for step in steps if step.account in parents], cluster)
        return
    for users, alike in lots:
        at_most = max(1, MOST_USERS // (users.count(",") + 1))
        for names in _portions([step.account for step in alike], at_most):
            about, accounts = f"{verb} {users} of {_few(names)}", ",".join(names)
            if verb == "add_user":
                yield _order(
                    about, "add", "user", users, f"account={accounts}", f"cluster={cluster}"
                )
                continue
            most = "0" if verb == "block_user" else "-1"
            yield _order(
                about,
                *("modify", "user", "where", f"name={users}", f"account={accounts}"),
                *(f"cluster={cluster}", "set", f"GrpSubmitJobs={most}", f"MaxSubmitJobs={most}"),
            )


def _users_files(steps: list[AccountStep], cluster: str) -> Iterator[Order]:
    """Add different users to many accounts. Users and accounts that a file does not name stay as
    they are, and so do the default accounts of users who have one.
    """
    pairs = [(step.account, user) for step in steps for user in sorted(step.users)]
    for some in _portions(pairs, MOST_IN_FILE):
        lines = [f"Cluster - '{cluster}'"]
        for account, group in groupby(some, key=lambda pair: pair[0]):
            lines.append(f"Parent - '{account}'")
            lines += [f"User - '{user}'" for _account, user in group]
        yield Order(
            ("sacctmgr", "-i", "load", "/dev/stdin"),
            about=f"add_user {_few(list(dict.fromkeys(account for account, _user in some)))}",
            stdin="\n".join([*lines, ""]),
        )


def _limit(steps: list[AccountStep], cluster: str, parents: Mapping[str, str]) -> Iterator[Order]:
    alike = list(_alike(steps, _minutes))
    if len(alike) <= FEW:
        for minutes, some in alike:
            for names in _portions([step.account for step in some], MOST_NAMES):
                yield _modify("limit", names, cluster, f"GrpTRESMins={minutes}")
        return
    by_parent = sorted(steps, key=lambda step: (parents[step.account], step.account))
    for portion in _portions(by_parent, MOST_NAMES):
        lines = [f"Cluster - '{cluster}'"]
        for parent, group in groupby(portion, key=lambda step: parents[step.account]):
            lines.append(f"Parent - '{parent}'")
            lines += [f"Account - '{step.account}':GrpTRESMins={_minutes(step)}" for step in group]
        yield Order(
            ("sacctmgr", "-i", "load", "/dev/stdin"),
            about=f"limit {_few([step.account for step in portion])}",
            stdin="\n".join([*lines, ""]),
        )


def _minutes(step: AccountStep) -> str:
    """Return limits as sacctmgr takes them; -1 lifts one."""
    gpu, billing = (-1 if one is None else one for one in (step.gpu_min, step.billing_min))
    return f"gres/gpu={gpu},billing={billing}"


def _modify(verb: str, names: Sequence[str], cluster: str, change: str) -> Order:
    where = ("where", f"name={','.join(names)}", f"cluster={cluster}")
    return _order(f"{verb} {_few(names)}", "modify", "account", *where, "set", change)


def _order(about: str, *words: str) -> Order:
    return Order(("sacctmgr", "-i", *words), about)


def _few(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _alike(
    steps: Iterable[AccountStep], what: Callable[[AccountStep], str]
) -> Iterator[tuple[str, list[AccountStep]]]:
    """Yield the steps that share something, together, each lot once."""
    found: dict[str, list[AccountStep]] = {}
    for step in steps:
        found.setdefault(what(step), []).append(step)
    yield from found.items()


def _portions(whole: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for at in range(0, len(whole), size):
        yield whole[at : at + size]
