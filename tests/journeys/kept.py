"""One of everything of storage, terms, portals and data spaces, for the doors' test."""

import hashlib
from datetime import timedelta
from typing import Any


def objects_of_data(people: dict[str, Any], org: Any, project: Any, now: Any) -> dict[str, Any]:
    """Make restricted data that another project asked for, a space with a file, an upload under
    way, a portal that is harvested, and a participant's negotiation and transfer.
    """
    from uzina.catalogue import actions, queries
    from uzina.catalogue.actions import spaces
    from uzina.catalogue.models import Dataset, Negotiation, Transfer
    from uzina.catalogue.rules import File

    lead = people["lead"]
    body = b"Held.\n"
    sha256 = hashlib.sha256(body).hexdigest()
    actions.upload(sha256, iter([body]), size=len(body), by=lead, now=now)
    held = actions.register_dataset(
        slug="ro-health",
        title="Held",
        description="Not for everybody.",
        licence="cc-by-4.0",
        languages=["ro"],
        holder=project.organisation,
        project=project,
        by=lead,
        now=now,
    )
    files = [{"path": "a.txt", "bytes": len(body), "sha256": sha256}]
    version = actions.add_version(held, files=files, note="", by=lead, now=now)
    Dataset.objects.filter(pk=held.pk).update(
        access_right="restricted", state="published", published_at=now
    )
    held.refresh_from_db()
    other, radu = asking(now)
    request = actions.ask_access(
        held,
        project=other,
        by=radu,
        purpose="academic-research",
        why="To count words.",
        legal_basis="",
        place="RO",
        until=now + timedelta(days=30),
        now=now,
    )
    spaces.follow_project(project, now=now)
    space, _path = queries.spaces.resolve(lead, f"{project.code}:scratch")
    file = File(path="a.txt", bytes=len(body), sha256=sha256, media_type="text/plain")
    spaces.put_files(space, [file], by=lead, now=now)
    upload = actions.begin_upload(name="b.txt", size=10, by=lead, now=now)
    source = actions.add_source(
        title="Open data",
        url="https://data.example/catalog.ttl",
        kind="dcat",
        every_hours=24,
        licences=["cc-by-4.0"],
        owner=org,
        by=None,
        now=now,
    )
    registered = actions.register_participant(
        name="Institut Nord",
        participant_id="did:web:consumer.example",
        kind="research",
        country="DE",
        callback_base="https://consumer.example",
        by=people["operator"],
        now=now,
    )
    negotiation = Negotiation.objects.create(
        participant=registered.participant,
        consumer_pid="urn:uuid:0a1b2c3d-0000-4000-8000-000000000001",
        callback="https://consumer.example/callback",
        dataset=held,
        asked={},
        made_at=now,
        changed_at=now,
    )
    transfer = Transfer.objects.create(
        negotiation=negotiation,
        version=version,
        consumer_pid="urn:uuid:0a1b2c3d-0000-4000-8000-000000000002",
        callback="https://consumer.example/callback",
        asked={},
        made_at=now,
        changed_at=now,
    )
    return {
        "restricted": held.slug,
        "request": request.code,
        "upload": upload.code,
        "source": source.code,
        "participant": registered.participant.code,
        "negotiation": negotiation.pid,
        "transfer": transfer.pid,
        "transfer_uid": str(transfer.uid),
    }


def asking(now: Any) -> tuple[Any, Any]:
    """Make a project of another organisation, and return it with who leads it."""
    from uzina.people import actions
    from uzina.people.rules import OrganisationKind
    from uzina.people.tests import make_person

    lead = make_person("radu@asker.example", "Radu")
    organisation = actions.register_organisation(
        actions.OrganisationFacts(
            name="Universitatea Nord",
            kind=OrganisationKind.UNIVERSITY,
            country="RO",
            headcount=900,
            turnover_eur=0,
            balance_eur=0,
        ),
        by=lead,
        now=now,
    )
    project = actions.open_project(
        organisation,
        title="Health texts",
        lead=lead,
        starts_at=now - timedelta(days=1),
        ends_at=now + timedelta(days=300),
        award_code="",
        by=None,
        now=now,
    )
    return project, lead
