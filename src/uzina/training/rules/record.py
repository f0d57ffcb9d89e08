"""The record of a model version, and how it is read. Pure.

A record is what `queries.records.record` returns: plain JSON values. Every document is made from
it, never typed twice, and carries its digest. `Say` translates a marked sentence; templates take
{facts}.
"""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

Say = Callable[[str], str]
Record = Mapping[str, Any]


def digest(record: Record) -> str:
    """Return the SHA-256 of a record's canonical JSON, as `sha256:…`."""
    text = json.dumps(record, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def number(table: Any, *names: str) -> float | None:
    """Return a finite number at the end of a path of keys; None when it is not there."""
    for name in names:
        table = table.get(name) if isinstance(table, Mapping) else None
    is_number = isinstance(table, int | float) and not isinstance(table, bool)
    return float(table) if is_number and math.isfinite(table) else None


def words(table: Any, *names: str) -> str:
    """Return a text at the end of a path of keys; "" when it is not there."""
    for name in names:
        table = table.get(name) if isinstance(table, Mapping) else None
    return table if isinstance(table, str) else ""


def flop_of(facts: Record) -> float | None:
    """Return the operations a training run counted; None when it did not."""
    value = number(facts, "flop", "value")
    return value if value is not None and value > 0 else None


def training_run(record: Record) -> Record:
    """Return the run that made the model."""
    wanted = record["model"]["run"]
    return next((one for one in record["runs"] if one["code"] == wanted), {})


def training_s(record: Record) -> tuple[float | None, float | None]:
    """Return the seconds the training jobs took by the clock, and device-seconds; None unmeasured."""
    jobs = training_run(record).get("jobs", ())
    measured = [one for one in jobs if one["elapsed_s"] is not None]
    if not measured:
        return None, None
    clock = float(sum(one["elapsed_s"] for one in measured))
    devices = sum(one["elapsed_s"] * (one["gpus"] or one["cpus"]) for one in measured)
    return clock, float(devices)


def prepared(record: Record) -> list[Record]:
    """Return the data versions that a run of ours made."""
    return [one for one in record["data"] if one["made_by_job"]]


def sources(record: Record) -> list[Record]:
    """Return the data versions that nobody here made: where the data came from."""
    return [one for one in record["data"] if not one["made_by_job"]]


def environment(run: Record) -> str:
    """Return the environment of a run in one line; "" when it is not known."""
    known = run.get("environment") or {}
    packages = known.get("packages", {}) if isinstance(known, Mapping) else {}
    parts = [f"Python {known['python']}"] if words(known, "python") else []
    parts += [f"{name} {version}" for name, version in sorted(packages.items())]
    if words(known, "system"):
        parts.append(words(known, "system"))
    return ", ".join(parts)
