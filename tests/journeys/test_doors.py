"""Every door of the portal: who may enter, and what it says to those who send it rubbish.

The first half walks every address of the resolver with every method as everyone there is, on an
object of the project lead's, and compares each answer with doors.csv. An address that is not in
the table fails, so that somebody has to say who may enter. To write the table anew, run it with
UZINA_TEST_DOORS=write, and read the difference.

The second half sends each operation of the OpenAPI document the right shape with one value of it
missing, null, of another type, far too large, negative, or full of letters that break things.
"""

import csv
import functools
import hashlib
import json
import os
import random
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from judged import objects_of_judging
from kept import objects_of_data

from uzina.root.api import api as root_api
from uzina_client import story_answers as answers

TABLE = Path(__file__).with_name("doors.csv")
WHO = (
    "anonymous",
    "stranger",
    "applicant",
    "lead",
    "member",
    "assessor",
    "reviewer",
    "panel",
    "operator",
    "auditor",
)
METHODS = {True: ("GET", "POST", "PUT", "DELETE"), False: ("GET", "POST")}
"""Of the API and of pages, where a browser sends only two."""
PUBLIC = re.compile(
    r"$|accessibility/$|appearance/$|awards/public/$|awards/public\.csv$|calls/$|calls/<[^>]+>/$"
    r"|calls/<[^>]+>/(leaderboard|terms)/$|calls/cut-offs(/|\.ics)$|calls/modes/(<[^>]+>/(difference/)?)?$"
    r"|\.well-known/dspace-version$|catalog\.<[^>]+>$|catalog/full\.nt$|oai$|sitemap\.xml$"
    r"|datasets/$|estimate/$|language/$|letters/verify/(<[^>]+>/)?$|messages/unsubscribe/<[^>]+>/$"
    r"|models/$|qualify/$|register/$|sign-in/$"
    r"|api/v1/(openapi\.json|calls/awards/public|calls/calls/<slug>/(leaderboard|terms)|calls/cut-offs"
    r"|calls/letters/verify/<verifier>|calls/modes(/<slug>(/difference|/versions(/<version>)?)?)?|calls/qualify|catalogue/(licences|purposes|questions|vocabularies/<table>)|people/register"
    r"|people/tokens|sizing/devices|sizing/estimate|training/recipes(/<slug>)?)$"
)
"""Addresses that are for everybody, also without signing in."""

SHARED = re.compile(
    r"(api/v1/calls/)?calls/<[^>]+>(/apply/|/challenge)?$"
    r"|(api/v1/catalogue/)?datasets/<[^>]+>/(access|policy)/?$"
)
"""Objects that everybody who has signed in may see: calls, and the terms of published data."""


# --- who may enter ------------------------------------------------------------------------------


@dataclass
class World:
    """One of everything, all of it the project lead's."""

    people: dict[str, Any]
    objects: dict[str, Any]

    def client(self, who: str, *, is_api: bool) -> Client:
        """Return a client signed in as somebody: by token for the API, else by session."""
        if who == "anonymous":
            return Client()
        person = self.people[who]
        if not is_api:
            client = Client()
            client.force_login(person)
            return client
        from uzina.people import actions

        issued = actions.issue_token(
            person, name="doors", lifetime=timedelta(days=1), by=person, now=timezone.now()
        )
        return Client(headers={"Authorization": f"Bearer {issued.secret}"})


def routes(patterns: Any = None, prefix: str = "") -> Iterator[str]:
    """Yield every address of the resolver as it is written there."""
    for one in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from routes(one.url_patterns, route)
        elif isinstance(one, URLPattern):
            yield route


@pytest.fixture
def world(ana, stranger, operator, assessor, auditor, org, project):
    """Return one of everything."""
    people = {
        "stranger": stranger,
        "lead": ana,
        "operator": operator,
        "assessor": assessor,
        "auditor": auditor,
    }
    now = timezone.now()
    return World(
        people,
        objects_of(people, org, project)
        | objects_of_data(people, org, project, now)
        | objects_of_judging(people, org, now),
    )


