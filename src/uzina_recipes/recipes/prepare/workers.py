"""The processes that a preparation is shared out over on one machine.

Workers are forked from a process of their own, which has loaded everything and nothing else
(warm.py): they begin at once, share its memory, and no lock of our threads is copied. A worker ends
with its parent, and what a batch system tells the job is for the parent alone to hear.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, connection, get_context, parent_process
from typing import TYPE_CHECKING, Any, Self

from uzina_recipes.run_directory import Failed

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

LOADED = ["uzina_recipes.recipes.prepare.warm", "uzina_recipes.recipes.prepare.steps"]


class Pool:
    """Where functions are called: here for one worker, in processes for several, kept between
    steps.
    """

    def __init__(self, workers: int) -> None:
        """Start nothing yet."""
        self.workers = workers
        self.processes: ProcessPoolExecutor | None = None

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[dict[str, Any]]:
        """Have a function called."""
        if self.workers == 1:
            return call_here(function, *arguments)
        if self.processes is None:
            context = get_context("forkserver")
            context.set_forkserver_preload(LOADED)
            self.processes = ProcessPoolExecutor(self.workers, context, settle_in)
        return self.processes.submit(function, *arguments)

    def __enter__(self) -> Self:
        """Nothing to do."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the processes. Raises Failed when one was killed, most likely for its memory."""
        is_broken = isinstance(error, BrokenProcessPool)
        if is_broken:
            # Those that are left do not hear the gentle end that they would be given.
            for worker in active_children():
                worker.kill()
        if self.processes is not None:
            self.processes.shutdown(cancel_futures=True)
        if is_broken:
            raise Failed(
                "A worker was killed, most likely because memory ran out. Ask for more memory or "
                "set fewer workers; what is done is kept.",
                resume=True,
            ) from error


def call_here(function: Callable[..., dict[str, Any]], *arguments: Any) -> Future[dict[str, Any]]:
    """Call a function now; what it raises is raised here."""
    future: Future[dict[str, Any]] = Future()
    future.set_result(function(*arguments))
    return future


def settle_in() -> None:
    """Prepare a worker: one thread for each library, and an end when its parent ends."""
    os.environ |= {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    if parent := parent_process():
        threading.Thread(target=end_with, args=(parent.sentinel,), daemon=True).start()


def end_with(sentinel: int) -> None:
    """End this process when another does."""
    connection.wait([sentinel])
    os._exit(1)
