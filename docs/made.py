"""The part of the reference that is made from the code, so that it cannot be wrong.

configuration.md   from the dataclasses of uzina.root.config
command-line.md    from the commands of uzina
api.md             from the OpenAPI document
refusals.md        from every Refused, NotAllowed and Problem in the source
life-cycles.md     from the flows
"""

import ast
import dataclasses
import inspect
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

SOURCE = Path(__file__).parent.parent / "src" / "uzina"
REFUSALS = {"Refused": 0, "NotAllowed": 0, "Problem": 1}
"""The calls that carry a code, and the place of the code among their arguments."""

Row = tuple[str, ...]


def write(folder: Path) -> None:
    """Write every made page; a page that has not changed keeps its date."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {
        "configuration": configuration(),
        "command-line": command_line(),
        "api": api(),
        "refusals": refusals(),
        "life-cycles": life_cycles(),
    }
    for name, text in pages.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def table(heads: Row, rows: list[Row]) -> str:
    """Return a Markdown table."""
    lines = [heads, tuple("---" for _head in heads), *rows]
    return "\n".join("| " + " | ".join(cell(one) for one in line) + " |" for line in lines) + "\n"


def cell(text: str) -> str:
    """Return a text as it may stand in a table."""
    return " ".join(text.replace("|", "\\|").split())


def configuration() -> str:
    """Return every setting with its type, default, variable and meaning."""
    from uzina.root import config

    parts = ["# Settings\n"]
    parts.append(
        "One `config.toml`; each value can be overridden by the variable in its row. "
        "`uzina-admin config` prints the effective values, secrets masked.\n"
    )
    for section in dataclasses.fields(config.Config):
        kind: Any = section.default_factory
        hints = get_type_hints(kind)
        parts.append(f"## [{section.name}]\n\n{kind.__doc__}\n")
        rows = [
            (
                f"`{one.name}`",
                type_name(hints[one.name]),
                f"`{one.default}`" if one.default != "" else "empty",
                f"`UZINA_{section.name}_{one.name}`".upper(),
                one.metadata["doc"],
            )
            for one in dataclasses.fields(kind)
        ]
        parts.append(table(("Setting", "Type", "Default", "Variable", "Meaning"), rows))
    return "\n".join(parts)


def type_name(kind: Any) -> str:
    """Return a type as a person who writes TOML says it."""
    if get_origin(kind) is Literal:
        return " or ".join(f"`{one}`" for one in get_args(kind))
    names = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path"}
    return names[kind]


def command_line() -> str:
    """Return every command of `uzina` with its arguments and options."""
    from typer.main import get_command

    from uzina_client import cli

    parts = [f"# The command\n\n{inspect.cleandoc(cli.__doc__ or '')}\n"]
    for path, command in commands(get_command(cli.build()), "uzina"):
        parts.append(f"## {path}\n\n{inspect.cleandoc(command.help or '')}\n")
        own = [one for one in command.params if getattr(one, "rich_help_panel", None) is None]
        rows = [(option_name(one), getattr(one, "help", "") or "") for one in own]
        if rows := [row for row in rows if "--help" not in row[0]]:
            parts.append(table(("Option", "Meaning"), rows))
    common = [one for one in command.params if getattr(one, "rich_help_panel", None)]
    parts.append("## Options of every command\n")
    parts.append(table(("Option", "Meaning"), [(option_name(one), one.help) for one in common]))
    return "\n".join(parts)


def commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield every command that does something, with the words that call it."""
    below = getattr(command, "commands", None)
    if below is None:
        yield path, command
        return
    for name, one in below.items():
        yield from commands(one, f"{path} {name}")


def option_name(one: Any) -> str:
    """Return an option or argument as it is typed."""
    if one.param_type_name == "argument":
        return f"`{one.name.upper()}`"
    return ", ".join(f"`{name}`" for name in one.opts)


def api() -> str:
    """Return every operation of the API."""
    document = openapi()
    parts = [
        "# API operations\n",
        "Under `/api/v1`; the OpenAPI document is at `/api/v1/openapi.json` on every portal.\n",
    ]
    by_tag: dict[str, list[Row]] = {}
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            tag = (operation.get("tags") or ["other"])[0]
            about = operation.get("description") or operation.get("summary") or ""
            address = path.removeprefix("/api/v1")
            by_tag.setdefault(tag, []).append((f"`{verb.upper()} {address}`", about))
    for tag in sorted(by_tag):
        parts.append(f"## {tag}\n")
        parts.append(table(("Operation", "What it does"), by_tag[tag]))
    return "\n".join(parts)


def openapi() -> dict[str, Any]:
    """Return the OpenAPI document, from a factory that exists only for this."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "UZINA_FOLDERS_VAR": folder,
            "UZINA_DATABASE_URL": f"sqlite:///{folder}/docs.sqlite3",
            "DJANGO_SETTINGS_MODULE": "uzina.root.settings",
        }
        import django

        django.setup()
        from uzina.root.api import api as root

        return dict(root.get_openapi_schema())


def refusals() -> str:
    """Return every refusal code with its message and where it is raised."""
    found: dict[str, tuple[str, str]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        if {"tests", "migrations"} & set(path.parts):
            continue
        module = path.relative_to(SOURCE).parts[0]
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                place = REFUSALS.get(node.func.id)
                if place is not None and len(node.args) > place + 1:
                    code, message = literal(node.args[place]), literal(node.args[place + 1])
                    if code:
                        found.setdefault(code, (message, module))
    rows = [(f"`{code}`", message, module) for code, (message, module) in sorted(found.items())]
    return (
        "# Refusal codes\n\n"
        "A refusal carries one of these codes, a message for people and the facts in braces as "
        "values. Codes are stable: programs may key on them.\n\n"
        + table(("Code", "Message", "Module"), rows)
    )


def literal(node: ast.expr) -> str:
    """Return a text that stands in the source, also inside _( ); "" for anything computed."""
    if isinstance(node, ast.Call) and node.args:
        return literal(node.args[0])
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def life_cycles() -> str:
    """Return every flow: which verb leads from which states to which."""
    import importlib
    import pkgutil

    import uzina
    from uzina.core.flow import Flow

    flows: dict[str, Flow[Any]] = {}
    for found in pkgutil.walk_packages(uzina.__path__, "uzina."):
        parts = found.name.split(".")
        if len(parts) > 2 and parts[2] == "rules":
            module = importlib.import_module(found.name)
            flows |= {one.noun: one for one in vars(module).values() if isinstance(one, Flow)}
    lines = ["# Life cycles\n"]
    for noun, flow in sorted(flows.items()):
        lines.append(f"## {noun}\n")
        rows = [
            (f"`{verb}`", ", ".join(sorted(str(one) for one in move.sources)), str(move.to))
            for verb, move in flow.moves.items()
        ]
        lines.append(table(("Verb", "From", "To"), rows))
    return "\n".join(lines)
