import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PARENT = """
import sys
from uzina.root import serve
serve.GRACE_S = 2.0
children = [serve.Child("first", [sys.executable, "-c", sys.argv[1]]),
            serve.Child("second", [sys.executable, "-c", "import time; time.sleep(600)"])]
sys.exit(serve.keep_alive(children))
"""
SLEEP = "import time; time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"


def start(first=SLEEP):
    return subprocess.Popen(
        [sys.executable, "-c", PARENT, first],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def line(process, text):
    for said in process.stderr:
        if text in said:
            return int("".join(filter(str.isdigit, said.rsplit("process", 1)[-1])) or 0)
    raise AssertionError(text)


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_gone(pid):
    deadline = time.monotonic() + 20
    while is_alive(pid):
        assert time.monotonic() < deadline, f"process {pid} is an orphan"
        time.sleep(0.05)


@pytest.fixture
def parent():
    made = []

    def make(first=SLEEP):
        made.append(start(first))
        return made[-1]

    yield make
    for process in made:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_both_children_and_then_the_parent(parent, number):
    process = parent()
    first, second = line(process, "first started"), line(process, "second started")
    process.send_signal(number)
    assert process.wait(20) == 0
    assert not is_alive(first)
    assert not is_alive(second)


def test_a_child_that_died_is_started_again(parent):
    process = parent()
    first = line(process, "first started")
    line(process, "second started")
    os.kill(first, signal.SIGKILL)
    again = line(process, "first started")
    assert again != first
    assert is_alive(again)


PARENTAL = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_a_dead_child_left_behind_is_ended_before_it_starts_again(parent, number):
    process = parent(PARENTAL)
    first = line(process, "first started")
    grandchild = int(process.stdout.readline())
    os.kill(first, number)
    line(process, "first started")
    wait_gone(grandchild)


def test_a_child_that_keeps_dying_ends_it_all_with_a_failure(parent):
    process = parent("raise SystemExit(3)")
    _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "first died 5 times in a minute; giving up" in told
    assert told.count("first started") == 5


def test_a_child_deaf_to_sigterm_is_ended_after_the_grace(parent):
    process = parent(STUBBORN)
    first = line(process, "first started")
    line(process, "second started")
    assert process.stdout.readline() == "deaf\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert not is_alive(first)


def test_not_even_a_killed_parent_leaves_an_orphan(parent):
    process = parent()
    first, second = line(process, "first started"), line(process, "second started")
    process.kill()
    wait_gone(first)
    wait_gone(second)
