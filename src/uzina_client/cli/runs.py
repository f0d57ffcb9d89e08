"""Training runs and the recipes they follow."""

import time
from typing import Annotated, Any

import typer

from uzina_client.cli.shell import Shell, column, command, duration

RUN_COLUMNS = [
    column("Run", "code"),
    column("Recipe", "recipe"),
    column("Project", "project"),
    column("State", "state"),
    column("Job", "job"),
]
RECIPE_COLUMNS = [
    column("Recipe", "slug"),
    column("Version", "version"),
    column("Title", "title"),
]
ENDED = frozenset({"done", "failed", "cancelled", "lost", "stopped"})
POLL_S = 1.0


def register(app: typer.Typer) -> None:
    """Add runs and recipes."""
    nouns = typer.Typer(help="Training runs.", no_args_is_help=True)
    command(nouns, "list")(list_runs)
    command(nouns, "show")(show_run)
    command(nouns, "watch")(watch)
    command(nouns, "stop")(stop)
    command(nouns, "resume")(resume)
    app.add_typer(nouns, name="runs")
    command(app, "recipes")(recipes)


def list_runs(
    shell: Shell, project: Annotated[str, typer.Option(help="Only of this project: PRJ-…")] = ""
) -> None:
    """List runs, newest first."""
    runs = shell.client.training.runs(project=project)
    shell.table(runs, RUN_COLUMNS, empty="There is no run yet.")


def show_run(shell: Shell, code: Annotated[str, typer.Argument(help="RUN-…")]) -> None:
    """Show one run."""
    show(shell, shell.client.training.run(code))


def watch(shell: Shell, code: Annotated[str, typer.Argument(help="RUN-…")]) -> None:
    """Follow a run until it has ended: step, loss, speed, time left."""
    after = 0
    while True:
        run = shell.client.training.run(code)
        lines = shell.client.compute.metrics(run["job"], after=after)
        for line in lines["items"]:
            shell.line(line, metric(line))
        after = lines["next"]
        if run["state"] in ENDED:
            show(shell, run)
            return
        time.sleep(POLL_S)


def stop(shell: Shell, code: Annotated[str, typer.Argument(help="RUN-…")]) -> None:
    """Ask a run to save a checkpoint and stop; it can go on later."""
    shell.confirm(f"Stop {code}?")
    show(shell, shell.client.training.stop(code))


def resume(shell: Shell, code: Annotated[str, typer.Argument(help="RUN-…")]) -> None:
    """Go on with a run from its last checkpoint."""
    show(shell, shell.client.training.resume(code))


def recipes(
    shell: Shell, slug: Annotated[str, typer.Argument(help="One recipe; none for all.")] = ""
) -> None:
    """List the recipes, or show one with its parameters."""
    if not slug:
        shell.table(shell.anyone.training.recipes(), RECIPE_COLUMNS, empty="There is no recipe.")
        return
    found = shell.anyone.training.recipe(slug)
    shell.show(
        found,
        [
            ("Recipe", f"{found['slug']} {found['version']}"),
            ("Title", found["title"]),
            ("Needs", found["hardware"]),
            ("Expect", found["expects"]),
        ]
        + [(one["name"], parameter(one)) for one in found["parameters"]],
    )


def parameter(one: Any) -> str:
    """Return a recipe's parameter in words."""
    return f"{one['help']} (default {one['default']})"


def metric(line: Any) -> str:
    """Return one line of measurements in words."""
    parts = [f"step {line['step']}"]
    if line.get("loss") is not None:
        parts.append(f"loss {line['loss']:.4f}")
    if line.get("tok_s") is not None:
        parts.append(f"{line['tok_s']:,.0f} tokens/s")
    if line.get("eta_s") is not None:
        parts.append(f"{duration(line['eta_s'])} left")
    return "  ".join(parts)


def show(shell: Shell, run: Any) -> None:
    """Print one run."""
    shell.show(
        run,
        [
            ("Run", run["code"]),
            ("Recipe", f"{run['recipe']} {run['recipe_version']}"),
            ("Project", run["project"]),
            ("State", run["state"]),
            ("Problem", run["problem"]),
            ("Job", run["job"]),
            ("Inputs", run["inputs"]),
            ("Model", run["model"]),
            ("Made", run["output"]),
            ("Parameters", run["params"]),
            ("You can", run["allowed"]),
        ],
    )
