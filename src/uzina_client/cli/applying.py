"""From an open call to an award."""

import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from uzina_client.cli.shell import USAGE, Shell, Stopped, column, command, gpu_time

CALL_COLUMNS = [
    column("Call", "slug"),
    column("Title", "title"),
    column("State", "state"),
    column("Opens", "opens_at"),
    column("Closes", "closes_at"),
]
APPLICATION_COLUMNS = [
    column("Application", "code"),
    column("Call", "call"),
    column("Organisation", "organisation"),
    column("State", "state"),
    column("Submitted", "submitted_at"),
]


def register(app: typer.Typer) -> None:
    """Add calls, qualify, apply, applications and awards."""
    calls = typer.Typer(help="Calls one can apply to.", no_args_is_help=True)
    command(calls, "list")(list_calls)
    command(calls, "show")(show_call)
    app.add_typer(calls, name="calls")
    command(app, "qualify")(qualify)
    command(app, "apply")(apply)
    applications = typer.Typer(help="Your applications.", no_args_is_help=True)
    command(applications, "list")(list_applications)
    command(applications, "show")(show_application)
    command(applications, "submit")(submit)
    command(applications, "withdraw")(withdraw)
    app.add_typer(applications, name="applications")
    awards = typer.Typer(help="Awards offered to you.", no_args_is_help=True)
    command(awards, "show")(show_award)
    command(awards, "accept")(accept)
    command(awards, "refuse")(refuse)
    app.add_typer(awards, name="awards")


def list_calls(shell: Shell) -> None:
    """List the open calls."""
    shell.table(shell.anyone.calls.calls(), CALL_COLUMNS, empty="No call is open.")


def show_call(shell: Shell, slug: Annotated[str, typer.Argument(help="A call.")]) -> None:
    """Show one call: for whom, how much, for how long."""
    call = shell.anyone.calls.call(slug)
    shell.show(call, _lines(call))


def qualify(
    shell: Shell,
    call: Annotated[str, typer.Argument(help="A call; see uzina calls list.")],
    kind: Annotated[str, typer.Option(help="startup, sme, large_enterprise, university, …")],
    country: Annotated[str, typer.Option(help="Two letters: RO.")],
    headcount: Annotated[int, typer.Option(help="People employed.", min=0)] = 0,
    turnover_eur: Annotated[int, typer.Option(help="A year, whole euro.", min=0)] = 0,
    balance_eur: Annotated[int, typer.Option(help="Balance sheet, whole euro.", min=0)] = 0,
) -> None:
    """Say whether an organisation qualifies for a call, and why. Needs no sign-in."""
    answer = shell.anyone.calls.qualify(
        {
            "call": call,
            "kind": kind,
            "country": country,
            "headcount": headcount,
            "turnover_eur": turnover_eur,
            "balance_eur": balance_eur,
        }
    )
    shell.show(answer, _lines(answer))


def apply(
    shell: Shell,
    call: Annotated[str, typer.Argument(help="A call; see uzina calls list.")],
    organisation: Annotated[str, typer.Option(help="ORG-…; yours if you have one.")] = "",
    file: Annotated[
        Path | None,
        typer.Option("--from", help="Answers: a TOML table a section.", exists=True),
    ] = None,
    application: Annotated[str, typer.Option(help="Go on with a draft: APP-…")] = "",
    submit_it: Annotated[bool, typer.Option("--submit", help="Hand it in at the end.")] = False,  # noqa: FBT002
) -> None:
    """Fill in an application, section by section; each is saved as soon as it is answered."""
    calls = shell.client.calls
    if application:
        draft = calls.application(application)
    else:
        draft = calls.apply(call, organisation=organisation or _only_organisation(shell))
        shell.say(f"Draft {draft['code']}. Go on with it by --application {draft['code']}.")
    answers = _read(file) if file else {}
    for section in draft["sections"]:
        given = answers.pop(section["slug"], None)
        if given is None and file:
            continue
        if given is None:
            given = _answers(shell, section)
        draft = calls.save_section(draft["code"], section["slug"], given)
        shell.say(f"Saved: {section['title']}.")
    if answers:
        raise Stopped(
            f"{file} has sections the form has not: {', '.join(answers)}. The others are saved.",
            code=USAGE,
            step=f"uzina applications show {draft['code']}",
        )
    if submit_it:
        draft = calls.submit(draft["code"])
    show(shell, draft)


