"""Texts that people write, and how they are searched."""

import unicodedata

from uzina.core.errors import Problem
from uzina.core.text import _


def text_problems(field: str, text: str, *, longest: int, is_needed: bool) -> list[Problem]:
    """Return what is wrong with a text a person wrote: empty, too long, or unprintable."""
    if is_needed and not text.strip():
        return [Problem(field, "text.empty", _("Write something here."))]
    if len(text) > longest:
        return [
            Problem(
                field,
                "text.too_long",
                _("Use at most {most} characters; this has {count}."),
                {"most": longest, "count": len(text)},
            )
        ]
    if "\0" in text:
        return [Problem(field, "text.nul", _("Remove the NUL character."))]
    if any(unicodedata.category(one) == "Cs" for one in text):
        return [Problem(field, "text.broken", _("Remove the characters that cannot be shown."))]
    return []


def folded(text: str) -> str:
    """Return text as it is searched: small letters without diacritics, so Ştiri finds știri."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(one for one in plain if not unicodedata.combining(one)).split())
