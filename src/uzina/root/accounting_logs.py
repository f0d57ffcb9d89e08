"""Reading accounting logs of other systems: Standard Workload Format and `sacct -P`.

Standard Workload Format, version 2: eighteen numbers a line, -1 for what is not known, headers
after semicolons. Source: D. G. Feitelson et al., the Parallel Workloads Archive,
www.cs.huji.ac.il/labs/parallel/workload/swf.html.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from uzina.compute.ports import UsageRow

SWF_FIELDS = 18
SWF_STATES = {0: "FAILED", 1: "COMPLETED", 5: "CANCELLED", -1: "COMPLETED"}
SWF_PARTS = {2, 3, 4}
"""Parts of a run that was checkpointed; the run's own line has the sum of them."""

NEEDED = {"Submit", "Start", "End", "State", "User", "Partition"}
OPEN = {"PENDING", "RUNNING", "SUSPENDED", "CONFIGURING", "COMPLETING", "RESIZING"}
MIB = {"K": 1 / 1024, "M": 1, "G": 1024, "T": 1024**2}
BAD_SHOWN = 20


class NotALog(Exception):
    """The file is of no format that can be read."""


@dataclass
class Tally:
    """What was passed over while a log was read.

    bad       numbers of lines that say nothing that could be booked, the first BAD_SHOWN
    repeated  lines about a run that had its line already
    """

    rows: int = 0
    bad: int = 0
    bad_lines: list[int] = field(default_factory=list)
    steps: int = 0
    is_open: int = 0
    repeated: int = 0

    def spoil(self, number: int) -> None:
        """Note a line that cannot be booked."""
        self.bad += 1
        if len(self.bad_lines) < BAD_SHOWN:
            self.bad_lines.append(number)


def read(path: Path, tally: Tally, *, zone: ZoneInfo) -> Iterator[UsageRow]:
    """Yield the runs of a log, each once, and tally the rest.

    zone  of times that are written without one

    Raises NotALog.
    """
    seen: set[tuple[str, int, int | None]] = set()
    with path.open(encoding="utf-8", errors="replace") as file:
        first = file.readline()
        file.seek(0)
        lines = enumerate(iter(file.readline, ""), start=1)
        rows = _sacct(lines, tally, zone) if "|" in first else _swf(lines, tally)
        for row in rows:
            key = (row.native_id, row.submitted_s, row.started_s)
            if key in seen:
                tally.repeated += 1
                continue
            seen.add(key)
            tally.rows += 1
            yield row


def _swf(lines: Iterator[tuple[int, str]], tally: Tally) -> Iterator[UsageRow]:
    began_s = 0
    for number, line in lines:
        text = line.strip()
        if text.startswith(";"):
            name, _colon, value = text.lstrip("; ").partition(":")
            if name.strip() == "UnixStartTime" and value.strip().isdigit():
                began_s = int(value)
            continue
        if not text:
            continue
        parts = text.split()
        if number == 1 and len(parts) != SWF_FIELDS:
            msg = "Its first line is neither a header of sacct nor of Standard Workload Format."
            raise NotALog(msg)
        try:
            row = _swf_row(parts, began_s, text, tally)
        except ValueError:
            tally.spoil(number)
        else:
            if row is not None:
                yield row


def _swf_row(parts: list[str], began_s: int, raw: str, tally: Tally) -> UsageRow | None:
    """Read one line; None for a part of a run. Raises ValueError."""
    if len(parts) != SWF_FIELDS:
        raise ValueError(raw)
    job, submit, wait, run, procs = (int(part) for part in parts[:5])
    asked, status, user, group = (int(parts[at]) for at in (7, 10, 11, 12))
    queue, partition = int(parts[14]), int(parts[15])
    if status in SWF_PARTS:
        tally.steps += 1
        return None
    used = procs if procs >= 0 else asked
    if submit < 0 or status not in SWF_STATES or (run > 0 and used <= 0):
        raise ValueError(raw)
    submitted_s = began_s + submit
    started_s = submitted_s + max(wait, 0)
    return UsageRow(
        native_id=str(job),
        key="",
        submitted_s=submitted_s,
        started_s=started_s if run >= 0 else None,
        ended_s=started_s + max(run, 0),
        nodes=0,
        cpus=max(used, 0) if run >= 0 else 0,
        gpus=0,
        state=SWF_STATES[status],
        raw=raw,
        account=f"g{group}" if group >= 0 else "unknown",
        user=f"u{user}" if user >= 0 else "unknown",
        partition=f"p{partition}" if partition >= 0 else f"q{queue}" if queue >= 0 else "",
    )


def _sacct(lines: Iterator[tuple[int, str]], tally: Tally, zone: ZoneInfo) -> Iterator[UsageRow]:
    _number, head = next(lines)
    names = head.rstrip("\n").split("|")
    if missing := NEEDED - set(names):
        msg = f"Its header lacks the columns {', '.join(sorted(missing))}."
        raise NotALog(msg)
    if not {"JobID", "JobIDRaw"} & set(names):
        msg = "Its header lacks the column JobID."
        raise NotALog(msg)
    for number, line in lines:
        values = line.rstrip("\n").split("|")
        if len(values) != len(names):
            tally.spoil(number)
            continue
        facts = dict(zip(names, values, strict=True))
        native_id = facts.get("JobID") or facts["JobIDRaw"]
        if "." in native_id:
            tally.steps += 1
            continue
        if facts["State"].split(" ")[0] in OPEN:
            tally.is_open += 1
            continue
        try:
            yield _sacct_row(native_id, facts, zone, line.rstrip("\n"))
        except ValueError:
            tally.spoil(number)


def _sacct_row(native_id: str, facts: dict[str, str], zone: ZoneInfo, raw: str) -> UsageRow:
    """Read one line of sacct. Raises ValueError."""
    submitted_s, ended_s = _second(facts["Submit"], zone), _second(facts["End"], zone)
    allocated = dict(
        pair.split("=", 1) for pair in facts.get("AllocTRES", "").split(",") if "=" in pair
    )
    cpus = int(allocated.get("cpu") or facts.get("NCPUS") or facts.get("AllocCPUS") or 0)
    has_run = facts["Start"] not in {"", "Unknown", "None"} and cpus > 0
    started_s = _second(facts["Start"], zone) if has_run else None
    if not native_id or (started_s is not None and ended_s < started_s):
        raise ValueError(raw)
    elapsed = facts.get("ElapsedRaw", "")
    span_s = 0 if started_s is None else ended_s - started_s
    return UsageRow(
        native_id=native_id,
        key="",
        submitted_s=submitted_s,
        started_s=started_s,
        ended_s=ended_s,
        nodes=int(allocated.get("node") or facts.get("NNodes") or facts.get("AllocNodes") or 0),
        cpus=cpus,
        gpus=int(allocated.get("gres/gpu") or 0),
        state=facts["State"].split(" ")[0],
        raw=raw,
        name=facts.get("JobName", ""),
        account=facts.get("Account") or facts.get("Group") or "unknown",
        user=facts["User"] or "unknown",
        partition=facts["Partition"],
        memory_mb=_mib(allocated.get("mem", "")),
        suspended_s=max(0, span_s - int(elapsed)) if elapsed.isdigit() else 0,
    )


def _second(text: str, zone: ZoneInfo) -> int:
    if text.isdigit():
        return int(text)
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp())


def _mib(text: str) -> int:
    return int(float(text[:-1]) * MIB[text[-1]]) if text and text[-1] in MIB else 0
