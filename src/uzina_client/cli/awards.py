"""Awards: their answers, the changes asked of them, and the reports they owe."""

from pathlib import Path
from typing import Annotated, Any

import typer

from uzina_client.cli.shell import Shell, column, command, gpu_time
from uzina_client.cli.typed import read_table

Code = Annotated[str, typer.Argument(help="AWD-…")]
Kind = Annotated[str, typer.Argument(help="interim or final.")]

AMENDMENT_COLUMNS = [
    column("Change", "code"),
    column("Kind", "kind"),
    column("State", "state"),
    column("Asked", "asked_at"),
    column("Reason", "reason"),
    column("Decided", "decided_at"),
    column("Because", "decided_reason"),
]
REPORT_COLUMNS = [
    column("Award", "award"),
    column("Project", "project"),
    column("Report", "kind"),
    column("State", "state"),
    column("Due", "due_at"),
]


def register(app: typer.Typer) -> None:
    """Add awards and reports."""
    awards = typer.Typer(help="Awards offered to you.", no_args_is_help=True)
    command(awards, "show")(show_award)
    command(awards, "accept")(accept)
    command(awards, "refuse")(refuse)
    command(awards, "amendments")(amendments)
    command(awards, "amend")(amend)
    app.add_typer(awards, name="awards")
    reports = typer.Typer(help="The reports you owe.", no_args_is_help=True)
    command(reports, "list")(list_reports)
    command(reports, "show")(show_report)
    command(reports, "save")(save_report)
    command(reports, "submit")(submit_report)
    app.add_typer(reports, name="reports")


def show_award(shell: Shell, code: Code) -> None:
    """Show an award."""
    _show_award(shell, shell.client.calls.award(code))


def accept(shell: Shell, code: Code) -> None:
    """Accept an award: it becomes a project with GPU-hours."""
    shell.confirm(f"Accept {code} and its terms?")
    _show_award(shell, shell.client.calls.accept(code))


def refuse(shell: Shell, code: Code) -> None:
    """Refuse an award. This cannot be undone."""
    shell.confirm(f"Refuse {code}? This cannot be undone.")
    _show_award(shell, shell.client.calls.refuse(code))


def amendments(shell: Shell, code: Code) -> None:
    """List the changes that were asked of an award."""
    found = shell.client.calls.amendments(code)
    shell.say("You may ask for: " + (", ".join(one["kind"] for one in found["kinds"]) or "nothing"))
    shell.table(found["amendments"], AMENDMENT_COLUMNS, empty="No change was asked for.")


def amend(
    shell: Shell,
    code: Code,
    kind: Annotated[str, typer.Argument(help="extension, top_up, reduction, transfer, …")],
    reason: Annotated[str, typer.Option(help="Why.")],
    months: Annotated[int | None, typer.Option(min=1)] = None,
    gpu_hours: Annotated[int | None, typer.Option(min=1)] = None,
    organisation: Annotated[str, typer.Option(help="ORG-…, to transfer it to.")] = "",
    lead: Annotated[str, typer.Option(help="PER-…, the new lead.")] = "",
) -> None:
    """Ask for a change of an award."""
    facts = {
        "kind": kind,
        "reason": reason,
        "months": months,
        "gpu_hours": gpu_hours,
        "organisation": organisation,
        "lead": lead,
    }
    asked = shell.client.calls.amend(code, facts)
    shell.show(
        asked,
        [
            ("Change", asked["code"]),
            ("Award", asked["award"]),
            ("Kind", asked["kind"]),
            ("State", asked["state"]),
            ("Asked", asked["asked_at"]),
        ],
    )


def list_reports(shell: Shell) -> None:
    """List the reports you owe, the next one first."""
    shell.table(shell.client.programme.reports(), REPORT_COLUMNS, empty="You owe no report.")


def show_report(shell: Shell, code: Code, kind: Kind) -> None:
    """Show a report as it stands: what the portal knows, and your answers."""
    report = shell.client.programme.report(code, kind)
    shell.show(report, [(name.replace("_", " "), value) for name, value in report.items()])


def save_report(
    shell: Shell,
    code: Code,
    kind: Kind,
    file: Annotated[
        Path, typer.Option("--from", help="TOML or JSON: an answer a question.", exists=True)
    ],
) -> None:
    """Save the answers of a report."""
    kept = shell.client.programme.report(code, kind)
    saved = shell.client.programme.save_report(
        code, kind, read_table(file), version=kept["version"]
    )
    shell.show(saved, [("Report", f"{kind} of {code}"), ("Version", saved["version"])])


def submit_report(shell: Shell, code: Code, kind: Kind) -> None:
    """Hand a report in."""
    kept = shell.client.programme.report(code, kind)
    handed_in = shell.client.programme.submit_report(code, kind, version=kept["version"])
    shell.show(
        handed_in,
        [
            ("Report", f"{kind} of {code}"),
            ("State", handed_in["state"]),
            ("Submitted", handed_in["submitted_at"]),
        ],
    )


def _show_award(shell: Shell, award: Any) -> None:
    shell.show(
        award,
        [
            ("Award", award["code"]),
            ("Application", award["application"]),
            ("State", award["state"]),
            ("Offered", gpu_time(award["gpu_ms"])),
            ("Answer by", award["answer_by"] if award["state"] == "offered" else None),
            ("From", award["starts_at"]),
            ("Until", award["ends_at"]),
            ("Project", award["project"]),
        ],
    )
