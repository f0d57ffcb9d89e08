"""What runs of itself: recurring tasks, and tasks that follow an event of the log.

Filled from the apps' ready(), read by the worker and the log. A lower module never calls a
higher one: the higher one subscribes here.
"""

from collections import defaultdict

recurring: dict[str, int] = {}
subscribers: dict[str, list[str]] = defaultdict(list)


def every(task: str, *, seconds: int) -> None:
    """Have `uzina.<module>.tasks.<name>` called with now, `seconds` after it last ended."""
    recurring[task] = seconds


def subscribe(event: str, task: str) -> None:
    """Have `<module>.<task>` called with event, subject, facts and now after each such event.

    After commit, at least once, so what is called must not mind being called twice.
    """
    if task not in subscribers[event]:
        subscribers[event].append(task)
