"""What the catalogue's tests start from."""

import hashlib
import sys
from dataclasses import replace
from datetime import timedelta

import pytest
from absl import logging as absl
from django.conf import settings
from django.test import override_settings

from uzina.catalogue import actions, queries
from uzina.catalogue.models import Dataset, Licence
from uzina.catalogue.rules import AccessRight
from uzina.catalogue.tests.portal import Portal
from uzina.core.tests import NOW
from uzina.people import actions as people
from uzina.people.rules import OrganisationKind

# mlcroissant's log keeps the stream it was made under, that of the test run, and closes it when a
# command sets logging up anew.
absl.get_absl_handler().python_handler.stream = sys.__stderr__

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
    Licence.objects.bulk_create(Licence(**row) for row in queries.shipped_licences())


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


@pytest.fixture
def radu(stranger):
    """Who leads another project, of another organisation."""
    return stranger


@pytest.fixture
def theirs(radu):
    """Radu's project, of a university in Germany."""
    organisation = people.register_organisation(
        people.OrganisationFacts(
            name="Universität Neustadt",
            kind=OrganisationKind.UNIVERSITY,
            country="DE",
            headcount=900,
            turnover_eur=0,
            balance_eur=0,
        ),
        by=radu,
        now=NOW,
    )
    return people.open_project(
        organisation,
        title="Health texts",
        lead=radu,
        starts_at=NOW - timedelta(days=1),
        ends_at=NOW + timedelta(days=300),
        award_code="",
        by=None,
        now=NOW,
    )


@pytest.fixture
def restricted(version, ana):
    """A published dataset of Ana's project whose files are not for everybody."""
    dataset = actions.publish(version.dataset, by=ana, now=NOW)
    return right(dataset, AccessRight.RESTRICTED)


def right(dataset, access_right):
    Dataset.objects.filter(pk=dataset.pk).update(access_right=access_right)
    dataset.refresh_from_db()
    return dataset
