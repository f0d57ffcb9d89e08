"""A real SMTP server of a test's own: takes mail on a free port of this machine and keeps it."""

import asyncio
import email
import email.policy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage

from aiosmtpd.smtp import SMTP, Envelope, Session
from django.test import override_settings


class Sink:
    """What it took, in order, and what it answers about whom.

    answers  what to say to a recipient, by address; whom it does not name is taken
    """

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.answers: dict[str, str] = {}

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        """Take the recipient, or say what the test wants said."""
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Keep the mail as its reader's program reads it."""
        content = envelope.original_content or b""
        self.taken.append(email.message_from_bytes(content, policy=email.policy.default))
        return "250 OK"


@contextmanager
def smtp_sink() -> Iterator[Sink]:
    """Run a server while the block runs; Django sends its mail to it."""
    sink, loop = Sink(), asyncio.new_event_loop()
    server = loop.run_until_complete(
        loop.create_server(lambda: SMTP(sink, hostname="sink", loop=loop), "127.0.0.1", 0)
    )
    port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        with sent_to(port):
            yield sink
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def sent_to(port: int) -> override_settings:
    """Have Django send its mail to a port of this machine."""
    return override_settings(
        EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend",
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=port,
        EMAIL_TIMEOUT=30,
    )


async def _end(server: asyncio.Server) -> None:
    """Take nobody in any more and end the conversations that still run."""
    server.close()
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
