"""Fetching from addresses that strangers chose: bounded in bytes and time, never from inside."""

import http.client
import ipaddress
import socket
import ssl
import time
import zlib
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from uzina.catalogue.ports import PortalDown, PortalRefused

MOST_REDIRECTS = 5
PIECE = 1 << 16
AGENT = "uzina-harvester/1"
NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True)
class Answer:
    """A body, what it says it is, and the address it came from in the end."""

    body: bytes
    media_type: str
    url: str


@dataclass(frozen=True)
class Web:
    """The web as a harvester may see it.

    most_bytes    of one body, unpacked
    timeout_s     for the whole of one answer, redirects included
    may_private   whether addresses of this machine and of private networks are allowed
    """

    most_bytes: int
    timeout_s: float
    may_private: bool

    def get(self, url: str, *, accept: str) -> Answer:
        """Return what is at an address.

        Raises PortalRefused for what must not or cannot be read, PortalDown for what may pass.
        """
        until = time.monotonic() + self.timeout_s
        for _hop in range(MOST_REDIRECTS + 1):
            answer = self._once(url, accept, until)
            if isinstance(answer, Answer):
                return answer
            url = answer
        msg = f"More than {MOST_REDIRECTS} redirects, the last to {url[:200]}."
        raise PortalRefused(msg)

    def _once(self, url: str, accept: str, until: float) -> Answer | str:
        """Return the answer, or the address it points on to."""
        connection = self._connected(url, until)
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request(
                "GET",
                path,
                headers={"Accept": accept, "Accept-Encoding": "gzip", "User-Agent": AGENT},
            )
            response = connection.getresponse()
            where = response.headers.get("Location", "")
            if response.status in {301, 302, 303, 307, 308} and where:
                return urljoin(url, where)
            if response.status != http.client.OK:
                msg = f"{url[:200]} answered {response.status}."
                raise PortalDown(msg)
            body = self._body(response, until)
        except (OSError, http.client.HTTPException, UnicodeError, ValueError) as error:
            msg = f"{url[:200]} broke off: {type(error).__name__} {error}"[:300]
            raise PortalDown(msg) from error
        finally:
            connection.close()
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return Answer(body, media_type, url)

    def _connected(self, url: str, until: float) -> http.client.HTTPConnection:
        """Return a connection to an address that was looked at: a name may not change in between."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            msg = f"{url[:200]!r} is not a web address."
            raise PortalRefused(msg) from error
        if parts.scheme not in {"http", "https"} or not host or parts.username:
            msg = f"{url[:200]!r} is not a web address that may be read."
            raise PortalRefused(msg)
        secure = parts.scheme == "https"
        port = port or (443 if secure else 80)
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            msg = f"There is no machine {host[:200]}: {error}."
            raise PortalDown(msg) from error
        addresses = [str(one[4][0]) for one in found]
        if not self.may_private and not all(is_public(one) for one in addresses):
            msg = f"{host[:200]} is on a private network or on this machine: not read."
            raise PortalRefused(msg)
        left = max(0.1, until - time.monotonic())
        try:
            raw = socket.create_connection((addresses[0], port), timeout=min(30.0, left))
            if secure:
                raw = ssl.create_default_context().wrap_socket(raw, server_hostname=host)
        except OSError as error:
            msg = f"{host[:200]} cannot be reached: {error}."
            raise PortalDown(msg) from error
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(host, port)
        connection.sock = raw
        return connection

    def _body(self, response: http.client.HTTPResponse, until: float) -> bytes:
        coding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if coding not in {"gzip", "x-gzip", "identity", ""}:
            msg = f"The answer is packed as {coding[:40]!r}, which was not asked for."
            raise PortalRefused(msg)
        unpack = zlib.decompressobj(wbits=31) if "gzip" in coding else None
        body = bytearray()
        while True:
            if time.monotonic() > until:
                msg = f"The answer was not whole after {self.timeout_s:g} s."
                raise PortalDown(msg)
            piece = response.read1(PIECE)
            if not piece:
                break
            room = self.most_bytes - len(body) + 1
            try:
                body += unpack.decompress(piece, room) if unpack else piece
            except zlib.error as error:
                msg = "The answer says it is packed with gzip and is not."
                raise PortalRefused(msg) from error
            if len(body) > self.most_bytes:
                msg = f"The answer is longer than {self.most_bytes // 10**6} MB."
                raise PortalRefused(msg)
        if unpack and not unpack.eof:
            msg = "The packed answer ended early."
            raise PortalDown(msg)
        return bytes(body)


def is_public(address: str) -> bool:
    """Tell whether an address is one of the public internet, whatever it is wrapped in."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo and found.teredo[1])
        if found in NAT64:
            inner = ipaddress.ip_address(int(found) & 0xFFFFFFFF)  # type: ignore[assignment]
        if inner:
            return is_public(str(inner))
    return found.is_global and not found.is_multicast
