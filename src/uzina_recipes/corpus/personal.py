"""Personal data in texts: found, counted and replaced by what kind it was.

E-mail addresses, telephone numbers, bank accounts (IBAN with its check digits), Romanian personal
numbers (CNP with its date, county and check digit), network addresses (IPv4, IPv6, MAC).
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date

KINDS = ("email", "iban", "cnp", "mac", "ipv6", "ipv4", "telephone")
"""In the order in which they are looked for: an IBAN holds digits that would be a telephone."""

EMAIL = re.compile(
    r"(?<![\w.+%-])[A-Za-z0-9](?:[\w.+%-]{0,62}[\w+%-])?@"
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,24}(?![\w@-])"
)
IBAN = re.compile(r"(?<![0-9A-Za-z])[A-Z]{2}\d{2}(?: ?[0-9A-Z]){11,30}(?![0-9A-Za-z])")
CNP = re.compile(r"(?<![\w.,-])[1-9]\d{12}(?![\w-]|[.,]\d)")
MAC = re.compile(r"(?<![\w:.-])[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![\w:-])")
IPV6 = re.compile(r"(?<![\w:.])(?=[0-9A-Fa-f:]*:[0-9A-Fa-f]*:)[0-9A-Fa-f:]{3,39}(?![\w:])")
IPV4 = re.compile(r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)")
TELEPHONE = re.compile(
    r"(?<![\w.,+/-])(?:\+|00)[1-9](?:[ .\-/]?\(?\d\)?){7,14}(?![\w-]|[.,/]\d)"
    r"|(?<![\w.,+/-])0[237]\d{2}(?:[ .-]?\d{3}){2}(?![\w-]|[.,/]\d)"
)

IBAN_LENGTHS = {
    "AD": 24, "AT": 20, "BE": 16, "BG": 22, "CH": 21, "CY": 28, "CZ": 24, "DE": 22, "DK": 18,
    "EE": 20, "ES": 24, "FI": 18, "FR": 27, "GB": 22, "GR": 27, "HR": 21, "HU": 28, "IE": 22,
    "IS": 26, "IT": 27, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "MC": 27, "MD": 24, "MT": 31,
    "NL": 18, "NO": 15, "PL": 28, "PT": 25, "RO": 24, "RS": 22, "SE": 24, "SI": 19, "SK": 24,
    "SM": 27, "TR": 26, "UA": 29,
}  # fmt: skip
"""Characters of an account number by country. Source: SWIFT, IBAN Registry."""

CNP_WEIGHTS = (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)
CENTURIES = {"1": 1900, "2": 1900, "3": 1800, "4": 1800, "5": 2000, "6": 2000}
"""First digit: sex and century of birth; 7 and 8 for residents, 9 for foreigners, any century."""


def iban(found: str) -> int:
    """How many characters of a candidate are an IBAN with right check digits (ISO 13616); 0 none.

    Words in capitals may follow an account number; only its country's length is taken.
    """
    length = IBAN_LENGTHS.get(found[:2], 0)
    taken, end = "", 0
    for end, character in enumerate(found, 1):  # noqa: B007 - the end is the answer
        taken += character.strip()
        if len(taken) == length:
            break
    if not length or len(taken) != length or found[end : end + 1].strip():
        return 0
    turned = "".join(str(int(character, 36)) for character in taken[4:] + taken[:4])
    return end if int(turned) % 97 == 1 else 0


def cnp(found: str) -> int:
    """Whether 13 digits are a personal number: date, county and check digit (OUG 97/2005)."""
    day, month, county = int(found[5:7]), int(found[3:5]), int(found[7:9])
    year = int(found[1:3])
    try:
        date(CENTURIES.get(found[0], 2000) + year, month, day)
    except ValueError:
        return 0
    if not (1 <= county <= 48 or county in {51, 52, 70}) or found[9:12] == "000":
        return 0
    control = sum(int(d) * w for d, w in zip(found, CNP_WEIGHTS, strict=False)) % 11
    return len(found) if int(found[12]) == (1 if control == 10 else control) else 0


def ipv4(found: str) -> int:
    """Whether four numbers are an address of some machine: not a version, a mask or a loopback."""
    try:
        address = ipaddress.IPv4Address(found)
    except ValueError:
        return 0
    plain = address.is_loopback or address.is_unspecified or address.is_multicast
    return (
        0
        if plain or found.startswith("255.") or int(found.split(".", maxsplit=1)[0]) < 4
        else len(found)
    )


def ipv6(found: str) -> int:
    """Whether a run of hexadecimal groups is an address of some machine."""
    text = found.removesuffix(":") if not found.endswith("::") else found
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return 0
    return 0 if address.is_loopback or address.is_unspecified or len(text) < 6 else len(text)


def telephone(found: str) -> int:
    """Whether digits are a telephone number: 8 to 15 of them (ITU-T E.164), brackets closed."""
    digits = sum(map(str.isdigit, found))
    return len(found) if 8 <= digits <= 17 and found.count("(") == found.count(")") else 0


CHECKS: dict[str, tuple[re.Pattern[str], Callable[[str], int]]] = {
    "email": (EMAIL, len),
    "iban": (IBAN, iban),
    "cnp": (CNP, cnp),
    "mac": (MAC, len),
    "ipv6": (IPV6, ipv6),
    "ipv4": (IPV4, ipv4),
    "telephone": (TELEPHONE, telephone),
}

CANDIDATE = re.compile(r"@|\d[\d ().+/:-]{5}|[0-9A-Fa-f]{2}:|::")
"""Every kind holds one of these: most texts need no second look."""


def scrub(text: str) -> tuple[str, Counter[str]]:
    """A text with its personal data replaced, and how much of each kind there was."""
    counts: Counter[str] = Counter()
    if not CANDIDATE.search(text):
        return text, counts
    for kind in KINDS:
        pattern, check = CHECKS[kind]

        def replace(match: re.Match[str], kind=kind, check=check) -> str:
            found = match[0]
            length = check(found)
            if not length:
                return found
            counts[kind] += 1
            return f"<{kind}>" + found[length:]

        text = pattern.sub(replace, text)
    return text, counts


def scrub_all(texts: Sequence[str]) -> tuple[list[str], list[Counter[str]]]:
    """Each text scrubbed, and its counts."""
    pairs = [scrub(text) for text in texts]
    return [text for text, _ in pairs], [counts for _, counts in pairs]