def objects_of(people: dict[str, Any], org: Any, project: Any) -> dict[str, Any]:
    """Make one of everything by the modules' own actions."""
    from uzina.core.models import Promise
    from uzina.people import actions
    from uzina.people.rules import MembershipKind
    from uzina.root.opening import open_factory

    now, lead = timezone.now(), people["lead"]
    for role, email in (("member", "member@startup.example"), ("applicant", "b@other.example")):
        people[role] = actions.register(
            email=email, name=role.title(), password="a long password", language="en", now=now
        )
    actions.add_member(project, people["member"], kind=MembershipKind.MEMBER, by=lead, now=now)
    token = actions.issue_token(
        lead, name="mine", lifetime=timedelta(days=1), by=lead, now=now
    ).token
    open_factory(now=now)
    objects = {
        "organisation": org.code,
        "project": project.code,
        "token": token.code,
        **objects_of_calls(people, org, now),
        **objects_of_work(people, project, now),
    }
    # Not 1: PostgreSQL counts on after a test that was rolled back.
    return objects | {"promise": Promise.objects.latest("pk").pk}


def objects_of_calls(people: dict[str, Any], org: Any, now: Any) -> dict[str, Any]:
    """Make a call with an application in each state that a verb starts from."""
    from uzina.calls import actions

    lead, operator = people["lead"], people["operator"]
    facts = {
        "mode": "playground",
        "title_en": "Playground",
        "title_ro": "Playground",
        "budget_gpu_hours": 100_000,
        "opens_at": now - timedelta(hours=1),
    }
    draft_call = actions.create_call(
        actions.CallFacts(slug="draft-call", **facts), by=operator, now=now
    )
    call = actions.create_call(actions.CallFacts(slug="playground", **facts), by=operator, now=now)
    call = actions.publish(call, by=operator, now=now)

    def filled() -> Any:
        application = actions.start(call, organisation=org, by=lead, now=now)
        filled_in = answers.sections(name=lead.name, email=lead.email, gpu_hours=100)
        for slug, filled_section in filled_in.items():
            actions.save_section(
                application, section=slug, answers=filled_section, version=0, by=lead, now=now
            )
        return application

    draft, eligible, awarded = filled(), filled(), filled()
    for application in (awarded, eligible):
        actions.submit(application, by=lead, now=now)
    actions.assess(
        awarded,
        is_fitting=True,
        is_ready=True,
        is_justified=True,
        recommended_gpu_hours=100,
        comment="",
        note="",
        by=people["assessor"],
        now=now,
    )
    return {
        "call": call.slug,
        "draft_call": draft_call.slug,
        "draft": draft.code,
        "eligible": eligible.code,
        "award": type(awarded).objects.get(pk=awarded.pk).award.code,
    }


