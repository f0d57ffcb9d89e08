"""Personal data in texts: found, counted and replaced by the name of its kind, <email>.

E-mail addresses, bank accounts (IBAN with its check digits), Romanian personal numbers (CNP with
its date, county and check digit), telephone numbers (international, and Romanian ones as they are
dialled at home), and public addresses of machines (MAC, IPv4, IPv6). National telephone numbers of
other countries are not told from other figures, and stay.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numba import njit
from stdnum import iban as account
from stdnum import isbn
from stdnum.ro import cnp as personal_number

from uzina_recipes.corpus.batch import Batch

EMAIL = re.compile(
    r"(?<![\w.+%-])[^\W_](?:[\w.+%-]{0,62}[\w+%-])?@"
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,24}(?![\w@-])"
)
IBAN = re.compile(r"(?<![0-9A-Za-z])[A-Z]{2}[0-9]{2}(?: ?[0-9A-Z]){11,30}(?![0-9A-Za-z])")
CNP = re.compile(r"(?<![\w.,-])[1-9][0-9]{12}(?![\w-]|[.,][0-9])")
MAC = re.compile(r"(?<![\w:.-])[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![\w:-])")
IPV6 = re.compile(r"(?<![\w:.])[23][0-9A-Fa-f]{3}:[0-9A-Fa-f:]{2,34}(?![\w:])")
IPV4 = re.compile(r"(?<![\w./-])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![\w-]|\.[0-9])")
TELEPHONE = re.compile(
    r"(?<![\w.,+/-])(?:\+[1-9]|00[1-9])(?:[ ./-]?(?:[0-9]|\([0-9]{1,4}\))){4,14}(?![\w-]|[.,/][0-9])"
    r"|(?<![\w.,+/-])(?:0[237][0-9]{1,2}|\(0[237][0-9]{1,2}\))(?:[ .-]?[0-9]{2,7}){1,4}"
    r"(?![\w-]|[.,/][0-9])"
)
VERSION = re.compile(r"(?:version|versiunea|release|ver|v)[.:]? {0,2}$", re.IGNORECASE)
BOOK = re.compile(r"ISBN(?:-1[03])?[: ]*$", re.IGNORECASE)
BEFORE = 16
"""Characters before a find that can say what it is."""


def account_size(text: str, begin: int, end: int) -> int:
    """How many characters from here are an account number; words in capitals may follow it."""
    for stop in range(end, begin + 14, -1):
        ends = text[stop - 1] != " " and not text[stop : stop + 1].isalnum()
        if ends and account.is_valid(text[begin:stop]):
            return stop - begin
    return 0


def cnp_size(text: str, begin: int, end: int) -> int:
    """Whether 13 digits are a personal number and not a book's."""
    found = text[begin:end]
    return len(found) if personal_number.is_valid(found) and not isbn.is_valid(found) else 0


def mac_size(text: str, begin: int, end: int) -> int:
    """Whether six bytes are the address of one machine: not of none, nor of all."""
    digits = set(text[begin:end].lower()) - set(":-")
    return 0 if digits in ({"0"}, {"f"}) else end - begin


def ipv4_size(text: str, begin: int, end: int) -> int:
    """Whether four numbers are a public address and not a version."""
    try:
        address = ipaddress.IPv4Address(text[begin:end])
    except ValueError:
        return 0
    named = VERSION.search(text, max(begin - BEFORE, 0), begin)
    return end - begin if address.is_global and not address.is_multicast and not named else 0


def ipv6_size(text: str, begin: int, end: int) -> int:
    """Whether groups of hexadecimal digits are a public address."""
    found = text[begin:end]
    if found.endswith(":") and not found.endswith("::"):
        found = found[:-1]
    try:
        return len(found) if ipaddress.IPv6Address(found).is_global else 0
    except ValueError:
        return 0


def telephone_size(text: str, begin: int, end: int) -> int:
    """Whether figures are a telephone number: as many as E.164 allows, at home exactly ten."""
    found = text[begin:end]
    digits = sum(map(str.isdigit, found)) - 2 * found.startswith("00")
    right = 8 <= digits <= 15 if found.startswith(("+", "00")) else digits == 10
    named = BOOK.search(text, max(begin - BEFORE, 0), begin)
    return end - begin if right and not named else 0


