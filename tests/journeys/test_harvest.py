"""Two factories: one harvests the other over HTTP, by the command, and is killed in the middle."""

import html
import json
import os
import re
import signal
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from uzina.root.demo import HOST, Factory

pytestmark = pytest.mark.timeout(1500)
MANY = 210
"""Three pages of the feed."""
PIECE = 1 << 16

FILL = """
import hashlib, json, sys
import django; django.setup()
from django.utils.timezone import now
from uzina.catalogue import actions
from uzina.catalogue.adapters import store
from uzina.people.models import Organisation, Person
given = json.load(sys.stdin)
ana = Person.objects.get(code=given["ana"])
holder = Organisation.objects.get(code=given["holder"])
body = "id,text\\n1,Bună ziua\\n".encode()
sha256 = hashlib.sha256(body).hexdigest()
store().put(sha256, iter([body]), size=len(body))
for number in range(given["many"]):
    dataset = actions.register_dataset(
        slug=f"texts-{number}", title=f"Texte din județul {number}",
        description="Știri locale, curățate.", licence="cc-by-4.0", languages=["ro"],
        holder=holder, project=None, by=ana, now=now(),
        facts={
            "contact_name": "Biroul de date", "contact_email": "date@journey.example",
            "answers": {
                "collection": ["published"], "personal_data": "none", "capacity": "business",
                "cost": "free",
            },
        },
    )
    actions.add_version(
        dataset, files=[{"path": "a.csv", "bytes": len(body), "sha256": sha256}],
        note="First.", by=None, now=now(),
    )
    actions.publish(dataset, by=None, now=now())
"""

WITHDRAW = """
import django; django.setup()
from django.utils.timezone import now
from uzina.catalogue import actions, queries
actions.withdraw(queries.dataset("texts-0"), reason="Wrong.", by=None, now=now())
"""

COUNT = """
import json
import django; django.setup()
from django.db.models import Count
from uzina.catalogue.models import Dataset, SearchEntry
twice = Dataset.objects.values("source_uri").annotate(n=Count("pk")).filter(n__gt=1)
print(json.dumps({
    "datasets": Dataset.objects.count(), "twice": len(twice), "entries": SearchEntry.objects.count(),
}))
"""


class Gate:
    """The public address of a factory: hands bytes on, and can hold the second page back.

    at    where the server behind it listens
    held  set once somebody waits for the second page
    open  set once the second page may pass
    """

    def __init__(self) -> None:
        self.at = ("", 0)
        self.held, self.open = threading.Event(), threading.Event()
        gate = self

        class Visit(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                asked = self.request.recv(PIECE)
                if b"page=2" in asked.partition(b"\r\n")[0]:
                    gate.held.set()
                    gate.open.wait()
                with suppress(OSError), socket.create_connection(gate.at) as server:
                    server.sendall(asked)
                    back = threading.Thread(target=hand_on, args=(server, self.request))
                    back.start()
                    hand_on(self.request, server)
                    back.join()

        self.server = socketserver.ThreadingTCPServer((HOST, 0), Visit)
        self.url = f"http://{HOST}:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self) -> None:
        """Let everybody through and end, once nobody is connected any more."""
        self.open.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def hand_on(source: socket.socket, sink: socket.socket) -> None:
    """Copy bytes from one end to the other until they end."""
    with suppress(OSError):
        while piece := source.recv(PIECE):
            sink.sendall(piece)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.close()


def command(token: str, home: Path, *arguments: str) -> dict[str, Any]:
    """Run `uzina` and return what it says as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "uzina_client.cli", *arguments, "--json"],
        env=os.environ | {"UZINA_TOKEN": token, "HOME": str(home), "XDG_CONFIG_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_one_factory_harvests_another(
    gate: Gate, cast: Any, until: Callable[..., Any], tmp_path: Path
) -> None:
    there = cast([cast.person("ana", organisation="Limbă Vie SRL")], {"site": {"url": gate.url}})
    gate.at = (HOST, there.factory.port)
    ana = there.people["ana"]
    there.script(FILL, {"many": MANY, "ana": ana["code"], "holder": ana["organisation"]})
    here = cast(
        [cast.person("olga", "operator", organisation="Fabrica")],
        {"harvest": {"may_private": 1}, "worker": {"lease_s": 20}},
    )
    olga = here.client("olga")
    added = command(
        here.people["olga"]["token"], tmp_path, "sources", "add", f"{gate.url}/catalog.ttl",
        "--title", "The other factory", "--kind", "dcat",
        "--owner", here.people["olga"]["organisation"], "--portal", here.factory.url,
    )  # fmt: skip
    code = added["code"]

    def last() -> dict[str, Any]:
        """Return the newest harvest."""
        return dict(next(iter(olga.sources.harvests(code))))

    # Killed while it waits for the second page, it goes on there, and nothing is there twice.
    until(gate.held.is_set, deadline_s=600)
    halfway = last()
    assert (halfway["pages"], halfway["seen"], halfway["ended_at"]) == (1, 100, None)
    kill(here.factory)
    gate.open.set()
    here.factory.start()
    until(lambda: last()["ended_at"], deadline_s=600)
    first = last()
    assert first["is_complete"], first
    assert (first["new"], first["broken"], first["seen"]) == (MANY, 0, MANY)
    kept = here.script(COUNT)
    assert kept == {"datasets": MANY, "twice": 0, "entries": MANY}

    # What is gone there is gone here, and only that.
    there.script(WITHDRAW)
    assert olga.sources.harvest(code)["ended_at"] is None
    until(lambda: last()["ended_at"], deadline_s=600)
    second = last()
    assert second["code"] != first["code"]
    assert (second["new"], second["changed"], second["gone"]) == (0, 0, 1)
    assert second["unchanged"] == MANY - 1

    with here.browser() as visitor:
        found = visitor.page("/datasets/?q=judetul&format=CSV")
        assert f"{MANY - 1} datasets" in found
        slug = re.search(r'href="/datasets/(texte-din-[\w-]+)/"', found)
        assert slug
        page = visitor.page(f"/datasets/{slug[1]}/")
        document = visitor.page(f"/datasets/{slug[1]}.ttl")
    assert "Harvested from" in page
    assert f"{gate.url}/datasets/texts-" in page
    assert re.search(rf"dct:source <{gate.url}/datasets/texts-\d+/#record>", document)

    check_lines_of_a_page(gate.url, ana["token"], tmp_path)


def kill(factory: Factory) -> None:
    """Kill a server with all its children, as a power cut would."""
    assert factory.process
    os.killpg(factory.process.pid, signal.SIGKILL)
    factory.process.wait()


def check_lines_of_a_page(url: str, token: str, folder: Path) -> None:
    """Type what a dataset's page says to type, with a token in its place."""
    page = httpx.get(f"{url}/datasets/texts-1/", timeout=120).text
    lines = re.search(r'<code id="load-code">(.*?)</code>', page, re.DOTALL)
    assert lines
    typed = html.unescape(lines[1]).replace("YOUR-TOKEN", token)
    assert len(typed.splitlines()) == 3
    done = subprocess.run(
        [sys.executable, "-c", typed], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Bună ziua" in (folder / "texts-1" / "a.csv").read_text()
