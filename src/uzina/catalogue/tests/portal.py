"""Another portal, as a real server of this machine: answers by path, or by a function."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from uzina.catalogue import actions
from uzina.core.tests import NOW

SEARCH = "/api/3/action/package_search"
JSON = {"Content-Type": "application/json"}
TURTLE = {"Content-Type": "text/turtle"}

Answer = tuple[int, dict[str, str], bytes | Iterator[bytes]]


class Portal:
    """A server double. `answers` maps a path, with its query or without, to what is sent."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer | Callable[[str], Answer]] = {}
        self.asked: list[str] = []
        portal = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                portal.asked.append(self.path)
                found = portal.answers.get(self.path) or portal.answers.get(
                    self.path.partition("?")[0]
                )
                status, headers, body = (
                    found(self.path) if callable(found) else found or (404, {}, b"")
                )
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                with contextlib.suppress(OSError):
                    for piece in [body] if isinstance(body, bytes) else body:
                        self.wfile.write(piece)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        """Stop answering."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def run(source, *, now=NOW):
    """Read the pages of the harvest that is open, as the worker does; return it when it ended."""
    while (harvest := source.harvests.filter(ended_at=None).first()) is not None:
        actions.harvest_page(harvest.code, page=harvest.pages, now=now)
    return source.harvests.order_by("-pk").first()


def again(source, *, now=NOW):
    actions.harvest_now(source, by=None, now=now)
    return run(source, now=now)


def package(number, **given):
    """A package as CKAN shows it (package_search, version 2.10)."""
    return {
        "id": f"4a1b-{number}",
        "name": f"transport-{number}",
        "title": f"Stații de transport public {number}",
        "notes": "Stațiile și liniile, **actualizate** zilnic.",
        "state": "active",
        "private": False,
        "license_id": "cc-by",
        "license_title": "Creative Commons Attribution",
        "license_url": "http://www.opendefinition.org/licenses/cc-by",
        "metadata_created": "2024-05-06T07:08:09.123456",
        "metadata_modified": "2025-01-02T03:04:05",
        "organization": {"name": "primaria", "title": "Primăria Iași"},
        "maintainer": "Biroul de date",
        "maintainer_email": "date@primaria.example",
        "tags": [{"name": "transport", "display_name": "transport"}],
        "groups": [{"name": "tran", "title": "Transport"}],
        "extras": [{"key": "language", "value": '["ro"]'}],
        "resources": [
            {"url": "https://primaria.example/a.csv", "format": "CSV", "size": 2000},
            {"url": "https://primaria.example/a.json", "format": "JSON", "size": None},
        ],
    } | given


def ckan(portal, packages, *, total=None):
    def answer(path):
        start = int(path.partition("start=")[2].partition("&")[0])
        result = {
            "count": len(packages) if total is None else total,
            "results": packages[start : start + 100],
        }
        return 200, JSON, json.dumps({"success": True, "result": result}).encode()

    portal.answers[SEARCH] = answer


def turtle(portal, path, datasets, *, following="", total=None):
    lines = [
        "@prefix dcat: <http://www.w3.org/ns/dcat#> .",
        "@prefix dct: <http://purl.org/dc/terms/> .",
        "@prefix hydra: <http://www.w3.org/ns/hydra/core#> .",
        *(
            f'<{uri}> a dcat:Dataset ; dct:title "{title}"@ro ; dct:description "Texte."@ro .'
            for uri, title in datasets
        ),
    ]
    if following:
        lines.append(f"<{portal.url}{path}> hydra:next <{following}> .")
    if total is not None:
        lines.append(f"<{portal.url}/catalog> hydra:totalItems {total} .")
    portal.answers[path] = (200, TURTLE, "\n".join(lines).encode())