Size = Callable[[str, int, int], int]
MAYBE_EMAIL, MAYBE_IBAN, MAYBE_CNP, MAYBE_GROUPS, MAYBE_IPV4, MAYBE_TELEPHONE = (
    1 << n for n in range(6)
)
KINDS: tuple[tuple[str, int, re.Pattern[str], Size | None], ...] = (
    ("email", MAYBE_EMAIL, EMAIL, None),
    ("iban", MAYBE_IBAN, IBAN, account_size),
    ("cnp", MAYBE_CNP, CNP, cnp_size),
    ("mac", MAYBE_GROUPS, MAC, mac_size),
    ("ipv6", MAYBE_GROUPS, IPV6, ipv6_size),
    ("ipv4", MAYBE_IPV4, IPV4, ipv4_size),
    ("telephone", MAYBE_TELEPHONE, TELEPHONE, telephone_size),
)
"""In the order in which they are looked for: an account holds figures that may look like another."""


def scrub(text: str) -> tuple[str, Counter[str]]:
    """A text with its personal data replaced, and how much of each kind there was."""
    texts, counts = scrub_all([text])
    return texts[0], counts[0]


def scrub_all(texts: Sequence[str]) -> tuple[list[str], list[Counter[str]]]:
    """Each text scrubbed, and its counts."""
    batch = Batch.of(texts)
    maybe = np.zeros(len(batch), np.uint8)
    suspect(batch.points, batch.starts, maybe)
    found = [
        replaced(text, kinds) if kinds else (text, Counter[str]())
        for text, kinds in zip(texts, maybe.tolist(), strict=True)
    ]
    return [text for text, _ in found], [counts for _, counts in found]


def replaced(text: str, kinds: int) -> tuple[str, Counter[str]]:
    """A text without the kinds of data that it may hold."""
    counts: Counter[str] = Counter()
    for name, bit, pattern, size in KINDS:
        if not kinds & bit:
            continue
        kept, at = [], 0
        for met in pattern.finditer(text):
            length = size(text, *met.span()) if size else len(met[0])
            if length:
                kept += [text[at : met.start()], f"<{name}>"]
                at = met.start() + length
                counts[name] += 1
        if kept:
            text = "".join([*kept, text[at:]])
    return text, counts


@njit(cache=True)
def suspect(points, starts, maybe):  # pragma: no cover
    """Say which kinds each text may hold, so that few texts need a closer look.

    A bit is set whenever the kind's pattern matches somewhere, and sometimes when it does not.
    """
    for text in range(len(starts) - 1):
        bits = 0
        digits = run = colons = dashes = dots = capitals = 0
        before = np.uint32(0)
        for at in range(starts[text], starts[text + 1]):
            point = points[at]
            is_digit = 48 <= point <= 57
            capital = 65 <= point <= 90
            if point == 64:
                bits |= MAYBE_EMAIL
            # Figures with what may stand between them, from a plus or a nought on.
            if is_digit:
                if digits or before == 43 or (point == 48 and not 48 <= before <= 57):
                    digits += 1
                    if digits >= 8:
                        bits |= MAYBE_TELEPHONE
            elif not (point == 32 or 40 <= point <= 41 or 43 <= point <= 47):
                digits = 0
            # Figures alone.
            run = run + 1 if is_digit else 0
            if run >= 13:
                bits |= MAYBE_CNP
            # Hexadecimal groups.
            if point == 58:
                colons += 1
            elif point == 45:
                dashes += 1
            elif not (is_digit or 97 <= point <= 102 or 65 <= point <= 70):
                colons = dashes = 0
            if colons >= 2 or dashes >= 5:
                bits |= MAYBE_GROUPS
            # Figures with a full stop between them.
            if point == 46 and 48 <= before <= 57:
                dots += 1
            elif not is_digit:
                dots = 0
            elif dots >= 3:
                bits |= MAYBE_IPV4
            # Two capitals and two figures.
            if capital:
                capitals = min(capitals + 1, 2) if capitals < 3 else 1
            elif is_digit and capitals >= 2:
                capitals += 1
                if capitals >= 4:
                    bits |= MAYBE_IBAN
                    capitals = 0
            else:
                capitals = 0
            before = point
        maybe[text] = bits