def objects_of_work(people: dict[str, Any], project: Any, now: Any) -> dict[str, Any]:
    """Make an allocation, a dataset version, a job, a run and a model version."""
    from uzina.catalogue import actions as catalogue
    from uzina.compute import actions as compute
    from uzina.compute import rules as compute_rules
    from uzina.ledger import actions as ledger
    from uzina.ledger import queries as ledger_queries

    lead, hour = people["lead"], 3_600_000
    capacity = ledger.open_capacity(
        owner="CAL-DOORS",
        title="Doors",
        resource=ledger_queries.gpu_hours(),
        amount=100 * hour,
        key="doors",
        by=None,
        now=now,
    )
    allocation = ledger.grant(
        project,
        capacity=capacity,
        amount=10 * hour,
        starts_at=now - timedelta(days=1),
        ends_at=now + timedelta(days=30),
        key="doors-grant",
        by=None,
        now=now,
    )
    body = b"Text.\n"
    sha256 = hashlib.sha256(body).hexdigest()
    dataset = catalogue.register_dataset(
        slug="ro-corpus",
        title="Corpus",
        description="Texts.",
        licence="cc-by-4.0",
        languages=["ro"],
        holder=project.organisation,
        project=project,
        by=lead,
        now=now,
    )
    catalogue.upload(sha256, iter([body]), size=len(body), by=lead, now=now)
    files = [{"path": "a.txt", "bytes": len(body), "sha256": sha256}]
    catalogue.add_version(dataset, files=files, note="", by=lead, now=now)
    spec = compute_rules.parse_spec(
        {"name": "job", "command": ["true"], "gpus": 1, "time_limit_s": 60}
    )
    job = compute.submit(project, spec=spec, by=lead, now=now, key="doors")
    window = compute.Window("", now + timedelta(days=3), now + timedelta(days=4), "Filters.")
    maintenance = compute.announce(job.cluster, window, by=None, now=now)
    return {
        "allocation": allocation.code,
        "dataset": dataset.slug,
        "sha256": sha256,
        "job": job.code,
        "maintenance": maintenance.code,
        **objects_of_training(lead, project, now),
    }


def objects_of_training(lead: Any, project: Any, now: Any) -> dict[str, Any]:
    """Make a run that has ended and the model version that came of it."""
    from uzina.catalogue import actions as catalogue
    from uzina.compute import queries as compute
    from uzina.compute.models import Job, Usage
    from uzina.training import actions, queries

    dataset = catalogue.register_dataset(
        slug="ro-tokens",
        title="Tokens",
        description="Tokens.",
        licence="cc-by-4.0",
        languages=["ro"],
        holder=project.organisation,
        project=project,
        by=lead,
        now=now,
    )
    rows = []
    for path, body in (("shards.json", b"{}"), ("train.bin", b"\0\1")):
        sha256 = hashlib.sha256(body).hexdigest()
        catalogue.upload(sha256, iter([body]), size=len(body), by=lead, now=now)
        rows.append({"path": path, "bytes": len(body), "sha256": sha256})
    catalogue.add_version(dataset, files=rows, note="", by=lead, now=now)
    run = actions.start_run(
        project,
        recipe=queries.recipe("train"),
        params={},
        inputs=[("ro-tokens", 1)],
        name="ro-mini",
        gpus=1,
        cpus=1,
        memory_mb=500,
        time_limit_s=60,
        by=lead,
        now=now,
        key="doors-run",
    )
    folder = compute.run_dir(run.job)
    files = {
        "exit.json": '{"state": "done", "resume": false, "step": 1, "reason": ""}',
        "manifest.json": "{}",
        "export/hf/model.safetensors": "weights",
        "export/hf/a.txt": "text",
    }
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    Usage.objects.create(
        cluster=run.job.cluster,
        job=run.job,
        row_key="doors",
        native_id="1",
        submitted_at=now,
        started_at=now,
        ended_at=now,
        elapsed_s=0,
        nodes=1,
        cpus=1,
        gpus=1,
        state="done",
        raw="",
        read_at=now,
    )
    Job.objects.filter(pk=run.job.pk).update(
        state="done", started_at=now, ended_at=now, settled_at=now, gpu_ms=0
    )
    run = actions.collect(queries.run(run.code), now=now)
    assert run.output, run.problem
    return {"run": run.code, "model": "ro-mini", "recipe": "train"}


