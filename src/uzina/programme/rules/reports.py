"""What a person adds to a report, and the texts that a project owes others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from uzina.core.errors import Invalid, Problem, Refused
from uzina.core.text import _

LONGEST = 10_000


@dataclass(frozen=True)
class Field:
    """One question of a report."""

    name: str
    label: str
    hint: str


FIELDS = (
    Field(
        "results",
        _("Results"),
        _("What came of it, in words that somebody outside your field understands."),
    ),
    Field("publications", _("Publications"), _("One a line, with a DOI or an address.")),
    Field(
        "not_used",
        _("Why hours were not used"),
        _("Needed where much less was used than given. What the record says stands above."),
    ),
    Field(
        "feedback",
        _("Feedback on the service"),
        _("What helped, what was missing, what stood in your way."),
    ),
)
NAMES = frozenset(field.name for field in FIELDS)


def parse(raw: Mapping[str, Any]) -> dict[str, str]:
    """Return the answers that were sent, as texts. Raises Invalid for what is no answer."""
    problems, answers = [], {}
    for name, value in raw.items():
        if name not in NAMES:
            problems.append(Problem(name, "report.answer.unknown", _("There is no such question.")))
        elif not isinstance(value, str) or "\0" in value:
            problems.append(Problem(name, "report.answer.not_text", _("Write a text.")))
        elif len(value) > LONGEST:
            problems.append(
                Problem(
                    name,
                    "report.answer.too_long",
                    _("Write at most {most} characters."),
                    {"most": LONGEST},
                )
            )
        else:
            answers[name] = value.strip()
    if problems:
        raise Invalid(problems)
    return answers


def check_version(seen: int, kept: int) -> None:
    """Raise Refused report.save.changed_meanwhile unless the newest version was seen."""
    if seen != kept:
        raise Refused(
            "report.save.changed_meanwhile",
            _(
                "This report was saved elsewhere meanwhile, perhaps in another tab. Nothing was "
                "overwritten: compare, and save again."
            ),
            version=kept,
        )


def check_complete(
    answers: Mapping[str, str], *, used_percent: int | None, share_percent: int
) -> None:
    """Raise Invalid unless the report can be handed in.

    used_percent  of what was given; None where nothing was
    """
    problems = []
    if not answers.get("results"):
        problems.append(Problem("results", "report.results.missing", _("Write what came of it.")))
    if used_percent is not None and used_percent < share_percent and not answers.get("not_used"):
        problems.append(
            Problem(
                "not_used",
                "report.not_used.missing",
                _("{percent} % of the hours were used. Write why not more."),
                {"percent": used_percent},
            )
        )
    if problems:
        raise Invalid(problems)


def acknowledgement(template: str, *, project: str, award: str, machine: str, host: str) -> str:
    """Return the sentence that publications carry."""
    return template.format(project=project, award=award or project, machine=machine, host=host)
