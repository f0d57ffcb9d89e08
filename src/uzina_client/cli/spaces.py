"""Storage of projects: `uzina space`. Files are sent and fetched with `uzina data push` and `pull`."""

import contextlib
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from uzina_client.cli.data import size
from uzina_client.cli.shell import USAGE, Shell, Stopped, column, command

SPACES = [
    column("Space", "reference"),
    column("State", "state"),
    column("Used", "used"),
    column("Trash", "trash"),
    column("Left", "left"),
    column("Kept until", "expires_at"),
]
ENTRIES = [
    column("Name", "name"),
    column("Size", "size"),
    column("Files", "files"),
    column("To the trash on", "ends_at"),
]
TRASHED = [column("File", "path"), column("Size", "size"), column("Trashed", "trashed_at")]
PLACE = "A space, or a file or folder in it: PRJ-7Q3K2M:scratch/run-1"

Place = Annotated[str, typer.Argument(help=PLACE)]


def register(app: typer.Typer) -> None:
    """Add storage."""
    nouns = typer.Typer(help="Storage of projects.", no_args_is_help=True)
    command(nouns, "list")(list_spaces)
    command(nouns, "show")(show_space)
    command(nouns, "trash")(trash)
    command(nouns, "restore")(restore)
    command(nouns, "move")(move)
    app.add_typer(nouns, name="space")


def list_spaces(
    shell: Shell, project: Annotated[str, typer.Option(help="Only of this project.")] = ""
) -> None:
    """List the spaces you may see: what is taken, what is left, and until when."""
    rows = (
        one
        | {
            "used": size(one["used_bytes"]),
            "trash": size(one["trash_bytes"]),
            "left": size(one["left_bytes"]),
        }
        for one in shell.client.spaces.list(project=project)
    )
    shell.table(rows, SPACES, empty="There is no space yet.")


def show_space(
    shell: Shell,
    place: Place,
    *,
    is_trashed: Annotated[
        bool, typer.Option("--trash", help="Show what lies in the trash instead.")
    ] = False,
) -> None:
    """Show a folder of a space, or its trash."""
    with _understood():
        if is_trashed:
            found: Any = shell.client.spaces.items(place, is_trashed=True)
            rows = (one | {"size": size(one["bytes"])} for one in found)
            shell.table(rows, TRASHED, empty="The trash is empty.")
            return
        folder = shell.client.spaces.folder(place)
    entries = [
        one | {"name": f"{one['name']}/" if one["is_folder"] else one["name"],
               "size": size(one["bytes"])}
        for one in folder["entries"]
    ]  # fmt: skip
    shell.table(entries, ENTRIES, empty="Nothing is there.")
    if folder["count"] > len(entries):
        shell.say(f"{folder['count'] - len(entries)} more: name a folder, or look at the page.")


def trash(shell: Shell, places: Annotated[list[str], typer.Argument(help=PLACE)]) -> None:
    """Move files and folders to the trash."""
    with _understood():
        spaces = {one.partition("/")[0] for one in places}
        if len(spaces) > 1:
            raise Stopped("Name files of one space at a time.", code=USAGE)
        count = shell.client.spaces.trash(*places)
    shell.line({"files": count}, f"{count} files are in the trash.")


def restore(shell: Shell, place: Place) -> None:
    """Take a file, or all that was trashed below a folder, out of the trash."""
    with _understood():
        ids = [one["id"] for one in shell.client.spaces.items(place, is_trashed=True)]
        count = 0
        while ids:
            some, ids = ids[:1000], ids[1000:]
            count += shell.client.spaces.restore(place, some)
    shell.line({"files": count}, f"{count} files are back.")


def move(
    shell: Shell,
    place: Place,
    to: Annotated[str, typer.Argument(help="Its new place: PRJ-7Q3K2M:project/kept")],
) -> None:
    """Move or rename a file or folder. The quota follows at once."""
    with _understood():
        count = shell.client.spaces.move(place, to)
    shell.line({"files": count}, f"{count} files moved.")


@contextlib.contextmanager
def _understood() -> Iterator[None]:
    """Tell a place that was not understood as wrong usage."""
    try:
        yield
    except ValueError as error:
        raise Stopped(str(error), code=USAGE) from error
