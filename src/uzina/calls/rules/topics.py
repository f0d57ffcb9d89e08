"""What reviewers know and applications are about: one list of topics, from a dated file."""

import functools
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WHOLE = 1000
"""Shares of an application's topics are parts of this."""

LANGUAGES = ("en", "ro", "de", "fr", "it", "es", "pt", "pl", "hu", "bg", "el", "nl", "cs", "sv")
"""Languages in which a reviewer may say that they read applications (ISO 639-1)."""

STROKES = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe"})
"""Letters that Unicode does not take apart into a letter and a mark."""


@dataclass(frozen=True)
class Topic:
    """One entry of the list. erc: panels it answers for; words: as keywords have them."""

    slug: str
    title: Mapping[str, str]
    erc: tuple[str, ...]
    words: tuple[str, ...]


def parse(raw: Mapping[str, Any]) -> dict[str, Topic]:
    """Return the topics of the file by slug. Raises KeyError for one that lacks a part."""
    return {
        row["slug"]: Topic(
            slug=row["slug"],
            title={"en": row["en"], "ro": row["ro"]},
            erc=tuple(row["erc"]),
            words=tuple(row["words"]),
        )
        for row in raw["topics"]
    }


@functools.lru_cache(maxsize=100_000)
def plain(text: str) -> str:
    """Return a text in small letters without marks, words parted by one space."""
    bare = unicodedata.normalize("NFKD", text.casefold().translate(STROKES))
    kept = "".join(one for one in bare if not unicodedata.combining(one))
    return " ".join(re.findall(r"\w+", kept))


def shares(
    topics: Mapping[str, Topic], *, panels: Mapping[str, int], keywords: str
) -> dict[str, int]:
    """Return what an application is about: topics and their shares, which add up to 1000.

    panels    ERC panels (PE6, or a part of one: PE6_7) and their shares, any whole numbers
    keywords  looked at where no panel is named; an application with neither is about nothing

    A panel that several topics answer for is parted among those that the keywords name, else
    among all of them.
    """
    named = {slug for slug, topic in topics.items() if _is_named(topic, plain(keywords))}
    weights: dict[str, float] = {}
    for panel, share in panels.items():
        main = panel.partition("_")[0]
        answering = [slug for slug, topic in topics.items() if main in topic.erc]
        chosen = [slug for slug in answering if slug in named] or answering
        for slug in chosen:
            weights[slug] = weights.get(slug, 0) + share / len(chosen)
    if not weights:
        weights = dict.fromkeys(sorted(named), 1.0)
    return _parted(weights)


def _is_named(topic: Topic, keywords: str) -> bool:
    return any(re.search(rf"\b{re.escape(word)}", keywords) for word in topic.words)


def _parted(weights: Mapping[str, float]) -> dict[str, int]:
    """Return weights as whole parts of 1000, the largest remainders rounded up."""
    total = sum(weights.values())
    if not total:
        return {}
    exact = {slug: weight * WHOLE / total for slug, weight in weights.items()}
    parts = {slug: int(value) for slug, value in exact.items()}
    by_rest = sorted(exact, key=lambda slug: (parts[slug] - exact[slug], slug))
    for slug in by_rest[: WHOLE - sum(parts.values())]:
        parts[slug] += 1
    return {slug: part for slug, part in sorted(parts.items()) if part}


def overlap(known: Sequence[str], about: Mapping[str, int]) -> int:
    """Return how much of what an application is about a reviewer knows, in thousandths."""
    return sum(share for slug, share in about.items() if slug in known)
