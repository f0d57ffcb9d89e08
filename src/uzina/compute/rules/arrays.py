"""The numbers of an array's tasks: "0-9%2", "1,3,5-9:2"."""

import re

MAX_TASKS = 10_000
MAX_TASK = 4_000_000
PART = re.compile(r"(\d{1,7})(?:-(\d{1,7})(?::(\d{1,7}))?)?")


def read_array(text: str) -> tuple[tuple[int, ...], int]:
    """Return the numbers of the tasks, in order, and how many may run at once (0: any number).

    Raises ValueError for what is no array, is empty, or has more than MAX_TASKS tasks.
    """
    numbers, percent, most = text.partition("%")
    if percent and not (re.fullmatch(r"\d{1,5}", most) and int(most) > 0):
        raise ValueError(text)
    found: set[int] = set()
    for part in numbers.split(","):
        match = PART.fullmatch(part)
        if match is None:
            raise ValueError(text)
        first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
        if last < first or not step or last > MAX_TASK or (last - first) // step >= MAX_TASKS:
            raise ValueError(text)
        found.update(range(first, last + 1, step))
        if len(found) > MAX_TASKS:
            raise ValueError(text)
    return tuple(sorted(found)), int(most or 0)
