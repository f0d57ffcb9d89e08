"""Slurm by its command line: the same code reads 22.05 and 24.11.

Every command is built by one pure function and read by another; only CommandRunner touches the
world. Measured behaviour this rests on (docs/decisions/0004): a hung controller makes sbatch fail
after 10 s although the job runs; a job can be in the queue and not in accounting, or the other
way round; a row without a numeric End is no measurement; ids start again at 1 after a loss of the
controller's state, so a job is known by its key, which is the last part of its name.

    script     what a job is handed over as
    jobs       squeue and sacct
    accounts   sacctmgr: accounts, users, limits
    site       sinfo and scontrol: machines, partitions, settings
    scheduler  the port over all of them
"""

from uzina.compute.adapters.slurm.scheduler import SlurmScheduler
from uzina.compute.adapters.slurm.script import batch_script, job_name, sbatch_argv

__all__ = ["SlurmScheduler", "batch_script", "job_name", "sbatch_argv"]
