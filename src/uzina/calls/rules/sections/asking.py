"""A section as one call asks it: which questions, with which answers to choose from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from uzina.calls.rules.modes import PartitionAsk
from uzina.calls.rules.sections.declarations import DECLARATIONS
from uzina.calls.rules.sections.fields import AMOUNT, Field, Limit, Section
from uzina.calls.rules.sections.judged import DATA, ETHICS, IMPACT, PLAN
from uzina.calls.rules.sections.people import (
    DATE_OF_BIRTH,
    INTEREST,
    PRINCIPAL_INVESTIGATOR,
    TEAM,
)
from uzina.calls.rules.sections.project import PROJECT, RESEARCH
from uzina.calls.rules.sections.work import CODE, WORK
from uzina.core.text import _

ALL: Mapping[str, Section] = {
    section.slug: section
    for section in (
        PROJECT,
        RESEARCH,
        TEAM,
        PRINCIPAL_INVESTIGATOR,
        DATE_OF_BIRTH,
        WORK,
        CODE,
        DATA,
        ETHICS,
        IMPACT,
        PLAN,
        INTEREST,
        DECLARATIONS,
    )
}
"""Every section, as it is written: with the questions of all calls."""

NODE_HOURS = (
    _("Node-hours you ask for"),
    _("Write how many node-hours you ask for."),
)
GPU_HOURS = (
    _("GPU-hours you ask for"),
    _("Write how many GPU-hours you ask for."),
)


@dataclass(frozen=True)
class Offer:
    """What a call lets its applicants choose, and how it asks.

    partitions     with what may be asked of each; a call with only one does not ask which
    has_hours      its awards are hours: not a place in a consortium
    is_package     every award gives the same, so the ask is only compared with it
    needs_fallback  a second partition is named, where there are several
    is_long        it asks about the code in a section of its own
    terms_version  of the terms of reference, "" where they are not known
    panels         of the European Research Council: code and name
    """

    durations: tuple[int, ...] = ()
    partitions: tuple[PartitionAsk, ...] = ()
    unit: str = "gpu_hour"
    has_hours: bool = True
    is_package: bool = True
    needs_fallback: bool = False
    is_long: bool = False
    terms_version: str = ""
    panels: tuple[tuple[str, str], ...] = ()

    def holds(self, where: str) -> bool:
        """Tell whether a condition of a field is met."""
        return {
            "": True,
            "hours": self.has_hours,
            "partitions": self.has_hours and len(self.partitions) > 1,
            "short": not self.is_long,
            "long": self.is_long,
        }[where]


def asked(slug: str, offer: Offer) -> Section:
    """Return a section as the call asks it. Raises KeyError for a section that there is not."""
    section = ALL[slug]
    return replace(
        section,
        fields=tuple(
            _asked(field, offer) for field in section.fields if offer.holds(field.only_where)
        ),
        limits=_limits(offer) if slug == WORK.slug else (),
    )


def asked_all(slugs: Sequence[str], offer: Offer) -> list[Section]:
    """Return the sections of a call in order."""
    return [asked(slug, offer) for slug in slugs]


def _asked(field: Field, offer: Offer) -> Field:
    if field.columns:
        return replace(field, columns=tuple(_asked(column, offer) for column in field.columns))
    if field.name == AMOUNT and not offer.is_package:
        label, missing = NODE_HOURS if offer.unit == "node_hour" else GPU_HOURS
        return replace(field, label=label, missing=missing)
    if field.name == "fallback_partition" and offer.needs_fallback:
        field = replace(field, missing=_("Choose a second partition."))
    match field.offered:
        case "durations":
            return replace(field, allowed=offer.durations)
        case "partitions":
            return replace(field, choices=tuple((one.name, one.name) for one in offer.partitions))
        case "panels":
            return replace(field, choices=offer.panels)
        case "terms" if offer.terms_version:
            return replace(field, choices=((offer.terms_version, offer.terms_version),))
    return field


def _limits(offer: Offer) -> tuple[Limit, ...]:
    if offer.is_package or not offer.has_hours:
        return ()
    return tuple(
        Limit(one.name if len(offer.partitions) > 1 else "", one.least, one.most)
        for one in offer.partitions
    )