def place(route: str, objects: dict[str, Any]) -> str:
    """Return an address with the lead's object in it; a route without one fails the test."""
    for pattern, name in NOUNS:
        found = re.match(pattern, route)
        if found and name:
            route = route[: found.end()] + PARAMETER.sub(
                lambda _match, name=name: str(objects[name]), route[found.end() :], count=1
            )
            break
    for noun, name in INNER.items():
        route = re.sub(
            rf"({noun})/(?:<(?:\w+:)?code>|{{code}})",
            lambda found, name=name: f"{found[1]}/{objects[name]}",
            route,
        )
    inner = ("check", "document", "question", "question_code", "version", "application")
    named = {name: str(objects[name]) for name in inner}
    if "reports/" in route:
        named["kind"] = "final"
    if "storage/" in route or "catalogue/spaces/" in route:
        named["kind"] = "scratch"
    if "/edit/" in route:
        named["section"] = "about"
    for parameter, value in (REST | named).items():
        route = re.sub(rf"<(\w+:)?{parameter}>|{{(\w+:)?{parameter}}}", value, route)
    assert not PARAMETER.search(route), f"say in NOUNS or REST what stands in {route}"
    return "/" + route.replace("$", "")


PARAMETER = re.compile(r"<[^>]+>|\{[^}]+\}")
NOUNS = (
    (r"(api/v1/calls/)?calls/(?=[^/]+/(challenge|leaderboard))", "challenge"),
    (r"(api/v1/calls/)?calls/(?=[^/]+/(interests|members))", "interest"),
    (
        r"(api/v1/calls/)?calls/(?=[^/]+/(assignment|pool|reviewing|panel|rankings?|cut-offs))",
        "ranked",
    ),
    (r"(api/v1/calls/)?applications/(?=[^/]+/entries)", "entrant"),
    (r"(api/v1/calls/)?applications/(?=[^/]+/reply)", "replying"),
    (r"(api/v1/calls/)?applications/(?=[^/]+/questions)", "asked"),
    (r"(api/v1/calls/)?applications/(?=[^/]+/(reviewing|redirect|steps?|office))", "judged"),
    (r"(api/v1/)?calls/modes/", "mode"),
    (r"(api/v1/calls/)?applications/(?=[^/]+/appeal)", "declined"),
    (r"(api/v1/calls/)?bids/", "judged"),
    (r"(api/v1/calls/)?reviews/", "review"),
    (r"(api/v1/calls/)?reviewers/(?!new/)", "reviewer"),
    (r"(api/v1/calls/)?assignments/", "plan"),
    (r"(api/v1/calls/)?rankings/(?=<(slug:)?slug>)", "ranked"),
    (r"(api/v1/calls/)?rankings/", "ranking"),
    (r"(api/v1/calls/)?questions/", "question"),
    (r"(api/v1/calls/)?panels/", "ranked"),
    (r"(api/v1/calls/)?letters/verify/", "verifier"),
    (r"(api/v1/calls/)?letters/", "letter"),
    (r"(api/v1/calls/)?appeals/", "appeal"),
    (r"(api/v1/calls/)?documents/", "document"),
    (r"(api/v1/calls/)?entries/", "entry"),
    (r"(api/v1/calls/)?aid/(?!register)", "aid"),
    (r"(api/v1/calls/amendments|changes)/", "amendment"),
    (r"(api/v1/calls/)?awards/(?=[^/]+/(amendments|changes))", "accepted"),
    (r"(api/v1/programme/)?reports/", "accepted"),
    (r"(api/v1/programme/)?projects/(?=[^/]+/use/)", "awarded_project"),
    (r"api/v1/programme/projects/", "awarded_project"),
    (r"messages/unsubscribe/", "wish"),
    (r"(api/v1/people/|account/)?messages/(?!release|templates|wishes|unsubscribe)", "message"),
    (r"(api/v1/(people|calls)/)?organisations/", "organisation"),
    (r"(api/v1/(people|compute)/)?projects/", "project"),
    (r"(api/v1/people|account)/tokens/", "token"),
    (r"api/v1/calls/calls/(?=[^/]+/publish)|calls/(?=[^/]+/publish)", "draft_call"),
    (r"(api/v1/calls/)?calls/", "call"),
    (r"assessments/", "eligible"),
    (r"api/v1/calls/applications/(?=[^/]+/assessment)", "eligible"),
    (r"(api/v1/calls/)?applications/", "draft"),
    (r"(api/v1/calls/)?awards/", "award"),
    (r"(api/v1/ledger/)?allocations/", "allocation"),
    (r"(api/v1/catalogue/)?datasets/(?=[^/]+/(access|policy|uses))", "restricted"),
    (r"(api/v1/catalogue/)?datasets/(?!new/|mine/)", "dataset"),
    (r"files/", "dataset"),
    (r"(api/v1/catalogue/)?access/", "request"),
    (r"(api/v1/)?catalogue/sources/(?!new/)", "source"),
    (r"(api/v1/)?catalogue/participants/(?!new/)", "participant"),
    (r"api/v1/catalogue/uploads/", "upload"),
    (r"api/v1/catalogue/spaces/", "project"),
    (r"dsp/2025-1/negotiations/(?!request)", "negotiation"),
    (r"dsp/2025-1/transfers/(?!request)", "transfer"),
    (r"dsp/2025-1/data/", "transfer_uid"),
    (r"api/v1/catalogue/blobs/", "sha256"),
    (r"(api/v1/compute/)?jobs/", "job"),
    (r"(api/v1/compute|clusters)/maintenance/(?!new/)", "maintenance"),
    (r"api/v1/training/recipes/", "recipe"),
    (r"(api/v1/training/)?runs/", "run"),
    (r"(api/v1/training/)?models/", "model"),
    (r"promises/", "promise"),
)
"""Which object stands first in an address that begins so."""

