"""Requests that survive a lost connection, a busy portal and a restart of it.

Every POST carries an Idempotency-Key, the same in each try, so the portal does the work once and
repeats its reply. That is what makes it right to ask again when no reply came back.
"""

import json
import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import httpx

from uzina_client.problems import Problem, Unreachable, read_problem
from uzina_client.wire import Wire

Json = Any
"""A decoded JSON document. What is in it is in the portal's OpenAPI document."""

TRIES = 6
"""Six tries with the waits below take about 16 seconds: a portal that restarts is back by then."""
FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 30.0
TIMEOUT_S = 60.0
BUSY = frozenset({429, 500, 502, 503, 504})
USER_AGENT = "uzina-client/0.1"


def wait_s(attempt: int, retry_after: str, chance: float) -> float:
    """Return how long to wait before the next try, seconds.

    attempt      0 after the first try
    retry_after  the reply's header, "" without one; only seconds are understood
    chance       0 to 1; spreads the tries of many clients
    """
    if retry_after.isdigit():
        return min(float(retry_after), LONGEST_WAIT_S)
    return min(FIRST_WAIT_S * 2**attempt * (1 + chance), LONGEST_WAIT_S)


class Transport:
    """One portal, one token, one pool of connections."""

    def __init__(
        self,
        url: str,
        token: str = "",
        *,
        language: str = "en",
        tries: int = TRIES,
        timeout_s: float = TIMEOUT_S,
        sleep: Callable[[float], None] | None = None,
        wire: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {"User-Agent": USER_AGENT, "Accept-Language": language}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self.url = url.rstrip("/")
        self.tries = tries
        self.sleep = sleep or time.sleep
        self.http = httpx.Client(
            base_url=f"{self.url}/api/v1",
            headers=headers,
            timeout=timeout_s,
            transport=wire or Wire(),
            follow_redirects=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def get(self, path: str, /, **params: object) -> Json:
        """Return a document. Parameters that are None or "" are left out."""
        return self.send("GET", path, params=_given(params)).json()

    def post(self, path: str, body: object = None, *, key: str = "") -> Json:
        """Do something once, however often it must be asked. Returns the reply's document or None.

        key  the Idempotency-Key; "" makes a new one
        """
        return _document(
            self.send(
                "POST",
                path,
                json_body={} if body is None else body,
                headers={"Idempotency-Key": key or uuid.uuid4().hex},
            )
        )

    def post_secret(self, path: str, body: object) -> Json:
        """Post something whose reply must not be kept by the portal: no Idempotency-Key."""
        return _document(self.send("POST", path, json_body=body))

    def put(self, path: str, body: object) -> Json:
        """Replace a document."""
        return _document(self.send("PUT", path, json_body=body))

    def pages(self, path: str, /, **params: object) -> Iterator[Json]:
        """Yield every item of a list, asking for pages as they are needed."""
        cursor = ""
        while True:
            page = self.get(path, **params, cursor=cursor)
            if isinstance(page, list):
                yield from page
                return
            yield from page["items"]
            cursor = page["next"] or ""
            if not cursor:
                return

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json_body: object = None,
        headers: Mapping[str, str] | None = None,
        body: Callable[[], Iterator[bytes]] | None = None,
    ) -> httpx.Response:
        """Send a request until it is answered, and return a reply that is a success.

        body  called for each try, so a file is read from its start every time

        Raises Problem for a refusal, Unreachable when no try was answered.
        """
        sent = dict(headers or {})
        content: bytes | None = None
        if json_body is not None:
            content = json.dumps(json_body, ensure_ascii=False, default=str).encode()
            sent["Content-Type"] = "application/json"
        for attempt in range(self.tries):
            is_last = attempt == self.tries - 1
            try:
                reply = self.http.request(
                    method, path, params=params, headers=sent, content=body() if body else content
                )
            except httpx.TransportError as lost:
                if is_last:
                    raise Unreachable(self.url, _cause(lost)) from lost
                self.sleep(wait_s(attempt, "", random.random()))  # noqa: S311 - not a secret
                continue
            if reply.is_success:
                return reply
            if reply.status_code not in BUSY or is_last:
                raise _problem(reply)
            self.sleep(wait_s(attempt, reply.headers.get("Retry-After", ""), random.random()))  # noqa: S311
        msg = "unreachable: the last try returns or raises"
        raise RuntimeError(msg)

    @contextmanager
    def stream(self, path: str, *, first: int = 0) -> Iterator[httpx.Response]:
        """Open a reply whose body is read piece by piece. One try: the caller starts again.

        first  the first byte wanted. Where the portal leads to its store, the token stays here.

        Raises Problem for a refusal, Unreachable when the connection is lost.
        """
        try:
            headers = {"Accept-Encoding": "identity"}
            if first:
                headers["Range"] = f"bytes={first}-"
            with self.http.stream("GET", path, headers=headers, follow_redirects=True) as reply:
                if not reply.is_success:
                    reply.read()
                    raise _problem(reply)
                yield reply
        except httpx.TransportError as lost:
            raise Unreachable(self.url, _cause(lost)) from lost


def _given(params: Mapping[str, object]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value not in (None, "")}


def _document(reply: httpx.Response) -> Json:
    return reply.json() if reply.content else None


def _cause(lost: httpx.TransportError) -> str:
    return str(lost) or type(lost).__name__


def _problem(reply: httpx.Response) -> Problem:
    try:
        body = reply.json()
    except ValueError:
        body = None
    return read_problem(reply.status_code, body, request_id=reply.headers.get("X-Request-Id", ""))
