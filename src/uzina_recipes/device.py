"""What this machine can do, measured rather than assumed, and what its work costs in energy."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

WATTS_PER_CORE = 7.0
WATTS_RANGE = (3.5, 11.0)
"""Watts of one busy core: manufacturers' thermal design power divided by cores. AMD EPYC 7713:
225 W / 64 = 3.5; Intel Core i7-1165G7: 28 W / 4 = 7; AMD Ryzen 5 5600X: 65 W / 6 = 10.8. The processor
package only: no memory, disk, power supply or cooling."""

BF16_MUST_GAIN = 1.2
PROBE_S = 0.2


@dataclass(frozen=True)
class Device:
    """Where the model runs.

    peak_flop_s  the fastest matrix product measured in the precision used, FLOP/s on one device
    """

    kind: str
    name: str
    precision: str
    peak_flop_s: float
    threads: int

    @property
    def torch(self) -> torch.device:
        """The device as torch names it."""
        return torch.device(self.kind)


def matmul_flop_s(device: torch.device, dtype: torch.dtype, size: int) -> float:
    """The fastest of some matrix products of size x size, FLOP/s; at least two are timed."""
    left = torch.ones(size, size, device=device, dtype=dtype)
    best, until, rounds = float("inf"), time.perf_counter() + PROBE_S, 0
    while rounds < 3 or time.perf_counter() < until:
        began = time.perf_counter()
        left @ left
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if rounds:
            best = min(best, time.perf_counter() - began)
        rounds += 1
    return 2.0 * size**3 / best


def processor_name() -> str:
    """What the processor calls itself."""
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def probe(precision: str, threads: int) -> Device:
    """Choose device, threads and precision, by measuring.

    precision  fp32, bf16, or auto: bf16 only where it multiplies 1.2 times as fast as fp32. Many
               processors take bf16 and are many times slower in it.
    threads    0 means every core this process may use
    """
    threads = threads or len(os.sched_getaffinity(0))
    torch.set_num_threads(threads)
    kind = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(kind)
    small, large = (2048, 8192) if kind == "cuda" else (256, 1024)
    if precision == "auto":
        gain = matmul_flop_s(device, torch.bfloat16, small) / matmul_flop_s(
            device, torch.float32, small
        )
        precision = "bf16" if gain >= BF16_MUST_GAIN else "fp32"
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    name = torch.cuda.get_device_name() if kind == "cuda" else processor_name()
    return Device(kind, name, precision, matmul_flop_s(device, dtype, large), threads)


def energy(cpu_s: float, device: Device) -> dict[str, Any]:
    """The energy of the processor's work, estimated: cpu_s in seconds of one core."""
    middle, low, high = (
        cpu_s * watts / 3.6e6 for watts in (WATTS_PER_CORE, WATTS_RANGE[0], WATTS_RANGE[1])
    )
    note = ""
    if device.kind != "cpu":
        note = " The accelerator is not in this figure: read it from the scheduler or the node."
    return {
        "kwh": middle,
        "kwh_low": low,
        "kwh_high": high,
        "is_estimate": True,
        "method": (
            f"CPU seconds x {WATTS_PER_CORE:g} W a busy core "
            f"(range {WATTS_RANGE[0]:g} to {WATTS_RANGE[1]:g} W). Source of the watts: thermal "
            "design power divided by cores, as published by the manufacturers for AMD EPYC 7713 "
            "(225 W / 64), Intel Core i7-1165G7 (28 W / 4) and AMD Ryzen 5 5600X (65 W / 6)." + note
        ),
        "boundary": "processor package; no memory, disk, power supply or cooling (PUE)",
        "quality_class": "C",
        "cpu_seconds": round(cpu_s, 3),
    }
