"""What datasets say of themselves, and how they are cited."""

import json
import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from uzina_client.cli.shell import USAGE, Shell, Stopped, command

SET_BY_THE_PORTAL = ("slug", "state", "identifier", "changed_at", "missing")
"""What a record has besides what one can say."""

STYLES = ("text", "bibtex", "cff", "csl")


def register(nouns: typer.Typer) -> None:
    """Add to `uzina data`."""
    command(nouns, "record")(record)
    command(nouns, "describe")(describe)
    command(nouns, "cite")(cite)


def record(
    shell: Shell,
    slug: Annotated[str, typer.Argument(help="A dataset.")],
    to: Annotated[
        Path | None, typer.Option("--to", help="Write it to a TOML file, to be edited and sent.")
    ] = None,
) -> None:
    """Show what a dataset says of itself, and what is missing before it is published."""
    found = shell.client.catalogue.record(slug)
    if to is not None:
        to.write_text(as_toml(found), encoding="utf-8")
    shell.show(found, _lines(found))


def describe(
    shell: Shell,
    slug: Annotated[str, typer.Argument(help="A dataset.")],
    file: Annotated[
        Path, typer.Argument(help="What it says, as TOML or JSON.", exists=True, dir_okay=False)
    ],
) -> None:
    """Change what a dataset says of itself: what the file names, and nothing else."""
    found = shell.client.catalogue.describe(slug, read(file))
    shell.show(found, _lines(found))


def cite(
    shell: Shell,
    reference: Annotated[str, typer.Argument(help="A version: ro-corpus@3")],
    style: Annotated[str, typer.Option(help=f"One of: {', '.join(STYLES)}.")] = "text",
) -> None:
    """Print how a version is cited, ready to copy."""
    slug, _at, number = reference.partition("@")
    if style not in STYLES or not (number.isascii() and number.isdigit()):
        raise Stopped(
            "Name a version and a style.",
            code=USAGE,
            step=f"uzina data cite {slug}@1 --style bibtex",
        )
    found = shell.client.catalogue.citation(slug, int(number))
    told = found[style]
    text = told if isinstance(told, str) else json.dumps(told, ensure_ascii=False, indent=2)
    shell.line(found, text.rstrip())


def _lines(found: Mapping[str, Any]) -> list[tuple[str, object]]:
    said = [
        (key, json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value)
        for key, value in found.items()
        if key not in ("missing", "answers") and value not in ("", [], {}, None)
    ]
    answers = [(f"answers.{key}", value) for key, value in found["answers"].items()]
    missing = [("missing", f"{one['field']}: {one['detail']}") for one in found["missing"]]
    return [*said, *answers, *missing]


def read(file: Path) -> dict[str, Any]:
    """Return what a TOML or JSON file says. Raises Stopped for one that is neither."""
    try:
        text = file.read_text(encoding="utf-8")
        found = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
    except (UnicodeDecodeError, ValueError) as wrong:
        raise Stopped(f"{file} is not read: {wrong}", code=USAGE) from wrong
    if not isinstance(found, dict):
        raise Stopped(f"{file} holds no table of what the dataset says.", code=USAGE)
    return {key: _plain(one) for key, one in found.items() if key not in SET_BY_THE_PORTAL}


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: dates as text."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value


def as_toml(found: Mapping[str, Any]) -> str:
    """Return a record as a TOML file that `describe` takes back unchanged."""
    said = {key: one for key, one in found.items() if key not in SET_BY_THE_PORTAL}
    tables = {key: said.pop(key) for key in ("translations", "creators", "answers")}
    rows = [f"{key} = {_toml(value)}" for key, value in said.items() if value is not None]
    for code, texts in tables["translations"].items():
        rows += ["", f"[translations.{code}]", *_pairs(texts)]
    for one in tables["creators"]:
        rows += ["", "[[creators]]", *_pairs(one)]
    rows += ["", "[answers]", *_pairs(tables["answers"])]
    return "\n".join(rows) + "\n"


def _pairs(table: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {_toml(value)}" for key, value in table.items()]


def _toml(value: Any) -> str:
    """Return a value in TOML; texts are written as JSON writes them, which TOML reads."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return f"[{', '.join(_toml(one) for one in value)}]"
    return json.dumps(value)
