"""`uzina-admin serve`: what dies is started again, and nothing is left when it ends."""

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from uzina.root.demo import HOST, DemoFailed, Factory


def children(parent: int) -> dict[str, int]:
    """Return the child processes by what they are: web or worker."""
    found = {}
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                fields = (place / "stat").read_text().rpartition(")")[2].split()
                command = (place / "cmdline").read_bytes()
            except OSError:
                continue
            if int(fields[1]) == parent and fields[0] != "Z":
                found["web" if b"granian" in command else "worker"] = int(place.name)
    return found


def wait_until(what, seconds: float = 20.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def runs(process: int) -> bool:
    """Tell whether a process is alive."""
    try:
        return (Path("/proc") / str(process) / "stat").read_text().rpartition(")")[2].split()[
            0
        ] != "Z"
    except OSError:
        return False


@pytest.fixture
def served(make_factory: Callable[..., Factory]) -> Factory:
    """Return a factory that serves."""
    factory = make_factory()
    factory.open()
    factory.start()
    wait_until(lambda: len(children(factory.process.pid)) == 2)
    return factory


@pytest.mark.parametrize("who", ["web", "worker"])
def test_a_killed_child_is_started_again(served: Factory, who: str) -> None:
    before = children(served.process.pid)
    os.kill(before[who], signal.SIGKILL)
    wait_until(lambda: children(served.process.pid).get(who, before[who]) != before[who])
    wait_until(lambda: answers(served.port))
    after = children(served.process.pid)
    other = "web" if who == "worker" else "worker"
    assert after[other] == before[other]


def test_sigterm_ends_everything_with_status_0(served: Factory) -> None:
    family = children(served.process.pid)
    process = served.process
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert not any(runs(child) for child in family.values())
    assert not answers(served.port)


def test_a_killed_parent_leaves_no_orphan(served: Factory) -> None:
    family = children(served.process.pid)
    served.process.kill()
    served.process.wait()
    wait_until(lambda: not any(runs(child) for child in family.values()), 30)


def test_a_config_with_mistakes_is_told_in_words_and_nothing_starts(
    make_factory: Callable[..., Factory],
) -> None:
    factory = make_factory({"site": {"port": 99999, "country": "romania"}})
    with pytest.raises(DemoFailed, match=r"site\.port must be from 1 to 65535") as failed:
        factory.open()
    assert "site.country must be two capital letters" in str(failed.value)
    assert "Traceback" not in str(failed.value)


def answers(port: int) -> bool:
    """Tell whether something listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
