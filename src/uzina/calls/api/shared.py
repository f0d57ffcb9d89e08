"""Shapes that several files need."""

from typing import Annotated

from django.utils.translation import get_language
from pydantic import Field

from uzina.calls.rules import modes

Code = Annotated[str, Field(max_length=16)]

Slug = Annotated[str, Field(max_length=60)]

Hours = Annotated[int, Field(ge=1, le=2_000_000_000)]

Cursor = Annotated[str, Field(max_length=40)]

Country = Annotated[str, Field(pattern="^[A-Z]{2}$")]


def language() -> str:
    """Return the language of the reader, two letters."""
    return (get_language() or "en")[:2]


def words(text: modes.Text) -> str:
    """Return a text in the language of the reader."""
    return modes.in_language(text, language())
