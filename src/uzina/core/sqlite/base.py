"""SQLite, where writers queue instead of racing.

SQLite lets one writer in at a time and has the others sleep and try again, so the unlucky ones
wait for seconds (measured: 6-7 s with 16 writers against 1 s with this lock). The queue also
narrows the trigger of the WAL-reset fault of SQLite below 3.51.3. See docs/decisions/0002.
"""

import contextlib
import fcntl
import os
import threading
from typing import Any

from django.db.backends.sqlite3 import base

_threads: dict[str, threading.Lock] = {}
_guard = threading.Lock()


class WriteLock:
    """A lock beside the database file: threads queue in the process, processes on the file.

    A file lock belongs to the open file, so threads that shared one descriptor would all hold
    it; hence the thread lock in front.
    """

    def __init__(self, database: str) -> None:
        self.path = f"{database}.write-lock"
        with _guard:
            self.thread_lock = _threads.setdefault(self.path, threading.Lock())
        self.descriptor: int | None = None

    def acquire(self) -> None:
        """Wait for the turn of this connection. Held once, whatever the number of calls."""
        if self.descriptor is not None:
            return
        self.thread_lock.acquire()
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except BaseException:
            self.thread_lock.release()
            raise
        self.descriptor = descriptor

    def release(self) -> None:
        """Let the next writer in; nothing happens when the lock is not held."""
        if self.descriptor is None:
            return
        descriptor, self.descriptor = self.descriptor, None
        os.close(descriptor)
        self.thread_lock.release()


class DatabaseWrapper(base.DatabaseWrapper):
    """Takes the write lock when a transaction begins and gives it back when it ends."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.write_lock: WriteLock | None = None

    def _lock(self) -> WriteLock | None:
        name = str(self.settings_dict["NAME"])
        if self.is_in_memory_db():
            return None
        if self.write_lock is None or self.write_lock.path != f"{name}.write-lock":
            self.write_lock = WriteLock(name)
        return self.write_lock

    def _start_transaction_under_autocommit(self) -> None:
        lock = self._lock()
        if lock is not None:
            lock.acquire()
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except BaseException:
            if lock is not None:
                lock.release()
            raise

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc]
        self._release()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]
        finally:
            self._release()

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]
        finally:
            self._release()

    def _release(self) -> None:
        if self.write_lock is not None:
            with contextlib.suppress(OSError):
                self.write_lock.release()
