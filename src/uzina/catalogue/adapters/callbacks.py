"""Messages taken to participants of a data space, at addresses they named."""

import http.client
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from uzina.catalogue.adapters.web import Web
from uzina.catalogue.ports import PortalDown

TIMEOUT_S = 20.0

LONGEST_ANSWER = 100_000


class Callbacks(Web):
    """Takes messages where participants want them: bounded, never inside, no redirects."""

    def post(self, url: str, message: Mapping[str, Any], *, token: str) -> None:
        """Take a message to an address.

        Raises PortalRefused for an address that must not be spoken to, PortalDown for any answer
        but a yes.
        """
        connection = self._connected(url, time.monotonic() + self.timeout_s)
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request(
                "POST",
                path,
                body=json.dumps(message),
                headers={
                    "Content-Type": "application/json",
                    "Accept": "application/json",
                    "Authorization": f"Bearer {token}",
                },
            )
            response = connection.getresponse()
            response.read(LONGEST_ANSWER)
        except (OSError, http.client.HTTPException, UnicodeError, ValueError) as error:
            msg = f"{url[:200]} broke off: {type(error).__name__} {error}"[:300]
            raise PortalDown(msg) from error
        finally:
            connection.close()
        if not http.client.OK <= response.status < http.client.MULTIPLE_CHOICES:
            msg = f"{url[:200]} answered {response.status}."
            raise PortalDown(msg)


def callbacks() -> Callbacks:
    """Return what takes messages, by the operator's settings."""
    return Callbacks(
        most_bytes=LONGEST_ANSWER,
        timeout_s=TIMEOUT_S,
        may_private=settings.UZINA.dataspace.may_private,
    )
