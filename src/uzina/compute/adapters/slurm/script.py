"""What a job is handed to Slurm as: the sbatch command and the script on its standard input."""

import re
import shlex
from functools import lru_cache
from pathlib import Path

from uzina.compute.rules import JobSpec

KEY = re.compile(r"[a-z0-9-]{1,64}")


def job_name(spec: JobSpec, key: str) -> str:
    """Return a readable name that ends in the key: "train-a-model.job-7q3k2m-1f0c9a"."""
    slug = re.sub(r"[^a-z0-9]+", "-", spec.name.lower()).strip("-")[:40]
    return f"{slug or 'job'}.{key}"


def sbatch_argv(
    spec: JobSpec, *, key: str, run_dir: Path, account: str, partition: str
) -> list[str]:
    """Return the command that queues a job whose script comes on standard input."""
    folder = str(run_dir).replace("%", "%%")
    task = "-%a" if spec.array else ""
    partition = spec.partition or partition
    return [
        "sbatch",
        "--parsable",
        f"--job-name={job_name(spec, key)}",
        f"--comment={key}",
        *([f"--account={account}"] if account else []),
        *([f"--partition={partition}"] if partition else []),
        f"--nodes={spec.nodes}",
        f"--ntasks-per-node={spec.ranks}",
        f"--cpus-per-task={spec.cpus // spec.ranks}",
        f"--mem={spec.memory_mb}M",
        *([f"--gpus-per-node={spec.gpus}"] if spec.gpus else []),
        f"--time={-(-spec.time_limit_s // 60)}",
        *([f"--array={spec.array}"] if spec.array else []),
        *([f"--nice={spec.nice}"] if spec.nice else []),
        *spec.options,
        f"--chdir={run_dir}",
        f"--output={folder}/logs/stdout{task}.log",
        f"--error={folder}/logs/stderr{task}.log",
        "--open-mode=append",
        "--no-requeue",
    ]


def batch_script(spec: JobSpec, *, key: str, run_dir: Path) -> str:
    """Return the script Slurm runs.

    Slurm rounds time limits up to minutes and looks every 30 s; `timeout` keeps them to the
    second. The hidden file named by the key says which Slurm job was the first of this key: were
    one ever handed over twice, the second does nothing. A link is made or not, in one step, so
    the tasks of an array that begin together agree on it.
    """
    settings = {
        "HOME": str(run_dir),
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": str(spec.cpus),
        **spec.environment,
        "UZINA_RUN_DIR": str(run_dir),
        "UZINA_JOB_KEY": key,
    }
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in settings.items())
    return f"""#!/bin/bash
unset SLURM_TIME_FORMAT
job=${{SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}}
echo "$job" >.{key}.$SLURM_JOB_ID
ln .{key}.$SLURM_JOB_ID .{key} 2>/dev/null
rm -f .{key}.$SLURM_JOB_ID
if [ "$(cat .{key})" != "$job" ]; then
  echo "This job was handed over twice. Slurm job $(cat .{key}) runs it." >&2
  exit 0
fi
{exports}
exec timeout --kill-after=10 {spec.time_limit_s} {shlex.join(spec.command)}
"""


@lru_cache(maxsize=4096)
def key_of(name: str) -> str:
    """Return the key at the end of a job's name, "" for a name that is not ours."""
    head, dot, key = name.rpartition(".")
    return key if head and dot and KEY.fullmatch(key) else ""
