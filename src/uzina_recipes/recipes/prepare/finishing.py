"""The end of a preparation: parts one behind the other, and what the report says of them."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from uzina_recipes import shards
from uzina_recipes.recipes.prepare import parts, report
from uzina_recipes.recipes.prepare.judging import DOCUMENT_RULES, LINE_RULES, PUBLISHED
from uzina_recipes.recipes.prepare.settling import RULES
from uzina_recipes.run_directory import file_sha256, write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from uzina_recipes.recipes.prepare.steps import Work
    from uzina_recipes.run_directory import RunDirectory

SPLITS = ("train", "heldout")
SAYS = {rule.name: {"en": rule.en, "ro": rule.ro} for rule in PUBLISHED.rules}
WHERE_IT_RAN = {"workers"}


def finish(
    work: Work,
    keys: Sequence[str],
    run: RunDirectory,
    files: Sequence[Path],
    kept_out: Sequence[Path],
) -> dict[str, Any]:
    """Write export/data and return the report."""
    data = run.path / "export" / "data"
    parts.clear(data)
    data.mkdir(parents=True)
    facts = [work.tokenised.facts(key) for key in keys]
    for split in SPLITS:
        together(
            data / f"{split}.bin",
            [work.tokenised.path(key, f".{split}.bin") for key in keys],
        )
    together(data / "heldout.jsonl", [work.tokenised.path(key, ".heldout.jsonl") for key in keys])
    shutil.copyfile(work.settled / "tokenizer.json", data / "tokenizer.json")
    if work.settings["parquet"]:
        lay_parquet(work, keys, data / "texts")

    vocabulary = work.encoder.reference.get_vocab_size()
    splits = {split: summed([row[split] for row in facts]) for split in SPLITS}
    out = {
        split: {name: sums[name] for name in ("tokens", "documents", "bytes", "by_language")}
        for split, sums in splits.items()
    }
    write(
        data / "shards.json",
        {
            "format": f"little-endian {shards.token_type(vocabulary).name}, "
            "a separator before each document",
            "vocabulary": vocabulary,
            "separator": work.encoder.reference.token_to_id(shards.SEPARATOR),
            **out,
        },
    )
    tally = report.total(
        [
            *(work.step("read").facts(key) for key in keys),
            *(work.step("clean").facts(key) for key in keys),
            parts.read_json(work.settled / "settled.json"),
        ]
    )
    personal = report.added(work.step("clean").facts(key)["personal"] for key in keys)
    scrubbed = report.added([{"": by} for by in personal.values()]).get("", {})
    came_in = tally["counts"].get("in", {})
    write(data / "statistics.json", report.statistics(splits["train"], came_in, scrubbed))
    found = {
        "in": came_in,
        "after_normalising": tally["counts"].get("normalised", {}),
        "removed_lines": report.rules(tally, LINE_RULES, SAYS),
        "excluded_documents": report.rules(tally, (*DOCUMENT_RULES, *RULES.values()), SAYS),
        "personal_data": {"replaced": scrubbed, "by_language": personal},
        "out": out,
        "vocabulary": vocabulary,
        "encoding": encoding(work, keys, facts),
        "settings": {
            name: value for name, value in work.settings.items() if name not in WHERE_IT_RAN
        },
        "digests": {
            "in": digests(run.path / "inputs", [*files, *kept_out]),
            "out": digests(data, sorted(path for path in data.rglob("*") if path.is_file())),
        },
    }
    write(data / "report.json", found)
    return found


def encoding(work: Work, keys: Sequence[str], facts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Which library encoded, how many texts both encoded, and a text on which they differed."""
    first = (
        [work.step("tokenise").facts(key) for key in keys] if work.by_reference.exists() else facts
    )
    differed = [row["disagreed"] for row in first if row["disagreed"]]
    return {
        "by": "tokenizers" if work.encoder.fast is None else "tokie",
        "encoded_twice": sum(row["encoded_twice"] for row in first),
        "parts_that_differed": len(differed),
        "differed": differed[0] if differed else "",
    }


def write(path: Path, facts: dict[str, Any]) -> None:
    """Write facts as people like to read them."""
    write_atomically(path, json.dumps(facts, ensure_ascii=False, indent=2) + "\n")


def together(path: Path, pieces: Sequence[Path]) -> None:
    """Write files one behind the other."""
    with path.open("wb") as out:
        for piece in pieces:
            with piece.open("rb") as file:
                shutil.copyfileobj(file, out, 2**20)


def lay_parquet(work: Work, keys: Sequence[str], folder: Path) -> None:
    """Lay the texts as Parquet, a folder a split, a file a part that has any."""
    for split in SPLITS:
        (folder / split).mkdir(parents=True)
        for key in keys:
            piece = work.tokenised.path(key, f".{split}.parquet")
            if piece.exists():
                shutil.copyfile(piece, folder / split / f"{key}.parquet")


def digests(folder: Path, files: Sequence[Path]) -> dict[str, str]:
    """The SHA-256 of files by their path in a folder."""
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}


def summed(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The sums of a split over its parts."""
    tables = {
        name: report.added(row[name] for row in rows)
        for name in ("by_language", "by_source", "by_licence", "by_domain")
    }
    whole = tables["by_language"].values()
    return {
        **{name: sum(row[name] for row in whole) for name in ("tokens", "documents", "bytes")},
        **tables,
        "first": min((row["first"] for row in rows if row["first"]), default=""),
        "last": max((row["last"] for row in rows), default=""),
        "dated": sum(row["dated"] for row in rows),
    }
