"""Preparing a corpus: ours beside datatrove 0.10.1, on the same texts by the same rules, in one run.

    python benchmarks/prepare.py [--quick]

The corpus is the documentation in some of Debian's packages, one document a page, every eighth page
of the list (about 30 MB); for memory all of them, eight times as much. The packages, datatrove's
environment and the tokenizer are made under var/bench/prepare the first time (the network is needed
for that, and 4 GB). Same stages in the same order: read, language at 0.65, Gopher repetition,
Gopher quality without its stop words, C4, FineWeb, exact duplicates, MinHash of 14 bands of 8 over
runs of 5 words, byte-level BPE of 32,000 tokens. Which text of a group of near duplicates stays is
a matter of taste: on both sides the first counts as kept.

CPU seconds: of datatrove the stages alone, of ours the whole process with its imports. Rewrites
benchmarks/prepare.md; the last line is one JSON object. Quick: a sixteenth, nothing is rewritten.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from uzina_recipes.corpora import build
from uzina_recipes.corpus import language

HERE = Path(__file__).parent
FOLDER = HERE.parent / "var" / "bench" / "prepare"
PARTS = 8
PEER = ["datatrove[processing,io,cli]==0.10.1", "spacy==3.8.18"]
GIMP = "ca cs da de el en es fi fr hr hu it lt nl pt ro sl sv"
OFFICE = "ca cs da de el en-us es et fi fr hu it nl pl pt sl sv"
PACKAGES = [
    *(f"gimp-help-{code}" for code in GIMP.split()),
    *(f"libreoffice-help-{code}" for code in OFFICE.split()),
    "debian-handbook",
    "installation-guide-amd64",
    "linux-doc-6.1",
    "postgresql-doc-15",
    "python3.11-doc",
]
STAGES = {
    "read": "read",
    "language": "language",
    "gopher_repetition": "Gopher repetition",
    "gopher_quality": "Gopher quality",
    "c4": "C4",
    "fineweb": "FineWeb",
    "rules": "the four families of rules together",
    "exact": "exact duplicates",
    "near": "near duplicates",
    "settle": "settling both",
    "write": "writing what stays",
    "tokenise": "tokenise",
}
LABELS = {
    "default": "datatrove, default",
    "tuned": "datatrove, tuned",
    "strict 1": "**strict**",
    "strict 2": "**strict**, two processes",
    "fast 1": "**fast**",
    "fast 2": "**fast**, two processes",
    "strict 8 x": "**strict**, 8 × the texts",
    "strict 8 x 2": "**strict**, 8 × the texts, two processes",
}
RULES = ("gopher_repetition", "gopher_quality", "c4", "fineweb")


def main() -> None:
    """Make what is missing, run both sides, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    FOLDER.mkdir(parents=True, exist_ok=True)
    parts = corpus()
    peer = environment()
    work = FOLDER / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    first = parts[0]
    if quick:
        first = work / "sixteenth.jsonl"
        first.write_bytes(b"".join(parts[0].read_bytes().splitlines(keepends=True)[::16]))
    tokenizer = FOLDER / "tokenizer.json"
    ours("train", 1, work / "warm", tokenizer, parts[:1])  # kernels are compiled here

    found = {
        "default": datatrove(peer, "default", first, tokenizer, work),
        "tuned": datatrove(peer, "tuned", first, tokenizer, work),
    }
    for mode in ("strict", "fast"):
        for processes in (1, 2):
            name = f"{mode} {processes}"
            found[name] = ours(mode, processes, work / name, tokenizer, [first])
    if not quick:
        found["strict 8 x"] = ours("strict", 1, work / "strict 8 x", tokenizer, parts)
        found["strict 8 x 2"] = ours("strict", 2, work / "strict 8 x 2", tokenizer, parts)
    (work / "found.json").write_text(json.dumps(found), "utf-8")
    checked, equal = same_ids(work / "strict 1", tokenizer)
    page = report(found, first, checked, equal)
    print(page)
    if not quick:
        (HERE / "prepare.md").write_text(page, "utf-8")


def corpus() -> list[Path]:
    """The parts of the corpus, made from the packages where they are not there yet."""
    parts = [FOLDER / f"part-{number}.jsonl" for number in range(PARTS)]
    if parts[-1].exists():
        return parts
    archives, pages = FOLDER / "archives", FOLDER / "pages"
    archives.mkdir(exist_ok=True)
    wanted = [name for name in PACKAGES if not list(archives.glob(f"{name}_*.deb"))]
    if wanted:
        subprocess.run(["apt-get", "download", "-q", *wanted], cwd=archives, check=True)
    shutil.rmtree(pages, ignore_errors=True)
    for name in PACKAGES:
        (archive,) = archives.glob(f"{name}_*.deb")
        unpack(archive, pages / name)
    found = sorted(path for path in pages.rglob("*.html") if path.is_file())
    made = [part.with_suffix(".new") for part in parts]
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(write_part, [found[at::PARTS] for at in range(PARTS)], made))
    shutil.rmtree(pages)
    for new, part in zip(made, parts, strict=True):
        new.rename(part)
    return parts


