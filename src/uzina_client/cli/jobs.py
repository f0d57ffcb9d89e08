"""Jobs on the cluster."""

import json
import time
import tomllib
from collections.abc import Mapping
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
    for place in (nouns, app):
        command(place, "rerun")(rerun)
        command(place, "clone")(clone)
    for name, verb in (("show", show_job), ("logs", logs), ("cancel", cancel)):
        command(app, name)(verb)
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
    code = project or str(spec.pop("project", "")) or only_project(shell)
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
    task: Annotated[int, typer.Option(help="The task of an array.")] = -1,
) -> None:
    """Print what a job has written."""
    compute = shell.client.compute
    offset = 0
    stream = f"{stream}-{task}" if task >= 0 else stream
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


def rerun(
    shell: Shell,
    code: Annotated[str, typer.Argument(help="JOB-…")],
    key: Annotated[str, typer.Option(help="The same key is the same job.")] = "",
) -> None:
    """Submit the same job once more, with the same description and inputs."""
    show(shell, shell.client.compute.rerun(code, key=key))


def clone(shell: Shell, code: Annotated[str, typer.Argument(help="JOB-…")]) -> None:
    """Print the job.toml of a job, to be changed and submitted again."""
    job = shell.client.compute.job(code)
    if shell.as_json:
        shell.line(job["spec"], "")
    else:
        typer.echo(as_toml({"project": job["project"], **job["spec"]}), nl=False)


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
            ("Goes on from", job.get("continues")),
            ("The same as", job.get("rerun_of")),
            ("Chain", job.get("chain_end")),
            ("Rehearsal", job.get("rehearsal")),
            ("What to do", told_advice(job)),
        ],
    )


def told_advice(job: Any) -> str:
    """Return why a job failed and what to do next, "" where there is nothing to say."""
    advice = job.get("advice")
    return f"{advice['why']} {advice['step']}" if advice else ""


def as_toml(spec: Mapping[str, Any]) -> str:
    """Return a job.toml that says what a description says; what is empty is left out."""
    flat = [(name, value) for name, value in spec.items() if value not in ("", [], {}, None)]
    lines = [f"{name} = {_toml(value)}" for name, value in flat if not isinstance(value, dict)]
    for name, table in flat:
        if isinstance(table, dict):
            rows = (f"{json.dumps(one)} = {_toml(value)}" for one, value in table.items())
            lines += ["", f"[{name}]", *rows]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """Return a value as TOML writes it; JSON's strings, numbers and lists are TOML's too."""
    if isinstance(value, str) and "\n" in value and "'''" not in value and _is_plain(value):
        return f"'''\n{value}'''"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_toml(one)}" for name, one in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _is_plain(text: str) -> bool:
    return text.replace("\n", "").replace("\t", "").isprintable()


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


def only_project(shell: Shell) -> str:
    """Return the one active project a person is in. Raises Stopped where there is no or several."""
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
