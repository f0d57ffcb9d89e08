"""Answers to the Scheduler port, and the choice among them."""

import os
import shlex
import sys
from pathlib import Path

from django.conf import settings
from django.utils.text import slugify

from uzina.compute.adapters.commands import CommandRunner, LocalCommands, client_environment
from uzina.compute.adapters.local import LocalScheduler
from uzina.compute.adapters.slurm import SlurmScheduler
from uzina.compute.ports import Scheduler


def scheduler() -> Scheduler:
    """Return the batch system that config.toml names."""
    config = settings.UZINA.scheduler
    match config.kind:
        case "local":
            return LocalScheduler(
                folder=Path(config.state).absolute(),
                cpus=config.cpus or os.cpu_count() or 1,
                gpus=config.gpus,
                memory_mb=config.memory_mb or _most_memory_mb(),
            )
        case "slurm":
            return SlurmScheduler(
                slurm_conf=config.slurm_conf,
                account=config.account,
                partition=config.partition,
                wrapper=shlex.split(config.wrapper) if config.identity == "person" else (),
                run=commands(),
            )
        case kind:
            msg = f"There is no scheduler {kind!r}."
            raise ValueError(msg)


def commands() -> CommandRunner:
    """Return the way to the cluster that config.toml names."""
    config = settings.UZINA.scheduler
    match config.transport:
        case "local":
            return LocalCommands(client_environment(config.slurm_conf))
        case "ssh":
            from uzina.compute.adapters.ssh import Identity, SshCommands

            identity = Identity(
                host=config.ssh_host,
                port=config.ssh_port,
                user=config.ssh_user,
                key=config.ssh_key,
                known_hosts=config.ssh_known_hosts,
            )
            return SshCommands(identity, client_environment(config.slurm_conf))
        case "agent":
            from uzina.compute.adapters.agent import AgentCommands

            slug = slugify(config.name)[:40] or "cluster"
            return AgentCommands(cluster=slug, kind=config.kind)
        case transport:
            msg = f"There is no transport {transport!r}."
            raise ValueError(msg)


def python() -> str:
    """Return the interpreter that runs the recipes: config.toml's, else the server's own."""
    return settings.UZINA.scheduler.python or sys.executable


def _most_memory_mb() -> int:
    """Three quarters of this machine's memory: the portal and the system live here too."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return total * 3 // 4 // 1_048_576
