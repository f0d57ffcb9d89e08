"""Projects, and what they have spent."""

from typing import Annotated, Any

import typer

from uzina_client.cli.shell import Column, Shell, column, command, gpu_time

PROJECT_COLUMNS = [
    column("Code", "code"),
    column("Title", "title"),
    column("State", "state"),
    column("Ends", "ends_at"),
]
USAGE_COLUMNS = [
    column("Allocation", "code"),
    column("Project", "project"),
    column("State", "state"),
    Column("Granted", lambda row: gpu_time(row["balance"]["granted"])),
    Column("Held", lambda row: gpu_time(row["balance"]["held"])),
    Column("Spent", lambda row: gpu_time(row["balance"]["spent"])),
    Column("Left", lambda row: gpu_time(row["balance"]["free"])),
]
STATEMENT_COLUMNS = [
    column("When", "at"),
    column("What", "kind"),
    column("For", "subject"),
    Column("Amount", lambda row: gpu_time(row.get("amount"))),
    Column("Left", lambda row: gpu_time(row.get("free"))),
    column("Reason", "reason"),
]
RUN_COLUMNS = [
    column("Run", "native_id"),
    Column("Job", lambda row: row["job"] or "past the portal"),
    column("Who", "user"),
    column("Ended", "ended_at"),
    column("State", "state"),
    Column("Used", lambda row: gpu_time(row["gpu_ms"])),
    Column("Booked on", lambda row: row["allocation"] or "nothing"),
]
TOTAL_COLUMNS = [
    Column("Month", lambda row: row["month"][:7]),
    column("Who", "user"),
    column("Runs", "runs"),
    Column("Used", lambda row: gpu_time(row["gpu_ms"])),
]
FORECAST_COLUMNS = [
    column("Allocation", "allocation"),
    column("Outlook", "outlook"),
    Column("A day", lambda row: gpu_time(row["pace"]) if row["days"] else None),
    column("Spent early", "early"),
    column("Likely", "likely"),
    column("Late", "late"),
    Column("Unused", lambda row: row["unused"] and gpu_time(row["unused"]["likely"])),
]


def register(app: typer.Typer) -> None:
    """Add projects and usage."""
    nouns = typer.Typer(help="The projects you take part in.", no_args_is_help=True)
    command(nouns, "list")(list_projects)
    command(nouns, "show")(show_project)
    app.add_typer(nouns, name="projects")
    command(app, "usage")(usage)
    command(app, "acknowledge")(acknowledge)


def list_projects(shell: Shell) -> None:
    """List the projects you take part in."""
    shell.table(
        shell.client.people.projects(), PROJECT_COLUMNS, empty="You take part in no project yet."
    )


def show_project(shell: Shell, code: Annotated[str, typer.Argument(help="PRJ-…")]) -> None:
    """Show one project, its people and what it may spend."""
    project = shell.client.people.project(code)
    allocations = list(shell.client.ledger.allocations(project=code))
    standing = shell.client.programme.project(code)
    shell.show(
        {**project, "allocations": allocations, "standing": standing},
        [
            ("Project", project["code"]),
            ("Title", project["title"]),
            ("State", project["state"]),
            ("Organisation", project["organisation"]),
            ("From", project["starts_at"]),
            ("Until", standing["ends_at"]),
            *_standing_lines(standing),
            *((one["kind"].capitalize(), one["name"]) for one in project["members"]),
            *((one["code"], _balance_line(one)) for one in allocations),
        ],
    )


def acknowledge(shell: Shell, code: Annotated[str, typer.Argument(help="PRJ-…")]) -> None:
    """Print the sentence that publications of a project carry."""
    standing = shell.client.programme.project(code)
    shell.show(
        {"project": code, "acknowledgement": standing["acknowledgement"]},
        [("Acknowledgement", standing["acknowledgement"])],
    )


def usage(
    shell: Shell,
    code: Annotated[
        str, typer.Argument(help="A project PRJ-… or an allocation ALL-…; none for all.")
    ] = "",
    statement: Annotated[bool, typer.Option("--statement", help="Every movement.")] = False,  # noqa: FBT002
    forecast: Annotated[bool, typer.Option("--forecast", help="How long the hours last.")] = False,  # noqa: FBT002
    runs: Annotated[bool, typer.Option("--runs", help="Every run of a project.")] = False,  # noqa: FBT002
    totals: Annotated[bool, typer.Option("--totals", help="By user and month.")] = False,  # noqa: FBT002
) -> None:
    """Show what was granted, is held, was spent and is left."""
    if runs:
        shell.table(
            list(shell.client.compute.runs(code)), RUN_COLUMNS, empty="Nothing has run yet."
        )
        return
    if totals:
        lines = shell.client.compute.totals(code)["items"]
        shell.table(lines, TOTAL_COLUMNS, empty="Nothing has run yet.")
        return
    ledger = shell.client.ledger
    is_allocation = code.startswith("ALL-")
    found = [ledger.allocation(code)] if is_allocation else list(ledger.allocations(project=code))
    if forecast:
        told = [ledger.forecast(one["code"]) for one in found]
        shell.table(told, FORECAST_COLUMNS, empty="There is no allocation yet.")
        return
    if not statement:
        shell.table(found, USAGE_COLUMNS, empty="There is no allocation yet.")
        return
    lines = [
        {"allocation": one["code"], **line}
        for one in found
        for line in ledger.statement(one["code"])["lines"]
    ]
    shell.table(lines, STATEMENT_COLUMNS, empty="Nothing has moved yet.")


def _balance_line(allocation: Any) -> str:
    now = allocation["balance"]
    return (
        f"{gpu_time(now['free'])} left of {gpu_time(now['granted'])}; "
        f"{gpu_time(now['held'])} held, {gpu_time(now['spent'])} spent"
    )


def _standing_lines(standing: Any) -> list[tuple[str, Any]]:
    """Return what is left, the pace, and what is due, as far as there is any of it."""
    lines: list[tuple[str, Any]] = []
    if standing["is_suspended"]:
        lines.append(("Paused", "jobs do not start"))
    if standing["left_gpu_ms"] is not None:
        of = gpu_time(standing["granted_gpu_ms"])
        lines.append(("Left", f"{gpu_time(standing['left_gpu_ms'])} of {of}"))
    if standing["pace_gpu_ms"] is not None:
        lines.append(("A day", gpu_time(standing["pace_gpu_ms"])))
    if standing["spent_at"]:
        lines.append(("Spent by", standing["spent_at"]))
    if standing["data_deleted_at"]:
        lines.append(("Data deleted", standing["data_deleted_at"]))
    if report := standing["report"]:
        lines.append((f"{report['kind'].capitalize()} report", f"due {report['due_at']}"))
    return lines
