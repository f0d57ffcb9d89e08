"""The run directory: the contract between a job and the factory, in files.

    manifest.json      what runs: recipe, resolved configuration, code, environment, inputs, seed
    events.jsonl       what happened: started, resumed, checkpoint, stop_requested, done, ...
    metrics.jsonl      one line an interval
    heartbeat.json     replaced every 30 seconds and when the phase changes: t, step, phase
    STOP, SAVE         made by others; the run honours and removes them
    checkpoints/       step-N/, complete when COMMITTED is in it
    export/  logs/     what the run leaves behind
    exit.json          {"state", "resume", "step", "reason"}: the truth, since exit codes are not

Files, because compute nodes often have no network. Only rank 0 writes.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from uzina_recipes import VERSION

if TYPE_CHECKING:
    from types import FrameType, TracebackType

HEARTBEAT_S = 30
PACKAGES = ("torch", "numpy", "tokenizers", "safetensors", "transformers")
SOURCES = Path(__file__).parent


class Stopped(Exception):
    """The run was asked to stop, and has saved what it needs to go on."""

    def __init__(self, *, step: int, by: str) -> None:
        """Keep the last step done and who asked."""
        super().__init__(f"Stopped after step {step}, asked by {by}.")
        self.step = step


class Failed(Exception):
    """The run cannot go on; str() tells a person why and what to do."""

    def __init__(self, reason: str, *, step: int = 0, resume: bool = False) -> None:
        """Keep the reason, the last step done, and whether starting again makes sense."""
        super().__init__(reason)
        self.step = step
        self.resume = resume


def write_atomically(path: Path, text: str) -> None:
    """Replace a file so that a reader sees the old text or the new, and a crash leaves one."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON lines file; a line cut off by a crash is left out."""
    if not path.exists():
        return []
    rows = []
    for line in path.read_text("utf-8", "replace").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def files_under(folder: Path) -> list[Path]:
    """Every file below a folder, sorted; linked folders are followed, as inputs may be links."""
    return sorted(
        Path(root) / name for root, _, names in os.walk(folder, followlinks=True) for name in names
    )


def folder_digest(folder: Path) -> dict[str, Any]:
    """What lies in a folder: files with sizes and SHA-256, and one digest over all of them.

    The digest is the SHA-256 of the lines "sha256 bytes path", sorted by path.
    """
    files = [
        {
            "path": path.relative_to(folder).as_posix(),
            "bytes": path.stat().st_size,
            "sha256": file_sha256(path),
        }
        for path in files_under(folder)
    ]
    lines = "".join(f"{file['sha256']} {file['bytes']} {file['path']}\n" for file in files)
    return {"digest": hashlib.sha256(lines.encode()).hexdigest(), "files": files}


