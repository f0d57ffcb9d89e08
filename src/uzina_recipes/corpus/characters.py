"""What each Unicode character is, as tables that a kernel can look up."""

from __future__ import annotations

import functools
import sys
import unicodedata

import numpy as np
import regex
from numpy.typing import NDArray

SPACE = 1
"""Separates words: str.isspace."""
WORD = 2
"""May stand inside a word: a letter, a digit, the underscore or a mark on one of them."""
LETTER = 4
"""str.isalpha."""
SYMBOL = 8
"""Punctuation and control characters: a word of these alone is no word for Gopher's counts."""
BREAK = 16
"""Ends a line for str.splitlines."""
STOP = 32
"""Ends a sentence: Unicode's property Sentence_Terminal."""
DIGIT = 64
"""A decimal digit in any script."""
CLOSING = 128
"""Unicode punctuation: may follow the end of a sentence without beginning the next."""
EDGE = 256
"""Comes off either end of a run of characters between spaces, as a word of its own."""
CURRENCY = 512
UPPER = 1024
LOWER = 2048
PICTURE = 4096
"""A symbol like © or an emoji: a word of its own wherever it stands."""
HYPHEN = 8192
"""Joins two words: - – — ~."""
JOINT = 16384
"""Stands between two words without spaces: : < > = /."""

LINE_BREAKS = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
ASCII_SYMBOLS = "$+<=>^`|~"
OTHER_SYMBOLS = "´∶～＋"
COUNTED = "•‘§¶†‡·‹›¿¡‚"
"""Punctuation that the published counts of FineWeb do not take for punctuation."""

EDGES = "–—…§¡¿،؛؟、。，；：？！!\"#&'()*,:;<>?[]_`{}"
"""Beside brackets, quotation marks and pictures."""

EVERY = sys.maxunicode + 1
DROPPED = 0
"""What the folded form of a mark is: nothing."""


@functools.cache
def classes() -> NDArray[np.uint16]:
    """The classes of every code point, [1114112], made once a process."""
    table = np.zeros(EVERY, np.uint16)
    for pattern, bits in (
        (r"\p{L}", WORD | LETTER),
        (r"\p{N}|\p{M}|_", WORD),
        (r"\p{Nd}", DIGIT),
        (r"\p{P}", CLOSING | SYMBOL),
        (r"\p{Cc}", SYMBOL),
        (r"\p{Sentence_Terminal}", STOP),
        (r"\p{So}", EDGE | PICTURE),
        (r"\p{Ps}|\p{Pe}|\p{Pi}|\p{Pf}", EDGE),
        (r"\p{Sc}", CURRENCY),
        (r"\p{Lu}", UPPER),
        (r"\p{Ll}", LOWER),
    ):
        for first, last in runs(pattern):
            table[first:last] |= bits
    for characters, bits in (
        (ASCII_SYMBOLS + OTHER_SYMBOLS, SYMBOL),
        (LINE_BREAKS, BREAK),
        (SPACES, SPACE),
        (EDGES, EDGE),
        ("-–—~", HYPHEN),
        (":<>=/", JOINT),
    ):
        for character in characters:
            table[ord(character)] |= bits
    for character in COUNTED:
        table[ord(character)] &= ~np.uint16(SYMBOL)
    return table


USED = (range(0x40000), range(0xE0000, 0xE1000))
"""Where Unicode has characters at all; beyond is what is unassigned or for private use."""


@functools.cache
def letters(points: range) -> str:
    """Code points in order, for a pattern to run over; surrogates too."""
    return "".join(map(chr, points))


SPACES = "".join(c for c in map(chr, range(0x3001)) if c.isspace())
"""str.isspace: no character beyond U+3000 is a space."""


def runs(pattern: str) -> list[tuple[int, int]]:
    """The half-open runs of code points that match a pattern."""
    return [
        (points.start + found.start(), points.start + found.end())
        for points in USED
        for found in regex.finditer(f"(?:{pattern})+", letters(points))
    ]


@functools.cache
def folded() -> NDArray[np.uint32]:
    """Each code point in lower case without its accents; DROPPED for a mark, [1114112].

    Only where that is one character: what decomposes into several letters stays as it is.
    """
    table = np.arange(EVERY, dtype=np.uint32)
    for first, last in runs(r"\p{L}"):
        # Ideographs and Hangul have neither case nor accents, and are most of all letters.
        if first >= 0x3400 and last - first > 1000:
            continue
        for point in range(first, last):
            base = [
                c
                for c in unicodedata.normalize("NFD", chr(point).lower())
                if unicodedata.category(c) != "Mn"
            ]
            if len(base) == 1:
                table[point] = ord(base[0])
    for first, last in runs(r"\p{Mn}"):
        table[first:last] = DROPPED
    return table
