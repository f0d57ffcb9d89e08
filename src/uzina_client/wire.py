"""HTTP/1.1 for httpx by the standard library, where large bodies cost little.

What httpx brings copies a body several times over on its way: beside SHA-256 that was most of
what a transfer cost. Connections are kept and used again, from any thread.
"""

import http.client
import select
import ssl
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import httpx

PIECE = 1 << 18
Connection = http.client.HTTPConnection


class Wire(httpx.BaseTransport):
    """Takes a request there and brings the reply back, with its body still to be read."""

    def __init__(self) -> None:
        self.idle: dict[tuple[str, str, int | None], list[Connection]] = defaultdict(list)
        self.lock = threading.Lock()
        self.trusted: ssl.SSLContext | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return its reply. Raises httpx.TransportError."""
        origin = (request.url.scheme, request.url.host, request.url.port)
        times = request.extensions.get("timeout", {})
        connection = self._connection(origin, times.get("connect"))
        try:
            if connection.sock is None:
                _connect(connection)
            connection.sock.settimeout(times.get("read"))
            _send(connection, request)
            with _told():
                reply = connection.getresponse()
        except BaseException:
            connection.close()
            raise
        return httpx.Response(
            reply.status,
            headers=reply.getheaders(),
            stream=_Body(self, origin, connection, reply),
            extensions={"reason_phrase": reply.reason.encode("latin-1", "replace")},
        )

    def close(self) -> None:
        """Close the connections that nobody uses."""
        with self.lock:
            for kept in self.idle.values():
                while kept:
                    kept.pop().close()

    def give_back(self, origin: tuple[str, str, int | None], connection: Connection) -> None:
        """Keep a connection whose reply was read to its end."""
        with self.lock:
            self.idle[origin].append(connection)

    def _connection(
        self, origin: tuple[str, str, int | None], timeout_s: float | None
    ) -> Connection:
        while True:
            with self.lock:
                if not self.idle[origin]:
                    break
                kept = self.idle[origin].pop()
            # What is readable before anything was asked is the end of it.
            if not select.select([kept.sock], [], [], 0)[0]:
                return kept
            kept.close()
        scheme, host, port = origin
        if scheme == "http":
            return Connection(host, port or 80, timeout=timeout_s)
        with self.lock:
            self.trusted = self.trusted or httpx.create_ssl_context()
        return http.client.HTTPSConnection(
            host, port or 443, timeout=timeout_s, context=self.trusted
        )


class _Body(httpx.SyncByteStream):
    """The body of a reply, piece by piece; read to its end, the connection is used again."""

    def __init__(
        self,
        wire: Wire,
        origin: tuple[str, str, int | None],
        connection: Connection,
        reply: http.client.HTTPResponse,
    ) -> None:
        self.wire, self.origin, self.connection, self.reply = wire, origin, connection, reply

    def __iter__(self) -> Iterator[bytes]:
        while piece := self._read():
            yield piece
        if self.reply.length:
            raise httpx.RemoteProtocolError("the connection ended in the middle of a reply")

    def _read(self) -> bytes:
        with _told():
            return self.reply.read(PIECE)

    def close(self) -> None:
        # The reply lets go of the connection when it has been read to its end, or has no body.
        is_whole = self.reply.isclosed() and not self.reply.length
        if is_whole and not self.reply.will_close and self.connection.sock is not None:
            self.wire.give_back(self.origin, self.connection)
        else:
            self.reply.close()
            self.connection.close()


def _connect(connection: Connection) -> None:
    try:
        connection.connect()
    except TimeoutError as late:
        raise httpx.ConnectTimeout(str(late)) from late
    except OSError as broken:
        raise httpx.ConnectError(str(broken)) from broken


def _send(connection: Connection, request: httpx.Request) -> None:
    """Send a request. What reading its body raises is raised as it is."""
    target = request.url.raw_path.decode("ascii")
    connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
    for name, value in request.headers.raw:
        connection.putheader(name, value)
    is_chunked = "Transfer-Encoding" in request.headers
    with _told():
        connection.endheaders()
    for piece in cast("httpx.SyncByteStream", request.stream):
        if piece and not _sent(
            connection, b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece
        ):
            return
    if is_chunked:
        _sent(connection, b"0\r\n\r\n")


def _sent(connection: Connection, piece: bytes) -> bool:
    """Send a piece; False when the other side takes no more: its reply may say why."""
    with _told():
        try:
            connection.send(piece)
        except (BrokenPipeError, ConnectionResetError):
            return False
    return True


@contextmanager
def _told() -> Iterator[None]:
    """Tell what goes wrong with a connection by httpx's names."""
    try:
        yield
    except TimeoutError as late:
        raise httpx.ReadTimeout(str(late) or "timed out") from late
    except http.client.HTTPException as broken:
        raise httpx.RemoteProtocolError(str(broken) or type(broken).__name__) from broken
    except OSError as broken:
        raise httpx.ReadError(str(broken)) from broken