def list_applications(shell: Shell) -> None:
    """List your applications."""
    shell.table(
        shell.client.calls.applications(), APPLICATION_COLUMNS, empty="You have not applied yet."
    )


def show_application(shell: Shell, code: Annotated[str, typer.Argument(help="APP-…")]) -> None:
    """Show an application and what happens next."""
    show(shell, shell.client.calls.application(code))


def submit(shell: Shell, code: Annotated[str, typer.Argument(help="APP-…")]) -> None:
    """Hand an application in."""
    show(shell, shell.client.calls.submit(code))


def withdraw(shell: Shell, code: Annotated[str, typer.Argument(help="APP-…")]) -> None:
    """Take an application back. This cannot be undone."""
    shell.confirm(f"Withdraw {code}? This cannot be undone.")
    show(shell, shell.client.calls.withdraw(code))


def show_award(shell: Shell, code: Annotated[str, typer.Argument(help="AWD-…")]) -> None:
    """Show an award."""
    _show_award(shell, shell.client.calls.award(code))


def accept(shell: Shell, code: Annotated[str, typer.Argument(help="AWD-…")]) -> None:
    """Accept an award: it becomes a project with GPU-hours."""
    shell.confirm(f"Accept {code} and its terms?")
    _show_award(shell, shell.client.calls.accept(code))


def refuse(shell: Shell, code: Annotated[str, typer.Argument(help="AWD-…")]) -> None:
    """Refuse an award. This cannot be undone."""
    shell.confirm(f"Refuse {code}? This cannot be undone.")
    _show_award(shell, shell.client.calls.refuse(code))


def show(shell: Shell, application: Any) -> None:
    """Print one application."""
    shell.show(
        application,
        [
            ("Application", application["code"]),
            ("Call", application["call"]),
            ("Organisation", application["organisation"]),
            ("State", application["state"]),
            ("Submitted", application.get("submitted_at")),
            ("Award", application.get("award")),
            ("You can", application.get("allowed")),
            *(
                (one["title"], "complete" if one["is_complete"] else "to do")
                for one in application.get("sections", [])
            ),
        ],
    )


def _show_award(shell: Shell, award: Any) -> None:
    shell.show(
        award,
        [
            ("Award", award["code"]),
            ("Application", award.get("application")),
            ("State", award["state"]),
            ("Granted", gpu_time(award.get("gpu_ms"))),
            ("From", award.get("starts_at")),
            ("Until", award.get("ends_at")),
            ("Project", award.get("project")),
        ],
    )


def _answers(shell: Shell, section: Any) -> dict[str, Any]:
    """Ask for every field of a section; what was answered before is the default."""
    shell.say(f"\n{section['title']}")
    return {
        field["name"]: shell.ask(
            field["label"],
            default=str(field["value"]) if field.get("value") not in (None, "") else "",
            option=f"--from FILE with [{section['slug']}]",
        )
        for field in section["fields"]
    }


def _only_organisation(shell: Shell) -> str:
    found = list(shell.client.people.organisations())
    if len(found) == 1:
        return str(found[0]["code"])
    raise Stopped(
        "Say which organisation applies: --organisation ORG-…"
        if found
        else f"Register your organisation first: {shell.url}/account/",
        code=USAGE,
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
        raise Stopped(f"{file} cannot be read: {wrong}.", code=USAGE) from wrong


def _lines(document: Any) -> list[tuple[str, object]]:
    """Return a flat document as labelled lines, in its own order."""
    return [(name.replace("_", " ").capitalize(), value) for name, value in document.items()]
