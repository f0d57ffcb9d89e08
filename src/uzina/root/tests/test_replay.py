"""A real accounting log, booked into a fresh factory and proved against a sum over the file."""

import os
import subprocess
import sys
from zoneinfo import ZoneInfo

import pytest

from uzina.compute.ports import UsageRow
from uzina.root.accounting_logs import NotALog, Tally, read

ZONE = ZoneInfo("Europe/Bucharest")
SWF = """; Version: 2.2
; UnixStartTime: 1000000000
; Note: a made sample
1 0 10 3600 40 -1 -1 40 7200 -1 1 1 1 -1 1 1 -1 -1
2 5 0 60 1 -1 -1 1 60 -1 0 2 1 -1 1 2 -1 -1
3 9 -1 -1 -1 -1 -1 4 60 -1 5 2 2 -1 1 2 -1 -1
4 9 1 30 -1 -1 -1 20 60 -1 1 -1 -1 -1 3 -1 -1 -1
4 9 1 30 -1 -1 -1 20 60 -1 1 -1 -1 -1 3 -1 -1 -1
5 9 1 30 2 -1 -1 20 60 -1 2 1 1 -1 3 -1 -1 -1
6 9 1 thirty 2 -1 -1 20 60 -1 1 1 1 -1 3 -1 -1 -1
7 9 1 30 0 -1 -1 0 60 -1 1 1 1 -1 3 -1 -1 -1
8 9 1 30
"""
SACCT = """JobID|State|Submit|Start|End|ElapsedRaw|NNodes|AllocTRES|Account|User|Partition|JobName
1|COMPLETED|2026-11-01T00:00:00|2026-11-01T00:00:10|2026-11-01T01:00:10|3600|1|cpu=8,gres/gpu=4,mem=64G,node=1|uz-a|ana|gpu|train
1.batch|COMPLETED|2026-11-01T00:00:00|2026-11-01T00:00:10|2026-11-01T01:00:10|3600|1|cpu=8||||batch
2_1|CANCELLED by 7|1793480400|Unknown|1793480500|0|1||uz-a|ion|gpu|=x()
3|RUNNING|1793480400|1793480401|Unknown|9|1|cpu=1|uz-a|ion|gpu|x
4|NODE_FAIL|1793480400|1793480401|1793480501|100|1|cpu=100|uz-b|ion|cpu|x
5|COMPLETED|1793480400|1793480500|1793480400|100|1|cpu=1|uz-b|ion|cpu|x
6|TIMEOUT|1793480400|1793480500|1793480600|90|1|cpu=40,mem=512M|uz-b|ion|cpu|x
not a row
"""


def rows_of(tmp_path, text):
    path = tmp_path / "log.txt"
    path.write_text(text)
    tally = Tally()
    return list(read(path, tally, zone=ZONE)), tally


def test_a_workload_log_is_read_and_what_is_passed_over_is_told(tmp_path):
    rows, tally = rows_of(tmp_path, SWF)

    assert [row.native_id for row in rows] == ["1", "2", "3", "4"]
    assert rows[0] == UsageRow(
        native_id="1",
        key="",
        submitted_s=1_000_000_000,
        started_s=1_000_000_010,
        ended_s=1_000_003_610,
        nodes=0,
        cpus=40,
        gpus=0,
        state="COMPLETED",
        raw=SWF.splitlines()[3],
        account="g1",
        user="u1",
        partition="p1",
    )
    assert (rows[2].started_s, rows[2].elapsed_s, rows[2].cpus) == (None, 0, 0)
    assert (rows[3].account, rows[3].user, rows[3].partition, rows[3].cpus) == (
        *("unknown", "unknown", "q3"),
        20,
    )
    assert (tally.bad, tally.bad_lines, tally.steps, tally.repeated) == (3, [10, 11, 12], 1, 1)


def test_the_text_of_sacct_is_read_and_what_is_passed_over_is_told(tmp_path):
    rows, tally = rows_of(tmp_path, SACCT)

    assert [(row.native_id, row.elapsed_s, row.gpus, row.memory_mb) for row in rows] == [
        ("1", 3600, 4, 65_536),
        ("2_1", 0, 0, 0),
        ("4", 100, 0, 0),
        ("6", 90, 0, 512),
    ]
    assert rows[0].submitted_s == 1_793_484_000  # 1 November, midnight in Bucharest
    assert rows[1].state == "CANCELLED"
    assert (tally.bad, tally.bad_lines, tally.steps, tally.is_open) == (2, [7, 9], 1, 1)


@pytest.mark.parametrize(
    ("text", "said"), [("hello\n", "neither"), ("JobID|State\n1|x\n", "Account|Start|End|User")]
)
def test_a_file_of_another_format_is_told_so(tmp_path, text, said):
    with pytest.raises(NotALog) as refused:
        rows_of(tmp_path, text)
    assert any(word in str(refused.value) for word in said.split("|"))


def replay(path, folder, **environment):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("UZINA_")}
    return subprocess.run(
        [sys.executable, "-m", "uzina.root.admin", "replay", str(path), "--folder", str(folder)],
        capture_output=True,
        text=True,
        env=clean | environment,
        cwd=folder.parent,
        timeout=300,
        check=False,
    )


def test_a_log_is_booked_into_a_fresh_factory_and_the_books_are_proved(tmp_path):
    path = tmp_path / "log.swf"
    path.write_text(SWF)

    done = replay(path, tmp_path / "factory")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "lines 10, 11, 12" in done.stdout
    # 40 cores for an hour, one for a minute, 20 for 30 s; 20 core-hours are a GPU-hour.
    assert (
        "together                     4          1.02           40.18            2.01"
        in done.stdout
    )
    assert "Every total equals the sum over the file, to the second." in done.stdout

    again = replay(path, tmp_path / "factory")
    assert again.returncode == 2
    assert "is there already" in again.stdout


def test_a_database_that_is_not_empty_is_left_alone(tmp_path):
    import sqlite3

    database = tmp_path / "other.sqlite3"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE precious (it INTEGER)")
    path = tmp_path / "log.txt"
    path.write_text(SACCT)

    done = replay(path, tmp_path / "factory", UZINA_DATABASE_URL=f"sqlite:///{database}")

    assert done.returncode == 2
    assert "is not empty" in done.stdout
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("precious",)]
