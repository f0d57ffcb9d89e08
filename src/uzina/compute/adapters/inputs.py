"""Inputs of a job laid into a run directory that belongs to somebody else.

Its owner may put a link where we are about to write. So inputs are laid into a folder that only we
can enter, made readable there, and moved into place whole: a rename follows no link. Its name is
always the same, so that after a kill what lies there already is not copied again.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from uzina.compute.adapters.run_directory import INPUTS
from uzina.compute.ports import SchedulerDown

BEFORE = "before"


@contextmanager
def laid(run_dir: Path, *, is_ours: bool) -> Iterator[Path]:
    """Yield the folder to lay inputs into; after the block they are in run_dir/inputs.

    is_ours  the run directory belongs to us: yield run_dir/inputs itself

    Raises SchedulerDown where something is in the way that its owner alone can move, or while
    somebody else lays them.
    """
    if is_ours:
        yield run_dir / INPUTS
        return
    private = run_dir.with_name(f".{run_dir.name}.{INPUTS}")
    with _locked(private):
        try:
            shutil.rmtree(private / BEFORE, ignore_errors=True)
            (private / INPUTS).mkdir(exist_ok=True)
            yield private / INPUTS
            _let_read(private / INPUTS)
            _move(private, run_dir)
        finally:
            shutil.rmtree(private, ignore_errors=True)


@contextmanager
def _locked(private: Path) -> Iterator[None]:
    """Hold a folder that is ours alone; a process that dies lets go of it, and leaves it there."""
    with suppress(FileExistsError):
        private.mkdir(mode=0o700)
    try:
        opened = os.open(private, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise SchedulerDown(f"{private} is in the way: {error.strerror}") from error
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found = os.fstat(opened)
        if found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise SchedulerDown(f"{private} is in the way and is not ours")
        if not private.exists() or private.stat().st_ino != found.st_ino:
            raise SchedulerDown(f"{private} has just been moved to its place")
        yield
    except BlockingIOError as held:
        raise SchedulerDown(f"the inputs of {private.name} are being laid") from held
    finally:
        os.close(opened)


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
            os.rename(INPUTS, BEFORE, src_dir_fd=below, dst_dir_fd=above)
        os.rename(INPUTS, INPUTS, src_dir_fd=above, dst_dir_fd=below)
    except PermissionError as error:
        msg = f"{run_dir / INPUTS} is in the way and is not ours to move: {error.strerror}"
        raise SchedulerDown(msg) from error
    finally:
        for opened in (above, below):
            if opened >= 0:
                os.close(opened)
