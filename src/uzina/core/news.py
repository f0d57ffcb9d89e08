"""News of the log, promised to the tasks that subscribed to them."""

from typing import TYPE_CHECKING

from uzina.core import agenda
from uzina.core.promises import promise

if TYPE_CHECKING:
    from uzina.core.models import LogEntry


def promise_news(entry: "LogEntry") -> None:
    """Promise the entry to its subscribers, in the transaction that wrote it."""
    for task in agenda.subscribers.get(entry.event, ()):
        promise(
            task,
            key=f"news:{entry.seq}:{task}",
            now=entry.at,
            event=entry.event,
            subject=entry.subject,
            facts=entry.facts,
        )
