"""What we ask of the outside world."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Valid:
    """The register has the number.

    name, address  as registered; empty where the country does not tell
    consultation   the number that proves the question, given to those who say who asks
    """

    name: str
    address: str
    consultation: str


@dataclass(frozen=True)
class NotValid:
    """The register answered, and does not have the number."""


@dataclass(frozen=True)
class Unknown:
    """There was no answer: busy, away, or nothing that can be read. Never a no."""

    reason: str


VatAnswer = Valid | NotValid | Unknown


class VatRegister(Protocol):
    """The register of VAT numbers of the Union."""

    def ask(self, number: str) -> VatAnswer:
        """Return what the register says of a number with its letters in front. Never raises."""
