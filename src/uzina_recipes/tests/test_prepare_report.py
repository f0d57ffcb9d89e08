"""The report tells the truth: its counts add up, and it shows nobody's personal data."""

import gzip
import json
import lzma
import re

import pyarrow.parquet as pq
import pytest

from uzina_recipes import corpora, shards
from uzina_recipes.tests.conftest import ended, run_folder, start

MAIL = "ion.popescu@exemplu.ro"


QUIZ = 3
"""Whose text the evaluation set asks for."""


@pytest.fixture(scope="module")
def documents():
    """Real texts with an address in each and an origin that is made up; and one for some rules."""
    path = corpora.folder("debian-docs") / "documents.jsonl.xz"
    with lzma.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    real = [row for row in rows if row["source"] == "debian-handbook" and len(row["text"]) > 4000]
    made = [
        row
        | {
            "id": f"{n}-{MAIL}",
            "text": f"{row['text']}\nScrieți la {MAIL} vă rog.",
            "source": "unu" if n % 3 else "doi",
            "licence": "CC0-1.0" if n % 2 else "",
            "url": f"https://www.site{n % 25}.ro/{n}",
            "date": f"2026-0{1 + n % 9}-15",
        }
        for n, row in enumerate(real)
    ]
    english = next(row for row in made if row["language"] == "en")
    romanian = next(row for row in made if row["language"] == "ro")
    return [
        *made,
        made[5] | {"id": "copy"},
        made[6] | {"id": "near", "text": made[6]["text"] + " Da."},
        romanian | {"id": "short", "text": f"Scrieți la {MAIL} vă rog."},
        english | {"id": "other", "language": "ro"},
    ]


@pytest.fixture(scope="module")
def run(documents, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    source = folder / "source"
    source.mkdir()
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in documents)
    (source / "a.jsonl.gz").write_bytes(gzip.compress(f"{lines}[{MAIL}]\n".encode()))
    (source / "LICENCE.txt").write_text("no document")
    tested = folder / "tested"
    (tested / "evaluation").mkdir(parents=True)
    item = {"text": " ".join(documents[QUIZ]["text"].split()[100:140])}
    (tested / "evaluation" / "quiz.jsonl").write_text(json.dumps(item, ensure_ascii=False))
    settings = {
        "vocabulary": 400,
        "held_out": 0.2,
        "parquet": True,
        "workers": 1,
        "boilerplate_documents": 1000,
        "near_held_out": 1.0,
        "gopher_repetition": False,
        "foreign_words": 1000,
    }
    made = run_folder(folder / "run", settings, texts=source, quiz=tested)
    assert start("prepare", made) == 0, ended(made)
    return made


@pytest.fixture
def report(run):
    return json.loads((run / "export" / "data" / "report.json").read_text("utf-8"))


def count(table):
    return sum(row["documents"] for row in table.values())


def test_every_document_is_in_a_split_or_under_one_rule(report, documents):
    taken = {
        name: count(rule["by_language"]) for name, rule in report["excluded_documents"].items()
    }
    out = {split: report["out"][split]["documents"] for split in ("train", "heldout")}
    assert count(report["in"]) == len(documents) + 1
    assert sum(taken.values()) + sum(out.values()) == len(documents) + 1
    assert (taken["unreadable"], taken["exact_duplicate"]) == (1, 1)
    assert taken["near_duplicate"] >= 1
    rules = report["excluded_documents"]
    for rule, name in (("too_short", "short"), ("wrong_language", "other")):
        assert name in {sample["id"] for sample in rules[rule]["samples"]} or taken[rule] > 3


