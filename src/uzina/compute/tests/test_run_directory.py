"""Reading what a stranger's program wrote: bounded, inside the directory, plain files only."""

import itertools
import json
import os
import time

import pytest

from uzina.compute.adapters import run_directory as rd


def test_lines_are_read_on_from_where_one_stopped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"st')
    first = rd.metrics(tmp_path)
    assert [one["step"] for one in first.records] == [1, 2]
    assert rd.metrics(tmp_path, after=first.next_offset).records == ()

    with path.open("a") as file:
        file.write('ep": 3}\n')

    rest = rd.metrics(tmp_path, after=first.next_offset)
    assert [one["step"] for one in rest.records] == [3]
    assert rest.next_offset == path.stat().st_size


def test_numbers_that_are_none_become_gaps(tmp_path):
    (tmp_path / "metrics.jsonl").write_text(
        '{"loss": NaN, "a": Infinity, "b": -Infinity, "c": 1e999, "d": 2.5}\n'
    )
    [record] = rd.metrics(tmp_path).records
    assert record == {"loss": None, "a": None, "b": None, "c": None, "d": 2.5}
    json.dumps(record, allow_nan=False)


@pytest.mark.parametrize(
    "line",
    [
        b"no json", b"[1, 2]", b'"text"', b"\xff\xfe\x00", b"{" * 50_000, b"[" * 60_000,
        b'{"a": ' + b"9" * 5000 + b"}", b'{"a": "' + b"x" * 70_000 + b'"}', b"null", b"\x00",
    ],
)  # fmt: skip
def test_what_cannot_be_understood_is_counted_and_passed_over(tmp_path, line):
    (tmp_path / "events.jsonl").write_bytes(line + b'\n{"event": "started"}\n')

    found = rd.events(tmp_path)

    assert found.records == ({"event": "started"},)
    assert found.skipped == 1


def test_one_line_without_an_end_does_not_stop_the_reader_for_ever(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"x" * (3 * rd.MAX_READ) + b'\n{"step": 7}\n')
    found, after, began = [], 0, time.monotonic()
    for _turn in range(10):
        page = rd.metrics(tmp_path, after=after)
        found += page.records
        after = page.next_offset

    assert [one["step"] for one in found] == [7]
    assert time.monotonic() - began < 5


def test_nothing_outside_the_directory_is_read(tmp_path):
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    secret = tmp_path / "secret.json"
    secret.write_text('{"secret": 1}')
    (run_dir / "exit.json").symlink_to(secret)
    (run_dir / "logs").symlink_to(tmp_path)
    (run_dir / "heartbeat.json").mkdir()

    assert rd.exit_record(run_dir) == {}
    assert rd.heartbeat(run_dir) == {}
    assert rd.chunk(run_dir, "logs/secret.json", offset=0, limit=100).data == b""
    for path in ("../secret.json", str(secret), "", "a\x00b", "x/../../secret.json"):
        assert rd.chunk(run_dir, path, offset=0, limit=100).data == b""
    assert rd.files(run_dir) == []


def test_a_pipe_in_the_place_of_a_file_does_not_hang_the_reader(tmp_path):
    os.mkfifo(tmp_path / "metrics.jsonl")

    assert rd.metrics(tmp_path) == rd.Lines((), 0, 0)


def test_a_record_larger_than_a_record_is_absent(tmp_path):
    (tmp_path / "heartbeat.json").write_text(json.dumps({"a": "x" * 70_000}))
    (tmp_path / "exit.json").write_text('{"state": "done", "step": 7}')

    assert rd.heartbeat(tmp_path) == {}
    assert rd.exit_record(tmp_path) == {"state": "done", "step": 7}


def test_the_list_of_files_is_bounded_and_leaves_hidden_ones_out(tmp_path):
    (tmp_path / "export" / "hf").mkdir(parents=True)
    (tmp_path / "export" / "hf" / "model.safetensors").write_bytes(b"x" * 10)
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "x").touch()
    many = tmp_path / "many"
    many.mkdir()
    for number in range(rd.MAX_ENTRIES + 50):
        (many / str(number)).touch()
    odd = tmp_path / os.fsdecode(b"odd-\xff")
    odd.mkdir()
    (odd / "f").touch()

    found = rd.files(tmp_path)

    assert len(found) <= rd.MAX_ENTRIES
    assert not any(entry.path.startswith(".") for entry in found)
    json.dumps([entry.path for entry in found]).encode("utf-8")


def test_a_directory_that_is_not_there_is_empty(tmp_path):
    gone = tmp_path / "gone"
    assert rd.files(gone) == []
    assert rd.metrics(gone) == rd.Lines((), 0, 0)
    assert rd.curve(gone) == []
    assert rd.chunk(gone, "logs/stdout.log", offset=7, limit=10).next_offset == 7


def test_files_of_the_description_are_laid_out_twice_without_harm(tmp_path):
    for _turn in range(2):
        rd.make(tmp_path / "run", {"config.toml": "a = 1", "src/train.py": "print('ș')"})

    assert (tmp_path / "run" / "src" / "train.py").read_text() == "print('ș')"
    assert (tmp_path / "run" / "logs").is_dir()


def test_a_long_curve_keeps_its_beginning_its_end_and_its_shape(tmp_path):
    with (tmp_path / "metrics.jsonl").open("w") as file:
        for step in range(400_000):
            file.write(f'{{"step": {step}, "loss": 1.0}}\n')

    steps = [one["step"] for one in rd.curve(tmp_path)]

    assert (steps[0], steps[-1]) == (0, 399_999)
    assert steps == sorted(set(steps))
    assert max(later - step for step, later in itertools.pairwise(steps)) < 20_000


def test_a_short_curve_is_whole(tmp_path):
    (tmp_path / "metrics.jsonl").write_text("".join(f'{{"step": {n}}}\n' for n in range(5000)))

    assert [one["step"] for one in rd.curve(tmp_path)] == list(range(5000))


@pytest.mark.parametrize(
    ("offset", "limit", "data", "next_offset", "is_end"),
    [
        (0, 4, b"0123", 4, False), (6, 4, b"6789", 10, True), (-3, 10, b"789", 10, True),
        (-99, 5, b"01234", 5, False), (99, 5, b"", 10, True), (10, 5, b"", 10, True),
    ],
)  # fmt: skip
def test_a_piece_of_a_file(tmp_path, offset, limit, data, next_offset, is_end):
    (tmp_path / "log").write_bytes(b"0123456789")
    piece = rd.chunk(tmp_path, "log", offset=offset, limit=limit)

    assert (piece.data, piece.next_offset, piece.is_end) == (data, next_offset, is_end)
