"""What a list can be narrowed by, as links, and what it is narrowed by, as chips."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext, gettext_lazy

from uzina.catalogue import queries, rules

TITLES = {
    "theme": gettext_lazy("Theme"),
    "language": gettext_lazy("Language"),
    "licence": gettext_lazy("Licence"),
    "access": gettext_lazy("Access"),
    "format": gettext_lazy("File format"),
    "size": gettext_lazy("Size"),
    "holder": gettext_lazy("Held by"),
    "year": gettext_lazy("Year"),
    "source": gettext_lazy("Harvested from"),
}

STATES = {
    "access": {str(one): one.label for one in rules.AccessRight},
    "size": {str(one): one.label for one in rules.SizeClass},
}

SHOWN = 6
"""Values of a facet that are seen at once; the others unfold."""

MOST = 60
"""Values of a facet on a page; words find the rest."""

Counts = Mapping[str, Mapping[str, int]]
Chosen = Mapping[str, Sequence[str]]


class Address:
    """The address of the list with one thing more or less in it, from its first page on."""

    def __init__(self, asked: QueryDict) -> None:
        self.asked = asked

    def toggled(self, kind: str, value: str) -> str:
        """Return the address with a value chosen, or not any more."""
        changed = self.asked.copy()
        changed.pop("cursor", None)
        values = changed.getlist(kind)
        kept = [one for one in values if one != value]
        changed.setlist(kind, kept if len(kept) < len(values) else [*values, value])
        return f"?{changed.urlencode()}"


class Labels:
    """The words for values, in a language of the portal. Two statements, whatever is shown."""

    def __init__(self, here: str, counts: Counts, chosen: Chosen) -> None:
        self.here = here
        holders = sorted(counts.get("holder", {}).items(), key=lambda one: -one[1])[:MOST]
        codes = {code for code, _count in holders} | set(chosen.get("holder", ()))
        self.holders = queries.holder_names(sorted(codes)) if codes else {}
        self.licences = {one.slug: one.title(here) for one in queries.licences()}
        self.licences[queries.NO_LICENCE] = gettext("Not stated")
        sources = {*counts.get("source", {}), *chosen.get("source", ())}
        self.sources = queries.source_names(sorted(sources)) if sources else {}

    def of(self, kind: str, value: str) -> str:
        """Return the words for one value; the value itself where there are none."""
        if kind == "theme":
            term = rules.terms("data-theme").get(value)
            return term.label(self.here) if term else value
        if kind == "language":
            return queries.language_names([value], self.here)[0]
        if value in (states := STATES.get(kind, {})):
            return gettext(states[value])
        words = {"holder": self.holders, "licence": self.licences, "source": self.sources}
        return words.get(kind, {}).get(value, value)


def facets(
    counts: Counts, chosen: Chosen, labels: Labels, address: Address
) -> list[dict[str, Any]]:
    """Return each facet with its values: those chosen, then the most frequent ones."""
    shown = []
    for kind, title in TITLES.items():
        known = dict(counts.get(kind, {}))
        known |= {value: known.get(value, 0) for value in chosen.get(kind, ())}
        if not known:
            continue
        options = [
            {
                "label": labels.of(kind, value),
                "count": count,
                "href": address.toggled(kind, value),
                "is_chosen": value in chosen.get(kind, ()),
            }
            for value, count in _ordered(kind, known)[:MOST]
        ]
        chosen_first = [one for one in options if one["is_chosen"]] + [
            one for one in options if not one["is_chosen"]
        ]
        shown.append(
            {
                "kind": kind,
                "title": title,
                "top": chosen_first[:SHOWN],
                "rest": chosen_first[SHOWN:],
            }
        )
    return shown


def _ordered(kind: str, counts: Mapping[str, int]) -> list[tuple[str, int]]:
    if kind == "year":
        return sorted(counts.items(), reverse=True)
    if kind == "size":
        order = [one.value for one in rules.SizeClass]
        return sorted(counts.items(), key=lambda one: order.index(one[0]) if one[0] in order else 9)
    return sorted(counts.items(), key=lambda one: (-one[1], one[0]))


def chips(chosen: Chosen, labels: Labels, address: Address) -> list[dict[str, Any]]:
    """Return what the list is narrowed by, each with the address without it."""
    return [
        {
            "title": TITLES[kind],
            "label": labels.of(kind, value),
            "href": address.toggled(kind, value),
        }
        for kind, values in chosen.items()
        for value in values
    ]