def test_nobodys_address_is_shown_and_each_is_counted(run, report, documents):
    for path in (run / "export" / "data").rglob("*"):
        assert path.is_dir() or MAIL.encode() not in path.read_bytes(), path
    for row in trained(run):
        assert MAIL not in row["text"]
        assert "<email>" in row["text"]
    # A copy is scrubbed before it is known to be one.
    rules = report["excluded_documents"]
    late = ("exact_duplicate", "near_duplicate", "in_evaluation", "near_held_out")
    scrubbed = sum(count(rules[name]["by_language"]) for name in late)
    scrubbed += sum(split["documents"] for split in report["out"].values())
    replaced = report["personal_data"]["replaced"]["email"]
    by_language = report["personal_data"]["by_language"].values()
    assert sum(kinds.get("email", 0) for kinds in by_language) == replaced
    # One is planted in each; some texts hold others of their own.
    held = (run / "export" / "data" / "heldout.jsonl").read_text("utf-8").splitlines()
    kept = [*(row["text"] for row in trained(run)), *(json.loads(line)["text"] for line in held)]
    came_out = sum(text.count("<email>") for text in kept)
    assert len(kept) <= came_out <= replaced - (scrubbed - len(kept))
    shown = [one["excerpt"] for rule in rules.values() for one in rule["samples"]]
    assert any("<email>" in excerpt for excerpt in shown)


def trained(run):
    """The training texts, as Parquet says them."""
    return pq.read_table(run / "export" / "data" / "texts" / "train").to_pylist()


def test_what_an_evaluation_set_asks_is_not_trained_on(run, report, documents):
    asked = " ".join(documents[QUIZ]["text"].split()[105:130])
    assert asked in " ".join(documents[QUIZ]["text"].split())
    assert count(report["excluded_documents"]["in_evaluation"]["by_language"]) >= 1
    assert not any(asked in " ".join(row["text"].split()) for row in trained(run))


def test_texts_come_out_as_parquet_with_where_they_are_from(run, report):
    found = trained(run)
    assert len(found) == report["out"]["train"]["documents"]
    assert sum(len(row["text"].encode()) for row in found) == report["out"]["train"]["bytes"]
    assert {row["source"] for row in found} == {"unu", "doi"}


def test_statistics_say_what_the_public_summary_asks_for(run, report):
    path = run / "export" / "data" / "statistics.json"
    said = json.loads(path.read_text("utf-8"))
    rows = trained(run)
    size = sum(len(row["text"].encode()) for row in rows)
    assert (said["documents"], said["bytes"]) == (len(rows), size)
    assert said["tokens"] == report["out"]["train"]["tokens"]
    for name, column in (("sources", "source"), ("licences", "licence")):
        told = {row["name"]: row["bytes"] for row in said[name]}
        mine = {}
        for row in rows:
            key = row[column] or "unknown"
            mine[key] = mine.get(key, 0) + len(row["text"].encode())
        assert told == mine
        assert sum(row["share"] for row in said[name]) == pytest.approx(1, abs=1e-4)
    days = sorted(row["date"] for row in rows)
    assert said["collected"] == {"from": days[0], "until": days[-1], "dated": len(rows)}
    crawled = said["crawled"]
    assert crawled["domains"] == len({re.search(r"site\d+", row["url"])[0] for row in rows})
    assert len(crawled["top"]) == max(1, round(crawled["domains"] / 10))
    assert crawled["top"][0]["bytes"] >= crawled["top"][-1]["bytes"]


def test_a_tokenizer_may_be_taken_instead_of_trained(run, tmp_path):
    data = run / "export" / "data"
    settings = {"tokenizer": "take", "held_out": 0.2, "workers": 1, "near_held_out": 1.0}
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "tokenizer.json").write_bytes((data / "tokenizer.json").read_bytes())
    other = run_folder(tmp_path / "run", settings, texts=run.parent / "source", tokenizer=taken)
    assert start("prepare", other) == 0, ended(other)
    made = (other / "export" / "data" / "tokenizer.json").read_bytes()
    assert made == (data / "tokenizer.json").read_bytes()
    (taken / "tokenizer.json").unlink()
    again = run_folder(tmp_path / "again", settings, texts=run.parent / "source")
    assert start("prepare", again) == 1
    assert "0 inputs hold tokenizer.json" in ended(again)["reason"]


def test_a_rule_that_does_not_exist_is_refused_before_anything_is_read(run, tmp_path):
    for changes, said in (("made_up=1", "no rule is named made_up"), ("citations", "citations")):
        other = run_folder(
            tmp_path / changes, {"rule_changes": changes}, texts=run.parent / "source"
        )
        assert start("prepare", other) == 1
        assert said in ended(other)["reason"]
        assert not (other / "work").exists()


def test_long_vocabularies_are_written_in_four_bytes():
    assert shards.token_type(65_536).itemsize == 2
    assert shards.token_type(65_537).itemsize == 4
