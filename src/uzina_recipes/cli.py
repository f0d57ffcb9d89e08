"""The command of a compute node: python -m uzina_recipes RECIPE --run-dir DIR."""

from __future__ import annotations

import argparse
import errno
import importlib
import json
import os
import sys
import tomllib
import traceback
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from uzina_recipes import catalogue, session, verify
from uzina_recipes.catalogue import BadConfig
from uzina_recipes.run_directory import (
    Failed,
    RunDirectory,
    Stopped,
    code_version,
    environment,
    say,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from uzina_recipes.catalogue import Recipe, Value

DONE, FAILED, BAD_CONFIG = 0, 1, 2
GOING_ON = {"train", "prepare"}
"""Recipes that go on where they were after whatever happened."""
KERNEL_FOLDERS = [
    Path(catalogue.__file__).parent / "corpus" / "__pycache__",
    Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "numba",
]
"""Where numba itself keeps compiled kernels. A node that cannot write to either (installed read-only,
without a home) keeps them in the run directory, for all workers and tasks of the run."""
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m uzina_recipes", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    for recipe in catalogue.load().values():
        command = commands.add_parser(recipe.slug, help=recipe.title.en)
        command.add_argument("--run-dir", type=Path, required=True)
        if recipe.stages:
            command.add_argument(
                "--stage",
                choices=[stage.name for stage in recipe.stages],
                help="do this stage only, with UZINA_TASK_ID of --tasks tasks",
            )
            command.add_argument("--tasks", type=int, default=1)
    command = commands.add_parser("session", help="JupyterLab, until nobody computes in it")
    command.add_argument("--run-dir", type=Path, required=True)
    command = commands.add_parser(
        "verify-resume", help="say whether two runs saw the same samples and losses"
    )
    command.add_argument("--run-dir", type=Path, required=True)
    command.add_argument("--against", type=Path, required=True)
    return top


def settings(recipe: Recipe, path: Path) -> dict[str, Value]:
    """The resolved configuration in config.toml; no file means every default.

    Raises BadConfig with every mistake.
    """
    if not path.exists():
        return recipe.resolve({})
    try:
        given = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadConfig([f"config.toml cannot be read: {error}."]) from error
    return recipe.resolve(given)


def can_write(folder: Path) -> bool:
    """Whether files can be made in a folder, which is made where it is missing."""
    try:
        folder = folder.expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            return True
    except (OSError, RuntimeError):  # the latter where nobody has a home
        return False


def check_same_run(run: RunDirectory, recipe: Recipe, chosen: dict[str, Value]) -> None:
    """Refuse to go on with a run under another recipe or other settings.

    Raises BadConfig with every difference.
    """
    before = run.manifest()
    if not before or not any((run.path / "checkpoints").glob("step-*")):
        return
    problems = []
    if before["recipe"]["slug"] != recipe.slug:
        problems.append(f"This directory holds a {before['recipe']['slug']} run.")
    else:
        for parameter in recipe.parameters:
            old, new = before["config"].get(parameter.name), chosen[parameter.name]
            if old != new and not parameter.may_change:
                problems.append(
                    f"{parameter.name} was {old} and is now {new}: a run goes on only as it began. "
                    "Start a new run directory."
                )
    if problems:
        raise BadConfig(problems)


def execute(recipe: Recipe, run: RunDirectory) -> int:
    """Run a recipe to one of its ends, say so in exit.json, and return the exit code."""
    try:
        chosen = settings(recipe, run.path / "config.toml")
        check_same_run(run, recipe, chosen)
    except BadConfig as error:
        return refuse(run, error)
    # OpenMP's threads otherwise spin while they wait, which on a shared machine costs more than
    # it gains. It is read once, when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if not any(map(can_write, KERNEL_FOLDERS)):
        os.environ.setdefault("NUMBA_CACHE_DIR", str(run.path / "work" / "kernels"))
    module = importlib.import_module(f"uzina_recipes.recipes.{recipe.slug}.run")
    try:
        with run:
            run.write_manifest(
                recipe={"slug": recipe.slug, "version": recipe.version},
                config=chosen,
                code=code_version(),
                environment=environment(),
                inputs=run.inputs() if run.is_writer else {},
                seed=chosen["seed"],
                world_size=int(os.environ.get("WORLD_SIZE", "1")),
            )
            step = module.run(run, chosen)
            if run.stage:
                # The run is done when its last job is, which is of no stage.
                run.event("stage_done", stage=run.stage, step=step)
                return DONE
            run.enter("done", step=step)
            run.event("done", step=step)
            run.leave("done", resume=False, step=step, reason="")
    except Stopped as stopped:
        run.leave("stopped", resume=True, step=stopped.step, reason=str(stopped))
        say(str(stopped))
    except BadConfig as error:
        return refuse(run, error)
    except Failed as failed:
        return fail(run, str(failed), step=failed.step, resume=failed.resume)
    except OSError as error:
        if error.errno not in FULL:
            raise
        return fail(
            run,
            f"The disk is full, or the quota is used up ({error.strerror}). Free some space and "
            "start the run again: it goes on from its last complete checkpoint.",
            step=run.step,
            resume=True,
        )
    return DONE


def refuse(run: RunDirectory, error: BadConfig) -> int:
    """Record every mistake of the configuration, and return the exit code."""
    noun = "mistake" if len(error.problems) == 1 else "mistakes"
    reason = f"config.toml has {len(error.problems)} {noun}. {error}"
    run.leave("failed", resume=False, step=0, reason=reason)
    print(reason, file=sys.stderr)  # noqa: T201
    return BAD_CONFIG


def fail(run: RunDirectory, reason: str, *, step: int, resume: bool) -> int:
    """Record a failure as far as the disk still allows, and return the exit code."""
    print(reason, file=sys.stderr)  # noqa: T201
    try:
        run.leave("failed", resume=resume, step=step, reason=reason)
        run.event("failed", step=step, reason=reason)
    except OSError as error:
        print(f"exit.json could not be written: {error}", file=sys.stderr)  # noqa: T201
    return FAILED


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done or stopped, 1 failed, 2 bad configuration."""
    given = parser().parse_args(arguments)
    if given.command == "verify-resume":
        comparison = verify.compare(given.run_dir, given.against)
        say(json.dumps(comparison, indent=2))
        return DONE if comparison["equal"] else FAILED
    if not given.run_dir.is_dir():
        print(f"{given.run_dir} is not a folder.", file=sys.stderr)  # noqa: T201
        return BAD_CONFIG
    if given.command == "session":
        return session.main(given.run_dir.resolve())
    recipe = catalogue.load()[given.command]
    stage = given.stage or "" if recipe.stages else ""
    task = os.environ.get("UZINA_TASK_ID") or "0" if stage else "0"
    is_first = os.environ.get("RANK", "0") == "0" and task == "0"
    run = RunDirectory(given.run_dir.resolve(), is_writer=is_first)
    if stage:
        run.stage, run.task, run.tasks = stage, int(task), given.tasks
    try:
        return execute(recipe, run)
    except Exception as error:  # noqa: BLE001 - the last door: whatever happened must be in exit.json
        traceback.print_exc()
        reason = f"{type(error).__name__}: {error}"
        return fail(run, reason, step=run.step, resume=recipe.slug in GOING_ON)
