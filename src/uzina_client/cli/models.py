"""Models and their documents."""

import json
from pathlib import Path
from typing import Annotated

import typer

from uzina_client.cli.data import parse_reference, size
from uzina_client.cli.shell import USAGE, Shell, Stopped, column, command

COLUMNS = [
    column("Model", "slug"),
    column("Title", "title"),
    column("Project", "project"),
]


def register(app: typer.Typer) -> None:
    """Add models."""
    nouns = typer.Typer(help="Models and their documents.", no_args_is_help=True)
    command(nouns, "list")(list_models)
    command(nouns, "show")(show_model)
    command(nouns, "card")(card)
    command(nouns, "get")(get)
    command(nouns, "release")(release)
    app.add_typer(nouns, name="models")


def list_models(shell: Shell) -> None:
    """List the models you may see."""
    shell.table(shell.client.training.models(), COLUMNS, empty="There is no model yet.")


def show_model(
    shell: Shell, reference: Annotated[str, typer.Argument(help="A model, or one version: m@1")]
) -> None:
    """Show a model, or one of its versions."""
    slug, number = parse_reference(reference)
    if not number:
        model = shell.client.training.model(slug)
        shell.show(
            model,
            [
                ("Model", model["slug"]),
                ("Title", model["title"]),
                ("Project", model["project"]),
                ("Provider", model["provider"]),
                *((f"Version {one['number']}", one["state"]) for one in model["versions"]),
            ],
        )
        return
    version = shell.client.training.model_version(slug, number)
    shell.show(
        version,
        [
            ("Version", f"{slug}@{version['number']}"),
            ("State", version["state"]),
            ("Digest", version["digest"]),
            ("Run", version["run"]),
            *(
                (name, f"{value:.3f} bits per byte")
                for one in version["evaluations"]
                for name, value in one["scores"].items()
            ),
            ("Not yet said", f"{version['missing_fields']} fields of the documentation form"),
            *((one["path"], size(one["bytes"])) for one in version["manifest"]),
        ],
    )


def card(
    shell: Shell,
    reference: Annotated[str, typer.Argument(help="A version: my-model@1")],
    kind: Annotated[str, typer.Option(help="card, documentation-form or lineage.")] = "card",
) -> None:
    """Print a document of a model version: its card, documentation form or lineage."""
    slug, number = _version(reference)
    document = shell.client.training.document(slug, number, kind)
    if shell.as_json:
        shell.show({"model": f"{slug}@{number}", "kind": kind, "document": document}, [])
    elif isinstance(document, str):
        typer.echo(document)
    else:
        typer.echo(json.dumps(document, ensure_ascii=False, indent=2))


def get(
    shell: Shell,
    reference: Annotated[str, typer.Argument(help="A version: my-model@1")],
    to: Annotated[
        Path, typer.Option("--to", help="The folder; the model's name without.")
    ] = Path(),
) -> None:
    """Fetch the files of a model version, each checked against its checksum."""
    slug, number = _version(reference)
    folder = to if to != Path() else Path(slug)
    fetched = shell.client.training.download(slug, number, to=folder)
    shell.show(
        {"folder": str(folder), "files": [str(one) for one in fetched]},
        [("Folder", folder), ("Files", len(fetched))],
    )


def release(
    shell: Shell, reference: Annotated[str, typer.Argument(help="A version: my-model@1")]
) -> None:
    """Release a model version."""
    slug, number = _version(reference)
    shell.confirm(f"Release {slug}@{number}?")
    version = shell.client.training.release(slug, number)
    shell.show(version, [("Version", f"{slug}@{number}"), ("State", version["state"])])


def _version(reference: str) -> tuple[str, int]:
    slug, number = parse_reference(reference)
    if not number:
        raise Stopped(f"Say which version: {slug}@1.", code=USAGE, step=f"uzina models show {slug}")
    return slug, number
