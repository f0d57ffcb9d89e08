"""What every command does alike: options, output, questions, and how it ends."""

import contextlib
import functools
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from uzina_client import settings

if TYPE_CHECKING:
    from uzina_client.client import Client

DONE, FAILED, USAGE, NOT_FOUND, NOT_SIGNED_IN, FORBIDDEN, CONFLICT, LIMITED, AWAY = range(9)
INTERRUPTED = 130
DEFAULT_PORTAL = "http://127.0.0.1:8000"
COMMON = "Common options"


class Stopped(Exception):
    """A command cannot go on, for a reason of its own. `step` is the command to try next."""

    def __init__(self, message: str, *, code: int = FAILED, step: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.step = step


@dataclass(frozen=True)
class Column:
    """One column of a table: its heading, and how a row fills it."""

    heading: str
    cell: Callable[[Mapping[str, Any]], object]


def column(heading: str, key: str) -> Column:
    """Return a column that shows a value by its dotted key, empty where there is none."""

    def cell(row: Mapping[str, Any]) -> object:
        value: Any = row
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return value

    return Column(heading, cell)


@dataclass
class Shell:
    """One run of the command: who speaks to which portal, and how it is told."""

    as_json: bool = False
    quiet: bool = False
    assume_yes: bool = False
    no_input: bool = False
    portal: str = ""
    token_stdin: bool = False
    home: Path = field(default_factory=settings.folder)
    open: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @functools.cached_property
    def url(self) -> str:
        """The portal asked: the option, UZINA_URL, the one last signed in to, this machine."""
        named = self.portal or os.environ.get("UZINA_URL", "")
        return (named or settings.read(self.home).current or DEFAULT_PORTAL).rstrip("/")

    @functools.cached_property
    def token(self) -> str:
        """The token: standard input, UZINA_TOKEN, the keyring, the file. "" for none."""
        if self.token_stdin:
            return sys.stdin.readline().strip()
        return os.environ.get("UZINA_TOKEN", "") or settings.stored_token(self.home, self.url)

    @functools.cached_property
    def client(self) -> "Client":
        """The portal, as the signed-in person."""
        if not self.token:
            raise Stopped(
                f"You are not signed in to {self.url}.",
                code=NOT_SIGNED_IN,
                step=f"uzina login --portal {self.url}",
            )
        return self.speak(self.token)

    @functools.cached_property
    def anyone(self) -> "Client":
        """The portal, as whoever is signed in, or nobody."""
        return self.speak(self.token)

    def speak(self, token: str) -> "Client":
        """Return a client of the portal with a token."""
        from uzina_client.client import Client

        return self.open.enter_context(Client(self.url, token, language=_language()))

    def show(self, document: object, lines: Iterable[tuple[str, object]]) -> None:
        """Print one document: as JSON, or as labelled lines."""
        if self.as_json:
            self._json(document)
            return
        kept = [(label, shown(value)) for label, value in lines if shown(value)]
        width = max((len(label) for label, _value in kept), default=0)
        for label, value in kept:
            text = value.replace("\n", "\n" + " " * (width + 2))
            typer.echo(f"{label + ':':<{width + 2}}{text}".rstrip())

    def table(
        self, rows: Iterable[Mapping[str, Any]], columns: Sequence[Column], *, empty: str
    ) -> None:
        """Print a list: as one JSON array, as a table on a terminal, else as tab-separated lines."""
        kept = list(rows)
        if self.as_json:
            self._json(kept)
        elif not kept:
            self.say(empty)
        elif sys.stdout.isatty():
            _draw(kept, columns)
        else:
            for row in kept:
                typer.echo("\t".join(_one_line(shown(one.cell(row))) for one in columns))

    def line(self, document: Mapping[str, Any], text: str) -> None:
        """Print one item of a stream: as a line of JSON, or as text."""
        typer.echo(json.dumps(document, ensure_ascii=False) if self.as_json else text)
        sys.stdout.flush()

    def say(self, text: str) -> None:
        """Tell a person something that is not the result."""
        if not self.quiet:
            typer.echo(text, err=True)

    def warn(self, text: str) -> None:
        """Tell a person something that matters even when quiet."""
        typer.echo(text, err=True)

    def ask(self, question: str, *, default: str | None = None, option: str) -> str:
        """Ask a person for a line of text. Stops where nobody can answer, naming the option."""
        self._may_ask(question, option)
        return str(typer.prompt(question, default=default, err=True))

    def ask_secret(self, question: str, *, option: str) -> str:
        """Ask for a line of text without showing it."""
        self._may_ask(question, option)
        return str(typer.prompt(question, hide_input=True, err=True))

    def confirm(self, question: str) -> None:
        """Ask before doing something that cannot be undone. Stops on no."""
        if self.assume_yes:
            return
        self._may_ask(question, "--yes")
        if not typer.confirm(question, err=True):
            raise Stopped("Nothing was done.")

    def _may_ask(self, question: str, option: str) -> None:
        if self.no_input or not sys.stdin.isatty():
            raise Stopped(
                f"This needs an answer and nobody can be asked: {question}",
                code=USAGE,
                step=f"the same command with {option}",
            )

    def _json(self, document: object) -> None:
        typer.echo(json.dumps(document, ensure_ascii=False, indent=2))


def shown(value: object) -> str:
    """Return a value as a person reads it."""
    match value:
        case None:
            return ""
        case bool():
            text = "yes" if value else "no"
        case float():
            text = f"{value:,.4g}"
        case list() | tuple():
            text = ", ".join(shown(one) for one in value)
        case Mapping():
            text = ", ".join(f"{name} {shown(one)}" for name, one in value.items())
        case _:
            text = str(value)
    return text


def gpu_time(gpu_ms: object) -> str:
    """Return GPU-milliseconds as a person reads them: GPU-hours, or GPU-seconds when few."""
    if not isinstance(gpu_ms, int):
        return ""
    if abs(gpu_ms) < HOUR_MS:
        return f"{gpu_ms / 1000:,.0f} GPU-seconds"
    return f"{gpu_ms / HOUR_MS:,.2f} GPU-hours"


HOUR_MS = 3_600_000


def duration(seconds: float | None) -> str:
    """Return seconds as a person reads them."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min {rest:02} s"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def command(app: typer.Typer, name: str, **how: Any) -> Callable[..., Callable[..., None]]:
    """Register a command that takes a Shell first, and gives it the options all commands share."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]

        @functools.wraps(function)
        def run(**given: Any) -> None:
            shell = Shell(
                as_json=given.pop("as_json"),
                quiet=given.pop("quiet"),
                assume_yes=given.pop("assume_yes"),
                no_input=given.pop("no_input"),
                portal=given.pop("portal"),
                token_stdin=given.pop("token_stdin"),
            )
            with shell.open:
                function(shell, **given)

        keyword = inspect.Parameter.KEYWORD_ONLY
        parameters = [one.replace(kind=keyword) for one in own] + list(_common())
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        del run.__wrapped__  # type: ignore[attr-defined]
        app.command(name, **how)(run)
        return function

    return register


def _common() -> Iterable[inspect.Parameter]:
    def option(name: str, kind: type, default: object, flag: str, says: str) -> inspect.Parameter:
        return inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=default,
            annotation=Annotated[
                kind, typer.Option(*flag.split(), help=says, rich_help_panel=COMMON)
            ],
        )

    yield option("as_json", bool, False, "--json", "Print one JSON document, or lines of JSON.")
    yield option("quiet", bool, False, "--quiet -q", "Print the result and nothing else.")
    yield option("assume_yes", bool, False, "--yes -y", "Answer yes to every question.")
    yield option("no_input", bool, False, "--no-input", "Never ask: stop where one would.")
    yield option("portal", str, "", "--portal", "The portal's address. Or set UZINA_URL.")
    yield option("token_stdin", bool, False, "--token-stdin", "Read the token from input.")


def _draw(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for one in columns:
        table.add_column(one.heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(shown(one.cell(row))) for one in columns))
    Console().print(table)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _language() -> str:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if spoken := os.environ.get(name, "")[:2]:
            return "ro" if spoken == "ro" else "en"
    return "en"
