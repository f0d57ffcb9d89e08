"""What the catalogue's tests start from."""

import hashlib
from dataclasses import replace

import pytest
from django.conf import settings
from django.test import override_settings

from uzina.catalogue import actions
from uzina.catalogue.tests.portal import Portal
from uzina.core.tests import NOW

COMPLETE = {
    "contact_name": "Biroul de date",
    "contact_email": "date@startup.example",
    "answers": {
        "collection": ["published"],
        "personal_data": "none",
        "capacity": "business",
        "cost": "free",
    },
}
"""What has to be said of open data before they are published."""


@pytest.fixture(autouse=True)
def licences(db):
    actions.seed_licences(now=NOW)


@pytest.fixture
def send():
    """Upload bytes as a person; returns the manifest's row."""

    def send(person, path, body):
        sha256 = hashlib.sha256(body).hexdigest()
        actions.upload(sha256, iter([body]), size=len(body), by=person, now=NOW)
        return {"path": path, "bytes": len(body), "sha256": sha256}

    return send


@pytest.fixture
def register(ana, project):
    """Register a dataset of Ana's project."""

    def register(slug="ro-corpus", by=ana, **given):
        facts = {
            "title": "Știri românești",
            "description": "Texte.",
            "licence": "cc-by-sa-3.0",
            "languages": ["ro", "en"],
            "holder": project.organisation,
            "project": project,
            "facts": COMPLETE,
        } | given
        return actions.register_dataset(slug=slug, by=by, now=NOW, **facts)

    return register


@pytest.fixture
def dataset(register):
    return register()


@pytest.fixture
def version(dataset, ana, send):
    files = [send(ana, "ro/a.txt", b"Bun\xc4\x83 ziua\n" * 10), send(ana, "page.html", b"<script>")]
    return actions.add_version(dataset, files=files, note="First.", by=ana, now=NOW)


@pytest.fixture
def portal():
    """A portal on this machine, which the settings of the test allow to be read."""
    made = Portal()
    given = settings.UZINA
    limits = replace(given.harvest, may_private=True, most_pages=6, most_mb=2, timeout_s=20)
    with override_settings(UZINA=replace(given, harvest=limits)):
        yield made
    made.close()


@pytest.fixture
def add(portal, org, operator):
    def add(kind="ckan", url=None, **given):
        facts = {"title": "Portal", "every_hours": 24, "licences": [], "owner": org} | given
        return actions.add_source(url=url or portal.url, kind=kind, by=operator, now=NOW, **facts)

    return add
