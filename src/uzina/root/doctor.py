"""What an installation runs on, and what is wrong with it."""

import shutil
import sqlite3
import sys
from dataclasses import dataclass

import django
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from uzina.compute import adapters, rules

SQLITE_SOUND = (3, 51, 3)
"""Older ones have the WAL-reset fault; our write lock narrows it (docs/decisions/0002)."""

LEAST_FREE_BYTES = 1_000_000_000


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    is_good: bool
    text: str


def examine() -> list[Finding]:
    """Look at versions, database, migrations, disk and the scheduler's tools."""
    findings = [
        Finding(is_good=True, text=f"Python {sys.version.split()[0]}, Django {django.__version__}")
    ]
    if connection.vendor == "sqlite":
        is_sound = sqlite3.sqlite_version_info >= SQLITE_SOUND
        findings.append(
            Finding(
                is_good=True,
                text=f"SQLite {sqlite3.sqlite_version}"
                + ("" if is_sound else ": has the WAL-reset fault; writers queue on our lock"),
            )
        )
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA quick_check")
            answer = cursor.fetchone()[0]
        findings.append(Finding(is_good=answer == "ok", text=f"SQLite quick_check: {answer}"))
    else:
        with connection.cursor() as cursor:
            cursor.execute("SHOW server_version")
            findings.append(Finding(is_good=True, text=f"PostgreSQL {cursor.fetchone()[0]}"))
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    findings.append(
        Finding(
            is_good=not waiting,
            text="The database is at this version"
            if not waiting
            else f"{len(waiting)} migrations wait: run uzina-admin migrate",
        )
    )
    folder = settings.UZINA.folders.var
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    findings.append(
        Finding(is_good=free >= LEAST_FREE_BYTES, text=f"{free / 1e9:.1f} GB free in {folder}")
    )
    if settings.UZINA.scheduler.kind == "slurm":
        missing = [
            tool for tool in ("sbatch", "squeue", "sacct", "scancel") if not shutil.which(tool)
        ]
        findings.append(
            Finding(
                is_good=not missing,
                text="Slurm's commands are here"
                if not missing
                else f"Slurm's commands are missing: {', '.join(missing)}",
            )
        )
        if not missing:
            findings += _site()
    return findings


def _site() -> list[Finding]:
    """Look at the settings of the cluster that budgets rest on."""
    health = adapters.scheduler().health()
    if not health.findings:
        return [Finding(is_good=True, text=f"Slurm {health.version} keeps budgets true")]
    return [
        Finding(is_good=one.level != "refuse", text=rules.finding_in_words(one.code, one.facts))
        for one in health.findings
    ]
