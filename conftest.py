"""Fixtures that every module's tests use: real people, real rows, no mocks."""

import logging
import os
from datetime import timedelta

import pytest
from django.test import Client, override_settings
from hypothesis import HealthCheck, settings

from uzina.core.tests import NOW
from uzina.people.tests import make_person

# A busy machine is slow, and no test is about how long an example takes.
settings.register_profile("uzina", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("uzina")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Under CI=true nothing is skipped: what a test needs and does not find is a failure."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"skipped, and nothing may be skipped here: {report.longrepr}"
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark what touches the database, so that what does not is asked on one database only."""
    for item in items:
        fixtures = {"db", "transactional_db"} & set(item.fixturenames)
        if fixtures or item.get_closest_marker("django_db"):
            item.add_marker("database")


def pytest_make_parametrize_id(val, argname):
    """Name a parameter of bytes by what it is, not by its bytes: a packed file carries the second
    it was made in, and every worker must name a test alike.
    """
    return argname if isinstance(val, bytes) else None


@pytest.fixture(autouse=True)
def no_console():
    """Take the server's own log off the terminal: what a test prints is what is tested.

    Before each test, since a test of a command sets the server's log up anew.
    """
    root = logging.getLogger()
    for handler in [one for one in root.handlers if type(one) is logging.StreamHandler]:
        root.removeHandler(handler)


@pytest.fixture(autouse=True)
def english():
    """Have each test begin in English, whatever language the one before spoke."""
    from django.utils import translation

    with translation.override("en"):
        yield


@pytest.fixture(autouse=True)
def folders(tmp_path_factory, request):
    """Give each test folders of its own for what is kept outside the database."""
    from dataclasses import replace

    from django.conf import settings
    from django.core.files.storage import storages

    base = tmp_path_factory.mktemp("factory")
    config = settings.UZINA
    config = replace(
        config,
        folders=replace(config.folders, var=base / "var"),
        store=replace(config.store, folder=base / "store"),
        scheduler=replace(
            config.scheduler, run_root=base / "runs", state=base / "scheduler", cpus=2, gpus=2
        ),
    )
    with (
        override_settings(
            UZINA=config, PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]
        ),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setitem(vars(storages["documents"]), "location", str(base / "documents"))
        yield base


@pytest.fixture(autouse=True, scope="session")
def emptying_lifts_triggers():
    """Let Django empty SQLite's tables after a transactional test.

    It does so by DELETE, which the ledger's triggers refuse; PostgreSQL's TRUNCATE passes them by.
    """
    from django.db.backends.sqlite3.base import DatabaseOperations

    flush = DatabaseOperations.execute_sql_flush

    def lifted(self, sql_list):
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            triggers = cursor.fetchall()
        drops = [f'DROP TRIGGER "{name}"' for name, _sql in triggers]
        flush(self, [*drops, *sql_list, *(sql for _name, sql in triggers)])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "execute_sql_flush", lifted)
        yield


@pytest.fixture
def ana(db):
    """An applicant."""
    return make_person("ana@startup.example", "Ana Pop")


@pytest.fixture
def stranger(db):
    return make_person("ion@elsewhere.example", "Ion Străin")


@pytest.fixture
def operator(db):
    return make_person("operator@factory.example", "Olga Operator", "operator")


@pytest.fixture
def assessor(db):
    return make_person("assessor@factory.example", "Andrei Assessor", "assessor")


@pytest.fixture
def auditor(db):
    return make_person("auditor@factory.example", "Aurel Auditor", "auditor")


@pytest.fixture
def org(ana):
    """Ana's start-up, a small enterprise."""
    from uzina.people import actions
    from uzina.people.rules import OrganisationKind

    return actions.register_organisation(
        actions.OrganisationFacts(
            name="Limbă Vie SRL",
            kind=OrganisationKind.STARTUP,
            country="RO",
            city="Cluj-Napoca",
            headcount=8,
            turnover_eur=400_000,
            balance_eur=250_000,
        ),
        by=ana,
        now=NOW,
    )


@pytest.fixture
def project(ana, org):
    from uzina.people import actions

    return actions.open_project(
        org,
        title="A language model for Romanian",
        lead=ana,
        starts_at=NOW - timedelta(days=1),
        ends_at=NOW + timedelta(days=90),
        award_code="",
        by=None,
        now=NOW,
    )


@pytest.fixture
def grant_hours(project):
    """Return what grants the project ten GPU-hours, from a day before now for so many days."""
    from uzina.ledger import actions, queries

    def grant(now, days):
        hour = 3_600_000
        capacity = actions.open_capacity(
            owner="CAL-TEST",
            title="Test",
            resource=queries.gpu_hours(),
            amount=100 * hour,
            key="capacity",
            by=None,
            now=now,
        )
        return actions.grant(
            project,
            capacity=capacity,
            amount=10 * hour,
            starts_at=now - timedelta(days=1),
            ends_at=now + timedelta(days=days),
            key="grant",
            by=None,
            now=now,
        )

    return grant


@pytest.fixture
def api(db):
    """Return a test client signed in by a token: api(person), or api() for nobody."""
    from django.utils import timezone

    from uzina.people import actions

    def client(person=None):
        if person is None:
            return Client()
        issued = actions.issue_token(
            person, name="test", lifetime=timedelta(days=1), by=person, now=timezone.now()
        )
        return Client(headers={"Authorization": f"Bearer {issued.secret}"})

    return client
