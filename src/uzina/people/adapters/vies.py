"""The VAT register of the Union: VIES on the Web, its REST interface.

POST <url>/check-vat-number with countryCode and vatNumber, and with the asking VAT number for a
consultation number, is answered by `valid`, `name`, `address` and `requestIdentifier`. Another
form of the answer says `isValid` and `userError`. The trap: where a Member State is busy or away
both forms may say false, and the reason beside it: `userError` MS_MAX_CONCURRENT_REQ, MS_UNAVAILABLE,
TIMEOUT, IP_BLOCKED and others, or `actionSucceed` false with `errorWrappers`. Only a false without
such a reason is a no.
"""

import json
import time
from typing import Any

import httpx

from uzina.people.ports import NotValid, Unknown, Valid, VatAnswer

LONGEST = 100_000
"""Bytes of an answer. A real one has a few hundred."""

ANSWERED = {"", "VALID", "INVALID"}
"""What `userError` says when there was an answer."""

NOTHING = {"---", ""}
"""What stands for a name that the country does not tell."""


class Vies:
    """Asks VIES.

    timeout_s  for the whole of a question, however slowly the answer drips
    requester  our own VAT number with its letters in front; empty asks without
    """

    def __init__(self, url: str, timeout_s: float, requester: str) -> None:
        self.url, self.timeout_s, self.requester = url, timeout_s, requester

    def ask(self, number: str) -> VatAnswer:
        """Return what VIES says of a number with its letters in front."""
        try:
            status, body = self._fetch(question(number, self.requester))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            return Unknown(f"{type(error).__name__}: {error}"[:200])
        return read_answer(number, status, body)

    def _fetch(self, asked: dict[str, str]) -> tuple[int, bytes]:
        until = time.monotonic() + self.timeout_s
        body = b""
        with (
            httpx.Client(timeout=self.timeout_s) as client,
            client.stream("POST", f"{self.url}/check-vat-number", json=asked) as response,
        ):
            for chunk in response.iter_bytes():
                body += chunk
                if time.monotonic() > until:
                    msg = f"no whole answer in {self.timeout_s} s"
                    raise TimeoutError(msg)
                if len(body) > LONGEST:
                    break
        return response.status_code, body


def question(number: str, requester: str) -> dict[str, str]:
    """Return what is sent."""
    asked = {"countryCode": number[:2], "vatNumber": number[2:]}
    if requester:
        asked |= {"requesterMemberStateCode": requester[:2], "requesterNumber": requester[2:]}
    return asked


def read_answer(number: str, status: int, body: bytes) -> VatAnswer:
    """Return what an answer to a question about a number says; Unknown wherever it is no answer."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return Unknown(f"status {status}, and nothing that can be read")
    if not isinstance(said, dict):
        return Unknown(f"status {status}, and nothing that can be read")
    if reason := _no_answer(said):
        return Unknown(reason[:200])
    echoed = said.get("vatNumber", number[2:])
    if status != httpx.codes.OK or echoed != number[2:]:
        return Unknown(f"status {status}, about {str(echoed)[:40]}")
    verdict = said.get("valid", said.get("isValid"))
    is_contradicted = said.get("userError") == ("INVALID" if verdict is True else "VALID")
    if not isinstance(verdict, bool) or is_contradicted:
        return Unknown("neither yes nor no")
    if not verdict:
        return NotValid()
    return Valid(
        _words(said, "name", 200),
        _words(said, "address", 500),
        _words(said, "requestIdentifier", 40),
    )


def _no_answer(said: dict[str, Any]) -> str:
    """Return why there was no answer, as VIES says it; nothing where there was one."""
    wrappers = said.get("errorWrappers")
    if isinstance(wrappers, list) and wrappers:
        first = wrappers[0]
        return str(first.get("error", first) if isinstance(first, dict) else first)
    if said.get("actionSucceed") is False:
        return "refused without a reason"
    error = str(said.get("userError") or "")
    return "" if error in ANSWERED else error


def _words(said: dict[str, Any], name: str, longest: int) -> str:
    text = said.get(name)
    plain = " ".join(text.split()) if isinstance(text, str) else ""
    return "" if plain in NOTHING else plain.replace("\x00", "")[:longest]
