"""Whole factories for the journeys: a config, a database, a server, on this machine."""

import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest

from uzina.root.demo import Factory

Make = Callable[..., Factory]


def service(variable: str) -> str:
    """Return where a real service is, from the environment.

    The tests need it, so without it they fail, and say how to start it.
    """
    found = os.environ.get(variable, "")
    if not found:
        pytest.fail(f"{variable} is not set: `make test` starts the services and sets it.")
    return found


@pytest.fixture
def make_factory(tmp_path: Path) -> Iterator[Make]:
    """Return what makes a factory in a folder of its own; it is ended with the test."""
    made: list[Factory] = []

    def make(settings: Mapping[str, Mapping[str, Any]] | None = None) -> Factory:
        factory = Factory.at(tmp_path / f"factory{len(made)}", settings)
        made.append(factory)
        return factory

    yield make
    for factory in made:
        factory.stop()


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