def unpack(archive: Path, folder: Path) -> None:
    """Take the pages out of a package, and leave its pictures."""
    folder.mkdir(parents=True)
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE) as tar:
        command = ["tar", "-x", "--wildcards", "-C", folder, "*.html"]
        subprocess.run(command, stdin=tar.stdout, check=True)


def write_part(pages: list[Path], out: Path) -> None:
    """Write the texts of some pages."""
    root = FOLDER / "pages"
    with out.open("w", encoding="utf-8") as file:
        for page in pages:
            if text := build.page_text(page):
                row = {"id": str(page.relative_to(root)), "text": text}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


def environment() -> Path:
    """The Python of an environment with datatrove, made where it is not there yet."""
    folder = FOLDER / "datatrove"
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([folder / "bin/pip", "install", "-q", *PEER], check=True)
        (folder / "ready").touch()
    return folder / "bin/python"


def datatrove(python: Path, kind: str, part: Path, tokenizer: Path, work: Path) -> dict:
    """Run datatrove; what became of each text, the seconds of each stage."""
    out, load = work / kind, os.getloadavg()[0]
    command = [python, HERE / "prepare" / "peer.py", kind, part, tokenizer]
    with (work / f"{kind}.log").open("wb") as log:
        subprocess.run([*command, language.model_path(), out], check=True, stderr=log, stdout=log)
    result = json.loads((out / "result.json").read_text("utf-8"))
    fate = [result["fate"].get(str(at), "") for at in range(result["documents"])]
    for group in result["clusters"]:
        first, *others = sorted(map(int, group))
        fate[first] = ""
        for other in others:
            fate[other] = "near"
    spent = round(sum(result["spent"].values()), 1)
    return {**result, "fate": fate, "cpu_s": spent, "load": round(load, 1)}


