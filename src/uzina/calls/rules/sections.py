"""What an application asks, section by section: shapes, limits, and what is still missing.

Answers are kept as one JSON document a section. The declarations below are their schema: parse()
takes nothing they do not say, so what is kept is typed although no column is.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from uzina.core.errors import Invalid, Problem
from uzina.core.text import _
from uzina.sizing.rules import LARGEST_PARAMETERS, LARGEST_TOKENS

Kind = Literal["line", "text", "yes_no", "tick", "choice", "whole", "email", "country", "rows"]

ELSEWHERE = "ZZ"
"""What a person chooses whose country is not in the list (ISO 3166-1 user-assigned)."""

MOST_ROWS = 20


@dataclass(frozen=True)
class Field:
    """One question.

    most           characters of a text, or the largest whole number
    missing        what to say while it has no answer; empty where an answer is optional
    needed_where   (other field, its value): the answer is needed only then
    columns        the fields of each row, for kind rows
    """

    name: str
    kind: Kind
    label: str
    missing: str = ""
    hint: str = ""
    most: int = 200
    least: int = 0
    choices: tuple[tuple[str, str], ...] = ()
    needed_where: tuple[str, Any] | None = None
    columns: tuple["Field", ...] = ()


@dataclass(frozen=True)
class Section:
    """One step of the form: one topic."""

    slug: str
    title: str
    lead: str
    fields: tuple[Field, ...]


TASKS = (
    ("pretraining", _("Training a model from scratch")),
    ("continued", _("Continued training of an existing model")),
    ("fine_tuning", _("Fine-tuning an existing model")),
    ("evaluation", _("Evaluation of models")),
    ("inference", _("Inference at scale")),
    ("other", _("Other work with AI methods")),
)

READINESS = (
    ("cluster", _("It has run on several GPUs or nodes")),
    ("gpu", _("It has run on one GPU")),
    ("cpu", _("It has run on a CPU only")),
    ("writing", _("It is still being written")),
)

PROJECT = Section(
    "project",
    _("Your project"),
    _("What you want to do, for whom, and for how long."),
    (
        Field("title", "line", _("Title"), _("Write a title."), most=150),
        Field(
            "summary",
            "text",
            _("Summary"),
            _("Write a summary."),
            _("Two or three sentences that somebody outside your field understands."),
            most=1500,
        ),
        Field(
            "problem",
            "text",
            _("The problem you solve"),
            _("Describe the problem you solve."),
            most=3000,
        ),
        Field(
            "goals",
            "text",
            _("Goals"),
            _("Write what will exist at the end that does not exist now."),
            _("What will exist at the end that does not exist now?"),
            most=3000,
        ),
        Field(
            "keywords",
            "line",
            _("Keywords"),
            _("Write at least one keyword."),
            _("Separated by commas, for instance: language model, Romanian, legal texts"),
        ),
        Field(
            "civilian_purpose",
            "yes_no",
            _("Does the work serve civilian purposes only?"),
            _("Say whether the work serves civilian purposes only."),
        ),
        Field(
            "is_confidential",
            "yes_no",
            _("Is any part of this application confidential?"),
            _("Say whether a part is confidential."),
        ),
        Field(
            "confidential_part",
            "text",
            _("Which part is confidential, and why"),
            _("Say which part is confidential."),
            most=1000,
            needed_where=("is_confidential", True),
        ),
        Field(
            "months",
            "whole",
            _("Duration in months"),
            _("Write for how many months you need the system."),
            _("Counted from the day on which you accept an award."),
            least=1,
            most=60,
        ),
    ),
)

TEAM = Section(
    "team",
    _("Organisation and people"),
    _("Who is responsible, and who takes part."),
    (
        Field(
            "lead_name",
            "line",
            _("Principal investigator"),
            _("Write the name of the principal investigator."),
            _("The person who answers for the project. First name and last name."),
            most=150,
        ),
        Field(
            "lead_email",
            "email",
            _("Work e-mail of the principal investigator"),
            _("Write the e-mail address of the principal investigator."),
            most=254,
        ),
        Field(
            "lead_country",
            "country",
            _("Country where the principal investigator works"),
            _("Choose the country of the principal investigator."),
        ),
        Field(
            "contract_covers",
            "yes_no",
            _("Does the principal investigator's contract last more than 3 months past the end?"),
            _("Say whether the contract lasts long enough."),
            _("Counted from the end of the duration that you ask for."),
        ),
        Field(
            "members",
            "rows",
            _("Team members"),
            hint=_("Everybody else who will use the system. Leave empty if there is nobody."),
            columns=(
                Field("name", "line", _("Name"), _("Write the name."), most=150),
                Field("country", "country", _("Country where they work"), _("Choose the country.")),
            ),
        ),
    ),
)

WORK = Section(
    "work",
    _("The work"),
    _("What will run, how big it is, and why it needs this system."),
    (
        Field(
            "task",
            "choice",
            _("Kind of work"),
            _("Choose the kind of work."),
            choices=TASKS,
        ),
        Field(
            "parameters",
            "whole",
            _("Size of the model, parameters"),
            hint=_("In figures, for instance 7 000 000 000."),
            least=1,
            most=LARGEST_PARAMETERS,
        ),
        Field(
            "tokens",
            "whole",
            _("Training tokens, all epochs together"),
            hint=_("In figures, for instance 20 000 000 000."),
            least=1,
            most=LARGEST_TOKENS,
        ),
        Field(
            "gpu_hours",
            "whole",
            _("GPU-hours you expect to use"),
            _("Write how many GPU-hours you expect to use."),
            _("The estimator gives a figure with its range."),
            least=1,
            most=10_000_000,
        ),
        Field(
            "code",
            "text",
            _("Code and software"),
            _("Name the code and the software you will run."),
            _("Names and versions, a repository if it is public, the licence."),
            most=2000,
        ),
        Field(
            "readiness",
            "choice",
            _("How far is the code?"),
            _("Choose how far the code is."),
            choices=READINESS,
        ),
        Field(
            "hardware_reason",
            "text",
            _("Why this hardware"),
            _("Say why the work needs this hardware."),
            most=2000,
        ),
    ),
)

DATA = Section(
    "data",
    _("Data"),
    _("Which data you bring, under which terms."),
    (
        Field(
            "datasets",
            "rows",
            _("Datasets"),
            _("Name at least one dataset."),
            columns=(
                Field("title", "line", _("Title"), _("Write the title of the dataset.")),
                Field(
                    "licence",
                    "line",
                    _("Licence or right to use"),
                    _("Write the licence or the right to use it."),
                ),
                Field("origin", "line", _("Where it comes from"), _("Write where it comes from.")),
            ),
        ),
        Field(
            "storage_gb",
            "whole",
            _("Storage, GB"),
            _("Write how much storage you need."),
            least=0,
            most=10_000_000,
        ),
        Field(
            "has_personal_data",
            "yes_no",
            _("Do the data contain personal data?"),
            _("Say whether the data contain personal data."),
        ),
        Field(
            "personal_data_measures",
            "text",
            _("Legal basis and protection of the personal data"),
            _("Name the legal basis and how the personal data are protected."),
            most=2000,
            needed_where=("has_personal_data", True),
        ),
    ),
)

ETHICS = Section(
    "ethics",
    _("Trustworthy AI"),
    _("A short self-assessment on the six principles. One or two sentences each are enough."),
    tuple(
        Field(name, "text", label, missing, hint, most=1000)
        for name, label, missing, hint in (
            (
                "human_agency",
                _("Respect for human agency"),
                _("Write a sentence on human agency."),
                _("Can people understand, decide and object where your system is used?"),
            ),
            (
                "privacy",
                _("Privacy, personal data and data governance"),
                _("Write a sentence on privacy and data governance."),
                _("Which data about people are used, and who controls them?"),
            ),
            (
                "fairness",
                _("Fairness"),
                _("Write a sentence on fairness."),
                _("Whom might it treat worse, and how would you notice?"),
            ),
            (
                "wellbeing",
                _("Individual, social and environmental well-being"),
                _("Write a sentence on well-being."),
                _("What harm could it do, and what does the training cost in energy?"),
            ),
            (
                "transparency",
                _("Transparency"),
                _("Write a sentence on transparency."),
                _("What will you publish about the model and its data?"),
            ),
            (
                "accountability",
                _("Accountability and oversight"),
                _("Write a sentence on accountability."),
                _("Who answers for mistakes, and who may stop the system?"),
            ),
        )
    ),
)

DECLARATIONS = Section(
    "declarations",
    _("Declarations"),
    _("The last step before you check your answers."),
    (
        Field(
            "is_correct",
            "tick",
            _("What I state in this application is correct and complete."),
            _("Confirm that what you state is correct."),
        ),
        Field(
            "accepts_terms",
            "tick",
            _(
                "I accept the terms of reference: civilian use, use within the project described, "
                "acknowledgement in publications, and a final report after the end."
            ),
            _("Accept the terms of reference, or do not submit."),
        ),
        Field(
            "may_publish",
            "yes_no",
            _("May we publish your name, organisation and project title if you get an award?"),
            _("Say whether we may publish your name."),
            _("Regulation (EU) 2018/1725. Your answer does not change the decision."),
        ),
    ),
)

ALL: Mapping[str, Section] = {
    section.slug: section for section in (PROJECT, TEAM, WORK, DATA, ETHICS, DECLARATIONS)
}

EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
GROUPED = re.compile(r"[\s\u00a0\u202f_]")
UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|[\ud800-\udfff]")
TRUE = (True, "yes", "on", "true")
FALSE = (False, "no", "false")


def parse(section: Section, raw: Mapping[str, Any], *, countries: Iterable[str]) -> dict[str, Any]:
    """Return the answers of a section, typed; what has no answer is left out.

    raw        values as a form (texts) or a program (JSON) sends them; a name not asked is wrong
    countries  codes that may be chosen, beside ELSEWHERE

    Raises Invalid with every value that cannot be kept. Missing answers are no mistake here.
    """
    problems: list[Problem] = []
    known = {*countries, ELSEWHERE}
    names = {field.name for field in section.fields}
    problems += [
        Problem(str(name)[:60], "application.section.unknown", _("This section does not ask that."))
        for name in raw
        if name not in names
    ]
    answers = _parse_fields(section.fields, raw, "", known, problems)
    if problems:
        raise Invalid(problems)
    return answers


def _parse_fields(
    fields: Sequence[Field],
    raw: Mapping[str, Any],
    path: str,
    countries: set[str],
    problems: list[Problem],
) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for field in fields:
        value = raw.get(field.name)
        if value is None or value == "":
            continue
        answer: Any
        if field.kind == "rows":
            answer = _parse_rows(field, value, f"{path}{field.name}", countries, problems)
        else:
            answer = _parse_value(field, value, f"{path}{field.name}", countries, problems)
        if answer is not None and answer != "":
            answers[field.name] = answer
    return answers


def _parse_rows(
    field: Field, value: Any, path: str, countries: set[str], problems: list[Problem]
) -> list[dict[str, Any]] | None:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        problems.append(Problem(path, "application.section.rows", _("Send a list of rows.")))
        return None
    if len(value) > MOST_ROWS:
        problems.append(
            Problem(
                path,
                "application.section.too_many",
                _("Give at most {most} rows; sum up the others."),
                {"most": MOST_ROWS},
            )
        )
        return None
    names = {column.name for column in field.columns}
    rows = []
    for number, row in enumerate(value):
        problems += [
            Problem(
                f"{path}.{number}.{str(name)[:60]}",
                "application.section.unknown",
                _("This section does not ask that."),
            )
            for name in row
            if name not in names
        ]
        parsed = _parse_fields(field.columns, row, f"{path}.{number}.", countries, problems)
        if parsed:
            rows.append(parsed)
    return rows or None


def _parse_value(
    field: Field, value: Any, path: str, countries: set[str], problems: list[Problem]
) -> Any:
    def wrong(code: str, message: str, **facts: Any) -> None:
        problems.append(Problem(path, f"application.section.{code}", message, facts))

    match field.kind:
        case "yes_no" | "tick" if value in TRUE or value in FALSE:
            return value in TRUE
        case "yes_no" | "tick":
            wrong("yes_no", _("Choose yes or no."))
        case "whole":
            return _whole(field, value, wrong)
        case "choice" | "country":
            known = countries if field.kind == "country" else dict(field.choices)
            if isinstance(value, str) and value in known:
                return value
            wrong("choice", _("Choose one of the answers in the list."))
        case _:
            return _text(field, value, wrong)
    return None


def _whole(field: Field, value: Any, wrong: Any) -> int | None:
    digits = GROUPED.sub("", value) if isinstance(value, str) else value
    if isinstance(digits, str) and digits.isascii() and digits.isdigit() and len(digits) <= 18:
        digits = int(digits)
    if type(digits) is not int or not field.least <= digits <= field.most:
        wrong(
            "whole",
            _("Write a whole number from {least} to {most}, in figures."),
            least=field.least,
            most=field.most,
        )
        return None
    return digits


def _text(field: Field, value: Any, wrong: Any) -> str | None:
    if not isinstance(value, str):
        wrong("text", _("Write a text."))
        return None
    text = value.replace("\r\n", "\n").replace("\r", "\n").strip()
    if field.kind != "text":
        text = " ".join(text.split())
    if UNSEEN.search(text):
        wrong("unseen", _("Take out the control characters: they cannot be kept."))
    elif len(text) > field.most:
        wrong(
            "too_long",
            _("Shorten it to {most} characters; it has {count}."),
            most=field.most,
            count=len(text),
        )
    elif field.kind == "email" and text and not EMAIL.fullmatch(text):
        wrong("email", _("Write an e-mail address such as name@example.org."))
    else:
        return text
    return None


def missing(section: Section, answers: Mapping[str, Any]) -> list[Problem]:
    """Return what the section still needs, one problem a question, by dotted path."""
    problems: list[Problem] = []
    for field in section.fields:
        if field.needed_where and answers.get(field.needed_where[0]) != field.needed_where[1]:
            continue
        answer = answers.get(field.name)
        if field.missing and _is_empty(field, answer):
            problems.append(_missing(field.name, field))
        for number, row in enumerate(answer or []) if field.kind == "rows" else ():
            problems += [
                _missing(f"{field.name}.{number}.{column.name}", column)
                for column in field.columns
                if column.missing and _is_empty(column, row.get(column.name))
            ]
    return problems


def _is_empty(field: Field, answer: Any) -> bool:
    if field.kind == "tick":
        return answer is not True
    return answer is None or answer in ("", [])


def _missing(path: str, field: Field) -> Problem:
    return Problem(path, "application.section.missing", field.missing)


def incomplete(slugs: Sequence[str], answers: Mapping[str, Mapping[str, Any]]) -> list[Problem]:
    """Return what an application still needs, over all its sections: `section.field` paths."""
    return [
        Problem(f"{slug}.{problem.field}", problem.code, problem.message, problem.facts)
        for slug in slugs
        for problem in missing(ALL[slug], answers.get(slug, {}))
    ]


def asked_facts(answers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the facts for the mode's rules that the answers hold; None where they do not."""
    project, team, work = (answers.get(slug, {}) for slug in ("project", "team", "work"))
    countries = [team.get("lead_country")]
    countries += [member.get("country") for member in team.get("members", [])]
    known = tuple(country for country in countries if country)
    return {
        "team_countries": known or None,
        "civilian_purpose": project.get("civilian_purpose"),
        "contract_covers": team.get("contract_covers"),
        "months": project.get("months"),
        "gpu_hours": work.get("gpu_hours"),
    }
