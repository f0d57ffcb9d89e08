"""What a job left in its run directory, read with suspicion: the job is a stranger's program.

Every file is opened without following a link on the way, is a plain file, and is read up to a
limit; what cannot be understood is taken for absent.
"""

import json
import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

LARGEST = 4 << 20
"""Bytes of a JSON file that are read at most: a manifest names every input file."""


def record(run_dir: Path, path: str) -> dict[str, Any]:
    """Return a JSON object that a job wrote; {} when it is absent, too large or something else."""
    with _opened(run_dir, path, os.O_RDONLY) as file:
        if file is None or os.fstat(file).st_size > LARGEST:
            return {}
        text = _all(file)
    try:
        value = json.loads(text, parse_constant=lambda _name: None, parse_float=_finite)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) and _is_storable(value) else {}


def ask_stop(run_dir: Path) -> bool:
    """Leave the file STOP, which a run honours after a checkpoint; False where there is no place."""
    flags = os.O_WRONLY | os.O_CREAT
    with _opened(run_dir, "STOP", flags) as file:
        return file is not None


def _all(file: int) -> bytes:
    pieces = []
    while piece := os.read(file, 1 << 20):
        pieces.append(piece)
    return b"".join(pieces)


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def _is_storable(value: Any) -> bool:
    """Tell whether a database takes it: no NUL, no half of a surrogate pair, no giant integer."""
    if isinstance(value, dict):
        return all(_is_storable(key) and _is_storable(one) for key, one in value.items())
    if isinstance(value, list):
        return all(_is_storable(one) for one in value)
    if isinstance(value, str):
        return not any(one == "\0" or 0xD800 <= ord(one) <= 0xDFFF for one in value)
    return not isinstance(value, int) or abs(value) < 2**63


@contextmanager
def _opened(run_dir: Path, path: str, flags: int) -> Iterator[int | None]:
    """Open a plain file below the run directory, no link followed; None when that cannot be."""
    opened: list[int] = []
    found: int | None = None
    try:
        try:
            folder = os.open(run_dir, os.O_RDONLY | os.O_DIRECTORY)
            opened.append(folder)
            *folders, name = PurePosixPath(path).parts
            for part in folders:
                folder = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
                opened.append(folder)
            file = os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644, dir_fd=folder)
            opened.append(file)
            found = file if stat.S_ISREG(os.fstat(file).st_mode) else None
        except OSError:
            found = None
        yield found
    finally:
        for descriptor in opened:
            os.close(descriptor)
