"""Answers that are read from a file or typed."""

import json
import sys
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from uzina_client.cli.shell import USAGE, Shell, Stopped

From = Annotated[
    Path | None, typer.Option("--from", help="A file; - is standard input.", allow_dash=True)
]


def read_table(file: Path) -> dict[str, Any]:
    """Return the table that a TOML or JSON file holds. Stops with one line where it holds none."""
    text = read_text(file)
    try:
        table = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
    except ValueError as wrong:
        raise Stopped(f"{file} cannot be read: {wrong}.", code=USAGE) from wrong
    if not isinstance(table, dict):
        raise Stopped(f"{file} must hold a table of names and values.", code=USAGE)
    return table


def read_text(file: Path) -> str:
    """Return the text of a file, or of standard input for "-"."""
    if str(file) == "-":
        return sys.stdin.read()
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as wrong:
        raise Stopped(f"{file} cannot be read: {wrong}.", code=USAGE) from wrong


def text_of(shell: Shell, text: str, file: Path | None, question: str) -> str:
    """Return a text that was given, read from a file, or asked for."""
    if file is not None:
        return read_text(file)
    return text or shell.ask(question, option="--text TEXT or --from FILE")
