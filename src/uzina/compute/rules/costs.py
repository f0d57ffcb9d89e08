"""What a job costs."""

from datetime import date

from uzina.compute.rules.specs import JobSpec

CPU_RATES = ((date(2026, 1, 1), 50),)
"""GPU-milliseconds for one core-second of a job without GPUs, from a day on.

A job without GPUs keeps cores from jobs with them, so it pays the share it keeps away: 20 cores
go with one GPU (an accelerated node of MareNostrum 5 has 80 cores and 4 H100), so one core-second
is 1000 / 20 = 50 GPU-milliseconds. Source: BSC, MareNostrum 5 system overview.
"""


def cpu_rate(on: date) -> int:
    """Return the GPU-milliseconds of a core-second on a day."""
    return max((since, rate) for since, rate in CPU_RATES if since <= on)[1]


def cost(*, gpus: int, cpus: int, elapsed_s: int, rate: int) -> int:
    """Return GPU-milliseconds: GPUs times seconds, or, without GPUs, cores times the rate.

    gpus, cpus  over all nodes
    rate        GPU-milliseconds for one core-second, of the day the job was submitted
    """
    per_second = gpus * 1000 if gpus else cpus * rate
    return per_second * elapsed_s


def hold_amount(spec: JobSpec, *, on: date) -> int:
    """Return the GPU-milliseconds set aside for a job: all it could use up to its time limit."""
    return cost(
        gpus=spec.nodes * spec.gpus,
        cpus=spec.nodes * spec.cpus,
        elapsed_s=spec.time_limit_s,
        rate=cpu_rate(on),
    )
