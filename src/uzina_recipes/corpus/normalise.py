"""One way of writing the same characters: composed, without control characters, evenly spaced."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

CONTROL = (
    "\x00-\x08\x0e-\x1f\x7f\x80-\x84\x86-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064"
    "\ufeff\ud800-\udfff\ufff9-\ufffb"
)
"""Controls but for tabs and line ends, soft hyphens, marks of direction and of width, surrogates.

The joiners U+200C and U+200D stay: Persian and the scripts of India are written with them.
"""
LINE_END = "\r\x0b\x0c\x85\u2028\u2029"
SPACE = "\t\xa0\u1680\u2000-\u200a\u202f\u205f\u3000"

ODD = re.compile(f"[{CONTROL}{LINE_END}{SPACE}]")
"""Most texts hold none of these, which one look tells."""
CONTROLS = re.compile(f"[{CONTROL}]")
LINE_ENDS = re.compile(f"\r\n?|[{LINE_END}]")
SPACES = re.compile(f"[{SPACE}]")
MANY_SPACES = re.compile("  +")
EMPTY_LINES = re.compile("\n{3,}")

COMMAS = str.maketrans("ŞşŢţ", "ȘșȚț")
"""Romanian has a comma below; a cedilla is how old fonts wrote it. Turkish keeps its cedilla."""


def normalise(text: str, language: str = "") -> str:
    """A text in composed form (NFC) without control characters.

    Spaces come one at a time and none at the ends of a line; at most one empty line in a row.
    language  ISO code; where it is Romanian, cedillas become commas
    """
    if ODD.search(text):
        text = SPACES.sub(" ", CONTROLS.sub("", LINE_ENDS.sub("\n", text)))
    if not text.isascii() and not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    if "  " in text:
        text = MANY_SPACES.sub(" ", text)
    text = text.replace(" \n", "\n").replace("\n ", "\n")
    if "\n\n\n" in text:
        text = EMPTY_LINES.sub("\n\n", text)
    text = text.strip("\n ")
    return text.translate(COMMAS) if language == "ro" else text


def normalise_all(texts: Sequence[str], languages: Sequence[str] | None = None) -> list[str]:
    """Each text normalised, by its language where one is given."""
    if languages is None:
        return [normalise(text) for text in texts]
    return [normalise(*pair) for pair in zip(texts, languages, strict=True)]
