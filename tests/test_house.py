"""The house: what a linter cannot say (docs/decisions/0001)."""

import ast
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

ROOT = Path(__file__).parent.parent
SERVER = ROOT / "src" / "uzina"
MODULES = sorted(path.name for path in SERVER.iterdir() if (path / "__init__.py").exists())
PUBLIC = {"actions", "queries", "rules", "types", "ports", "models", "access"}
CLOCKS = {"api.py", "views.py", "tasks.py"}


def sources(module):
    for path in sorted((SERVER / module).rglob("*.py")):
        inside = path.relative_to(SERVER / module).parts
        if inside[0] not in {"tests", "migrations"}:
            yield path


def imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_a_charter_of_its_own(module):
    charter = ast.get_docstring(ast.parse((SERVER / module / "__init__.py").read_text()))
    assert charter
    assert len(charter) > 20


@pytest.mark.parametrize("module", [name for name in MODULES if name not in {"core", "root"}])
def test_a_neighbour_is_entered_by_a_public_room_only(module):
    wrong = []
    for path in sources(module):
        for line, name in imports(ast.parse(path.read_text())):
            parts = name.split(".")
            if parts[0] != "uzina" or parts[1] in {module, "core"}:
                continue
            if len(parts) > 2 and parts[2] not in PUBLIC:
                wrong.append(f"{path.relative_to(ROOT)}:{line} {name}")
    assert wrong == []


@pytest.mark.parametrize("module", [name for name in MODULES if name not in {"core", "root"}])
def test_no_module_queries_the_tables_of_a_neighbour(module):
    """But a door may begin with what a person may see: `Project.objects.visible_to(person)`."""
    wrong = []
    for path in sources(module):
        tree = ast.parse(path.read_text())
        foreign = {
            name.rsplit(".", 1)[1]
            for _, name in imports(tree)
            if name.startswith("uzina.")
            and ".models." in name
            and name.split(".")[1] not in {module, "core"}
        }
        seen = {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and node.attr == "visible_to"
        }
        wrong += [
            f"{path.relative_to(ROOT)}:{node.lineno} {node.value.id}.objects"
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and node.attr == "objects"
            and isinstance(node.value, ast.Name)
            and node.value.id in foreign
            and id(node) not in seen
        ]
    assert wrong == []


def test_the_clock_is_read_in_doors_and_tasks_only():
    """Core's worker, the root's commands and adapters live outside the rules of time."""
    wrong = []
    for module in MODULES:
        if module in {"core", "root"}:
            continue
        for path in sources(module):
            inside = path.relative_to(SERVER / module).parts
            if inside[0] in CLOCKS or inside[0].removesuffix(".py") in {"views", "api", "adapters"}:
                continue
            tree = ast.parse(path.read_text())
            wrong += [
                f"{path.relative_to(ROOT)}:{node.lineno}"
                for node in ast.walk(tree)
                if isinstance(node, ast.Call)
                and (
                    (isinstance(node.func, ast.Attribute) and node.func.attr in {"now", "utcnow"})
                    or (isinstance(node.func, ast.Name) and node.func.id == "now")
                )
            ]
    assert wrong == []


def test_only_the_configuration_reads_the_environment():
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for module in MODULES
        if module != "root"
        for path in sources(module)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr == "environ"
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
        and "adapters" not in path.parts
    ]
    assert wrong == []


def test_every_table_change_of_a_module_is_behind_an_action():
    """Doors save nothing: no .save(), .delete(), .create() or .update() on a queryset."""
    verbs = {"save", "delete", "create", "bulk_create", "update_or_create", "get_or_create"}
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno} .{node.func.attr}()"
        for module in MODULES
        if module not in {"core", "root"}
        for path in sources(module)
        if path.name in CLOCKS | {"forms.py"}
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in verbs
    ]
    assert wrong == []


def test_no_sentence_is_translated_two_ways():
    """The catalogues of all modules become one, so the last to load would win."""
    found = {}
    for path in SERVER.rglob("django.po"):
        with path.open("rb") as file:
            for entry in read_po(file):
                if entry.id and entry.string:
                    found.setdefault((entry.context, str(entry.id)), set()).add(str(entry.string))
    assert {sentence: ways for sentence, ways in found.items() if len(ways) > 1} == {}


def test_nothing_in_the_tree_is_left_for_later():
    words = ("TO" + "DO", "FIX" + "ME")
    wrong = [
        f"{path.relative_to(ROOT)}:{number}"
        for folder in ("src", "tests", "scripts", "benchmarks")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in {".py", ".html", ".css", ""} and path.is_file()
        for number, line in enumerate(path.read_text(errors="ignore").splitlines(), 1)
        if any(word in line for word in words)
    ]
    assert wrong == []


def test_no_two_shapes_of_the_api_share_a_name():
    """The document of the API has one shape a name: the later of two would take its place."""
    places = {}
    for path in sorted(SERVER.rglob("*.py")):
        if "api" not in path.relative_to(SERVER).as_posix():
            continue
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and node.name.endswith(("In", "Out", "Summary")):
                places.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
