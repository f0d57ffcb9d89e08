"""Whole factories for the tests: a config, a database, a server, on this machine."""

import contextlib
import json
import lzma
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest

from uzina.root.demo import CORPUS, Factory, cast_of, kill_training
from uzina_client.story import SMALL, Story, Teller
from uzina_recipes import corpora

DOCUMENTS = 400
"""Of the shipped corpus, enough for every step of the story."""


def service(variable: str) -> str:
    """Return where a real service is, from the environment.

    The tests need it, so without it they fail, and say how to start it.
    """
    found = os.environ.get(variable, "")
    if not found:
        pytest.fail(f"{variable} is not set: `make test` starts the services and sets it.")
    return found


@pytest.fixture
def make_factory(tmp_path: Path) -> Iterator[Callable[..., Factory]]:
    """Return what makes a factory in a folder of its own; it is ended with the test."""
    made: list[Factory] = []

    def make(settings: Mapping[str, Mapping[str, Any]] | None = None) -> Factory:
        factory = Factory.at(tmp_path / f"factory{len(made)}", settings, usual=0)
        made.append(factory)
        return factory

    yield make
    for factory in made:
        factory.stop()
    assert not [name for factory in made for name in left_running(factory)]


def left_running(factory: Factory) -> Iterator[str]:
    """Yield the programs of a factory's server that still run; its jobs may, for a moment."""
    mark = f"UZINA_CONFIG={factory.folder / 'config.toml'}".encode()
    for place in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if place.name.isdigit() and mark in (place / "environ").read_bytes().split(b"\0"):
                command = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if "granian" in command or "uzina.root" in command:
                    yield f"{place.name}: {command}"


AWARDED = """
import json
from datetime import timedelta
import django
django.setup()
from django.utils.timezone import now
from uzina.ledger import actions as ledger, queries
from uzina.people import actions as people
from uzina.people.models import Person
from uzina.people.rules import OrganisationKind
ana = people.register(
    email="ana@startup.example", name="Ana Pop", password="a long password", language="en", now=now()
)
organisation = people.register_organisation(
    people.OrganisationFacts(
        name="Limbă Vie SRL", kind=OrganisationKind.STARTUP, country="RO", city="Cluj-Napoca",
        headcount=8, turnover_eur=400_000, balance_eur=250_000,
    ),
    by=ana, now=now(),
)
capacity = ledger.open_capacity(
    owner="CAL-TEST", title="Test", resource=queries.gpu_hours(), amount=10**12, key="capacity",
    by=None, now=now(),
)
project = people.open_project(
    organisation, title="A language model", lead=ana, starts_at=now() - timedelta(days=1),
    ends_at=now() + timedelta(days=90), award_code="", by=None, now=now(),
)
allocation = ledger.grant(
    project, capacity=capacity, amount=GPU_MS, starts_at=now() - timedelta(days=1),
    ends_at=now() + timedelta(days=60), key="grant", policy="finish", by=None, now=now(),
)
token = people.issue_token(
    ana, name="test", lifetime=timedelta(days=1), by=ana, now=now()
).secret
print(json.dumps({"project": project.code, "allocation": allocation.code, "token": token}))
"""


@pytest.fixture
def awarded() -> Callable[..., dict[str, str]]:
    """Return what opens a factory with a project that has GPU-hours: its code, a lead's token."""

    def award(factory: Factory, gpu_hours: float = 50) -> dict[str, str]:
        factory.open()
        done = subprocess.run(
            [sys.executable, "-c", AWARDED.replace("GPU_MS", str(int(gpu_hours * 3_600_000)))],
            env=factory.environment | {"DJANGO_SETTINGS_MODULE": "uzina.root.settings"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    return award


@pytest.fixture
def slurm_conf() -> str:
    """Return the slurm.conf of a real cluster."""
    return service("UZINA_TEST_SLURM_CONF")


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """Return the address of an empty PostgreSQL database, dropped after the test."""
    server = service("UZINA_TEST_POSTGRES_URL")
    base, _slash, _name = server.rpartition("/")
    name = f"uzina_journey_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield f"{base}/{name}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def small_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the first documents of the shipped corpus of each language, and what is said of it."""
    shipped = corpora.folder(CORPUS)
    folder = tmp_path_factory.mktemp("corpus")
    with lzma.open(shipped / "documents.jsonl.xz", "rt", encoding="utf-8") as file:
        lines = list(file)
    step = max(1, len(lines) // DOCUMENTS)
    with lzma.open(folder / "documents.jsonl.xz", "wt", encoding="utf-8") as file:
        file.writelines(lines[::step])
    about = json.loads((shipped / "corpus.json").read_text())
    about["documents"] = len(lines[::step])
    about["bytes"] = sum(len(line) for line in lines[::step])
    (folder / "corpus.json").write_text(json.dumps(about))
    return folder


@pytest.fixture(scope="session")
def tell(small_corpus: Path) -> Callable[[Factory], Story]:
    """Return what tells the whole story in a factory."""

    def tell(factory: Factory) -> Story:
        passwords = factory.open()
        factory.start()
        story = Story(
            url=factory.url,
            cast=cast_of(passwords),
            size=SMALL,
            corpus=small_corpus,
            folder=factory.folder,
            teller=Teller(),
            kill=kill_training,
        )
        try:
            story.tell()
        except BaseException:
            print((factory.folder / "serve.log").read_text(errors="replace")[-6000:])
            raise
        return story

    return tell


@pytest.fixture(scope="session")
def told(
    tmp_path_factory: pytest.TempPathFactory, tell: Callable[[Factory], Story]
) -> Iterator[tuple[Factory, Story]]:
    """Return a served factory where the story was told: processes of this machine, SQLite."""
    factory = Factory.at(tmp_path_factory.mktemp("told") / "factory", usual=0)
    try:
        yield factory, tell(factory)
    finally:
        factory.stop()
