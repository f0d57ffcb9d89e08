"""Names, languages and states of datasets."""

import re
from collections.abc import Sequence

from uzina.catalogue.rules.vocabularies import LANGUAGES
from uzina.core.errors import Invalid, Problem, Refused
from uzina.core.flow import Flow, Move, States
from uzina.core.text import _

LONGEST_TITLE = 200

LONGEST_DESCRIPTION = 20_000

LONGEST_NOTE = 2_000

MOST_LANGUAGES = 40

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")

RESERVED = {"new", "mine"}
"""Pages that stand where a dataset of this name would."""

REFERENCE = re.compile(rf"({SLUG.pattern})@([1-9][0-9]{{0,8}})")


class DatasetState(States):
    """Where a dataset stands."""

    DRAFT = "draft", _("Draft"), "quiet"
    PUBLISHED = "published", _("Published"), "good"
    WITHDRAWN = "withdrawn", _("Withdrawn"), "bad"


S = DatasetState

DATASET = Flow(
    "dataset",
    {
        "publish": Move(S.DRAFT, to=S.PUBLISHED),
        "withdraw": Move(S.DRAFT, S.PUBLISHED, to=S.WITHDRAWN),
    },
)


class AccessRight(States):
    """Who may use the data: the codes of the EU table access-right that DCAT-AP names."""

    PUBLIC = "public", _("Public"), "good"
    RESTRICTED = "restricted", _("Restricted"), "warn"
    NON_PUBLIC = "non_public", _("Not public"), "bad"


class DatasetKind(States):
    """What a dataset holds. Models are kept and staged as data are, but shown by `training`."""

    DATA = "data", _("Data"), "quiet"
    MODEL = "model", _("Model"), "quiet"


def check_slug(slug: str) -> None:
    """Raise Invalid unless slug can name a dataset in an address."""
    if not SLUG.fullmatch(slug):
        raise Invalid([slug_problem()])


def slug_problem() -> Problem:
    """Return what to say of a name that cannot be used in an address."""
    return Problem(
        "slug",
        "dataset.slug.form",
        _(
            "Use 1 to 63 small letters a to z, digits and hyphens, beginning and ending with a "
            "letter or digit."
        ),
    )


def parse_reference(text: str) -> tuple[str, int]:
    """Return slug and version number of a reference such as `ro-corpus@3`.

    Raises Refused version.reference.form.
    """
    if match := REFERENCE.fullmatch(text):
        return match[1], int(match[2])
    raise Refused(
        "version.reference.form",
        _("Name a version as dataset@number, for example ro-corpus@3; this was {given!r}."),
        given=text[:80],
    )


def slug_problems(slug: str) -> list[Problem]:
    """Return what is wrong with the name of a new dataset."""
    if not SLUG.fullmatch(slug):
        return [slug_problem()]
    if slug in RESERVED:
        return [
            Problem(
                "slug",
                "dataset.slug.reserved",
                _("The name {slug} is an address of the portal. Choose another."),
                {"slug": slug},
            )
        ]
    return []


def language_problems(languages: Sequence[str]) -> list[Problem]:
    """Return every mistake in the languages of a dataset, the main one first."""
    problems = []
    if not 1 <= len(languages) <= MOST_LANGUAGES:
        problems.append(
            Problem(
                "languages",
                "dataset.languages.count",
                _("Name 1 to {most} languages."),
                {"most": MOST_LANGUAGES},
            )
        )
    for at, language in enumerate(languages):
        if language not in LANGUAGES:
            problems.append(
                Problem(
                    f"languages.{at}",
                    "dataset.languages.unknown",
                    _("{given!r} is not a language code we know. Use a code such as ro or en."),
                    {"given": language[:20]},
                )
            )
    return problems
