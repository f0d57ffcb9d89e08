"""Marks text for translation where Django may not be imported.

The mark is what the message extractor looks for; doors translate when they show the text.
"""


def _(text: str) -> str:
    """Return text unchanged: `_("...")` only marks it for translation."""
    return text
