"""Text that ships with the package, so that a fresh machine has something real to train on."""

from pathlib import Path

HERE = Path(__file__).parent


def names() -> list[str]:
    """The corpora in the package, in alphabetical order."""
    return sorted(path.parent.name for path in HERE.glob("*/corpus.json"))


def folder(name: str) -> Path:
    """Where the files of one corpus lie; KeyError when there is no such corpus."""
    if name not in names():
        raise KeyError(name)
    return HERE / name
