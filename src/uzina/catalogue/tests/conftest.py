"""What the catalogue's tests start from."""

import hashlib

import pytest

from uzina.catalogue import actions
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
