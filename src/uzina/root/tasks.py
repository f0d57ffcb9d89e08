"""What the worker runs for the whole factory."""

from datetime import datetime

from uzina.core.log import note_head as _note_head


def note_head(*, now: datetime) -> None:
    """Copy the head of the log to the file outside the database."""
    _note_head()
