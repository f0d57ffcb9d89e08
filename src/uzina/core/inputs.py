"""Types for what clients send: bounded, so that nothing a client sends can upset a database."""

from typing import Annotated

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from pydantic import AfterValidator, Field

LARGEST_INTEGER = 2**63 - 1
"""What a column of 64 bits holds."""


def _one_line(text: str) -> str:
    if not text.isprintable():
        msg = "Write it on one line, without control characters."
        raise ValueError(msg)
    return text.strip()


def _paragraphs(text: str) -> str:
    if any(not (letter.isprintable() or letter in "\n\r\t") for letter in text):
        msg = "Leave out control characters."
        raise ValueError(msg)
    return text


def _email(text: str) -> str:
    try:
        validate_email(text)
    except ValidationError as bad:
        msg = "Write an e-mail address such as ana@example.org."
        raise ValueError(msg) from bad
    return text


ShortLine = Annotated[str, Field(max_length=100), AfterValidator(_one_line)]
Line = Annotated[str, Field(max_length=200), AfterValidator(_one_line)]
Paragraphs = Annotated[str, Field(max_length=20_000), AfterValidator(_paragraphs)]
Email = Annotated[str, Field(max_length=254), AfterValidator(_one_line), AfterValidator(_email)]
Secret = Annotated[str, Field(max_length=1000)]
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
Amount = Annotated[int, Field(ge=0, le=LARGEST_INTEGER)]
