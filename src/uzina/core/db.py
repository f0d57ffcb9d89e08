"""The transaction every write runs in."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from django.db import connection, transaction

P = ParamSpec("P")
R = TypeVar("R")


class Scope:
    """What one database connection has under way: how deep, and the log entries to write."""

    def __init__(self) -> None:
        self.depth = 0
        self.entries: list = []


def scope() -> Scope:
    """Return the scope of this thread's connection."""
    if not hasattr(connection, "uzina_scope"):
        connection.uzina_scope = Scope()  # type: ignore[attr-defined]
    return connection.uzina_scope  # type: ignore[attr-defined, no-any-return]


@contextmanager
def acting() -> Iterator[None]:
    """Run a block as one action: all of it happens, with its log entries, or none of it.

    Log entries are written last, when the outermost action ends. The chain of the log has one
    head, so whoever holds it makes everybody else wait: taken last, it is held for a moment
    only, and it can never be half of a deadlock.
    """
    from uzina.core.log import write_entries

    here = scope()
    mark = len(here.entries)
    try:
        with transaction.atomic():
            here.depth += 1
            try:
                yield
                if here.depth == 1:
                    entries, here.entries = here.entries, []
                    write_entries(entries)
            finally:
                here.depth -= 1
    except BaseException:
        del here.entries[mark:]
        raise


def action(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function one action. Inside another action it is a part of that one."""

    @functools.wraps(function)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        with acting():
            return function(*args, **kwargs)

    return inner
