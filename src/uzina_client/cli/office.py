"""What the office of a factory does: the queue, panels, rankings, and appeals."""

from typing import Annotated, Any

import typer

from uzina_client.cli.shell import Column, Shell, column, command
from uzina_client.cli.typed import From, text_of

Call = Annotated[str, typer.Argument(help="A call.")]
Number = Annotated[int, typer.Option("--cut-off", help="Which cut-off, from 1; 0: none.", min=0)]
Code = Annotated[str, typer.Argument(help="RNK-…")]
Appeal = Annotated[str, typer.Argument(help="APL-…")]
Text = Annotated[str, typer.Option(help="What to say.")]

QUEUE_COLUMNS = [
    column("Application", "application"),
    column("Title", "title"),
    column("Step", "step"),
    column("State", "state"),
    column("Owner", "owner"),
    column("Due", "due_at"),
    Column("Late", lambda row: f"{row['days_late']} days" if row["is_late"] else ""),
    column("Waits for", "waiting"),
]
ROW_COLUMNS = [
    column("Rank", "rank"),
    column("Application", "code"),
    column("Outcome", "outcome"),
    column("GPU-hours", "gpu_hours"),
]
APPEAL_COLUMNS = [
    column("Appeal", "code"),
    column("Application", "application"),
    column("State", "state"),
    column("Filed", "filed_at"),
    column("Due", "due_at"),
]


def register(app: typer.Typer) -> None:
    """Add queue, rankings and appeals."""
    command(app, "queue")(queue)
    rankings = typer.Typer(help="Rankings (operators).", no_args_is_help=True)
    for name, function in (
        ("draft", draft),
        ("show", show),
        ("why", why),
        ("adopt", adopt),
        ("release", release),
        ("rerun", rerun),
    ):
        command(rankings, name)(function)
    app.add_typer(rankings, name="rankings")
    appeals = typer.Typer(help="Appeals you filed or hear.", no_args_is_help=True)
    for verb, act in (
        ("list", list_appeals),
        ("file", file_appeal),
        ("uphold", uphold),
        ("dismiss", dismiss),
        ("withdraw", withdraw),
    ):
        command(appeals, verb)(act)
    app.add_typer(appeals, name="appeals")


def queue(
    shell: Shell,
    call: Annotated[str, typer.Option(help="Of one call.")] = "",
    step: Annotated[str, typer.Option(help="In one step.")] = "",
    owner: Annotated[str, typer.Option(help="me, none, or PER-…")] = "",
    late: Annotated[bool, typer.Option("--late", help="What is late.")] = False,  # noqa: FBT002
) -> None:
    """List what is under way, the first due first."""
    rows = shell.client.judging.queue(call=call, step=step, owner=owner, late=late or None)
    shell.table(rows, QUEUE_COLUMNS, empty="Nothing is under way.")


def draft(shell: Shell, call: Call, number: Number = 0) -> None:
    """Rank what waits at a cut-off. A draft: nothing is decided."""
    _show(shell, shell.client.judging.rank(call, number))


def show(shell: Shell, code: Code) -> None:
    """Show a ranking."""
    _show(shell, shell.client.judging.ranking(code))


def why(
    shell: Shell, code: Code, application: Annotated[str, typer.Argument(help="APP-…")]
) -> None:
    """Say why an application got what it got."""
    told = shell.client.judging.why(code, application)
    shell.show(told, [("Why", told["words"]), ("More GPU-hours needed", told["gpu_hours_more"])])


def adopt(shell: Shell, code: Code) -> None:
    """Adopt a ranking: it is sealed, and its decisions are pending."""
    shell.confirm(f"Adopt {code}? It cannot be changed afterwards.")
    _show(shell, shell.client.judging.adopt(code))


def release(shell: Shell, code: Code) -> None:
    """Release all decisions of a ranking together."""
    shell.confirm(f"Release all decisions of {code}? This cannot be undone.")
    _show(shell, shell.client.judging.release(code))


def rerun(shell: Shell, code: Code) -> None:
    """Run a ranking's record again and compare."""
    found = shell.client.judging.rerun(code)
    shell.show(
        found,
        [
            ("Sound", found["is_sound"]),
            ("Sealed", found["is_sealed"]),
            ("Same result", found["is_same"]),
        ],
    )


def list_appeals(shell: Shell) -> None:
    """List the appeals you filed or hear."""
    shell.table(shell.client.judging.appeals(), APPEAL_COLUMNS, empty="There is no appeal.")


def file_appeal(
    shell: Shell,
    application: Annotated[str, typer.Argument(help="APP-…")],
    text: Text = "",
    file: From = None,
) -> None:
    """Appeal against the decision that declined your application. It can be done once."""
    grounds = text_of(shell, text, file, "On what grounds?")
    _show_appeal(shell, shell.client.judging.appeal(application, grounds=grounds))


def uphold(
    shell: Shell,
    code: Appeal,
    gpu_hours: Annotated[int, typer.Option(min=1)],
    text: Text = "",
    file: From = None,
) -> None:
    """Uphold an appeal (second panel): an award is offered."""
    found = text_of(shell, text, file, "What did the panel find?")
    _show_appeal(shell, shell.client.judging.uphold(code, gpu_hours=gpu_hours, text=found))


def dismiss(shell: Shell, code: Appeal, text: Text = "", file: From = None) -> None:
    """Dismiss an appeal (second panel)."""
    found = text_of(shell, text, file, "What did the panel find?")
    _show_appeal(shell, shell.client.judging.dismiss(code, text=found))


def withdraw(shell: Shell, code: Appeal) -> None:
    """Take your appeal back. This cannot be undone."""
    shell.confirm(f"Withdraw {code}? This cannot be undone.")
    _show_appeal(shell, shell.client.judging.withdraw_appeal(code))


def _show(shell: Shell, ranking: Any) -> None:
    if shell.as_json:
        shell.show(ranking, [])
        return
    shell.say(f"{ranking['code']} of {ranking['call']}: {ranking['state']}. {ranking['seal']}")
    shell.table(ranking["result"]["applications"], ROW_COLUMNS, empty="Nothing is ranked.")


def _show_appeal(shell: Shell, appeal: Any) -> None:
    shell.show(
        appeal,
        [
            ("Appeal", appeal["code"]),
            ("Application", appeal["application"]),
            ("State", appeal["state"]),
            ("Due", appeal["due_at"]),
            ("Outcome", appeal["outcome_text"]),
        ],
    )
