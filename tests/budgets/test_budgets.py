"""What must stay cheap: SQL statements of a page, whatever its rows; the start of the command."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_SQL = 30
"""The first page of an operator shows six sorts of things; no page needs more than this."""
MOST_TIMES_BARE = 4000
"""A page of a list against a view of one line: twice the dearest measured, fifty applications of a
ranked call with their steps."""
WHOLE = ("/panels/", "/rankings/")
MOST_TIMES_BARE_WHOLE = 20_000
"""A panel and a ranking show all of 400 applications at once, since they are compared."""


@pytest.fixture(scope="module")
def measured() -> dict:
    """Return a quick run of the benchmark of pages."""
    environment = {name: value for name, value in os.environ.items() if "UZINA" not in name}
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "pages.py", "--quick"],
        capture_output=True,
        text=True,
        check=False,
        env=environment | {"PYTHONPATH": ""},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_no_page_asks_the_database_more_when_there_are_more_rows(measured):
    grown = {
        name: (page["few"]["sql"], page["many"]["sql"])
        for name, page in measured["pages"].items()
        if page["many"]["sql"] > page["few"]["sql"] + 1  # one more to count the pages of a list
    }
    assert not grown


def test_no_page_needs_many_statements(measured):
    many = {
        n: p["many"]["sql"] for n, p in measured["pages"].items() if p["many"]["sql"] > MOST_SQL
    }
    assert not many


def test_no_page_costs_out_of_all_proportion(measured):
    times = {
        name: page["many"]["cpu_ms"] / measured["bare_ms"]
        for name, page in measured["pages"].items()
    }
    whole = {name for name in times if any(path in name for path in WHOLE)}
    assert len(whole) == len(WHOLE)
    assert max(times[name] for name in times.keys() - whole) < MOST_TIMES_BARE
    assert max(times[name] for name in whole) < MOST_TIMES_BARE_WHOLE


def test_the_command_starts_without_what_only_some_commands_need():
    """Which is what makes it start fast; how fast is not a test's to say."""
    code = (
        "import sys; from uzina_client import cli; cli.run(['--version']); "
        "print(sorted({'httpx', 'keyring', 'rich.progress', 'uzina', 'django'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"
