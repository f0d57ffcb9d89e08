"""What a text must be like to be trained on: rules that each say their number.

Rules take numbers from the configuration and answer with a Verdict; nothing here reads files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from uzina_recipes.corpus.batch import Batch
from uzina_recipes.corpus.words import Folded

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from uzina_recipes.catalogue import Value

LANGUAGES = ("ro", "en")
WORD = re.compile(r"\w+")
LETTER = re.compile(r"[^\W\d_]")
SPACE = re.compile(r"\s+")
BLANKS = re.compile(r"\n{3,}")
POWERS = np.random.Generator(np.random.Philox(1)).integers(0, 2**63, 64, np.uint64) | np.uint64(1)

STOP_WORDS = {
    "ro": frozenset(
        [
            "și",
            "în",
            "de",
            "la",
            "cu",
            "pe",
            "este",
            "sunt",
            "care",
            "pentru",
            "din",
            "nu",
            "se",
            "un",
            "o",
            "să",
            "ca",
            "mai",
            "sau",
            "fi",
            "al",
            "ale",
            "lui",
            "prin",
            "această",
            "acest",
            "după",
            "dacă",
            "puteți",
            "poate",
            "ce",
            "va",
            "vor",
            "fost",
            "între",
            "când",
            "astfel",
            "unei",
            "unui",
            "acestea",
            "acestor",
            "toate",
            "cele",
            "cel",
            "le",
            "îi",
            "îl",
            "fiind",
            "către",
            "fără",
            "doar",
            "asupra",
        ]
    ),
    "en": frozenset(
        [
            "the",
            "of",
            "and",
            "to",
            "in",
            "is",
            "that",
            "for",
            "it",
            "as",
            "with",
            "on",
            "be",
            "this",
            "are",
            "by",
            "an",
            "or",
            "from",
            "you",
            "can",
            "not",
            "which",
            "at",
            "if",
            "will",
            "has",
            "have",
            "your",
            "when",
            "these",
            "all",
            "but",
            "use",
            "more",
            "also",
            "should",
            "may",
            "other",
            "any",
        ]
    ),
}
"""The commonest words of each language, written down from general knowledge of both; enough to
tell Romanian from English in a sentence, and nothing more."""


@dataclass(frozen=True)
class Verdict:
    """Why a document is left out: the rule, the number it measured and the threshold."""

    rule: str
    measured: float
    threshold: float


def words(text: str) -> list[str]:
    """The words of a text, in small letters."""
    return WORD.findall(text.lower())


MARGIN = 2
"""How many more common words one language must have than the other to be named."""


def reads_as(tokens: Iterable[str]) -> str:
    """The language whose commonest words are clearly more often met; empty when unclear."""
    tokens = list(tokens)
    romanian = sum(token in STOP_WORDS["ro"] for token in tokens)
    english = sum(token in STOP_WORDS["en"] for token in tokens)
    if abs(romanian - english) < MARGIN:
        return ""
    return "ro" if romanian > english else "en"


def line_hashes(text: str) -> NDArray[np.uint64]:
    """64 bits that stand for each line of a text, in order, [lines].

    Case, accents and punctuation do not count and a number is a number, so that "Fig. 3" and
    "Fig. 4" are equal; a line without words is 0.
    """
    lines = text.split("\n") if text else []
    folded = Folded.of(Batch.of(lines))
    found: NDArray[np.uint64] = np.zeros(len(lines), np.uint64)
    filled = np.flatnonzero(folded.starts[1:] > folded.starts[:-1])
    if len(filled):
        # A polynomial in the place of the word: the order of the words matters.
        places = np.arange(len(folded.hashes)) - np.repeat(
            folded.starts[:-1], np.diff(folded.starts)
        )
        terms = folded.hashes * (POWERS[places % len(POWERS)] + places.astype(np.uint64))
        found[filled] = np.add.reduceat(terms, folded.starts[:-1][filled])
    return found


def is_in(hashes: NDArray[np.uint64], known: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which hashes are among the known ones, which are sorted."""
    if not len(known):
        return np.zeros(len(hashes), np.bool_)
    at = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
    found: NDArray[np.bool_] = known[at] == hashes
    return found


def clean_lines(
    lines: Sequence[str],
    language: str,
    boilerplate: NDArray[np.bool_],
    settings: Mapping[str, Value],
) -> tuple[list[str], dict[str, list[str]]]:
    """Keep the lines worth reading; also say which were removed, by rule.

    boilerplate  [lines] which lines occur in boilerplate_documents documents or more

    boilerplate_line  is navigation or a footer
    foreign_line      long enough to tell, and reads as another language
    """
    least = int(settings["foreign_words"])
    kept: list[str] = []
    removed: dict[str, list[str]] = {"boilerplate_line": [], "foreign_line": []}
    for line, is_boilerplate in zip(lines, boilerplate.tolist(), strict=True):
        if is_boilerplate:
            removed["boilerplate_line"].append(line)
        elif is_foreign(line, language, least):
            removed["foreign_line"].append(line)
        else:
            kept.append(line)
    return kept, removed


def is_foreign(line: str, language: str, least: int) -> bool:
    """Whether a line of a Romanian or English text clearly reads as the other of the two."""
    if language not in LANGUAGES or line.count(" ") + 1 < least:
        return False
    tokens = words(line)
    return len(tokens) >= least and reads_as(tokens) not in {"", language}


def judge(
    row: Mapping[str, Any], wanted: Container[str], settings: Mapping[str, Value]
) -> Verdict | None:
    """The first rule that leaves a document out, or None when it stays.

    row     text, language (declared, where it was), told (as it reads) and sure (0 to 1)
    wanted  languages to keep; all when it is empty

    Rules in order: other_language, wrong_language, too_short, few_letters, word_length,
    repeated_text.
    """
    return next(verdicts(row, wanted, settings), None)


def verdicts(
    row: Mapping[str, Any], wanted: Container[str], settings: Mapping[str, Value]
) -> Iterator[Verdict]:
    """Every rule that leaves a document out; ask for the first, later ones lean on it."""
    text, language = row["text"], row["language"]
    if wanted and language not in wanted:
        yield Verdict("other_language", 0, 1)
    if not text:
        yield Verdict("too_short", 0, int(settings["minimum_words"]))
    if row["told"] != language:
        yield Verdict("wrong_language", round(row["sure"], 3), 0)
    tokens = words(text)
    if len(tokens) < int(settings["minimum_words"]):
        yield Verdict("too_short", len(tokens), int(settings["minimum_words"]))
    letters = len(LETTER.findall(text)) / len(SPACE.sub("", text))
    if letters < float(settings["minimum_letters"]):
        yield Verdict("few_letters", round(letters, 3), float(settings["minimum_letters"]))
    length = sum(map(len, tokens)) / len(tokens)
    if length > float(settings["maximum_word_length"]):
        yield Verdict("word_length", round(length, 2), float(settings["maximum_word_length"]))
    lines = text.split("\n")
    repeated = 1 - sum(map(len, set(lines))) / sum(map(len, lines))
    if repeated > float(settings["maximum_repeated"]):
        yield Verdict("repeated_text", round(repeated, 3), float(settings["maximum_repeated"]))