INNER = {
    "capacities": "capacity",
    "interests": "interested",
    r"panels/[^/]+/seats": "panellist",
    r"panels/[^/]+/[^/]+": "ranked_application",
}
"""Which object stands for a code further on in an address, after the noun."""

REST = {
    "command_id": "1",
    "number": "1",
    "path": "a.txt",
    "section": "project",
    "kind": "card",
    "verb": "top-up",
    "slug": "project",
    "field": "document_version",
    "person": "PER-222222",
    "token": "no-such-token",
    "day": "2026-11-22",
    "ending": "ttl",
    "form": "bib",
    "identifier": "10.5072/uzina.ro-corpus.v1",
    "table": "frequency",
    "uid": "urn:uzina:dataset:ro-corpus",
}
"""What stands for every other parameter."""


@functools.cache
def documented() -> dict[str, Any]:
    """Return the operations by their paths, without the converters that some paths name."""
    return {
        re.sub(r"\{(?:\w+:)?(\w+)\}", r"{\1}", path): verbs
        for path, verbs in document()["paths"].items()
    }


def body_for(route: str, method: str, objects: dict[str, Any]) -> Any:
    """Return a body of the right shape for an operation of the API, about the lead's objects."""
    document_ = document()
    path = "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route)
    operation = documented().get(path, {}).get(method.lower(), {})
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema")
    if schema is None:
        return {}
    body = example(schema, document_["components"]["schemas"])
    own = {
        "project": objects["project"],
        "organisation": objects["organisation"],
        "call": objects["call"],
        "holder": "",
        "licence": "cc-by-4.0",
        "languages": ["ro"],
        "slug": "new-one",
        "mode": "playground",
        "spec": {"name": "a", "command": ["true"], "time_limit_s": 60},
        "specs": [{"name": "a", "command": ["true"], "time_limit_s": 60}],
        "answers": {},
        "version": 1,
        "closes_at": None,
        "cut_offs": [],
        "package_gpu_hours": None,
        "related_enterprises": [],
        "years": [],
        "pic": "",
        "public_share_percent": 0,
        "vat_number": "",
        "headcount": 1,
        "recipe": "prepare",
        "params": {},
        "inputs": [f"{objects['dataset']}@1"],
        "model": None,
        "cpus": 1,
        "memory_mb": 1000,
        "time_limit_s": 60,
        "starts_at": (timezone.now() + timedelta(days=1)).isoformat(),
        "ends_at": (timezone.now() + timedelta(days=2)).isoformat(),
        "partition": "",
        "since": (timezone.now() + timedelta(days=2)).date().isoformat(),
        "files": [{"path": "b.txt", "bytes": 6, "sha256": objects["sha256"]}],
    }
    if route.endswith("/what-if"):
        own["rule"] = "strict"
    if route.endswith(("/move", "/challenge")):
        own["closes_at"] = (timezone.now() + timedelta(days=20)).isoformat()
    return {name: own.get(name, value) for name, value in body.items()}


