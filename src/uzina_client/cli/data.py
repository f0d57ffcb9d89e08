"""Datasets and their versions."""

from pathlib import Path
from typing import Annotated, Any

import typer

from uzina_client import files
from uzina_client.cli.shell import USAGE, Shell, Stopped, column, command
from uzina_client.problems import Problem

NOT_FOUND_STATUS = 404
COLUMNS = [
    column("Dataset", "slug"),
    column("Title", "title"),
    column("State", "state"),
    column("Licence", "licence"),
    column("Languages", "languages"),
]
SIZES = ("B", "kB", "MB", "GB", "TB")
THOUSAND = 1000


def register(app: typer.Typer) -> None:
    """Add data."""
    nouns = typer.Typer(help="Datasets and their versions.", no_args_is_help=True)
    command(nouns, "list")(list_datasets)
    command(nouns, "show")(show_dataset)
    command(nouns, "push")(push)
    command(nouns, "publish")(publish)
    command(nouns, "get")(get)
    command(nouns, "licences")(licences)
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
    slug: Annotated[str, typer.Argument(help="The dataset's name in addresses: ro-corpus")],
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
) -> None:
    """Upload a file or folder as a new version. Files the portal already has are not sent."""
    catalogue = shell.client.catalogue
    found = files.files_under(path)
    if not found:
        raise Stopped(f"{path} holds no files.", code=USAGE)
    if not _is_known(catalogue, slug):
        if not (title and licence and (organisation or project)):
            raise Stopped(
                f"There is no dataset {slug} yet: a new one needs a title, a licence, and a "
                "project or an organisation that holds it.",
                code=USAGE,
                step=f"uzina data push {slug} {path} --title … --licence … --project PRJ-…",
            )
        catalogue.register(
            {
                "slug": slug,
                "title": title,
                "description": description,
                "licence": licence,
                "languages": language or [],
                "holder": organisation,
                "project": project,
            }
        )
    version = catalogue.add_version(slug, paths=found, note=note)
    shell.show(
        version,
        [
            ("Version", f"{slug}@{version['number']}"),
            ("Digest", version["digest"]),
            ("Size", size(version["bytes"])),
        ],
    )


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
