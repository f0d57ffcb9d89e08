"""Submitting a job from a terminal and following it to its end."""

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from uzina_client.cli.jobs import ENDED, POLL_S, only_project, read_spec, run_facts, show
from uzina_client.cli.shell import FAILED, INTERRUPTED, USAGE, Shell, Stopped, command

STREAMS = ("stdout", "stderr")


def register(app: typer.Typer) -> None:
    """Add submit."""
    command(app, "submit")(submit)


def submit(
    shell: Shell,
    words: Annotated[
        list[str] | None,
        typer.Argument(help="A job.toml; with --script, the script's own words after --."),
    ] = None,
    script: Annotated[
        Path | None,
        typer.Option(help="A batch script instead of a job.toml.", exists=True, dir_okay=False),
    ] = None,
    project: Annotated[str, typer.Option(help="PRJ-…; or `project` in the file.")] = "",
    name: Annotated[str, typer.Option(help="What to call it.")] = "",
    time_limit: Annotated[str, typer.Option("--time", help="Such as 2h30m.")] = "",
    nodes: Annotated[int, typer.Option(help="How many nodes.")] = 0,
    gpus: Annotated[int, typer.Option(help="GPUs on each node.")] = -1,
    cpus: Annotated[int, typer.Option(help="CPU cores on each node.")] = 0,
    memory: Annotated[str, typer.Option(help="On each node, such as 64G.")] = "",
    partition: Annotated[str, typer.Option(help="Which machines.")] = "",
    array: Annotated[str, typer.Option(help="Many tasks: 0-9, or 0-9%2.")] = "",
    after: Annotated[str, typer.Option(help="JOB-… that must be done first.")] = "",
    chain: Annotated[int, typer.Option(help="Go on past the time limit so often.")] = 0,
    key: Annotated[str, typer.Option(help="The same key is the same job.")] = "",
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Do not follow it.")] = False,  # noqa: FBT002
    check: Annotated[bool, typer.Option("--check", help="Only look what is in its way.")] = False,  # noqa: FBT002
    rehearse: Annotated[bool, typer.Option("--rehearse", help="Does it save and stop?")] = False,  # noqa: FBT002
) -> None:
    """Submit a job and follow what it writes; the exit code is the job's. Ctrl-C lets it go on."""
    spec = described(script, words or [])
    given = {
        "name": name, "time_limit": time_limit, "nodes": nodes, "cpus": cpus, "memory": memory,
        "partition": partition, "array": array, "after": after, "chain": chain,
    }  # fmt: skip
    spec |= {option: value for option, value in given.items() if value}
    if gpus >= 0:
        spec["gpus"] = gpus
    for option, other in (("time_limit", "time_limit_s"), ("memory", "memory_mb")):
        if given[option]:
            spec.pop(other, None)
    code = project or str(spec.pop("project", "")) or only_project(shell)
    spec.pop("project", None)
    if check:
        _check(shell, code, spec, rehearse=rehearse)
        return
    job = _start(shell, code, spec, key=key, rehearse=rehearse)
    if detach:
        show(shell, job)
        return
    ended = follow(shell, job)
    if shell.as_json or rehearse or ended["state"] != "done":
        show(shell, ended)
    raise typer.Exit(outcome(ended))


def described(script: Path | None, words: list[str]) -> dict[str, Any]:
    """Return the description in a job.toml, or of a script with its own words."""
    if script is not None:
        return {"name": script.stem[:80], "script": script.read_text(), "arguments": words}
    if len(words) != 1:
        raise Stopped(
            "Name one job.toml, or a script with --script.", code=USAGE, step="uzina submit --help"
        )
    return read_spec(Path(words[0]))


def _start(shell: Shell, project: str, spec: dict[str, Any], *, key: str, rehearse: bool) -> Any:
    if spec.get("recipe"):
        run = shell.client.training.start(run_facts(spec, project))
        shell.say(f"Run {run['code']} of {spec['recipe']}.")
        return shell.client.compute.job(run["job"])
    return shell.client.compute.submit(project, spec, key=key, rehearse=rehearse)


def _check(shell: Shell, project: str, spec: dict[str, Any], *, rehearse: bool) -> None:
    found = shell.client.compute.check(project, spec, rehearse=rehearse)
    shell.show(found, [(one["level"], one["text"]) for one in found["checks"]])
    if not found["may_submit"]:
        raise Stopped("It cannot be submitted as it is.", code=FAILED)


def follow(shell: Shell, job: Any) -> Any:
    """Print what a job writes, and tell each change of its state, until it has ended.

    Each stream is read on from where it was left, so nothing is printed twice.
    """
    code, was, offsets = job["code"], "", dict.fromkeys(STREAMS, 0)
    streams = () if shell.as_json or job.get("tasks", 1) > 1 else STREAMS
    try:
        while True:
            job = shell.client.compute.job(code)
            told = job["state"] + (f" ({job['why']})" if job["why"] else "")
            if told != was:
                was = told
                shell.say(f"{code}: {told}")
            for stream in streams if job.get("started_at") else ():
                offsets[stream] = _print_on(shell, code, stream, offsets[stream])
            if job["state"] in ENDED:
                return job
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        raise Stopped(
            f"{code} goes on without you.", code=INTERRUPTED, step=f"uzina logs -f {code}"
        ) from None


def _print_on(shell: Shell, code: str, stream: str, offset: int) -> int:
    while (piece := shell.client.compute.logs(code, stream=stream, offset=offset))["text"]:
        typer.echo(piece["text"], nl=False, err=stream == "stderr")
        sys.stdout.flush()
        offset = piece["next_offset"]
    return int(offset)


def outcome(job: Any) -> int:
    """Return the exit code of a job that has ended: its own, never 0 where it was not done."""
    if job["state"] == "done":
        return 0
    return int(job.get("exit_code") or FAILED)
