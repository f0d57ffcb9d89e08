"""Inputs of a job laid into a run directory that belongs to somebody else.

Its owner may put a link where we are about to write. So inputs are laid into a folder that only we
can enter, made readable there, and moved into place whole: a rename follows no link.
"""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from uzina.compute.adapters.run_directory import INPUTS
from uzina.compute.ports import SchedulerDown


@contextmanager
def laid(run_dir: Path, *, is_ours: bool) -> Iterator[Path]:
    """Yield the folder to lay inputs into; after the block they are in run_dir/inputs.

    is_ours  the run directory belongs to us: yield run_dir/inputs itself

    Raises SchedulerDown where something is in the way that its owner alone can move.
    """
    if is_ours:
        yield run_dir / INPUTS
        return
    private = run_dir.with_name(f".{run_dir.name}.{secrets.token_hex(8)}")
    private.mkdir(mode=0o700)
    try:
        (private / INPUTS).mkdir()
        yield private / INPUTS
        _let_read(private / INPUTS)
        _move(private, run_dir)
    finally:
        shutil.rmtree(private, ignore_errors=True)


def _let_read(folder: Path) -> None:
    """Let everybody who comes so far read: the run directory lets in its owner and us alone."""
    for place, _folders, files in os.walk(folder):
        Path(place).chmod(0o755)
        for name in files:
            Path(place, name).chmod(0o644)


def _move(private: Path, run_dir: Path) -> None:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    above, below = os.open(private, flags), -1
    try:
        below = os.open(run_dir, flags)
        with suppress(FileNotFoundError):
            os.rename(INPUTS, "before", src_dir_fd=below, dst_dir_fd=above)
        os.rename(INPUTS, INPUTS, src_dir_fd=above, dst_dir_fd=below)
    except PermissionError as error:
        msg = f"{run_dir / INPUTS} is in the way and is not ours to move: {error.strerror}"
        raise SchedulerDown(msg) from error
    finally:
        for opened in (above, below):
            if opened >= 0:
                os.close(opened)
