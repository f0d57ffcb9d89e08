"""Whole factories for the tests: a config, a database, a server, on this machine."""

import contextlib
import json
import lzma
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx
import psycopg
import pytest

from uzina.root.demo import CORPUS, Factory, cast_of, kill_training
from uzina_client import Client
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


@pytest.fixture(scope="session")
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


# Many people in one factory: made at once, each with a token, a few with a password -----------

PASSWORD = "a password of the journeys"

MAKE = """
import json, sys
from datetime import timedelta
import django
from django.test import override_settings
django.setup()
from django.utils.timezone import now
from uzina.people import actions as people
from uzina.people.rules import OrganisationKind, RoleKind

QUICK = ["django.contrib.auth.hashers.MD5PasswordHasher"]
made = {}
for one in json.load(sys.stdin):
    facts = dict(
        email=one["email"], name=one["name"], password=one["password"],
        language=one["language"], now=now(),
    )
    if one["signs_in"]:
        person = people.register(**facts)
    else:
        with override_settings(PASSWORD_HASHERS=QUICK):
            person = people.register(**facts)
    for role in one["roles"]:
        people.appoint(person, kind=RoleKind(role), by=None, now=now())
    organisation = ""
    if one["organisation"]:
        organisation = people.register_organisation(
            people.OrganisationFacts(
                name=one["organisation"], kind=OrganisationKind(one["kind"]), country="RO",
                headcount=8, turnover_eur=400_000, balance_eur=250_000,
            ),
            by=person, now=now(),
        ).code
    token = people.issue_token(
        person, name="journey", lifetime=timedelta(days=1), by=person, now=now()
    ).secret
    made[one["key"]] = {
        "code": person.code, "organisation": organisation, "token": token,
        "email": one["email"], "name": one["name"],
    }
print(json.dumps(made))
"""


def in_factory(factory: Factory, script: str, given: object = None) -> Any:
    """Run a script with the factory's settings; return what it printed as JSON, if anything."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=factory.environment | {"DJANGO_SETTINGS_MODULE": "uzina.root.settings"},
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout.strip() else None


class Browser:
    """A person at a browser: pages by HTTP, with a session and its tokens against forgery."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, follow_redirects=False, timeout=120)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def sign_in(self, email: str) -> None:
        """Sign in with the password of the journeys."""
        answer = self.post("/sign-in/", {"email": email, "password": PASSWORD})
        assert answer.status_code == 302, answer.text[-2000:]

    def speak(self, language: str) -> None:
        """Read the pages in a language from now on."""
        assert self.post("/language/", {"language": language, "next": "/"}).status_code == 302

    def get(self, path: str) -> httpx.Response:
        """Return a page as it comes, without following where it leads."""
        return self.http.get(path)

    def page(self, path: str) -> str:
        """Return the text of a page that must be there."""
        answer = self.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.text[-2000:])
        return answer.text

    def post(self, path: str, values: Mapping[str, Any], **more: Any) -> httpx.Response:
        """Send a form, with the token of the page that shows it."""
        token = self._token(path)
        return self.http.post(
            path,
            data={**values, "csrfmiddlewaretoken": token},
            headers={"Referer": f"{self.http.base_url}{path}"},
            **more,
        )

    def _token(self, path: str) -> str:
        for one in (path, "/calls/"):
            found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.get(one).text)
            if found:
                return found[1]
        message = f"no page has a form to send to {path}"
        raise AssertionError(message)


class Cast:
    """The people of a journey, by key, in a factory that is served."""

    def __init__(self, factory: Factory, people: Mapping[str, Mapping[str, str]]) -> None:
        self.factory = factory
        self.people = people
        self.clients: dict[str, Client] = {}

    def client(self, key: str) -> Client:
        """Return the portal as the person sees it by the API."""
        if key not in self.clients:
            self.clients[key] = Client(self.factory.url, self.people[key]["token"])
        return self.clients[key]

    def browser(self, key: str = "") -> Browser:
        """Return a browser, signed in where somebody is named."""
        browser = Browser(self.factory.url)
        if key:
            browser.sign_in(self.people[key]["email"])
        return browser

    def script(self, script: str, given: object = None) -> Any:
        """Run a script with the factory's settings."""
        return in_factory(self.factory, script, given)

    def close(self) -> None:
        """Close every connection."""
        for client in self.clients.values():
            client.close()


def person(
    key: str,
    *roles: str,
    organisation: str = "",
    kind: str = "startup",
    language: str = "en",
    signs_in: bool = False,
) -> dict[str, Any]:
    """Return somebody to make. Only who signs in gets a password that is worth its time."""
    return {
        "key": key,
        "email": f"{key}@journey.example",
        "name": key.replace("-", " ").title(),
        "roles": roles,
        "organisation": organisation,
        "kind": kind,
        "language": language,
        "signs_in": signs_in,
        "password": PASSWORD,
    }


@pytest.fixture
def cast(
    make_factory: Callable[..., Factory],
) -> Iterator[Callable[..., Cast]]:
    """Return what opens and serves a factory with the people of a journey."""
    made: list[Cast] = []

    def start(
        people: Sequence[Mapping[str, Any]],
        settings: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Cast:
        factory = make_factory(settings)
        factory.open()
        known = in_factory(factory, MAKE, list(people))
        factory.start()
        made.append(Cast(factory, known))
        return made[-1]

    start.person = person  # type: ignore[attr-defined]
    yield start
    for one in made:
        one.close()


@pytest.fixture
def until() -> Callable[..., Any]:
    """Return what asks until there is an answer: until(ask) returns the first that is true."""

    def wait(ask: Callable[[], Any], *, deadline_s: float = 240) -> Any:
        end = time.monotonic() + deadline_s
        while not (found := ask()):
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.3)
        return found

    return wait
