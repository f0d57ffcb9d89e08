"""Numbers as documents write them. Pure."""

import math


def significant(value: float, count: int = 2) -> str:
    """Write a number with significant figures, as 7.3×10¹⁰ when it is large or small."""
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if -3 <= exponent < 6:
        return f"{float(f'{value:.{count}g}'):,.10g}"
    head, tail = f"{value:.{count - 1}e}".split("e")
    return f"{head}×10{_raised(int(tail))}"


def order(value: float) -> str:
    """Write the order of magnitude of a number above zero: 10²³."""
    return f"10{_raised(math.floor(math.log10(value)))}" if value > 0 else "0"


def _raised(exponent: int) -> str:
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
