"""The site as sinfo and scontrol tell of it: machines, partitions, settings."""

import re

from uzina.compute.ports import Inventory, Node

NODE_FIELDS = (
    ("NodeList", 80),
    ("PartitionName", 40),
    ("StateLong", 30),
    ("CPUsState", 30),
    ("Memory", 20),
    ("Gres", 120),
    ("GresUsed", 120),
)


def sinfo_argv() -> list[str]:
    """Return the command that lists nodes, in columns wide enough to be cut by position."""
    columns = ",".join(f"{name}:{width}" for name, width in NODE_FIELDS)
    return ["sinfo", "-h", "-N", "-O", columns]


def read_sinfo(text: str) -> Inventory:
    """Read NODE_FIELDS by column. GresUsed is "gpu:2(IDX:0-1)" or "gpu:h100:2(IDX:0-1)"."""
    nodes = []
    for line in text.splitlines():
        cells, at = [], 0
        for _name, width in NODE_FIELDS:
            cells.append(line[at : at + width].strip())
            at += width
        name, partition, state, cpus, memory, gres, gres_used = cells
        used, _idle, _other, total = ([*cpus.split("/"), "", "", "", ""])[:4]
        if not name or not total.isdigit():
            continue
        nodes.append(
            Node(
                name=name,
                partition=partition,
                state=state.rstrip("*~#!%$@+^-"),
                cpus=int(total),
                cpus_used=_number(used) or 0,
                memory_mb=_number(memory) or 0,
                gpus=_gpus(gres),
                gpus_used=_gpus(gres_used),
            )
        )
    return Inventory(tuple(nodes))


def _number(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def _gpus(text: str) -> int:
    return sum(int(count) for count in re.findall(r"gpu:(?:[^,:()]+:)?(\d+)", text))