def walked(world: World) -> dict[tuple[str, str], dict[str, str]]:
    """Return the status that everyone gets at every address with every method.

    Each request is undone before the next, so all of them meet the same portal.
    """
    found = {}
    everyone = {
        (who, is_api): world.client(who, is_api=is_api) for who in WHO for is_api in (True, False)
    }
    only = re.compile(os.environ.get("UZINA_TEST_DOORS_ONLY", ""))
    for route in filter(only.match, sorted(set(routes()))):
        is_api = route.startswith("api/")
        for method in METHODS[is_api]:
            row = {}
            for who in WHO:
                client = everyone[who, is_api]
                row[who] = status_of(client, route, method, world.objects, is_api=is_api)
            if set(row.values()) != {"405"}:
                found[route, method] = row
    return found


def status_of(
    client: Client, route: str, method: str, objects: dict[str, Any], *, is_api: bool
) -> str:
    """Return the status of one request, and undo it."""
    more: dict[str, Any] = {}
    if method in {"POST", "PUT"}:
        body = body_for(route, method, objects) if is_api else {}
        more = {"data": json.dumps(body) if is_api else {}, "content_type": "application/json"}
        if "blobs" in route:
            more = {"data": b"Text.\n", "content_type": "application/octet-stream"}
        if route.endswith("documents/<slug>"):
            more["query_params"] = {"name": "a.txt"}
        if route.endswith("<slug>/challenge") and method == "PUT":
            closes_at = (timezone.now() + timedelta(days=20)).isoformat()
            asked = {"metric": "accuracy", "prizes": 1, "entries_per_day": 1}
            more["query_params"] = {**asked, "closes_at": closes_at}
        if not is_api:
            more = {"data": {}}
    headers = {"Idempotency-Key": "doors"} if is_api else {}
    session = client.cookies.output(header="")
    with transaction.atomic():
        answer = getattr(client, method.lower())(place(route, objects), headers=headers, **more)
        if answer.streaming:
            b"".join(answer.streaming_content)
        transaction.set_rollback(True)
    client.cookies.clear()
    client.cookies.load(session)
    if answer.status_code == 302:
        to = answer.headers["Location"]
        return "sign in" if to.startswith("/sign-in/") else "302"
    return str(answer.status_code)


@pytest.mark.timeout(1200)
def test_every_address_answers_everyone_as_the_table_says(world):
    found = walked(world)
    if os.environ.get("UZINA_TEST_DOORS") == "write":
        with TABLE.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["route", "method", *WHO])
            writer.writerows(
                [route, method, *row.values()] for (route, method), row in found.items()
            )
    with TABLE.open(newline="") as file:
        table = {(row.pop("route"), row.pop("method")): row for row in csv.DictReader(file)}
    assert not found.keys() - table.keys(), "addresses of which nobody has said who may enter"
    assert not table.keys() - found.keys(), "addresses in the table that are no more"
    wrong = {key: (row, table[key]) for key, row in found.items() if row != table[key]}
    assert not wrong


def test_the_table_lets_no_outsider_in_and_nobody_break_anything():
    with TABLE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        where = f"{row['method']} {row['route']}"
        assert not any(row[who].startswith("5") for who in WHO), where
        if PUBLIC.match(row["route"]):
            continue
        assert row["anonymous"] in {"401", "403", "404", "405", "sign in"}, where
        if PARAMETER.search(row["route"]) and not SHARED.match(row["route"]):
            for who in ("stranger", "applicant"):
                assert row[who] in {"401", "403", "404", "405"}, (where, who)


