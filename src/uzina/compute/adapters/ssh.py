"""Commands on another host, by SSH: one kept connection an identity, at most eight at a time.

The server is synchronous, so the connections live on the event loop of one background thread,
made at the first command. What decides everything is where a connection broke: before the command
was asked for, nothing was begun (SchedulerDown); after, nobody knows (code None).
"""

import asyncio
import os
import shlex
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import asyncssh

from uzina.compute.adapters.commands import NOT_FOUND, Ran, as_bytes, as_text
from uzina.compute.ports import SchedulerDown

MOST_AT_ONCE = 8
"""Below the 10 sessions OpenSSH's server gives one connection (MaxSessions)."""
CONNECT_S = 15.0
KEEPALIVE_S = 15.0
PATIENCE_S = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
GRACE_S = 10.0
"""The other side ends a command at its limit; so much later we stop waiting for its answer."""


@dataclass(frozen=True)
class Identity:
    """Whom we are on which host. Host keys that known_hosts does not list are refused."""

    host: str
    port: int
    user: str
    key: str
    known_hosts: str


@dataclass(frozen=True)
class SshCommands:
    """Runs commands on a host by SSH, in an environment of our own making but for PATH."""

    identity: Identity
    environment: Mapping[str, str]
    timeout_s: float = 30.0

    def __call__(
        self, argv: Sequence[str], stdin: str | bytes = "", *, timeout_s: float | None = None
    ) -> Ran:
        """Run argv there; the host itself kills it when it takes longer than timeout_s."""
        limit_s = timeout_s or self.timeout_s
        settings = [f"{name}={value}" for name, value in self.environment.items() if name != "PATH"]
        words = ["timeout", "--signal=KILL", str(limit_s), *argv]
        line = f'exec env -i PATH="$PATH" {shlex.join(settings)} {shlex.join(words)}'
        connection = kept(self.identity, os.getpid())
        return connection.run(argv[0], line, as_bytes(stdin), limit_s=limit_s)


@lru_cache(maxsize=64)
def kept(identity: Identity, process_id: int) -> "Connection":  # noqa: ARG001 - a fork starts anew
    """Return the connection of an identity, one in a process."""
    return Connection(identity)


class Connection:
    """A connection that is made when it is needed, and made again when it broke."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self._loop = loop(os.getpid())
        self._opened: asyncssh.SSHClientConnection | None = None
        self._opening = asyncio.Lock()
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)

    def run(self, name: str, line: str, stdin: bytes, *, limit_s: float) -> Ran:
        """Run a command line of the remote shell. Raises SchedulerDown where none was begun."""
        work = self._run(name, line, stdin, limit_s)
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        """Let go of the connection; the next command makes another."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()

    async def _run(self, name: str, line: str, stdin: bytes, limit_s: float) -> Ran:
        async with self._slots:
            try:
                process = await self._begin(line)
            except _BrokeInTheMiddle as error:
                return Ran(None, "", f"The connection broke when {name} was asked for: {error}")
            try:
                async with asyncio.timeout(limit_s + GRACE_S):
                    stdout, stderr = await process.communicate(stdin)
            except TimeoutError:
                process.close()
                return Ran(None, "", f"{name} did not answer in {limit_s:.0f} s")
            except (OSError, asyncssh.Error) as error:
                return Ran(None, "", f"The connection broke while {name} ran: {error}")
        code = process.exit_status
        # A signal's name, or nothing at all: killed at its limit, or the connection broke.
        if code is None or code < 0:
            cause = "was killed" if process.exit_signal else "ran when the connection broke"
            return Ran(None, as_text(_bytes(stdout)), f"{name} {cause}")
        told = as_text(_bytes(stderr))
        if code == NOT_FOUND and told.startswith("timeout: "):
            told = f"No such file or directory: '{name}' ({told.strip()})"
        return Ran(code, as_text(_bytes(stdout)), told)

    async def _begin(self, line: str) -> "asyncssh.SSHClientProcess[bytes]":
        """Ask for the command, again and again while it is certain that it was not begun.

        A kept connection may be found dead; and the server counts a session for a moment after
        we saw its end, so that eight may be one too many for it.
        """
        for patience_s in (*PATIENCE_S, None):
            opened = await self._connection()
            try:
                async with asyncio.timeout(CONNECT_S):
                    return await opened.create_process(line, encoding=None)
            except asyncssh.ChannelOpenError as error:
                if error.code == asyncssh.OPEN_REQUEST_SESSION_FAILED and opened.is_closed():
                    raise _BrokeInTheMiddle(str(error)) from error
                if patience_s is None:
                    raise SchedulerDown(f"{self.identity.host}: {error}") from error
                await asyncio.sleep(patience_s)
            except (TimeoutError, OSError, asyncssh.Error) as error:
                opened.abort()
                raise _BrokeInTheMiddle(str(error)) from error
        raise AssertionError

    async def _connection(self) -> asyncssh.SSHClientConnection:
        who = self.identity
        async with self._opening:
            if self._opened is None or self._opened.is_closed():
                try:
                    self._opened = await asyncssh.connect(
                        who.host,
                        who.port,
                        username=who.user,
                        client_keys=[who.key],
                        known_hosts=who.known_hosts,
                        config=None,
                        agent_path=None,
                        preferred_auth="publickey",
                        connect_timeout=CONNECT_S,
                        login_timeout=CONNECT_S,
                        keepalive_interval=KEEPALIVE_S,
                    )
                except (OSError, asyncssh.Error, ValueError) as error:
                    msg = f"{who.user}@{who.host}:{who.port}: {error or type(error).__name__}"
                    raise SchedulerDown(msg) from error
            return self._opened

    async def _close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            await self._opened.wait_closed()


class _BrokeInTheMiddle(Exception):
    """The command was asked for, and whether it was begun is not known."""


def _bytes(output: bytes | str | None) -> bytes:
    return output.encode() if isinstance(output, str) else output or b""


@lru_cache(maxsize=64)
def loop(process_id: int) -> asyncio.AbstractEventLoop:
    """Return the event loop of this process's background thread."""
    made = asyncio.new_event_loop()
    threading.Thread(target=made.run_forever, name=f"ssh-{process_id}", daemon=True).start()
    return made
