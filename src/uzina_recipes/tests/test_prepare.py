"""Preparing real documents: nothing is lost without a reason, and nothing held out leaks."""

import json

import numpy as np
import pytest
from tokenizers import Tokenizer

from uzina_recipes import shards
from uzina_recipes.corpus import tokens
from uzina_recipes.corpus.batch import Batch
from uzina_recipes.recipes.prepare import duplicates
from uzina_recipes.run_directory import file_sha256, read_lines
from uzina_recipes.tests.conftest import ended, run_folder, start, write_config

SETTINGS = {"vocabulary": 512, "held_out": 0.1, "workers": 1}
"""Those of the fixture `prepared`."""


@pytest.fixture(scope="module")
def report(data):
    return json.loads((data / "report.json").read_text("utf-8"))


def training_texts(data):
    split = shards.open_shards(data, "train")
    starts = np.flatnonzero(split.tokens == split.separator)[1:]
    tokenizer = Tokenizer.from_file(str(data / "tokenizer.json"))
    return [tokenizer.decode(part[1:].tolist()) for part in np.split(split.tokens, starts)]


def test_a_preparation_ends_done_and_says_so(prepared):
    assert ended(prepared) == {"state": "done", "resume": False, "step": 208, "reason": ""}
    assert not (prepared / "work").exists()
    phases = {row["phase"] for row in read_lines(prepared / "metrics.jsonl")}
    assert {"read", "clean", "border", "tokenise"} <= phases


def test_every_document_is_in_a_split_or_counted_under_one_rule(report, rows):
    came_in = sum(row["documents"] for row in report["in"].values())
    excluded = sum(
        row["documents"]
        for rule in report["excluded_documents"].values()
        for row in rule["by_language"].values()
    )
    went_out = sum(report["out"][split]["documents"] for split in ("train", "heldout"))
    assert came_in == len(rows)
    assert excluded + went_out == came_in


def test_bytes_and_tokens_of_the_report_are_those_of_the_files(report, data):
    out = report["out"]
    train = training_texts(data)
    assert len(train) == out["train"]["documents"]
    assert sum(len(text.encode()) for text in train) == out["train"]["bytes"]
    for split in ("train", "heldout"):
        assert (data / f"{split}.bin").stat().st_size == 2 * out[split]["tokens"]
        by_language = out[split]["by_language"].values()
        assert sum(row["tokens"] for row in by_language) == out[split]["tokens"]


def test_a_published_rule_says_what_it_measures_in_both_languages(report):
    assert report["excluded_documents"]["repeated_lines"]["says"] == {
        "en": "Share of the lines that repeat an earlier one.",
        "ro": "Partea rândurilor care repetă unul anterior.",
    }
    assert "says" not in report["excluded_documents"]["too_short"]


def test_samples_are_three_at_most_and_name_their_document(report):
    rules = {**report["removed_lines"], **report["excluded_documents"]}
    assert any(rule["samples"] for rule in rules.values())
    for rule in rules.values():
        assert len(rule["samples"]) <= 3
        assert all(sample["id"] for sample in rule["samples"])


def test_the_report_names_the_digests_of_what_went_in_and_came_out(report, prepared, data):
    into = prepared / "inputs" / "documents" / "documents.jsonl"
    assert report["digests"]["in"] == {"documents/documents.jsonl": file_sha256(into)}
    for name, digest in report["digests"]["out"].items():
        assert file_sha256(data / name) == digest
    assert set(report["digests"]["out"]) == {
        "train.bin",
        "heldout.bin",
        "heldout.jsonl",
        "tokenizer.json",
        "shards.json",
        "statistics.json",
    }


def test_no_training_text_is_near_to_a_held_out_text(data):
    lines = (data / "heldout.jsonl").read_text("utf-8").splitlines()
    held = [json.loads(line)["text"] for line in lines]
    border = duplicates.HeldOut.of(duplicates.shingles(Batch.of(held)))
    train = training_texts(data)
    assert held
    assert not set(held) & set(train)
    for shingles in duplicates.shingles(Batch.of(train)):
        assert border.overlap(shingles) <= 0.25


def test_tokens_give_back_every_byte_of_any_text(data):
    tokenizer = Tokenizer.from_file(str(data / "tokenizer.json"))
    for text in ("Țara — «ăâîșț»\n\t  x  ", "日本語 🏭", " ", "a\u0301"):
        assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_the_same_documents_give_the_same_files(prepared, data, tmp_path):
    again = run_folder(tmp_path / "run", SETTINGS, documents=prepared / "inputs" / "documents")
    assert start("prepare", again) == 0
    for name in ("train.bin", "heldout.bin", "heldout.jsonl", "tokenizer.json"):
        assert (again / "export" / "data" / name).read_bytes() == (data / name).read_bytes()


