"""VAT numbers and participant identification codes: their forms, and what a register says."""

import re
from datetime import timedelta

from stdnum.eu import vat

from uzina.core.errors import Problem
from uzina.core.flow import States
from uzina.core.text import _

PREFIXES = {"GR": "EL", "GB": "XI"}
"""Where the letters of a VAT number are not those of the country: Greece writes EL, and Northern
Ireland, which is in the register for goods, XI (VIES, list of Member States)."""

PIC_FORM = re.compile(r"[0-9]{9}")
"""Nine digits. Its last digit is not known to be a check digit, so nothing more is asked."""

ASK_AGAIN = tuple(timedelta(minutes=wait) for wait in (1, 10, 60, 360, *([1440] * 10)))
"""How long to wait after each answer that was no answer: ten days and a bit in all."""


class VatState(States):
    """What the register of the Union says of a VAT number."""

    UNKNOWN = "unknown", _("Not confirmed yet"), "quiet"
    VALID = "valid", _("Confirmed"), "good"
    NOT_VALID = "not_valid", _("Not in the register"), "bad"


def normal_vat(number: str) -> str:
    """Return a VAT number as registers write it: no spaces, capitals, EL for Greece."""
    plain = re.sub(r"[^A-Z0-9+*]", "", number.upper())
    return f"EL{plain[2:]}" if plain.startswith("GR") else plain


def is_in_register(country: str) -> bool:
    """Tell whether the register knows VAT numbers of the country."""
    prefix = PREFIXES.get(country, country)
    return prefix.lower() in vat.MEMBER_STATES or prefix == "EL"


def vat_problem(number: str, country: str) -> Problem | None:
    """Return what is wrong with the form of a VAT number; None where nothing is.

    number  as normal_vat() gives it. A country outside the register has forms of its own, which
            are not judged; Northern Ireland's are, Great Britain's are not
    """
    if not number:
        return None
    prefix = PREFIXES.get(country, country)
    if not is_in_register(country) or (country == "GB" and not number.startswith("XI")):
        return None
    if number[:2] != prefix:
        return Problem(
            "vat_number",
            "organisation.vat_number.other_country",
            _("A VAT number of this country begins with {prefix}."),
            {"prefix": prefix},
        )
    if not vat.is_valid(number):
        return Problem(
            "vat_number",
            "organisation.vat_number.malformed",
            _("This is not the form of a VAT number. Write it with the country in front: RO…"),
        )
    return None


def pic_problem(pic: str) -> Problem | None:
    """Return what is wrong with a participant identification code; None where nothing is."""
    if not pic or PIC_FORM.fullmatch(pic):
        return None
    return Problem(
        "pic", "organisation.pic.malformed", _("A PIC has nine digits, such as 999999999.")
    )


def ask_again_after(failures: int) -> timedelta | None:
    """Return how long to wait after so many answers that were none; None to ask no more."""
    return ASK_AGAIN[failures - 1] if failures <= len(ASK_AGAIN) else None
