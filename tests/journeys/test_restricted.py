"""Restricted data over HTTP: refused, asked for, granted, used in a job, and taken back."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from uzina_client.problems import Problem

HOURS = """
import json, sys
from datetime import timedelta
import django
django.setup()
from django.utils.timezone import now
from uzina.ledger import actions as ledger, queries
from uzina.people import actions as people, queries as found
from uzina.people.models import Organisation
given = json.load(sys.stdin)
lead = found.person(given["lead"])
capacity = ledger.open_capacity(
    owner="CAL-TEST", title="Test", resource=queries.gpu_hours(), amount=10**12, key="capacity",
    by=None, now=now(),
)
project = people.open_project(
    Organisation.objects.get(code=given["organisation"]), title="Counting words", lead=lead,
    starts_at=now() - timedelta(days=1), ends_at=now() + timedelta(days=90), award_code="",
    by=None, now=now(),
)
ledger.grant(
    project, capacity=capacity, amount=50 * 3_600_000, starts_at=now() - timedelta(days=1),
    ends_at=now() + timedelta(days=60), key="grant", by=None, now=now(),
)
print(json.dumps(project.code))
"""

MESSAGES = """
import json, sys
import django
django.setup()
from uzina.people.models import Message
rows = Message.objects.filter(to__code=json.load(sys.stdin)).order_by("pk")
print(json.dumps([{"kind": one.kind, "body": one.body} for one in rows]))
"""

BODY = "Bună ziua\n".encode()
ANSWERS = {
    "collection": ["published"],
    "personal_data": "none",
    "capacity": "business",
    "cost": "free",
    "purposes_allowed": "Research.",
}


def job(command: str) -> dict[str, Any]:
    return {
        "name": "Count",
        "command": ["bash", "-c", command],
        "gpus": 1,
        "memory_mb": 100,
        "time_limit_s": 900,
        "inputs": [{"dataset": "health-texts", "version": 1, "at": "texts"}],
    }


def code_of(refused: pytest.ExceptionInfo[Problem]) -> str:
    return str(refused.value.code)


def test_restricted_data_is_refused_granted_used_and_taken_back(
    cast: Any, until: Callable[..., Any], tmp_path: Path
) -> None:
    person = cast.person
    made = cast(
        [
            person("holder", organisation="Institutul de sănătate", kind="public"),
            person("user", organisation="Limbă Vie SRL", signs_in=True),
            person("stranger", organisation="Altcineva SRL"),
        ]
    )
    holder, user, stranger = (made.client(one) for one in ("holder", "user", "stranger"))
    ours = made.people["user"]
    project = made.script(HOURS, {"lead": ours["code"], "organisation": ours["organisation"]})

    # The holder describes the data, sends it, and says who may use it.
    holder.catalogue.register(
        {
            "slug": "health-texts",
            "title": "Texte de sănătate publică",
            "description": "Texts.",
            "licence": "cc-by-4.0",
            "languages": ["ro"],
            "holder": made.people["holder"]["organisation"],
        }
    )
    holder.catalogue.transport.post(
        "/catalogue/datasets/health-texts/describe",
        {
            "access_right": "restricted",
            "contact_name": "Biroul de date",
            "contact_email": "date@institut.example",
            "answers": ANSWERS,
        },
    )
    text = tmp_path / "a.txt"
    text.write_bytes(BODY)
    holder.catalogue.add_version("health-texts", paths={"a.txt": text}, note="First.")
    holder.catalogue.publish("health-texts")
    holder.permits.offer("health-texts", {"purposes": ["research"], "countries": ["EU"]})

    # Everybody reads the description; nobody else the bytes, by no door.
    url = made.factory.url
    page = httpx.get(f"{url}/datasets/health-texts/", timeout=60)
    assert page.status_code == 200
    assert "Texte de sănătate publică" in page.text
    assert "Bună ziua" not in page.text
    assert stranger.catalogue.version("health-texts", 1)["facts"] == {}
    at = "/datasets/health-texts/1/files/a.txt"
    assert httpx.get(f"{url}{at}", timeout=60).status_code == 403
    for client in (user, stranger):
        with pytest.raises(Problem) as refused:
            client.catalogue.download("health-texts", 1, to=tmp_path / "taken")
        assert code_of(refused) == "version.read.no_access"
    left = [one for one in (tmp_path / "taken").rglob("*") if one.is_file()]
    assert not any(one.stat().st_size for one in left)
    with pytest.raises(Problem) as refused:
        user.compute.submit(project, job("cat inputs/texts/a.txt"))
    assert code_of(refused) == "version.use.no_access"
    assert "/datasets/health-texts/access/" in str(refused.value)

    # Asked and refused, with a reason that arrives.
    end = datetime.now(UTC) + timedelta(days=10)
    asked = {"project": project, "place": "RO", "until": end}
    first = user.permits.ask("health-texts", purpose="commercial", why="To sell.", **asked)
    assert [one["code"] for one in holder.permits.requests(to_decide=True)] == [first["code"]]
    with pytest.raises(Problem) as refused:
        holder.permits.grant(first["code"])
    assert code_of(refused) == "access.grant.against_policy"
    holder.permits.refuse(first["code"], reason="Not for sale.")
    with pytest.raises(Problem) as refused:
        stranger.permits.request(first["code"])
    assert refused.value.status == 404
    assert list(stranger.permits.requests()) == []

    # Asked on the page, and granted: a job reads the data, and the holder sees it.
    with made.browser("user") as browser:
        last = end.date()
        answer = browser.post(
            "/datasets/health-texts/access/",
            {
                "project": project,
                "purpose": "academic-research",
                "why": "To count words.",
                "legal_basis": "",
                "place": "RO",
                "until_day": last.day,
                "until_month": last.month,
                "until_year": last.year,
            },
        )
        assert answer.status_code == 302, answer.text[-3000:]
        assert "To count words." in browser.page(answer.headers["Location"])
    (waiting,) = holder.permits.requests(state="asked", to_decide=True)
    grant = waiting["code"]
    holder.permits.grant(grant, reason="Good luck.")
    done = user.compute.submit(project, job("cat inputs/texts/a.txt"))["code"]
    until(lambda: user.compute.job(done)["settled_at"])
    assert user.compute.job(done)["state"] == "done"
    assert "Bună ziua" in user.compute.logs(done)["text"]
    user.catalogue.download("health-texts", 1, to=tmp_path / "taken")
    assert (tmp_path / "taken" / "a.txt").read_bytes() == BODY
    uses = [
        (one["job"], one["kind"], one["grant"])
        for one in holder.permits.uses(dataset="health-texts")
    ]
    assert sorted(uses) == [("", "download", grant), (done, "job", grant)]

    # Taken back while a job runs: it is listed and its owner told; nothing new begins.
    stop = tmp_path / "stop"
    runs = user.compute.submit(
        project, job(f"cat inputs/texts/a.txt; until [ -e {stop} ]; do sleep 0.2; done")
    )["code"]
    until(lambda: user.compute.job(runs)["state"] == "running")
    holder.permits.revoke(grant, reason="The study is over.")
    with pytest.raises(Problem) as refused:
        user.compute.submit(project, job("true"))
    assert code_of(refused) == "version.use.no_access"
    with pytest.raises(Problem) as refused:
        user.catalogue.download("health-texts", 1, to=tmp_path / "again")
    assert code_of(refused) == "version.read.no_access"
    until(lambda: holder.permits.request(grant)["running_jobs"] == [runs])
    stop.touch()
    until(lambda: user.compute.job(runs)["settled_at"])
    assert user.compute.job(runs)["state"] == "done"
    told = made.script(MESSAGES, ours["code"])
    kinds = [one["kind"] for one in told]
    assert kinds.count("catalogue.access_decided") == 2
    assert kinds.count("catalogue.access_over") == 1
    assert kinds.count("compute.data_lost") == 1
    assert any("Not for sale." in one["body"] for one in told)
    assert any("The study is over." in one["body"] for one in told)
