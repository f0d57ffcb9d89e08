"""What reviewers do."""

from pathlib import Path
from typing import Annotated, Any

import typer

from uzina_client.cli.shell import Shell, column, command
from uzina_client.cli.typed import read_table

Code = Annotated[str, typer.Argument(help="REV-…")]
Reason = Annotated[str, typer.Option(help="Why; only the factory reads it.")]
Table = Annotated[
    Path,
    typer.Option(
        "--from", help="TOML or JSON: scores, comment, panel_comment, notes.", exists=True
    ),
]

REVIEW_COLUMNS = [
    column("Review", "code"),
    column("Call", "call"),
    column("Title", "title"),
    column("State", "state"),
    column("Due", "due_at"),
]


def register(app: typer.Typer) -> None:
    """Add reviews."""
    reviews = typer.Typer(help="The reviews you were asked for.", no_args_is_help=True)
    command(reviews, "list")(list_reviews)
    command(reviews, "show")(show_review)
    command(reviews, "accept")(accept)
    command(reviews, "decline")(decline)
    command(reviews, "conflict")(conflict)
    command(reviews, "save")(save)
    command(reviews, "submit")(submit)
    app.add_typer(reviews, name="reviews")


def list_reviews(shell: Shell) -> None:
    """List the reviews you were asked for."""
    shell.table(shell.client.judging.reviews(), REVIEW_COLUMNS, empty="No review is asked of you.")


def show_review(shell: Shell, code: Code) -> None:
    """Show one review, what it is about and what is scored."""
    _show(shell, shell.client.judging.review(code))


def accept(shell: Shell, code: Code) -> None:
    """Accept to write a review."""
    _show(shell, shell.client.judging.accept(code))


def decline(shell: Shell, code: Code, reason: Reason = "") -> None:
    """Decline to write a review."""
    shell.client.judging.decline(code, reason=reason or shell.ask("Why?", option="--reason TEXT"))
    shell.say(f"Declined: {code}.")


def conflict(shell: Shell, code: Code, reason: Reason = "") -> None:
    """Declare an interest in what you were asked to review: you see nothing of it any more."""
    shell.confirm(f"Declare an interest and give {code} back? This cannot be undone.")
    shell.client.judging.conflict(code, reason=reason or shell.ask("Why?", option="--reason TEXT"))
    shell.say(f"Given back: {code}.")


def save(shell: Shell, code: Code, file: Table) -> None:
    """Save a review, complete or not."""
    _show(shell, shell.client.judging.save(code, _written(shell, code, file)))


def submit(shell: Shell, code: Code, file: Table) -> None:
    """Hand a review in."""
    _show(shell, shell.client.judging.submit(code, _written(shell, code, file)))


def _written(shell: Shell, code: str, file: Path) -> dict[str, Any]:
    """Return what is kept of a review with what the file says in its place, and its version."""
    kept = shell.client.judging.review(code)
    names = ("scores", "comment", "panel_comment", "notes")
    return {name: kept[name] for name in names} | read_table(file) | {"version": kept["version"]}


def _show(shell: Shell, review: Any) -> None:
    scale = f"{review['least']} to {review['most']}"
    shell.show(
        review,
        [
            ("Review", review["code"]),
            ("Call", review["call"]),
            ("Title", review["title"]),
            ("State", review["state"]),
            ("Due", review["due_at"]),
            ("In short", review["summary"]),
            ("Topics", review["topics"]),
            *(
                (one["key"], f"{one['title']}: {_score(review, one['key'])} ({scale})")
                for one in review["criteria"]
            ),
            ("To the applicant", review["comment"]),
            ("To the panel", review["panel_comment"]),
            ("Notes", review["notes"]),
        ],
    )


def _score(review: Any, key: str) -> object:
    score = review["scores"].get(key)
    return "not scored" if score is None else score