def test_a_copy_and_a_broken_line_are_counted_and_change_nothing_else(rows, tmp_path):
    # Navigation is counted over documents, so there a copy would make a difference.
    settings = {"vocabulary": 330, "held_out": 0.1, "workers": 1, "boilerplate_documents": 10**6}
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows[:60])
    bad = ['{"id": 1', '{"id": "x", "text": 5, "language": "ro", "source": "s"}', "[]"]
    copy = json.dumps(rows[30] | {"id": "copy"})
    found = []
    for name, more in (("without", ""), ("with", "\n".join([*bad, copy]))):
        source = tmp_path / name
        source.mkdir()
        (source / "a.jsonl").write_text(text, "utf-8")
        (source / "b.jsonl").write_text(more, "utf-8")
        run = run_folder(tmp_path / f"{name}-run", settings, documents=source)
        assert start("prepare", run) == 0
        data = run / "export" / "data"
        report = json.loads((data / "report.json").read_text("utf-8"))["excluded_documents"]
        counts = {
            rule: sum(row["documents"] for row in report[rule]["by_language"].values())
            for rule in ("unreadable", "exact_duplicate", "near_duplicate")
        }
        files = {one: (data / one).read_bytes() for one in ("heldout.jsonl", "train.bin")}
        found.append((counts, files))
    (before, files), (after, same) = found
    assert files == same
    assert after["unreadable"] == before["unreadable"] + 3
    rest = [counts["exact_duplicate"] for counts in (before, after)]
    left_out = [row["id"] for row in rows[:60]].index(rows[30]["id"])
    assert left_out == 30
    assert rest[1] - rest[0] in {0, 1}


def test_no_documents_is_a_failure_that_says_what_to_stage(tmp_path):
    run = run_folder(tmp_path / "run", {})
    assert start("prepare", run) == 1
    assert ended(run)["state"] == "failed"
    assert "stage a dataset version with .jsonl" in ended(run)["reason"]


def test_rules_that_leave_nothing_are_a_failure_not_an_empty_shard(prepared, tmp_path):
    run = run_folder(
        tmp_path / "run", {"minimum_words": 100_000}, documents=prepared / "inputs" / "documents"
    )
    assert start("prepare", run) == 1
    assert "No document came through cleaning" in ended(run)["reason"]
    assert not (run / "export" / "data" / "train.bin").exists()


def test_a_stop_file_ends_the_preparation_and_it_starts_again_afterwards(prepared, tmp_path):
    run = run_folder(
        tmp_path / "run",
        {"vocabulary": 512, "held_out": 0.1, "workers": 1},
        documents=prepared / "inputs" / "documents",
    )
    (run / "STOP").touch()
    assert start("prepare", run) == 0
    assert (ended(run)["state"], ended(run)["resume"]) == ("stopped", True)
    assert not (run / "STOP").exists()
    write_config(run, {"vocabulary": 512, "held_out": 0.1, "workers": 1})
    assert start("prepare", run) == 0
    assert ended(run)["state"] == "done"
    assert read_lines(run / "metrics.jsonl")[-1]["life"] == 2


def test_the_report_says_which_library_encoded_and_how_often_it_was_checked(report):
    found = report["encoding"]
    assert found["encoded_twice"] > 0
    assert (found["by"], found["parts_that_differed"], found["differed"]) == ("tokie", 0, "")


def test_a_fast_tokenizer_that_errs_once_is_found_and_the_reference_encodes_everything(
    prepared, data, tmp_path, monkeypatch
):
    real = tokens.Encoder.encode
    calls = []

    def once(self, texts):
        calls.append(self.fast)
        if len(calls) == 2:
            self.disagreed = f"ion.popescu@exemplu.ro {texts[0][:20]}"
            return tokens.Ids(np.array([0] * len(texts) + [1]), np.array([7], np.uint32))
        return real(self, texts)

    monkeypatch.setattr(tokens.Encoder, "encode", once)
    run = run_folder(tmp_path / "run", SETTINGS, documents=prepared / "inputs" / "documents")
    assert start("prepare", run) == 0
    found = json.loads((run / "export" / "data" / "report.json").read_text("utf-8"))["encoding"]
    assert (found["by"], found["parts_that_differed"]) == ("tokenizers", 1)
    assert found["differed"].startswith("<email>")
    assert calls[-1] is None
    for name in ("train.bin", "heldout.bin"):
        again = (run / "export" / "data" / name).read_bytes()
        assert again == (data / name).read_bytes()
