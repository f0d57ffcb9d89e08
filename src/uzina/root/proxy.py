"""The way into notebooks: an origin of its own in front of the machines they run on.

    uzina-admin proxy

A page of a notebook may run any script, so it never comes from the portal's address. The portal
hands out a ticket that works once; here it becomes a cookie that opens one session for one person
until its job ends or the person may no more. Everything else is 403. The notebook's own token is
added here and never reaches the browser.
"""

import asyncio
import html
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, WSMsgType, web
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import close_old_connections
from django.utils import timezone

from uzina.compute import access, actions, queries
from uzina.core.errors import Refused

COOKIE = "uzina_session"
FRESH_S = 15.0
"""How long an answer about who may enter is believed: a member who was removed is out by then."""
HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers of one connection, not of the message: RFC 9110 section 7.6.1."""
NOT_ANSWERED = HOP_BY_HOP | {"content-length", "content-encoding", "set-cookie"}
"""What does not go back: a cookie of the notebook could overwrite the portal's."""
LARGEST_MESSAGE = 256 * 2**20

log = logging.getLogger(__name__)


@dataclass
class Doors:
    """Who may enter where, asked of the database and believed for FRESH_S."""

    known: dict[tuple[str, str], tuple[float, tuple[str, int, str, str]]] = field(
        default_factory=dict
    )

    async def find(self, code: str, cookie: str) -> tuple[str, int, str, str] | None:
        """Return host, port, token and base; None for whom it does not open."""
        kept = self.known.get((code, cookie))
        if kept is not None and time.monotonic() - kept[0] < FRESH_S:
            return kept[1]
        self.known.pop((code, cookie), None)
        found = await in_thread(look_up, code, cookie)
        if found is not None:
            self.known[code, cookie] = (time.monotonic(), found)
        return found


def look_up(code: str, cookie: str) -> tuple[str, int, str, str] | None:
    """Return the door of a session if the cookie opens it. Raises Refused while it starts."""
    key = queries.session_key(code, cookie)
    if key is None or not key.person.is_active or not access.may_open(key.person, key.job):
        return None
    return queries.door(key.job)


def take(ticket: str) -> tuple[str, str]:
    """Return the cookie a ticket gives and the code of its job. Raises Refused."""
    cookie, job = actions.use_ticket(ticket, now=timezone.now())
    return cookie, job.code


async def in_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """Ask the database in a thread, with connections that are closed when they are old."""

    def ask() -> Any:
        close_old_connections()
        try:
            return function(*arguments)
        finally:
            close_old_connections()

    return await sync_to_async(ask, thread_sensitive=False)()


DOORS = web.AppKey("doors", Doors)
CLIENT = web.AppKey("client", ClientSession)


async def enter(request: web.Request) -> web.Response:
    """Turn a ticket into a cookie and go to the notebook."""
    try:
        cookie, code = await in_thread(take, request.match_info["ticket"])
    except Refused as refused:
        return page(HTTPStatus.FORBIDDEN, str(refused))
    answer = web.Response(status=HTTPStatus.FOUND, headers={"Location": f"/sessions/{code}/lab"})
    answer.set_cookie(
        COOKIE,
        cookie,
        path=f"/sessions/{code}/",
        httponly=True,
        samesite="Lax",
        secure=is_secure(),
    )
    return answer


async def pass_on(request: web.Request) -> web.StreamResponse:
    """Hand a request to the notebook it is for."""
    code = request.match_info["code"]
    try:
        door = await request.app[DOORS].find(code, request.cookies.get(COOKIE, ""))
    except Refused as refused:
        return page(HTTPStatus.SERVICE_UNAVAILABLE, str(refused))
    if door is None:
        return page(HTTPStatus.FORBIDDEN, "Open the notebook from the page of its job.")
    host, port, token, base = door
    if base != f"/sessions/{code}/":
        return page(HTTPStatus.BAD_GATEWAY, "The notebook answers for another job.")
    if request.headers.get("Origin", own_origin()) != own_origin():
        return page(HTTPStatus.FORBIDDEN, "Requests come from the notebook's own pages.")
    url = f"http://{host}:{port}{request.raw_path}"
    headers = carried(request.headers, token=token, host=f"{host}:{port}")
    try:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await talk(request, url.replace("http", "ws", 1), headers)
        return await fetch(request, url, headers)
    except (ClientError, TimeoutError) as error:
        log.warning("the notebook of %s does not answer: %s", code, error)
        return page(HTTPStatus.BAD_GATEWAY, "The notebook does not answer. It may have ended.")


