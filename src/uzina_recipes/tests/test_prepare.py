"""Preparing real documents: nothing is lost without a reason, and nothing held out leaks."""

import json
import shutil

import numpy as np
import pytest
from tokenizers import Tokenizer

from uzina_recipes import shards
from uzina_recipes.recipes.prepare import duplicates, texts
from uzina_recipes.recipes.prepare.run import DOCUMENT_RULES
from uzina_recipes.run_directory import file_sha256, read_lines
from uzina_recipes.tests.conftest import ended, run_folder, start, write_config


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
    assert {"count", "clean", "tokenise train", "tokenise heldout"} <= phases


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
    assert tuple(report["excluded_documents"]) == DOCUMENT_RULES


def test_bytes_and_tokens_of_the_report_are_those_of_the_files(report, data):
    out = report["out"]
    train = training_texts(data)
    assert len(train) == out["train"]["documents"]
    assert sum(len(text.encode()) for text in train) == out["train"]["bytes"]
    for split in ("train", "heldout"):
        assert (data / f"{split}.bin").stat().st_size == 2 * out[split]["tokens"]
        by_language = out[split]["by_language"].values()
        assert sum(row["tokens"] for row in by_language) == out[split]["tokens"]


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
    assert {"train.bin", "heldout.bin", "heldout.jsonl", "tokenizer.json", "shards.json"} == set(
        report["digests"]["out"]
    )


def test_no_training_text_is_near_to_a_held_out_text(data):
    shingler = duplicates.Shingler()
    lines = (data / "heldout.jsonl").read_text("utf-8").splitlines()
    held = [json.loads(line)["text"] for line in lines]
    border = duplicates.HeldOut(shingler.shingles(texts.words(text)) for text in held)
    train = training_texts(data)
    assert held
    assert not set(held) & set(train)
    for text in train:
        assert border.overlap(shingler.shingles(texts.words(text))) <= 0.25


def test_tokens_give_back_every_byte_of_any_text(data):
    tokenizer = Tokenizer.from_file(str(data / "tokenizer.json"))
    for text in ("Țara — «ăâîșț»\n\t  x  ", "日本語 🏭", " ", "a\u0301"):
        assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_the_same_documents_give_the_same_files(prepared, data, tmp_path):
    again = run_folder(
        tmp_path / "run",
        {"vocabulary": 512, "held_out": 0.1},
        documents=prepared / "inputs" / "documents",
    )
    assert start("prepare", again) == 0
    for name in ("train.bin", "heldout.bin", "heldout.jsonl", "tokenizer.json"):
        assert (again / "export" / "data" / name).read_bytes() == (data / name).read_bytes()


def test_a_copy_and_a_broken_line_are_counted_and_change_nothing_else(prepared, data, tmp_path):
    source = tmp_path / "documents"
    source.mkdir()
    shutil.copy(prepared / "inputs" / "documents" / "documents.jsonl", source / "a.jsonl")
    lines = (source / "a.jsonl").read_text("utf-8").splitlines()
    kept = json.loads((data / "heldout.jsonl").read_text("utf-8").splitlines()[0])["id"]
    copy = next(line for line in lines if json.loads(line)["id"] == kept)
    bad = ['{"id": 1', '{"id": "x", "text": 5, "language": "ro", "source": "s"}', "[]"]
    (source / "b.jsonl").write_text("\n".join([*bad, copy]) + "\n", "utf-8")
    run = run_folder(tmp_path / "run", {"vocabulary": 512, "held_out": 0.1}, documents=source)
    assert start("prepare", run) == 0
    out = run / "export" / "data"
    report = json.loads((out / "report.json").read_text("utf-8"))
    assert report["excluded_documents"]["unreadable"]["by_language"][""]["documents"] == 3
    before = json.loads((data / "report.json").read_text("utf-8"))["excluded_documents"]
    exact = [
        sum(row["documents"] for row in each["exact_duplicate"]["by_language"].values())
        for each in (before, report["excluded_documents"])
    ]
    assert exact[1] == exact[0] + 1
    assert (out / "heldout.jsonl").read_bytes() == (data / "heldout.jsonl").read_bytes()


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
        {"vocabulary": 512, "held_out": 0.1},
        documents=prepared / "inputs" / "documents",
    )
    (run / "STOP").touch()
    assert start("prepare", run) == 0
    assert (ended(run)["state"], ended(run)["resume"]) == ("stopped", True)
    assert not (run / "STOP").exists()
    write_config(run, {"vocabulary": 512, "held_out": 0.1})
    assert start("prepare", run) == 0
    assert ended(run)["state"] == "done"
    assert read_lines(run / "metrics.jsonl")[-1]["life"] == 2
