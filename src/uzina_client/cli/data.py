"""Datasets and their versions."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from uzina_client import files
from uzina_client.cli import records
from uzina_client.cli.shell import DONE, USAGE, Shell, Stopped, column, command
from uzina_client.problems import Problem

NOT_FOUND_STATUS = 404
COLUMNS = [
    column("Dataset", "slug"),
    column("Title", "title"),
    column("State", "state"),
    column("Licence", "licence"),
    column("Languages", "languages"),
]
DRY_RUN = "List what differs and move nothing."
SIZES = ("B", "kB", "MB", "GB", "TB")
THOUSAND = 1000


def register(app: typer.Typer) -> None:
    """Add data."""
    nouns = typer.Typer(help="Datasets and their versions.", no_args_is_help=True)
    command(nouns, "list")(list_datasets)
    command(nouns, "show")(show_dataset)
    command(nouns, "push")(push)
    command(nouns, "pull")(pull)
    command(nouns, "sync")(sync)
    command(nouns, "publish")(publish)
    command(nouns, "get")(get)
    command(nouns, "licences")(licences)
    records.register(nouns)
    app.add_typer(nouns, name="data")


def list_datasets(shell: Shell) -> None:
    """List the datasets you may see."""
    shell.table(shell.client.catalogue.datasets(), COLUMNS, empty="There is no dataset yet.")


def show_dataset(
    shell: Shell, reference: Annotated[str, typer.Argument(help="A dataset, or one version: ro@3")]
) -> None:
    """Show a dataset, or one of its versions with its files."""
    slug, number = parse_reference(reference)
    if number:
        version = shell.client.catalogue.version(slug, number)
        shell.show(
            version,
            [
                ("Version", f"{slug}@{version['number']}"),
                ("Digest", version["digest"]),
                ("Size", size(version["bytes"])),
                ("Note", version["note"]),
                ("Made by", version["made_by_job"]),
                ("Made from", version["derived_from"]),
                *((one["path"], size(one["bytes"])) for one in version["manifest"]),
            ],
        )
        return
    dataset = shell.client.catalogue.dataset(slug)
    shell.show(
        dataset,
        [
            ("Dataset", dataset["slug"]),
            ("Title", dataset["title"]),
            ("State", dataset["state"]),
            ("Licence", dataset["licence"]),
            ("Languages", dataset["languages"]),
            ("Holder", dataset["holder"]),
            ("Description", dataset["description"]),
            *(
                (f"Version {one['number']}", f"{size(one['bytes'])}  {one['note']}")
                for one in dataset["version_list"]
            ),
        ],
    )


def push(
    shell: Shell,
    *,
    target: Annotated[
        str, typer.Argument(help="A dataset's name: ro-corpus; or PROJECT:KIND/path of a space.")
    ],
    path: Annotated[Path, typer.Argument(help="A file, or a folder of files.", exists=True)],
    note: Annotated[str, typer.Option(help="What is new in this version.")] = "",
    title: Annotated[str, typer.Option(help="For a new dataset.")] = "",
    description: Annotated[str, typer.Option(help="For a new dataset.")] = "",
    licence: Annotated[str, typer.Option(help="For a new dataset: see uzina data licences.")] = "",
    language: Annotated[
        list[str] | None, typer.Option(help="For a new dataset: ro, en; may be repeated.")
    ] = None,
    organisation: Annotated[
        str, typer.Option(help="For a new dataset without a project: ORG-…")
    ] = "",
    project: Annotated[str, typer.Option(help="For a new dataset: PRJ-…")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help=DRY_RUN)] = False,
) -> None:
    """Send a file or folder: as a new version of a dataset, or into a space.

    What the portal has is not sent again. Cut off, the same command goes on where it stopped.
    """
    catalogue = shell.client.catalogue
    if not files.files_under(path):
        raise Stopped(f"{path} holds no files.", code=USAGE)
    goal = _target(target)
    if not goal.space and not _is_known(catalogue, goal.slug):
        if not (title and licence and (organisation or project)):
            raise Stopped(
                f"There is no dataset {goal.slug} yet: a new one needs a title, a licence, and a "
                "project or an organisation that holds it.",
                code=USAGE,
                step=f"uzina data push {target} {path} --title … --licence … --project PRJ-…",
            )
        if dry_run:
            raise Stopped(f"There is no dataset {goal.slug} yet: everything is new.", code=DONE)
        catalogue.register(
            {
                "slug": goal.slug,
                "title": title,
                "description": description,
                "licence": licence,
                "languages": language or [],
                "holder": organisation,
                "project": project,
            }
        )
    _send(shell, target, path, note=note, delete=not goal.space, dry_run=dry_run)


def sync(
    shell: Shell,
    *,
    target: Annotated[str, typer.Argument(help="A dataset, or PROJECT:KIND/path of a space.")],
    folder: Annotated[Path, typer.Argument(help="A folder of files.", exists=True)],
    note: Annotated[str, typer.Option(help="What is new in this version.")] = "",
    delete: Annotated[
        bool, typer.Option("--delete", help="Also take away there what is not here.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help=DRY_RUN)] = False,
) -> None:
    """Make a dataset or space the same as a folder: only what differs moves.

    What is only there stays, unless --delete is given: then a new version leaves it out, and in a
    space it goes to the trash.
    """
    _send(shell, target, folder, note=note, delete=delete, dry_run=dry_run)


def _send(shell: Shell, target: str, path: Path, *, note: str, delete: bool, dry_run: bool) -> None:
    catalogue = shell.client.catalogue
    if dry_run:
        _show_plan(shell, catalogue.compare(target, path), delete=delete)
        return
    with _progress(shell, f"Sending {path}") as progress:
        catalogue.transfer.progress = progress
        done = catalogue.push(target, path, note=note, delete=delete)
    if done is None:
        shell.say("Nothing differs.")
        shell.show({"files": []}, [])
    elif "number" in done:
        shell.show(
            done,
            [
                ("Version", f"{done['dataset']}@{done['number']}"),
                ("Digest", done["digest"]),
                ("Size", size(done["bytes"])),
            ],
        )
    else:
        shell.show(
            done,
            [("Space", target), ("Put", len(done["files"])), ("Trashed", len(done["trashed"]))],
        )


def pull(
    shell: Shell,
    *,
    target: Annotated[
        str, typer.Argument(help="A dataset, a version: ro-corpus@3, or PROJECT:KIND/path.")
    ],
    folder: Annotated[Path, typer.Argument(help="The folder.")],
    delete: Annotated[
        bool, typer.Option("--delete", help="Also remove here what is not there.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help=DRY_RUN)] = False,
) -> None:
    """Make a folder the same as a dataset or space: only what differs is fetched.

    Each file is checked against its checksum; cut off, the same command goes on where it stopped.
    """
    catalogue = shell.client.catalogue
    if dry_run:
        _show_plan(shell, catalogue.compare(target, folder), delete=delete, is_pull=True)
        return
    with _progress(shell, f"Fetching {target}") as progress:
        catalogue.transfer.progress = progress
        fetched = catalogue.pull(target, folder, delete=delete)
    shell.show(
        {"folder": str(folder), "files": [str(one) for one in fetched]},
        [("Folder", folder), ("Fetched", len(fetched))],
    )


def _show_plan(shell: Shell, plan: Any, *, delete: bool, is_pull: bool = False) -> None:
    """Print what would move, one line a file, and nothing moves."""
    here, there = ("remove", "fetch") if is_pull else ("send", "trash or leave out")
    rows = [{"path": name, "do": "fetch" if is_pull else "send"} for name in plan.other]
    if is_pull:
        rows += [{"path": name, "do": there} for name in plan.gone]
        rows += [{"path": name, "do": here if delete else "keep"} for name in plan.new]
    else:
        rows += [{"path": name, "do": here} for name in plan.new]
        rows += [{"path": name, "do": there if delete else "keep"} for name in plan.gone]
    rows.sort(key=lambda one: one["path"])
    shell.table(rows, [column("File", "path"), column("Would", "do")], empty="Nothing differs.")


@contextlib.contextmanager
def _progress(shell: Shell, text: str) -> Iterator[Any]:
    """Show a bar on a terminal; elsewhere nothing."""
    from uzina_client.transfer import Silent

    if shell.quiet or shell.as_json or not sys.stderr.isatty():
        yield Silent()
        return
    from rich import progress
    from rich.console import Console

    bar = progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        yield _Bar(bar, bar.add_task(text, total=0))


class _Bar:
    """Progress, drawn."""

    def __init__(self, bar: Any, task: Any) -> None:
        self.bar, self.task, self.total = bar, task, 0

    def expect(self, count: int) -> None:
        """So many more bytes will move."""
        self.total += count
        self.bar.update(self.task, total=self.total)

    def move(self, count: int) -> None:
        """So many bytes have moved."""
        self.bar.update(self.task, advance=count)

    def say(self, text: str) -> None:
        """What is done now."""
        self.bar.update(self.task, description=text)


def _target(reference: str) -> Any:
    from uzina_client.folders import target

    try:
        return target(reference)
    except ValueError as wrong:
        raise Stopped(str(wrong), code=USAGE) from wrong


def publish(shell: Shell, slug: Annotated[str, typer.Argument(help="A dataset.")]) -> None:
    """Let everyone see a dataset."""
    shell.confirm(f"Publish {slug}, so that everyone can see and fetch it?")
    dataset = shell.client.catalogue.publish(slug)
    shell.show(dataset, [("Dataset", dataset["slug"]), ("State", dataset["state"])])


def get(
    shell: Shell,
    reference: Annotated[str, typer.Argument(help="A version: ro-corpus@3")],
    to: Annotated[
        Path, typer.Option("--to", help="The folder; the dataset's name without.")
    ] = Path(),
) -> None:
    """Fetch the files of a version, each checked against its checksum."""
    slug, number = parse_reference(reference)
    if not number:
        raise Stopped(f"Say which version: {slug}@1.", code=USAGE, step=f"uzina data show {slug}")
    folder = to if to != Path() else Path(slug)
    fetched = shell.client.catalogue.download(slug, number, to=folder)
    shell.show(
        {"folder": str(folder), "files": [str(one) for one in fetched]},
        [("Folder", folder), ("Files", len(fetched))],
    )


def licences(shell: Shell) -> None:
    """List the licences the portal knows."""
    shell.table(
        shell.anyone.catalogue.licences(),
        [column("Licence", "slug"), column("Title", "title_en"), column("In short", "plain_en")],
        empty="The portal knows no licence.",
    )


def parse_reference(reference: str) -> tuple[str, int]:
    """Return the name and the version number of `ro-corpus@3`; 0 when no version is named."""
    slug, _at, number = reference.partition("@")
    if number and not (number.isascii() and number.isdigit()):
        raise Stopped(f"{reference!r} names no version: write {slug}@3.", code=USAGE)
    return slug, int(number or 0)


def size(count: int) -> str:
    """Return a number of bytes as a person reads it, in thousands."""
    value = float(count)
    for unit in SIZES:
        if value < THOUSAND or unit == SIZES[-1]:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= THOUSAND
    return str(count)


def _is_known(catalogue: Any, slug: str) -> bool:
    try:
        catalogue.dataset(slug)
    except Problem as problem:
        if problem.status == NOT_FOUND_STATUS:
            return False
        raise
    return True