def carried(headers: Mapping[str, str], *, token: str, host: str) -> dict[str, str]:
    """Return the headers that reach the notebook. Cookies stay here: where portal and notebooks
    share a host name, the browser sends the portal's along, and code of the notebook would read it.
    """
    kept = {
        name: value
        for name, value in headers.items()
        if name.lower() not in HOP_BY_HOP | {"host", "origin", "authorization", "cookie"}
        and not name.lower().startswith("sec-websocket")
    }
    return kept | {"Authorization": f"token {token}", "Host": host}


async def fetch(request: web.Request, url: str, headers: dict[str, str]) -> web.StreamResponse:
    """Hand on one request and its answer, piece by piece."""
    body = request.content if request.body_exists else None
    async with request.app[CLIENT].request(
        request.method, url, headers=headers, data=body, allow_redirects=False
    ) as found:
        answer = web.StreamResponse(status=found.status)
        for name, value in found.headers.items():
            if name.lower() not in NOT_ANSWERED:
                answer.headers.add(name, value)
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Referrer-Policy"] = "same-origin"
        await answer.prepare(request)
        async for piece in found.content.iter_chunked(65_536):
            await answer.write(piece)
        await answer.write_eof()
        return answer


async def talk(request: web.Request, url: str, headers: dict[str, str]) -> web.WebSocketResponse:
    """Join two websockets until either end closes."""
    asked = [one.strip() for one in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
    protocols = [one for one in asked if one]
    async with request.app[CLIENT].ws_connect(
        url, headers=headers, protocols=protocols, max_msg_size=LARGEST_MESSAGE
    ) as far:
        near = web.WebSocketResponse(
            protocols=[far.protocol] if far.protocol else [], max_msg_size=LARGEST_MESSAGE
        )
        await near.prepare(request)
        ways = [asyncio.create_task(_carry(near, far)), asyncio.create_task(_carry(far, near))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            await near.close()
        return near


async def _carry(source: Any, target: Any) -> None:
    async for message in source:
        if message.type is WSMsgType.TEXT:
            await target.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await target.send_bytes(message.data)
        else:
            return


def page(status: HTTPStatus, text: str) -> web.Response:
    """Return a sentence as a page."""
    back = html.escape(settings.UZINA.site.url, quote=True)
    body = (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Uzina</title>"
        f'<p>{html.escape(text)}</p><p><a href="{back}/jobs/">{back}/jobs/</a></p>'
    )
    return web.Response(
        status=status,
        text=body,
        content_type="text/html",
        headers={"Content-Security-Policy": "default-src 'none'"},
    )


def own_origin() -> str:
    """Return the origin that pages of notebooks have."""
    return str(settings.UZINA.session.url)


def is_secure() -> bool:
    """Tell whether people reach notebooks by https."""
    return own_origin().startswith("https:")


async def _client(app: web.Application) -> Any:
    timeout = ClientTimeout(total=None, sock_connect=10, sock_read=3600)
    app[CLIENT] = ClientSession(timeout=timeout)
    yield
    await app[CLIENT].close()


def application() -> web.Application:
    """Return the proxy."""
    app = web.Application(client_max_size=LARGEST_MESSAGE)
    app[DOORS] = Doors()
    app.cleanup_ctx.append(_client)
    app.router.add_get("/open/{ticket:[A-Za-z0-9_-]{1,100}}", enter)
    app.router.add_route("*", "/sessions/{code:[A-Z0-9-]{1,16}}/{rest:.*}", pass_on)
    return app


def run() -> None:
    """Serve until a signal asks to stop."""
    session = settings.UZINA.session
    web.run_app(application(), host=session.host, port=session.port, print=None, access_log=None)
