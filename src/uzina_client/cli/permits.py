"""Access to restricted data: asked for, answered, taken back."""

from datetime import UTC, datetime, time, timedelta
from typing import Annotated

import typer

from uzina_client.cli.shell import Shell, column, command

Code = Annotated[str, typer.Argument(help="ACC-…")]
Dataset = Annotated[str, typer.Argument(help="The dataset's name, such as ro-corpus.")]
Reason = Annotated[str, typer.Option("--reason", help="Who asked reads it.")]

COLUMNS = [
    column("Request", "code"),
    column("Dataset", "dataset"),
    column("Project", "project"),
    column("Purpose", "purpose"),
    column("State", "state"),
    column("Ends", "until"),
]
PURPOSE_COLUMNS = [column("Purpose", "code"), column("Means", "plain_en")]
USE_COLUMNS = [
    column("When", "at"),
    column("Version", "version"),
    column("How", "kind"),
    column("Who", "person"),
    column("Job", "job"),
    column("Permission", "grant"),
]


def register(app: typer.Typer) -> None:
    """Add access."""
    nouns = typer.Typer(help="Access to data that is not for everybody.", no_args_is_help=True)
    for name, verb in (
        ("ask", ask),
        ("list", list_requests),
        ("show", show),
        ("grant", grant),
        ("refuse", refuse),
        ("revoke", revoke),
        ("withdraw", withdraw),
        ("end", end),
        ("uses", uses),
        ("purposes", purposes),
    ):
        command(nouns, name)(verb)
    app.add_typer(nouns, name="access")


def end_of(day: datetime) -> datetime:
    """Return the instant a day ends, UTC."""
    return datetime.combine(day.date() + timedelta(days=1), time(), tzinfo=UTC)


def ask(
    shell: Shell,
    dataset: Dataset,
    project: Annotated[str, typer.Option("--project", help="PRJ-…")],
    purpose: Annotated[str, typer.Option("--purpose", help="One of: uzina access purposes.")],
    why: Annotated[str, typer.Option("--why", help="The holder reads this to decide.")],
    until: Annotated[
        datetime, typer.Option("--until", formats=["%Y-%m-%d"], help="The last day of use.")
    ],
    place: Annotated[
        str, typer.Option("--place", help="Country of processing, two letters.")
    ] = "RO",
    basis: Annotated[str, typer.Option("--legal-basis", help="Needed for personal data.")] = "",
) -> None:
    """Ask the holder of a dataset to let a project use it."""
    made = shell.client.permits.ask(
        dataset,
        project=project,
        purpose=purpose,
        why=why,
        place=place,
        until=end_of(until),
        legal_basis=basis,
    )
    shell.line(made, f"{made['code']}: {made['state']}")


def list_requests(
    shell: Shell,
    inbox: Annotated[bool, typer.Option("--inbox", help="Those that you answer.")] = False,  # noqa: FBT002 - a flag
    state: Annotated[str, typer.Option("--state", help="asked, granted, refused, …")] = "",
) -> None:
    """List requests of your projects, and those to you."""
    rows = shell.client.permits.requests(state=state, to_decide=inbox)
    shell.table(rows, COLUMNS, empty="No request yet.")


def show(shell: Shell, code: Code) -> None:
    """Show one request, and what of the policy it does not meet."""
    found = shell.client.permits.request(code)
    shell.show(
        found,
        [
            ("Request", found["code"]),
            ("State", found["state"]),
            ("Dataset", found["dataset"]),
            ("Project", f"{found['project']}, {found['organisation']}"),
            ("Asked by", found["asked_by"]),
            ("Purpose", found["purpose"]),
            ("Why", found["why"]),
            ("Ends", found["until"]),
            ("Reason", found["reason"]),
            ("Over because", found["end_reason"]),
            ("Against the policy", " ".join(found["failed"])),
            ("Jobs that had the data", ", ".join(found["running_jobs"])),
        ],
    )


def grant(
    shell: Shell,
    code: Code,
    until: Annotated[
        datetime | None,
        typer.Option(
            "--until", formats=["%Y-%m-%d"], help="The last day; what was asked if not given."
        ),
    ] = None,
    reason: Reason = "",
) -> None:
    """Let the project use the data."""
    end = end_of(until) if until else None
    found = shell.client.permits.grant(code, until=end, reason=reason)
    shell.line(found, f"{code}: {found['state']} until {found['until']}")


def refuse(shell: Shell, code: Code, reason: Reason) -> None:
    """Do not let the project use the data, and say why."""
    found = shell.client.permits.refuse(code, reason=reason)
    shell.line(found, f"{code}: {found['state']}")


def revoke(shell: Shell, code: Code, reason: Reason) -> None:
    """Take a permission back, and say why."""
    shell.confirm(f"Revoke {code}? New jobs are refused from then on.")
    found = shell.client.permits.revoke(code, reason=reason)
    shell.line(found, f"{code}: {found['state']}")


def withdraw(shell: Shell, code: Code) -> None:
    """Take a request back before it is answered."""
    found = shell.client.permits.withdraw(code)
    shell.line(found, f"{code}: {found['state']}")


def end(shell: Shell, code: Code) -> None:
    """Give a permission back before its time is over."""
    shell.confirm(f"End {code}? New jobs are refused from then on.")
    found = shell.client.permits.end(code)
    shell.line(found, f"{code}: {found['state']}")


def uses(shell: Shell, dataset: Dataset) -> None:
    """List who used a dataset's restricted files: for its holder."""
    shell.table(
        shell.client.permits.uses(dataset=dataset), USE_COLUMNS, empty="Nobody has used it yet."
    )


def purposes(shell: Shell) -> None:
    """List what data can be asked for."""
    shell.table(iter(shell.client.permits.purposes()), PURPOSE_COLUMNS, empty="None.")
