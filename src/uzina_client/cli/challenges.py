"""Grand challenges: who leads, and entries."""

from pathlib import Path
from typing import Annotated, Any

import typer

from uzina_client.cli.shell import Column, Shell, column, command

Slug = Annotated[str, typer.Argument(help="A call that is a grand challenge.")]
File = Annotated[Path, typer.Argument(help="A CSV file.", exists=True, dir_okay=False)]
MILLION = 1_000_000


def score(millionths: object) -> str:
    """Return a score as a person reads it, with all its places."""
    return f"{millionths / MILLION:,.6f}" if isinstance(millionths, int) else ""


PLACE_COLUMNS = [
    column("Rank", "rank"),
    Column("Entrant", lambda row: ("you: " if row["is_mine"] else "") + (row["name"] or "no name")),
    Column("Score", lambda row: score(row["score_millionths"])),
    column("Entry", "entry"),
    column("Received", "received_at"),
]
ENTRY_COLUMNS = [
    column("Entry", "code"),
    column("State", "state"),
    Column("Public", lambda row: score(row["public_score_millionths"])),
    Column("Private", lambda row: score(row["private_score_millionths"])),
    Column(
        "Counts", lambda row: "chosen" if row["is_chosen"] else "late" if row["is_late"] else ""
    ),
    column("Received", "received_at"),
    column("Note", "note"),
    column("Problem", "problem"),
]


def register(app: typer.Typer) -> None:
    """Add challenges."""
    challenges = typer.Typer(help="Grand challenges.", no_args_is_help=True)
    command(challenges, "show")(show)
    command(challenges, "leaderboard")(leaderboard)
    command(challenges, "enter")(enter)
    command(challenges, "entries")(entries)
    command(challenges, "choose")(choose)
    command(challenges, "set")(set_challenge)
    command(challenges, "reveal")(reveal)
    command(challenges, "release")(release)
    app.add_typer(challenges, name="challenges")


def show(shell: Shell, call: Slug) -> None:
    """Show what is scored, the prizes and the close."""
    _show(shell, shell.client.challenges.show(call))


def leaderboard(shell: Shell, call: Slug) -> None:
    """Show who leads: by public scores, by private ones once they are revealed."""
    shell.table(
        shell.client.challenges.leaderboard(call), PLACE_COLUMNS, empty="No entry has a score yet."
    )


def enter(
    shell: Shell,
    application: Annotated[str, typer.Argument(help="APP-…")],
    file: File,
    note: Annotated[str, typer.Option(help="For yourself.")] = "",
) -> None:
    """Send predictions: a CSV that begins with the line id,prediction."""
    _show_entry(shell, shell.client.challenges.enter(application, file, note=note))


def entries(shell: Shell, application: Annotated[str, typer.Argument(help="APP-…")]) -> None:
    """List what you sent and what it scored."""
    shell.table(
        shell.client.challenges.entries(application), ENTRY_COLUMNS, empty="You sent nothing yet."
    )


def choose(shell: Shell, entry: Annotated[str, typer.Argument(help="ENT-…")]) -> None:
    """Have this entry count instead of the one with the best public score."""
    _show_entry(shell, shell.client.challenges.choose(entry))


def set_challenge(
    shell: Shell,
    call: Slug,
    truth: Annotated[
        Path, typer.Argument(help="A CSV: id,answer[,part].", exists=True, dir_okay=False)
    ],
    metric: Annotated[str, typer.Option(help="accuracy, macro_f1, exact_match, rmse or mae.")],
    prize: Annotated[list[int], typer.Option(help="GPU-hours; once a rank, the first first.")],
    closes_at: Annotated[str, typer.Option(help="2027-03-31T15:00:00Z")],
    entries_per_day: Annotated[int, typer.Option(min=1)] = 3,
) -> None:
    """Set a challenge (operator)."""
    _show(
        shell,
        shell.client.challenges.set(
            call,
            truth,
            metric=metric,
            prizes=prize,
            entries_per_day=entries_per_day,
            closes_at=closes_at,
        ),
    )


def reveal(shell: Shell, call: Slug) -> None:
    """Show the private scores (operator). This cannot be undone."""
    shell.confirm(f"Reveal the scores of {call}? This cannot be undone.")
    _show(shell, shell.client.challenges.reveal(call))


def release(shell: Shell, call: Slug) -> None:
    """Offer the prizes (operator). This cannot be undone."""
    shell.confirm(f"Offer the prizes of {call} and tell everybody? This cannot be undone.")
    _show(shell, shell.client.challenges.release(call))


def _show(shell: Shell, challenge: Any) -> None:
    shell.show(
        challenge,
        [
            ("Call", challenge["call"]),
            ("Metric", challenge["metric"]),
            ("Better", "less" if challenge["is_less_better"] else "more"),
            ("Prizes, GPU-hours", challenge["prizes_gpu_hours"]),
            ("Entries a day", challenge["entries_per_day"]),
            (
                "Answers",
                f"{challenge['public_items']} public, {challenge['private_items']} private",
            ),
            ("Seal", challenge["seal"]),
            ("Closes", challenge["closes_at"]),
            ("Revealed", challenge["revealed_at"]),
            ("Prizes offered", challenge["released_at"]),
        ],
    )


def _show_entry(shell: Shell, entry: Any) -> None:
    shell.show(
        entry,
        [
            ("Entry", entry["code"]),
            ("State", entry["state"]),
            ("Late", entry["is_late"] or None),
            ("Counts", "chosen" if entry["is_chosen"] else None),
            ("Public score", score(entry["public_score_millionths"])),
            ("Received", entry["received_at"]),
            ("SHA-256", entry["sha256"]),
            ("Problem", entry["problem"]),
        ],
    )