# --- what it says to rubbish ----------------------------------------------------------------------

NASTY = [
    None,
    True,
    0,
    -1,
    2**31,
    2**63,
    -(2**63) - 1,
    10**400,
    1.5,
    -0.0,
    "",
    " ",
    "\0",
    "a\0b",
    "\ud800",
    "x" * 100_000,
    "ș\u202e\u0000\n\r\t",
    "<script>alert(1)</script>",
    "../../../../etc/passwd",
    "=cmd|' /C calc'!A0",
    "%s%n{0.__class__}{{7*7}}",
    "' OR 1=1 --",
    "9999-12-31T23:59:59Z",
    "0001-01-01",
    "NaN",
    [],
    [[[[]]]],
    {},
    {"\0": "\0"},
    ["x"] * 5000,
]
BODIES = [b"", b"{", b"null", b"[]", b'"x"', b"\xff\xfe", b"NaN", b'{"a":' * 5000, b"1e999"]
PATHS = ["0", "-1", "99999999999999999999", "%00", "a%00b", "..", "%2e%2e%2f", "x" * 3000, "ș", " "]
TRIES = 6


@functools.cache
def document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    return json.loads(json.dumps(root_api.get_openapi_schema()))


def operations() -> list[tuple[str, str]]:
    """Return every operation: verb and path."""
    return [(verb, path) for path, verbs in document()["paths"].items() for verb in verbs]


