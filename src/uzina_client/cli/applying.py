"""From an open call to an award."""

import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from uzina_client.cli.applications import show
from uzina_client.cli.shell import USAGE, Shell, Stopped, column, command
from uzina_client.problems import Problem

INVALID = 422
ROW_PATH = 2
KINDS = {
    "yes_no": "yes or no",
    "tick": "yes to confirm",
    "choice": "One of these",
    "country": "Two letters, such as RO",
    "whole": "A whole number",
}
"""What to type for an answer of a kind."""

CALL_COLUMNS = [
    column("Call", "slug"),
    column("Title", "title"),
    column("State", "state"),
    column("Opens", "opens_at"),
    column("Closes", "closes_at"),
]


def register(app: typer.Typer) -> None:
    """Add calls, qualify and apply."""
    calls = typer.Typer(help="Calls one can apply to.", no_args_is_help=True)
    command(calls, "list")(list_calls)
    command(calls, "show")(show_call)
    app.add_typer(calls, name="calls")
    command(app, "qualify")(qualify)
    command(app, "apply")(apply)


def list_calls(shell: Shell) -> None:
    """List the calls, newest first."""
    shell.table(shell.client.calls.calls(), CALL_COLUMNS, empty="No call is open.")


def show_call(shell: Shell, slug: Annotated[str, typer.Argument(help="A call.")]) -> None:
    """Show one call: for whom, how much, for how long."""
    call = shell.client.calls.call(slug)
    shell.show(
        call,
        [
            ("Call", call["slug"]),
            ("Title", call["title"]),
            ("State", call["state"]),
            ("Open now", call["is_open"]),
            ("In short", call["summary"]),
            ("Opens", call["opens_at"]),
            ("Closes", call["closes_at"] or "never"),
            ("Package", f"{call['package_gpu_hours']:,} GPU-hours"),
            ("Months", call["durations_months"]),
            ("Answer within", f"{call['target_working_days']} working days"),
        ],
    )


def qualify(
    shell: Shell,
    kind: Annotated[str, typer.Option(help="startup, sme, large_enterprise, university, …")],
    country: Annotated[str, typer.Option(help="Two letters: RO.")],
    headcount: Annotated[int | None, typer.Option(help="People employed.", min=0)] = None,
    turnover_eur: Annotated[int | None, typer.Option(help="A year, whole euro.", min=0)] = None,
    balance_eur: Annotated[int | None, typer.Option(help="Balance sheet, euro.", min=0)] = None,
    months: Annotated[int | None, typer.Option(help="For how long.", min=1)] = None,
    gpu_hours: Annotated[int | None, typer.Option(help="How much.", min=1)] = None,
) -> None:
    """Say for each access mode whether an organisation qualifies, and why. Needs no sign-in."""
    verdicts = shell.anyone.calls.qualify(
        {
            "organisation": {
                "kind": kind,
                "country": country,
                "headcount": headcount,
                "turnover_eur": turnover_eur,
                "balance_eur": balance_eur,
            },
            "months": months,
            "gpu_hours": gpu_hours,
        }
    )
    lines = [
        line
        for verdict in verdicts
        for line in (
            (verdict["title"], "you qualify" if verdict["qualifies"] else "not as you are now"),
            *((_mark(one["passed"]), one["text"] or one["todo"]) for one in verdict["reasons"]),
        )
    ]
    shell.show(verdicts, lines)


def _mark(passed: bool | None) -> str:  # noqa: FBT001 - what a rule found
    """Return a rule's finding in a word."""
    if passed is None:
        return "open"
    return "yes" if passed else "no"


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
    unknown = set(answers) - {section["slug"] for section in draft["sections"]}
    if unknown:
        raise Stopped(
            f"{file} has sections that the form has not: {', '.join(sorted(unknown))}. "
            f"It has {', '.join(section['slug'] for section in draft['sections'])}.",
            code=USAGE,
        )
    for section in draft["sections"]:
        if file:
            if given := answers.get(section["slug"]):
                _save(shell, draft["code"], section, given)
        else:
            _ask(shell, draft["code"], section)
    draft = calls.application(draft["code"])
    if submit_it:
        draft = calls.submit(draft["code"])
    show(shell, draft)


def _save(shell: Shell, code: str, section: Any, answers: Any) -> Any:
    """Save a section and say what it still lacks."""
    saved = shell.client.calls.save_section(
        code, section["slug"], answers, version=section["version"]
    )
    shell.say(f"Saved: {saved['title']}.")
    for problem in saved["problems"]:
        shell.say(f"  {problem['field']}: {problem['detail']}")
    return saved


def _ask(shell: Shell, code: str, section: Any) -> None:
    """Ask what a section lacks until it lacks nothing; each answer is saved at once."""
    while section["problems"]:
        problem = section["problems"][0]
        path = problem["field"].split(".")
        field = asked(section["fields"], path)
        shell.say(f"\n{section['title']}: {field['label']}")
        if field["hint"]:
            shell.say(field["hint"])
        for choice in field["choices"]:
            shell.say(f"  {choice['value']}: {choice['label']}")
        if field["kind"] == "rows":
            path, field = [*path, "0", field["columns"][0]["name"]], field["columns"][0]
        text = shell.ask(
            KINDS.get(field["kind"], field["label"]),
            option=f"--from FILE with a table [{section['slug']}]",
        )
        try:
            section = shell.client.calls.save_section(
                code,
                section["slug"],
                placed(section["answers"], path, text),
                version=section["version"],
            )
        except Problem as refused:
            if refused.status != INVALID:
                raise
            shell.warn(str(refused))


def asked(fields: Any, path: list[str]) -> Any:
    """Return the question at a place of a section: `title`, or `datasets.0.licence`."""
    field = next(one for one in fields if one["name"] == path[0])
    return asked(field["columns"], path[2:]) if len(path) > ROW_PATH else field


def placed(answers: Any, path: list[str], text: str) -> Any:
    """Return answers with a text at a place; a list of rows is made where the path has a number."""
    name, *rest = path
    if not rest:
        return {**answers, name: text}
    rows = list(answers.get(name, []))
    number = int(rest[0])
    rows += [{}] * (number + 1 - len(rows))
    rows[number] = placed(rows[number], rest[1:], text)
    return {**answers, name: rows}


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
