"""What is counted and shown of a preparation: tables that add up, whoever counted them.

A tally is plain JSON, so that it goes into a part's marker; tallies of parts are added in the order
of their documents, so that counts and samples are the same for one worker and for a hundred.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

SAMPLES = 3
EXCERPT = 160
LONGEST_ID = 200
TOP_DOMAINS = 1000
TOP_SHARE = 0.1


class Tally:
    """Counts of what came in, what each rule took and what went out, by language."""

    def __init__(self, scrub: Callable[[str], str]) -> None:
        """Start at nothing; scrub takes personal data out of what is shown."""
        self.scrub = scrub
        self.counts: dict[str, dict[str, dict[str, int]]] = {}
        self.samples: dict[str, list[dict[str, Any]]] = {}

    def add(self, name: str, language: str, size: int, *, documents: int = 1) -> None:
        """Count something of this many bytes under a name and a language."""
        row = self.counts.setdefault(name, {}).setdefault(language, {"documents": 0, "bytes": 0})
        row["documents"] += documents
        row["bytes"] += size

    def sample(self, rule: str, document: str, text: str, **facts: Any) -> None:
        """Keep up to three examples of what a rule took, without personal data."""
        if len(self.samples.setdefault(rule, [])) < SAMPLES:
            excerpt = " ".join(self.scrub(text[: 20 * EXCERPT]).split())[:EXCERPT]
            name = self.scrub(document)[:LONGEST_ID]
            self.samples[rule].append({"id": name, "excerpt": excerpt, **facts})

    def exclude(self, rule: str, document: str, language: str, text: str, **facts: Any) -> None:
        """Count a document that a rule left out."""
        self.add(rule, language, len(text.encode()))
        self.sample(rule, document, text, language=language, **facts)

    def facts(self) -> dict[str, Any]:
        """All of it, for a marker."""
        return {"counts": self.counts, "samples": self.samples}


def total(tallies: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The sum of tallies: counts added up, the first three samples of each rule."""
    counts: dict[str, dict[str, Counter[str]]] = {}
    samples: dict[str, list[dict[str, Any]]] = {}
    for tally in tallies:
        for name, rows in tally["counts"].items():
            into = counts.setdefault(name, {})
            for language, row in rows.items():
                into.setdefault(language, Counter()).update(row)
        for rule, found in tally["samples"].items():
            kept = samples.setdefault(rule, [])
            kept.extend(found[: SAMPLES - len(kept)])
    return {
        "counts": {
            name: {language: dict(rows[language]) for language in sorted(rows)}
            for name, rows in counts.items()
        },
        "samples": samples,
    }


def rules(
    tally: Mapping[str, Any], names: Iterable[str], says: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """What each rule took, by language, with samples, and what a published rule measures."""
    return {
        name: {
            **({"says": says[name]} if name in says else {}),
            "by_language": tally["counts"].get(name, {}),
            "samples": tally["samples"].get(name, []),
        }
        for name in names
    }


def added(tables: Iterable[Mapping[str, Mapping[str, int]]]) -> dict[str, dict[str, int]]:
    """Tables of counts by name, added up, in order of their names."""
    found: dict[str, Counter[str]] = {}
    for table in tables:
        for name, row in table.items():
            found.setdefault(name, Counter()).update(row)
    return {name: dict(found[name]) for name in sorted(found)}


def statistics(
    kept: Mapping[str, Any], came_in: Mapping[str, Mapping[str, int]], scrubbed: Mapping[str, int]
) -> dict[str, Any]:
    """What the public summary of training content asks of the data that is trained on.

    kept      sums over the training documents: by_language, by_source, by_licence, domains, dates
    came_in   documents and bytes read, by declared language
    scrubbed  pieces of personal data replaced, by kind

    Shares are of bytes. Of crawled pages the domains are named that make up the top tenth of all
    domains by size, a thousand at most.
    """
    whole = sum(row["bytes"] for row in kept["by_language"].values())

    def shares(rows: Mapping[str, Mapping[str, int]]) -> list[dict[str, Any]]:
        ordered = sorted(rows.items(), key=lambda item: (-item[1]["bytes"], item[0]))
        return [
            {"name": name, **row, "share": round(row["bytes"] / whole, 6) if whole else 0.0}
            for name, row in ordered
        ]

    domains = shares(kept["by_domain"])
    top = domains[: min(TOP_DOMAINS, max(1, round(TOP_SHARE * len(domains))))]
    return {
        "modality": "text",
        "tokens": sum(row["tokens"] for row in kept["by_language"].values()),
        "documents": sum(row["documents"] for row in kept["by_language"].values()),
        "bytes": whole,
        "read": {
            "documents": sum(row["documents"] for row in came_in.values()),
            "bytes": sum(row["bytes"] for row in came_in.values()),
        },
        "languages": shares(kept["by_language"]),
        "sources": shares(kept["by_source"]),
        "licences": shares(kept["by_licence"]),
        "collected": {"from": kept["first"], "until": kept["last"], "dated": kept["dated"]},
        "crawled": {
            "documents": sum(row["documents"] for row in domains),
            "bytes": sum(row["bytes"] for row in domains),
            "domains": len(domains),
            "top": top,
            "top_share_of_crawled": round(
                sum(row["bytes"] for row in top) / max(1, sum(row["bytes"] for row in domains)), 6
            ),
        },
        "personal_data_replaced": dict(scrubbed),
    }