def ours(mode: str, processes: int, out: Path, tokenizer: Path, parts: list[Path]) -> dict:
    """Run ours in a process of its own; CPU seconds are of that process and its workers."""
    command = [sys.executable, HERE / "prepare" / "ours.py", mode, str(processes), out, tokenizer]
    before, load = resource.getrusage(resource.RUSAGE_CHILDREN), os.getloadavg()[0]
    subprocess.run([*command, *parts], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = json.loads((out / "result.json").read_text("utf-8"))
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {**result, "cpu_s": round(spent, 2), "load": round(load, 1)}


def same_ids(out: Path, tokenizer: Path) -> tuple[int, int]:
    """Texts that stayed, and those of them whose ids are those of the reference tokenizer."""
    reference = Tokenizer.from_file(str(tokenizer))
    reference.encode_special_tokens = True
    lengths = np.load(out / "lengths.npy")
    ids = np.concatenate([np.fromfile(path, np.uint16) for path in sorted(out.glob("ids-*.bin"))])
    every = np.split(ids, np.cumsum(lengths)[:-1])
    texts = (json.loads(line) for path in sorted(out.glob("left-*.jsonl")) for line in path.open())
    equal = sum(
        np.array_equal(reference.encode(text, add_special_tokens=False).ids, found)
        for text, found in zip(texts, every, strict=True)
    )
    return len(lengths), equal


def agreement(one: dict, other: dict, stages: tuple[str, ...] = ()) -> float:
    """Per cent of the texts that both keep or both drop; with stages, only those stages drop."""
    kept = [
        [not fate or (bool(stages) and fate not in stages) for fate in side["fate"]]
        for side in (one, other)
    ]
    pairs = list(zip(*kept, strict=True))
    return 100 * sum(a == b for a, b in pairs) / len(pairs)


def goals(found: dict[str, dict], checked: int, equal: int) -> list[str]:
    """Rows of what was wanted beside what came of it."""
    default, tuned = found["default"], found["tuned"]
    strict, fast = found["strict 1"], found["fast 1"]
    rows = [
        ("strict × default", 15, default["cpu_s"] / strict["cpu_s"], ""),
        ("strict × tuned", 4, tuned["cpu_s"] / strict["cpu_s"], ""),
        ("fast × default", 40, default["cpu_s"] / fast["cpu_s"], ""),
        ("strict decides as default", 98, agreement(strict, default), " %"),
        ("strict decides as tuned", 99.5, agreement(strict, tuned), " %"),
        ("token ids as of the reference", 100, 100 * equal / checked, " %"),
    ]
    lines = [
        f"| {says} | ≥ {goal}{unit} | {value:.4g}{unit} | {'yes' if value >= goal else '**no**'} |"
        for says, goal, value, unit in rows
    ]
    for name in ("strict 1", "strict 8 x"):
        if name in found:
            largest = found[name]["largest_mib"] * 2**20 / 1e6
            lines.append(
                f"| memory of {name.removesuffix(' 1')}, MB | < 1000 | {largest:.0f} "
                f"| {'yes' if largest < 1000 else '**no**'} |"
            )
    for one, two in (("strict 1", "strict 2"), ("strict 8 x", "strict 8 x 2")):
        if two in found:
            more = found[two]["cpu_s"] / found[one]["cpu_s"]
            faster = found[one]["wall_s"] / found[two]["wall_s"]
            lines.append(
                f"| CPU seconds of {two.removesuffix(' 2')} in two processes, of those in one "
                f"| near 1 | {more:.2f} ({faster:.2f} × sooner) | |"
            )
    return lines


def report(found: dict[str, dict], part: Path, checked: int, equal: int) -> str:
    """The page."""
    size = sum(len(json.loads(line)["text"].encode()) for line in part.open("rb"))
    default, tuned = found["default"]["cpu_s"], found["tuned"]["cpu_s"]
    rows = []
    for name, one in found.items():
        scale = PARTS if " 8 x" in name else 1
        label = LABELS[name]
        seconds = one["cpu_s"] / scale
        kept = sum(not fate for fate in one["fate"])
        rows.append(
            f"| {label} | {one['cpu_s']} | {size / 1e6 / seconds:.2f} | {default / seconds:.1f} | "
            f"{tuned / seconds:.1f} | {one.get('wall_s', '')} | {one['load']} | {one['largest_mib']} | {kept:,} |"
        )
    stages = []
    for stage, says in STAGES.items():
        cells = [
            found[name]["spent"].get(stage) for name in ("default", "tuned", "strict 1", "fast 1")
        ]
        if stage == "rules":
            for at in (0, 1):
                spent = list(found.values())[at]["spent"]
                cells[at] = round(sum(spent[rule] for rule in RULES), 2)
        stages.append(
            f"| {says} | " + " | ".join("" if c is None else str(c) for c in cells) + " |"
        )
    pairs = [
        ("strict 1", "default"),
        ("strict 1", "tuned"),
        ("fast 1", "default"),
        ("tuned", "default"),
    ]
    agree = [
        f"| {one.split()[0]} and {other} | {agreement(found[one], found[other]):.2f} | "
        f"{agreement(found[one], found[other], ('language', *RULES)):.2f} |"
        for one, other in pairs
    ]
    counts = [Counter(found[name]["fate"]) for name in ("default", "tuned", "strict 1", "fast 1")]
    fates = [
        f"| {says} | " + " | ".join(f"{count[stage]:,}" for count in counts) + " |"
        for stage, says in [*STAGES.items(), ("", "**kept**")]
        if any(count[stage] for count in counts)
    ]
    same = all(found[f"{m} 1"]["fate"] == found[f"{m} 2"]["fate"] for m in ("strict", "fast"))
    sha = hashlib.sha256(part.read_bytes()).hexdigest()[:16]
    facts = {
        "benchmark": "prepare",
        "documents": len(found["default"]["fate"]),
        "bytes": size,
        "corpus_sha256": sha,
        **{f"{name.replace(' ', '_')}_cpu_s": one["cpu_s"] for name, one in found.items()},
        "strict_of_default": round(default / found["strict 1"]["cpu_s"], 1),
        "strict_of_tuned": round(tuned / found["strict 1"]["cpu_s"], 1),
        "fast_of_default": round(default / found["fast 1"]["cpu_s"], 1),
        "strict_agrees_default": round(agreement(found["strict 1"], found["default"]), 2),
        "strict_agrees_tuned": round(agreement(found["strict 1"], found["tuned"]), 2),
        "same_with_two_processes": same,
        "ids_checked": checked,
        "ids_equal": equal,
    }
    newline = "\n"
    return f"""# Preparing a corpus

{len(found["default"]["fate"]):,} pages of Debian's documentation in some thirty languages, {size / 1e6:.1f} MB of text (sha256 of the part begins {sha}); 8 × is all {PARTS} parts. Beside datatrove 0.10.1 by the same rules in the same run. {datetime.now(UTC):%Y-%m-%d}, CPython {platform.python_version()}, {os.cpu_count()} cores. `python benchmarks/prepare.py` makes this page.

| | goal | found | reached |
|---|---:|---:|---|
{newline.join(goals(found, checked, equal))}

| | CPU s | MB a CPU s | × default | × tuned | wall s | load at its start | largest process, MiB | kept |
|---|---:|---:|---:|---:|---:|---:|---:|---:|
{newline.join(rows)}

datatrove's CPU seconds are of its stages alone; ours are of whole processes with their imports and the loading of compiled kernels (under 2 s, and as much once more for any number of workers, which are forked from one process that has loaded everything). Other work on the machine makes CPU seconds longer, on both sides, and wall seconds much longer. The columns × count for as many texts. Tuned is datatrove with words and sentences by compiled expressions instead of spaCy. Fast tells the language from two samples of a text and is strict otherwise.

CPU seconds by stage, one process:

| | default | tuned | strict | fast |
|---|---:|---:|---:|---:|
{newline.join(stages)}

Of all texts, per cent on which two sides decide alike:

| | whole preparation | language and rules |
|---|---:|---:|
{newline.join(agree)}

Texts that each stage drops:

| | default | tuned | strict | fast |
|---|---:|---:|---:|---:|
{newline.join(fates)}

Token ids: {equal:,} of {checked:,} texts have exactly those of the reference library `tokenizers`. Decisions with two processes are those with one: {"yes" if same else "NO"}.

{json.dumps(facts)}
"""


if __name__ == "__main__":
    main()
