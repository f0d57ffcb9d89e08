"""What runs of itself: recurring tasks, and tasks that follow an event of the log.

Filled from the apps' ready(), read by the worker and the log. A lower module never calls a
higher one: the higher one subscribes here.
"""

from collections import defaultdict

recurring: dict[str, int] = {}
subscribers: dict[str, list[str]] = defaultdict(list)
together: dict[str, int] = {}


def every(task: str, *, seconds: int) -> None:
    """Have `uzina.<module>.tasks.<name>` called with now, `seconds` after it last ended."""
    recurring[task] = seconds


def at_once(task: str, *, most: int) -> None:
    """Have up to `most` promises of a task that are due at one time done by one call of
    `<task>_many`, with now and `each`: the arguments of each of them.

    Only at the first try: what failed is tried again by itself, so that one bad promise cannot
    hold up the others.
    """
    together[task] = most


def subscribe(event: str, task: str) -> None:
    """Have `<module>.<task>` called with event, subject, facts and now after each such event.

    After commit, at least once, so what is called must not mind being called twice.
    """
    if task not in subscribers[event]:
        subscribers[event].append(task)
