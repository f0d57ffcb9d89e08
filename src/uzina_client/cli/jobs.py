"""Jobs on the cluster."""

import time
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from uzina_client.cli.shell import (
    FAILED,
    USAGE,
    Shell,
    Stopped,
    column,
    command,
    duration,
    gpu_time,
)

ENDED = frozenset({"done", "failed", "cancelled", "lost"})
POLL_S = 1.0
COLUMNS = [
    column("Job", "code"),
    column("Name", "name"),
    column("Project", "project"),
    column("State", "state"),
    column("Submitted", "submitted_at"),
    column("Why", "why"),
]


def register(app: typer.Typer) -> None:
    """Add jobs."""
    nouns = typer.Typer(help="Jobs on the cluster.", no_args_is_help=True)
    command(nouns, "submit")(submit)
    command(nouns, "list")(list_jobs)
    command(nouns, "show")(show_job)
    command(nouns, "logs")(logs)
    command(nouns, "cancel")(cancel)
    app.add_typer(nouns, name="jobs")


def submit(
    shell: Shell,
    file: Annotated[Path, typer.Argument(help="A job.toml.", exists=True, dir_okay=False)],
    project: Annotated[str, typer.Option(help="PRJ-…; or `project` in the file.")] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Until it has ended.")] = False,  # noqa: FBT002
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would hold.")] = False,  # noqa: FBT002
) -> None:
    """Submit a job described in a file. One with `recipe = ` becomes a training run."""
    spec = read_spec(file)
    code = project or str(spec.pop("project", "")) or _only_project(shell)
    spec.pop("project", None)
    if dry_run:
        _say_cost(shell, spec, code)
        return
    if spec.get("recipe"):
        run = shell.client.training.start(run_facts(spec, code))
        shell.say(f"Run {run['code']} of {spec['recipe']}.")
        job = shell.client.compute.job(run["job"])
    else:
        job = shell.client.compute.submit(code, spec)
    if wait:
        job = wait_for(shell, job["code"])
    show(shell, job)
    if wait and job["state"] != "done":
        raise Stopped(
            f"The job is {job['state']}.", code=FAILED, step=f"uzina jobs logs {job['code']}"
        )


def list_jobs(
    shell: Shell,
    project: Annotated[str, typer.Option(help="Only of this project: PRJ-…")] = "",
) -> None:
    """List jobs, newest first."""
    jobs = shell.client.compute.jobs(project=project)
    shell.table(jobs, COLUMNS, empty="There is no job yet.")


def show_job(shell: Shell, code: Annotated[str, typer.Argument(help="JOB-…")]) -> None:
    """Show one job: its state, why it waits, what it has cost."""
    show(shell, shell.client.compute.job(code))


def logs(
    shell: Shell,
    code: Annotated[str, typer.Argument(help="JOB-…")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Until it has ended.")] = False,  # noqa: FBT002
    stream: Annotated[str, typer.Option(help="stdout or stderr.")] = "stdout",
) -> None:
    """Print what a job has written."""
    compute = shell.client.compute
    offset = 0
    while True:
        ended = compute.job(code)["state"] in ENDED
        while (piece := compute.logs(code, stream=stream, offset=offset))["text"]:
            if shell.as_json:
                shell.line({"offset": offset, "text": piece["text"]}, "")
            else:
                typer.echo(piece["text"], nl=False)
            offset = piece["next_offset"]
        if ended or not follow:
            return
        time.sleep(POLL_S)


def cancel(shell: Shell, code: Annotated[str, typer.Argument(help="JOB-…")]) -> None:
    """Stop a job. What it used is charged, the rest of what it held is released."""
    shell.confirm(f"Stop {code}?")
    show(shell, shell.client.compute.cancel(code))


def show(shell: Shell, job: Any) -> None:
    """Print one job."""
    shell.show(
        job,
        [
            ("Job", job["code"]),
            ("Name", job["name"]),
            ("Project", job.get("project")),
            ("State", job["state"]),
            ("Why", job["why"]),
            ("Asked", asked(job)),
            ("Held", gpu_time(job.get("held_gpu_ms"))),
            ("Spent", gpu_time(job.get("gpu_ms"))),
            ("Submitted", job.get("submitted_at")),
            ("Started", job.get("started_at")),
            ("Ended", job.get("ended_at")),
            ("Exit code", job.get("exit_code")),
        ],
    )


def asked(job: Any) -> str:
    """Return what a job asks for, in words."""
    return (
        f"{job.get('nodes', 1)} × ({job.get('gpus', 0)} GPU, {job.get('cpus', 1)} CPU), "
        f"at most {duration(job.get('time_limit_s'))}"
    )


def read_spec(file: Path) -> dict[str, Any]:
    """Read a job.toml. Raises Stopped when it is not TOML."""
    try:
        return tomllib.loads(file.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
        raise Stopped(f"{file} cannot be read: {wrong}.", code=USAGE) from wrong


def run_facts(spec: dict[str, Any], project: str) -> dict[str, Any]:
    """Return what starts a training run, from a job.toml that names a recipe."""
    known = (
        *("recipe", "params", "inputs", "model", "name"),
        *("gpus", "cpus", "memory_mb", "time_limit_s"),
    )
    return {"project": project} | {name: spec[name] for name in known if name in spec}


def wait_for(shell: Shell, code: str) -> Any:
    """Return a job once it has ended, telling each change of state on the way."""
    was = ""
    while True:
        job = shell.client.compute.job(code)
        if job["state"] != was:
            was = job["state"]
            shell.say(f"{code}: {was}" + (f" ({job['why']})" if job["why"] else ""))
        if was in ENDED:
            return job
        time.sleep(POLL_S)


def _only_project(shell: Shell) -> str:
    projects = [one for one in shell.client.people.projects() if one["state"] == "active"]
    if len(projects) == 1:
        return str(projects[0]["code"])
    raise Stopped(
        "Say which project pays: --project PRJ-…"
        if projects
        else "You take part in no active project, and a job needs one to pay for it.",
        code=USAGE,
        step="uzina projects list" if projects else "uzina calls list",
    )


def _say_cost(shell: Shell, spec: dict[str, Any], project: str) -> None:
    gpus = int(spec.get("nodes", 1)) * int(spec.get("gpus", 0))
    gpu_ms = gpus * int(spec.get("time_limit_s", 0)) * 1000
    found = shell.client.ledger.allocations(project=project)
    free = sum(one["balance"]["free"] for one in found)
    shell.show(
        {"project": project, "gpu_ms": gpu_ms, "free_gpu_ms": free, "fits": gpu_ms <= free},
        [
            ("Project", project),
            ("Would hold", gpu_time(gpu_ms)),
            ("Left", gpu_time(free)),
            ("Fits", gpu_ms <= free),
        ],
    )