def resolved(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with its reference followed, and the first branch of a choice taken."""
    while True:
        if "$ref" in schema:
            schema = schemas[schema["$ref"].rpartition("/")[2]]
        elif "anyOf" in schema or "oneOf" in schema:
            schema = (schema.get("anyOf") or schema["oneOf"])[0]
        elif len(schema.get("allOf", [])) == 1:
            schema = schema["allOf"][0]
        else:
            return schema


def example(schema: dict[str, Any], schemas: dict[str, Any], depth: int = 0) -> Any:
    """Return a value of the right shape."""
    schema = resolved(schema, schemas)
    if "enum" in schema:
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    match schema.get("type"):
        case "object" if "properties" in schema and depth < 6:
            return {
                name: example(one, schemas, depth + 1) for name, one in schema["properties"].items()
            }
        case "object":
            return {}
        case "array":
            return [example(schema["items"], schemas, depth + 1)] if depth < 6 else []
        case "integer":
            return max(schema.get("minimum", 1), 1)
        case "number":
            return max(schema.get("minimum", 1.0), 1.0)
        case "boolean":
            return True
        case "string":
            formats = {
                "date-time": "2026-12-01T09:00:00Z",
                "date": "2026-12-01",
                "email": "a@b.example",
                "uuid": "6f1f0a5e-0000-4000-8000-000000000000",
            }
            return formats.get(schema.get("format", ""), "RO" if "pattern" in schema else "abc")
    return "abc"


def spoilt(value: Any, pick: random.Random) -> Iterator[Any]:
    """Yield copies of a value with one place of it spoilt."""
    places = list(walk(value))
    for _ in range(TRIES):
        place = pick.choice(places)
        copy = json.loads(json.dumps(value))
        if not place:
            yield pick.choice(NASTY)
            continue
        holder = copy
        for step in place[:-1]:
            holder = holder[step]
        if pick.random() < 0.2 and isinstance(holder, dict):
            del holder[place[-1]]
        else:
            holder[place[-1]] = pick.choice(NASTY)
        yield copy
    if isinstance(value, dict):
        yield value | {"".join(pick.choices(string.printable, k=20)): "unknown"}


def walk(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of every value inside a value."""
    yield place
    if isinstance(value, dict):
        for name, one in value.items():
            yield from walk(one, (*place, name))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from walk(one, (*place, index))


def encoded(value: Any) -> bytes:
    """Return a value as JSON bytes, lone surrogates and all."""
    return json.dumps(value).encode("utf-8", "surrogatepass")


def mistakes_of(answer: Any, asked: str) -> list[str]:
    """Return what is wrong with an answer: a client must be able to act on it."""
    status = answer.status_code
    if answer.streaming:
        b"".join(answer.streaming_content)
        return [] if status < 500 else [f"{asked}: {status}"]
    if status < 400:
        return []
    text = answer.content.decode()
    kind = answer.headers.get("Content-Type", "")
    if status >= 500 or "Traceback" in text or not kind.startswith("application/problem+json"):
        return [f"{asked}: {status} {kind} {text[:200]}"]
    if answer.request["REQUEST_METHOD"] == "HEAD":
        return []
    problem = json.loads(text)
    is_whole = problem["status"] == status and problem["code"] and problem["detail"]
    return [] if is_whole else [f"{asked}: {text[:200]}"]


def hostile_requests(
    verb: str, path: str, objects: dict[str, Any], pick: random.Random
) -> Iterator[tuple[str, bytes]]:
    """Yield addresses and bodies for an operation: first the right one, then spoilt ones."""
    route = path.lstrip("/")
    url = place(route, objects)
    operation = document()["paths"][path][verb]
    has_body = "application/json" in operation.get("requestBody", {}).get("content", {})
    right = body_for(route, verb, objects)
    bodies = [encoded(one) for one in (right, *spoilt(right, pick))] if has_body else [b""]
    for body in (*bodies, *(BODIES if has_body else [])):
        yield url, body
    names = url.split("/")
    for at, name in enumerate(path.split("/")):
        if PARAMETER.search(name):
            for value in pick.sample(PATHS, 4):
                spoilt_value = value if "%" in value else quote(value)
                yield "/".join([*names[:at], spoilt_value, *names[at + 1 :]]), bodies[0]
    values = [value for value in NASTY if isinstance(value, str | int)]
    for one in operation.get("parameters", []):
        if one["in"] == "query":
            for value in pick.sample(values, TRIES):
                text = str(value).encode("utf-8", "surrogatepass")[:2000]
                yield f"{url}?{urlencode({one['name']: text})}", bodies[0]


@pytest.mark.parametrize("who", ["anonymous", "stranger", "lead", "operator"])
def test_every_operation_answers_hostile_input_with_a_problem(who, world):
    client = world.client(who, is_api=True)
    wrong = []
    for verb, path in operations():
        pick = random.Random(f"{verb} {path} {who}")  # the same inputs each time
        for url, body in hostile_requests(verb, path, world.objects, pick):
            key = "".join(pick.choices(string.ascii_letters, k=20))
            with transaction.atomic():
                answer = client.generic(
                    verb.upper(),
                    url,
                    body,
                    content_type="application/json",
                    headers={"Idempotency-Key": key},
                )
                transaction.set_rollback(True)
            wrong += mistakes_of(answer, f"{verb} {url[:200]} {body[:200]!r}")
    assert not wrong, f"{len(wrong)} answers: {wrong[:5]}"


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(
    key=st.text(max_size=300),
    token=st.text(max_size=100),
    kind=st.sampled_from(["application/json", "text/plain", "multipart/form-data", "", "\u0219"]),
)
def test_hostile_headers_get_a_problem(db, client, key, token, kind):
    headers = {
        name: value.encode("utf-8", "ignore").decode("latin-1").replace("\n", "").replace("\r", "")
        for name, value in (("Idempotency-Key", key), ("Authorization", f"Bearer {token}"))
    }
    answer = client.generic(
        "POST", "/api/v1/people/organisations", b"{}", content_type=kind, headers=headers
    )
    assert not mistakes_of(answer, f"{headers} {kind}")
