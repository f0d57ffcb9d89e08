"""Portals that are harvested."""

from typing import Annotated

import typer

from uzina_client.cli.shell import Shell, column, command

Code = Annotated[str, typer.Argument(help="SRC-…")]

COLUMNS = [
    column("Portal", "code"),
    column("Name", "title"),
    column("Speaks", "kind"),
    column("Every hours", "every_hours"),
    column("Active", "is_active"),
    column("Address", "url"),
]
HARVEST_COLUMNS = [
    column("Harvest", "code"),
    column("Ended", "ended_at"),
    column("Complete", "is_complete"),
    column("New", "new"),
    column("Changed", "changed"),
    column("Unchanged", "unchanged"),
    column("Gone", "gone"),
    column("Broken", "broken"),
    column("Left out", "left_out"),
]


def register(app: typer.Typer) -> None:
    """Add sources."""
    nouns = typer.Typer(
        help="Other portals whose datasets are listed here. For operators.", no_args_is_help=True
    )
    for name, verb in (
        ("list", list_sources),
        ("add", add),
        ("show", show),
        ("harvest", harvest),
        ("pause", pause),
        ("resume", resume),
    ):
        command(nouns, name)(verb)
    app.add_typer(nouns, name="sources")


def list_sources(shell: Shell) -> None:
    """List the portals that are harvested."""
    shell.table(shell.client.sources.list(), COLUMNS, empty="No portal is harvested.")


def add(
    shell: Shell,
    url: Annotated[str, typer.Argument(help="Of a CKAN portal, or of a DCAT catalogue.")],
    title: Annotated[str, typer.Option(help="What it is called.")],
    owner: Annotated[str, typer.Option(help="ORG-…, who answers for it here.")],
    kind: Annotated[str, typer.Option(help="ckan or dcat.")] = "ckan",
    every_hours: Annotated[int, typer.Option(help="How often.")] = 24,
    licence: Annotated[list[str] | None, typer.Option(help="Only data under it. Repeat.")] = None,
) -> None:
    """Have a portal harvested, the first time at once."""
    made = shell.client.sources.add(
        {
            "url": url,
            "title": title,
            "owner": owner,
            "kind": kind,
            "every_hours": every_hours,
            "licences": licence or [],
        }
    )
    shell.line(made, f"{made['code']} is added; its first harvest begins in a moment.")


def show(shell: Shell, source: Code) -> None:
    """Show the harvests of a portal, newest first."""
    shell.table(shell.client.sources.harvests(source), HARVEST_COLUMNS, empty="No harvest yet.")


def harvest(shell: Shell, source: Code) -> None:
    """Harvest a portal now."""
    shell.line(shell.client.sources.harvest(source), "The harvest begins in a moment.")


def pause(shell: Shell, source: Code) -> None:
    """Harvest a portal no more by the clock."""
    shell.line(shell.client.sources.pause(source), f"{source} is paused.")


def resume(shell: Shell, source: Code) -> None:
    """Harvest a portal by the clock again."""
    shell.line(shell.client.sources.resume(source), f"{source} is harvested by the clock again.")
