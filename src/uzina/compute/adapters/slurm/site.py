"""The site as sinfo, squeue and scontrol tell of it: machines, partitions, queue, settings."""

import re
from collections.abc import Iterable, Iterator, Mapping

from uzina.compute.ports import Node, PartitionSeen, QueueSeen

NODE_FIELDS = (
    ("NodeList", 80),
    ("PartitionName", 40),
    ("StateLong", 30),
    ("CPUsState", 30),
    ("Memory", 20),
    ("Gres", 120),
    ("GresUsed", 120),
    # Last, because columns are cut by bytes and people write reasons in their own letters.
    ("Reason", 200),
)
QUEUE_COLUMNS = (("Partition", 60), ("StateCompact", 10), ("tres-alloc", 300))
NO_TIME = {"", "NONE", "UNLIMITED", "INFINITE", "(null)"}


def sinfo_argv() -> list[str]:
    """Return the command that lists nodes, in columns wide enough to be cut by position."""
    return ["sinfo", "-h", "-N", "-O", _columns(NODE_FIELDS)]


def queue_argv() -> list[str]:
    """Return the command that lists what runs and waits, each task of an array by itself."""
    return ["squeue", "-h", "-r", "-t", "PD,CF,R,S", "-O", _columns(QUEUE_COLUMNS)]


def partitions_argv() -> list[str]:
    """Return the command that lists the partitions with their limits."""
    return ["scontrol", "show", "partition", "-o"]


def config_argv() -> list[str]:
    """Return the command that lists the site's settings and tells the controller's time."""
    return ["scontrol", "show", "config"]


def read_nodes(text: str) -> tuple[Node, ...]:
    """Read NODE_FIELDS. GresUsed is "gpu:2(IDX:0-1)" or "gpu:h100:2(IDX:0-1)"."""
    nodes = []
    for cells in _cut(text, NODE_FIELDS):
        name, partition, state, cpus, memory, gres, gres_used, reason = cells
        used, _idle, _other, total = ([*cpus.split("/"), "", "", "", ""])[:4]
        if not name or not total.isdigit():
            continue
        nodes.append(
            Node(
                name=name,
                partition=partition,
                state=state.rstrip("*~#!%$@+^-"),
                cpus=int(total),
                cpus_used=_number(used),
                memory_mb=_number(memory),
                gpus=_gpus(gres),
                gpus_used=_gpus(gres_used),
                gpu_type=_gpu_type(gres),
                reason="" if reason.lower() in {"none", "n/a", "(null)"} else reason,
            )
        )
    return tuple(nodes)


def read_partitions(text: str) -> tuple[PartitionSeen, ...]:
    """Read `scontrol show partition -o`."""
    found = []
    for line in text.splitlines():
        settings = dict(re.findall(r"(\w+)=(\S*)", line))
        if "PartitionName" not in settings:
            continue
        found.append(
            PartitionSeen(
                name=settings["PartitionName"],
                is_up=settings.get("State") == "UP",
                is_default=settings.get("Default") == "YES",
                max_time_s=_seconds(settings.get("MaxTime", "")),
                default_time_s=_seconds(settings.get("DefaultTime", "")),
                billing=_weights(settings.get("TRESBillingWeights", "")),
            )
        )
    return tuple(found)


def read_queue(text: str) -> tuple[QueueSeen, ...]:
    """Read QUEUE_COLUMNS. Suspended jobs keep their place: they count as running."""
    counts: dict[str, list[int]] = {}
    for partition, state, tres in _cut(text, QUEUE_COLUMNS):
        if not partition:
            continue
        # A job may wait for several partitions; it is counted where it was sent first.
        count = counts.setdefault(partition.partition(",")[0], [0, 0, 0])
        if state == "PD":
            count[1] += 1
            asked = re.search(r"(?:^|,)gres/gpu=(\d+)", tres)
            count[2] += int(asked[1]) if asked else 0
        else:
            count[0] += 1
    return tuple(QueueSeen(name, *count) for name, count in sorted(counts.items()))


def read_config(text: str) -> Mapping[str, str]:
    """Read `scontrol show config`: name to value. "now" is the controller's time."""
    settings: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and name.strip():
            settings.setdefault(name.strip(), value.strip())
    if found := re.match(r"Configuration data as of (\d+)\s", text):
        settings["now"] = found[1]
    return settings


def _columns(fields: Iterable[tuple[str, int]]) -> str:
    return ",".join(f"{name}:{width}" for name, width in fields)


def _cut(text: str, fields: Iterable[tuple[str, int]]) -> Iterator[list[str]]:
    for line in text.splitlines():
        cells, at = [], 0
        for _name, width in fields:
            cells.append(line[at : at + width].strip())
            at += width
        yield cells


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _seconds(text: str) -> int | None:
    """Read "1-00:00:00", "08:00:00" or "UNLIMITED"."""
    found = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d+):(\d+)", text)
    if text in NO_TIME or not found:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


GIB = {"": 1024.0, "K": 1024.0**2, "M": 1024.0, "G": 1.0, "T": 1 / 1024, "P": 1 / 1024**2}
"""What a weight a K, M, G, T, P is a GiB; without a letter it is a MiB (slurm.conf manual)."""


def _weights(text: str) -> dict[str, float]:
    """Read "CPU=1.0,Mem=0.25G,GRES/gpu=16"; of memory the weight of a GiB."""
    found = {}
    for part in text.split(","):
        match = re.fullmatch(r"([\w/:.-]+)=(\d+(?:\.\d+)?)([KMGTP]?)", part, re.IGNORECASE)
        if match:
            name = match[1].lower()
            found[name] = float(match[2]) * (GIB[match[3].upper()] if name == "mem" else 1.0)
    return found


def _gpus(text: str) -> int:
    return sum(int(count) for count in re.findall(r"gpu:(?:[^,:()]+:)?(\d+)", text))


def _gpu_type(text: str) -> str:
    """Return the sort of a node's GPUs; of several, all of them: "a100+h100"."""
    return "+".join(sorted(set(re.findall(r"gpu:([^,:()]*[^,:()\d][^,:()]*):\d+", text))))
