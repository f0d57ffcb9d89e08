"""Cells of tables for other programs: none of them is ever run as a formula."""


def csv_cell(value: object) -> str:
    """Return the text of a cell that no spreadsheet takes for a formula.

    A leading = + - @, tab or carriage return starts a formula in Excel and LibreOffice (OWASP,
    CSV Injection); an apostrophe in front makes it text. Numbers stay numbers.
    """
    text = str(value)
    if isinstance(value, str) and text.lstrip().startswith(FORMULA):
        return f"'{text}"
    if isinstance(value, str) and text.startswith(("\t", "\r", "\n")):
        return f"'{text}"
    return text


FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""The full-width forms too: a spreadsheet in Japanese or Chinese reads them as the narrow ones."""
