"""What lies in a run directory already, from a staging that was cut off."""

import hashlib
from pathlib import Path


def is_laid(place: Path, *, size: int, sha256: str) -> bool:
    """Tell whether a file lies there whole and right: by its bytes, never by its size alone."""
    if place.is_symlink() or not place.is_file() or place.stat().st_size != size:
        return False
    with place.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256
