"""Letters on decisions: what kinds there are, and the code by which anybody can check one."""

import secrets

from uzina.core.text import _

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""As in the codes of things: nothing that is read for something else."""

GROUPS, GROUP = 4, 4

KINDS = {
    "award": _("Award"),
    "reserve": _("Reserve list"),
    "decline": _("Decision to decline"),
    "appeal": _("Decision on an appeal"),
}


def new_verifier() -> str:
    """Return a code to check a letter by: 16 letters of thirty, 78 bits, so no guess ever hits."""
    letters = [secrets.choice(ALPHABET) for _number in range(GROUPS * GROUP)]
    return "-".join("".join(letters[at : at + GROUP]) for at in range(0, GROUPS * GROUP, GROUP))


def typed_verifier(text: str) -> str:
    """Return a code as it is printed, however it was typed; empty where it cannot be one."""
    letters = [one for one in text.upper() if one.isalnum()]
    if len(letters) != GROUPS * GROUP or not set(letters) <= set(ALPHABET):
        return ""
    return "-".join("".join(letters[at : at + GROUP]) for at in range(0, GROUPS * GROUP, GROUP))
