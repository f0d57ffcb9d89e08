"""Between those who name bytes and the one who removes what nothing names."""

from django.db import connection

NAMING = 7_305_001
"""The key of PostgreSQL's advisory lock. Any number: nothing else of ours takes one."""


def keep_bytes() -> None:
    """Keep bytes from being removed until this transaction ends.

    Asked by every action that looks whether bytes are in the store and then writes a row that names
    them. Many hold it at once; who removes waits for all of them (`alone`). SQLite has one writer
    at a time, so there is nothing to take.
    """
    _take("pg_advisory_xact_lock_shared")


def alone() -> None:
    """Wait for those who are naming bytes, and let nobody begin until this transaction ends."""
    _take("pg_advisory_xact_lock")


def _take(lock: str) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {lock}(%s)", [NAMING])
