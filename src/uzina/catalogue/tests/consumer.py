"""A connector of somebody else: it takes our messages over HTTP and checks each by its schema."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from uzina.catalogue.rules import dataspace_messages as messages


class ConsumerDouble:
    """Listens for callbacks on this machine.

    taken     (path, message) of each that arrived and fits its schema
    wrong     what was wrong with any that did not
    refusals  how many of the next are answered 503
    """

    def __init__(self, port: int = 0) -> None:
        self.taken: list[tuple[str, dict[str, Any]]] = []
        self.wrong: list[str] = []
        self.tokens: set[str] = set()
        self.refusals = 0
        double = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if double.refusals:
                    double.refusals -= 1
                    self.send_response(503)
                else:
                    double.take(self.path, json.loads(body))
                    double.tokens.add(self.headers.get("Authorization", ""))
                    self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server.server_port}"

    def take(self, path: str, message: dict[str, Any]) -> None:
        """Keep a message that fits the schema of its kind."""
        self.wrong += messages.problems(message["@type"], message)
        self.taken.append((path, message))

    def kinds(self) -> list[str]:
        """Return the kinds of messages so far, in the order in which they came."""
        return [message["@type"] for _path, message in self.taken]

    def last(self, kind: str) -> dict[str, Any]:
        """Return the latest message of a kind."""
        return next(message for _, message in reversed(self.taken) if message["@type"] == kind)
