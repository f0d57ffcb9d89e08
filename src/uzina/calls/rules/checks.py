"""Eligibility with the exceptions that a human allowed, and what an answer must be."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from uzina.calls.rules.modes import Reason, Verdict
from uzina.core.errors import Invalid, Problem
from uzina.core.text import _

EXEMPTED = {
    "en": "An operator of the factory let this pass: {reason}",
    "ro": "Un operator al fabricii a admis o excepție: {reason}",
}

LONGEST_TEXT = 4000
LONGEST_REASON = 2000


@dataclass(frozen=True)
class Exempt:
    """One rule, what it had found (in English), and why that was let pass."""

    rule: str
    found: str
    reason: str


def with_exemptions(verdict: Verdict, exemptions: Sequence[Exempt]) -> Verdict:
    """Return the verdict with what was let pass turned to passed, and the reason told.

    An exemption holds for what the rule had found and nothing else: who moves to yet another
    country is judged by the rule again.
    """
    allowed = {(one.rule, one.found): one.reason for one in exemptions}

    def judged(reason: Reason) -> Reason:
        why = allowed.get((reason.rule, reason.text.get("en", "")))
        if reason.passed is not False or why is None:
            return reason
        text = {
            language: f"{words} {EXEMPTED[language].format(reason=why)}"
            for language, words in reason.text.items()
        }
        return replace(reason, passed=True, text=text, todo={})

    return replace(verdict, reasons=tuple(judged(reason) for reason in verdict.reasons))


def check_text(field: str, text: str, *, most: int = LONGEST_TEXT) -> str:
    """Return what somebody wrote, stripped. Raises Invalid text.missing, text.too_long."""
    text = text.replace("\x00", "").strip()
    if not text:
        raise Invalid([Problem(field, "text.missing", _("Write what there is to say."))])
    if len(text) > most:
        raise Invalid(
            [Problem(field, "text.too_long", _("Write at most {most} characters."), {"most": most})]
        )
    return text
