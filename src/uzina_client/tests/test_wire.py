"""Requests by the standard library's HTTP: kept connections, large bodies, what goes wrong."""

import socket
import threading
from collections.abc import Iterator

import httpx
import pytest

from uzina_client.tests.conftest import Reply, ScriptedPortal
from uzina_client.wire import Wire


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(transport=Wire(), timeout=30) as client:
        yield client


def connections(http: httpx.Client) -> int:
    return sum(len(kept) for kept in http._transport.idle.values())  # type: ignore[attr-defined]


def answers_once(reply: bytes, *, reads: int) -> str:
    """Serve one connection: read so many bytes, answer, hang up. Return the address."""
    door = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with door, door.accept()[0] as client:
            left = reads
            while left > 0 and (piece := client.recv(min(left, 65_536))):
                left -= len(piece)
            client.sendall(reply)
            client.shutdown(socket.SHUT_WR)

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{door.getsockname()[1]}/x"


def test_a_connection_is_used_again_once_its_reply_was_read(
    http: httpx.Client, portal: ScriptedPortal
) -> None:
    portal.will(Reply(body={"a": 1}), Reply(204), Reply(body=b"x" * 1_000_000))
    assert http.get(portal.url).json() == {"a": 1}
    assert connections(http) == 1
    assert http.delete(portal.url).status_code == 204
    assert connections(http) == 1
    assert len(http.get(portal.url).content) == 1_000_000
    assert connections(http) == 1


def test_a_reply_that_was_not_read_to_its_end_gives_no_connection_back(
    http: httpx.Client, portal: ScriptedPortal
) -> None:
    portal.will(Reply(body=b"x" * 2_000_000))
    with http.stream("GET", portal.url) as reply:
        next(reply.iter_bytes())
    assert connections(http) == 0


def test_a_body_of_unknown_length_is_sent_in_chunks(
    http: httpx.Client, portal: ScriptedPortal
) -> None:
    portal.will(Reply(body={}))
    http.put(portal.url, content=iter([b"ab", b"", b"cde"]))
    assert portal.asked[0].body == b"abcde"


def test_what_reading_the_body_raises_is_no_lost_connection(
    http: httpx.Client, portal: ScriptedPortal
) -> None:
    def breaks() -> Iterator[bytes]:
        yield b"a"
        raise FileNotFoundError("the file has gone")

    with pytest.raises(FileNotFoundError):
        http.put(portal.url, content=breaks(), headers={"Content-Length": "2"})
    assert connections(http) == 0


def test_a_reply_that_ends_early_is_a_lost_connection(http: httpx.Client) -> None:
    address = answers_once(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", reads=1)
    came = b""
    with pytest.raises(httpx.TransportError), http.stream("GET", address) as reply:
        for piece in reply.iter_bytes():
            came += piece
    assert came == b"abc"


def test_what_is_no_http_and_what_does_not_answer_are_lost_connections(http: httpx.Client) -> None:
    with pytest.raises(httpx.TransportError):
        http.get(answers_once(b"SSH-2.0-x\r\n", reads=1))
    with pytest.raises(httpx.TransportError):
        http.get(answers_once(b"", reads=1))
    with pytest.raises(httpx.ConnectError):
        http.get("http://127.0.0.1:9/")