def code_version() -> dict[str, str]:
    """The package's version and one hash over its sources: *.py and recipe.toml."""
    digest = hashlib.sha256()
    paths = [
        path
        for path in sorted(SOURCES.rglob("*"))
        if path.suffix in {".py", ".toml"} and "tests" not in path.parts
    ]
    for path in paths:
        digest.update(f"{path.relative_to(SOURCES).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return {"package": f"uzina_recipes {VERSION}", "sha256": digest.hexdigest()}


def environment() -> dict[str, Any]:
    """What the run runs on: nothing of os.environ, so no secret can get in."""
    packages = {}
    for name in PACKAGES:
        try:
            packages[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "torch": packages.get("torch", ""),
        "packages": packages,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpus": len(os.sched_getaffinity(0)),
    }


class RunDirectory:
    """One run's files. Use as a context: it beats, and it says how the run ended.

    stage, task, tasks  which piece of the work this process does, where a run is several jobs
    """

    stage = ""
    task = 0
    tasks = 1

    def __init__(self, path: Path, *, is_writer: bool = True) -> None:
        """Open a directory; a writer is rank 0, everyone else only reads."""
        self.path = path
        self.is_writer = is_writer
        self.step = 0
        self.phase = "init"
        self.signal_seen = ""
        self.ended = threading.Event()
        self.beat_lock = threading.Lock()
        self.started_at = time.time()
        if is_writer:
            for name in ("checkpoints", "export", "logs"):
                (path / name).mkdir(parents=True, exist_ok=True)
            for name in ("events.jsonl", "metrics.jsonl"):
                self.mend(path / name)
            (path / "exit.json").unlink(missing_ok=True)
        self.life = 1 + sum(
            event["event"] in {"started", "resumed"} for event in self.events() if "event" in event
        )
        self.job = os.environ.get("UZINA_JOB_KEY") or os.environ.get("SLURM_JOB_ID") or ""

    def __enter__(self) -> Self:
        """Start beating, and take SIGTERM and SIGUSR1 as a wish to stop."""
        self.handlers = {
            number: signal.signal(number, self.notice)
            for number in (signal.SIGTERM, signal.SIGUSR1)
        }
        self.beat()
        self.thread = threading.Thread(target=self.keep_beating, daemon=True)
        self.thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop beating, and give the signals back."""
        self.ended.set()
        self.thread.join()
        for number, handler in self.handlers.items():
            signal.signal(number, handler)

    def notice(self, number: int, frame: FrameType | None) -> None:
        """Remember a signal; the loop asks for it at the next step."""
        del frame
        self.signal_seen = signal.Signals(number).name

    @staticmethod
    def mend(path: Path) -> None:
        """End a last line that a crash cut off, so that the next one is a line of its own."""
        if path.exists() and path.stat().st_size:
            with path.open("rb+") as file:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")

    def append(self, name: str, row: dict[str, Any]) -> None:
        """Add one line in a single write, so that a reader never sees half of one."""
        if not self.is_writer:
            return
        line = json.dumps(row, ensure_ascii=False).encode() + b"\n"
        descriptor = os.open(self.path / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            written = os.write(descriptor, line)
        finally:
            os.close(descriptor)
        if written != len(line):
            raise OSError(28, "No space left on device", name)

    def event(self, event: str, **facts: Any) -> None:
        """Record that something happened."""
        self.append("events.jsonl", {"t": round(time.time(), 3), "event": event, **facts})

    def metric(self, **facts: Any) -> None:
        """Record one line of measurements, with the job and the life it belongs to."""
        row = {"t": round(time.time(), 3), **facts, "job": self.job, "life": self.life}
        self.append("metrics.jsonl", row)

    def events(self) -> list[dict[str, Any]]:
        """Every event so far, of all lives."""
        return read_lines(self.path / "events.jsonl")

    def metrics(self) -> list[dict[str, Any]]:
        """Every line of measurements so far, of all lives."""
        return read_lines(self.path / "metrics.jsonl")

    def enter(self, phase: str, *, step: int | None = None) -> None:
        """Say what the run is doing now: a beat goes out at once."""
        self.phase = phase
        self.step = self.step if step is None else step
        self.beat()

    def beat(self) -> None:
        """Write heartbeat.json."""
        if not self.is_writer:
            return
        row = {"t": round(time.time(), 3), "step": self.step, "phase": self.phase}
        with self.beat_lock:
            partial = self.path / ".heartbeat.json.partial"
            partial.write_text(json.dumps(row) + "\n", "utf-8")
            partial.replace(self.path / "heartbeat.json")

    def keep_beating(self) -> None:
        """Beat every 30 seconds until the end; a full disk must not end the thread."""
        while not self.ended.wait(HEARTBEAT_S):
            try:
                self.beat()
            except OSError:
                continue

    def stop_wanted(self) -> str:
        """Who asked the run to stop: the file, a signal, or empty for nobody."""
        return "STOP" if (self.path / "STOP").exists() else self.signal_seen

    def save_wanted(self) -> bool:
        """Whether someone asked for a checkpoint now."""
        return (self.path / "SAVE").exists()

    def honour(self, name: str) -> None:
        """Remove STOP or SAVE, because the run has done what it asks."""
        if self.is_writer:
            (self.path / name).unlink(missing_ok=True)

    def inputs(self) -> dict[str, dict[str, Any]]:
        """Every input folder by its name, with files and digest."""
        folder = self.path / "inputs"
        if not folder.is_dir():
            return {}
        return {path.name: folder_digest(path) for path in sorted(folder.iterdir())}

    def find_input(self, file: str) -> Path:
        """The folder under inputs/ that holds a file of this name.

        Raises Failed when there is none, or more than one.
        """
        found = [path.parent for path in files_under(self.path / "inputs") if path.name == file]
        if len(found) == 1:
            return found[0]
        if not found:
            raise Failed(f"No input holds {file}. Stage the version it is in under inputs/.")
        names = ", ".join(str(path.relative_to(self.path)) for path in found)
        raise Failed(f"{file} is in more than one input ({names}). Stage one of them.")

    def manifest(self) -> dict[str, Any]:
        """What manifest.json says, or nothing before the first life has written it."""
        path = self.path / "manifest.json"
        return json.loads(path.read_text("utf-8")) if path.exists() else {}

    def write_manifest(self, **facts: Any) -> None:
        """Write manifest.json."""
        if self.is_writer:
            text = json.dumps(facts, ensure_ascii=False, indent=2) + "\n"
            write_atomically(self.path / "manifest.json", text)

    def export(self, name: str, facts: Any) -> None:
        """Write a JSON file under export/."""
        text = json.dumps(facts, ensure_ascii=False, indent=2) + "\n"
        write_atomically(self.path / "export" / name, text)

    def leave(self, state: str, *, resume: bool, step: int, reason: str) -> None:
        """Write exit.json: state done, stopped or failed."""
        if not self.is_writer:
            return
        row = {"state": state, "resume": resume, "step": step, "reason": reason}
        write_atomically(self.path / "exit.json", json.dumps(row, ensure_ascii=False) + "\n")


def say(text: str) -> None:
    """Tell whoever reads the job's output."""
    print(text, file=sys.stdout, flush=True)  # noqa: T201 - a job's output is for people
