"""What a text must be like to be trained on: one spelling, and rules that each say their number.

Rules take numbers from the configuration and answer with a Verdict; nothing here reads files.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from uzina_recipes.catalogue import Value

LANGUAGES = ("ro", "en")
CEDILLA_TO_COMMA = str.maketrans("şţŞŢ", "șțȘȚ")
WORD = re.compile(r"\w+")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")

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


def normalise(text: str, language: str) -> str:
    """One spelling for one text: NFC, no control characters, single spaces, no blank lines.

    Romanian is written with comma below (ș ț), which old systems replaced with a cedilla (ş ţ).
    """
    text = unicodedata.normalize("NFC", text)
    if language == "ro":
        text = text.translate(CEDILLA_TO_COMMA)
    text = CONTROL.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n"))
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


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


def line_hash(line: str) -> int:
    """64 bits that stand for a line; figures count as one, so "Fig. 3" and "Fig. 4" are equal."""
    folded = re.sub(r"\d+", "0", line.lower())
    return int.from_bytes(hashlib.blake2b(folded.encode(), digest_size=8).digest(), "little")


class LineCounts:
    """In how many documents each line occurs, counted in fixed memory (a count-min sketch).

    4 rows of 2**20 counters, 16 MiB. A count is never too low; with a million different lines it
    is too high by one or more for about one line in a hundred and fifty.
    """

    ROWS = 4
    BITS = 20

    def __init__(self) -> None:
        """Start at zero."""
        self.counts: NDArray[np.uint32] = np.zeros((self.ROWS, 1 << self.BITS), np.uint32)

    def columns(self, hashes: NDArray[np.uint64]) -> list[NDArray[np.intp]]:
        """Where each line is counted, a row at a time; hashes [lines]."""
        mask = np.uint64((1 << self.BITS) - 1)
        # Overlapping slices of one good 64-bit hash, 14 bits apart.
        return [
            ((hashes >> np.uint64(14 * row)) & mask).astype(np.intp) for row in range(self.ROWS)
        ]

    def add(self, lines: Iterable[str]) -> None:
        """Count one document: each of its different lines once."""
        hashes = np.array(sorted({line_hash(line) for line in lines}), np.uint64)
        for row, columns in enumerate(self.columns(hashes)):
            np.add.at(self.counts[row], columns, 1)

    def of(self, lines: list[str]) -> NDArray[np.uint32]:
        """In how many documents each line occurs, [lines]."""
        hashes = np.array([line_hash(line) for line in lines], np.uint64)
        rows = [self.counts[row][at] for row, at in enumerate(self.columns(hashes))]
        return np.minimum.reduce(rows)


def clean_lines(
    text: str, language: str, counts: LineCounts, settings: Mapping[str, Value]
) -> tuple[list[str], dict[str, list[str]]]:
    """Keep the lines worth reading; also say which were removed, by rule.

    boilerplate_line  occurs in boilerplate_documents documents or more
    foreign_line      long enough to tell, and reads as the other language
    """
    lines = text.split("\n") if text else []
    kept: list[str] = []
    removed: dict[str, list[str]] = {"boilerplate_line": [], "foreign_line": []}
    for line, documents in zip(lines, counts.of(lines), strict=True):
        tokens = words(line)
        if documents >= int(settings["boilerplate_documents"]):
            removed["boilerplate_line"].append(line)
        elif len(tokens) >= int(settings["foreign_words"]) and reads_as(tokens) not in {
            "",
            language,
        }:
            removed["foreign_line"].append(line)
        else:
            kept.append(line)
    return kept, removed


def judge(lines: list[str], language: str, settings: Mapping[str, Value]) -> Verdict | None:
    """The first rule that leaves a document out, or None when it stays.

    Rules in order: language, too_short, few_letters, word_length, repeated_lines, wrong_language.
    """
    return next(verdicts(lines, language, settings), None)


def verdicts(lines: list[str], language: str, settings: Mapping[str, Value]) -> Iterator[Verdict]:
    """Every rule that leaves a document out; ask for the first, later ones lean on it."""
    if language not in LANGUAGES:
        yield Verdict("language", 0, 1)
    text = "\n".join(lines)
    tokens = words(text)
    if len(tokens) < int(settings["minimum_words"]):
        yield Verdict("too_short", len(tokens), int(settings["minimum_words"]))
    letters = sum(map(str.isalpha, text)) / sum(not c.isspace() for c in text)
    if letters < float(settings["minimum_letters"]):
        yield Verdict("few_letters", round(letters, 3), float(settings["minimum_letters"]))
    length = sum(map(len, tokens)) / len(tokens)
    if length > float(settings["maximum_word_length"]):
        yield Verdict("word_length", round(length, 2), float(settings["maximum_word_length"]))
    repeated = 1 - sum(map(len, set(lines))) / sum(map(len, lines))
    if repeated > float(settings["maximum_repeated"]):
        yield Verdict("repeated_lines", round(repeated, 3), float(settings["maximum_repeated"]))
    if reads_as(tokens) not in {"", language}:
        yield Verdict("wrong_language", 1, 0)
