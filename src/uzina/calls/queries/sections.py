"""What a call asks in its sections: choices, limits and terms of reference."""

import functools
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import get_language

from uzina.calls.models import Application, Call
from uzina.calls.rules import modes, sections
from uzina.calls.rules.modes import PartitionAsk

HERE = Path(__file__).parent.parent
PANELS, TERMS = HERE / "erc_panels.toml", HERE / "terms"


@functools.cache
def _panels(language: str) -> tuple[tuple[str, str], ...]:
    """Return the panels of the European Research Council: code, and code with name."""
    rows = tomllib.loads(PANELS.read_text(encoding="utf-8"))["panels"]
    return tuple(
        (code, f"{code} {modes.in_language(names, language)}") for code, names in rows.items()
    )


@functools.cache
def terms_file() -> dict[str, Any]:
    """Return the terms of reference in force: the newest file."""
    newest = max(TERMS.glob("*.toml"), key=lambda path: path.stem)
    return tomllib.loads(newest.read_text(encoding="utf-8"))


def terms_version(call: Call) -> str:
    """Return the version of the terms that applicants of a call accept.

    It changes with the text and with the mode, whose figures the text holds.
    """
    return f"{terms_file()['version']}/{call.mode.slug}/{call.mode.version}"


def terms_of(call: Call, language: str) -> list[dict[str, str]]:
    """Return the terms of reference of a call: title and text of each clause that is for it."""
    mode, site = call.mode, settings.UZINA.site
    where = "extendable" if mode.is_extendable else "not_extendable"
    facts = {
        "report_months": mode.report_months,
        "data_days": mode.data_days,
        "host": site.name,
    }
    return [
        {
            "title": modes.in_language(clause["title"], language),
            "text": modes.in_language(clause, language).format(**facts),
        }
        for clause in terms_file()["clauses"]
        if mode.kind in clause.get("only", [mode.kind]) and clause.get("where", where) == where
    ]


def offer(call: Call) -> sections.Offer:
    """Return what a call lets its applicants choose. One query, none where it was prefetched."""
    mode = call.mode
    return sections.Offer(
        durations=mode.durations_months,
        partitions=_partitions(call) if "work" in mode.sections else (),
        unit=mode.unit,
        has_hours=mode.kind != "interest",
        is_package=bool(mode.package_gpu_hours),
        needs_fallback=mode.needs_fallback,
        is_long="code" in mode.sections,
        terms_version=terms_version(call),
        panels=_panels((get_language() or "en")[:2]),
    )


def _partitions(call: Call) -> tuple[PartitionAsk, ...]:
    """Return the partitions of which the call has capacity, with what may be asked of each."""
    mode = call.mode
    by_name = {one.name: one for one in mode.partitions}
    offered = {one.partition: one.gpus_per_node for one in call.capacities.all()}
    return tuple(
        by_name.get(name) or PartitionAsk(name, gpus, mode.least, mode.most)
        for name, gpus in offered.items()
    )


def asked_section(application: Application, slug: str) -> sections.Section:
    """Return a section as the application's call asks it. Raises KeyError for none of its own."""
    if slug not in application.call.mode.sections:
        raise KeyError(slug)
    return sections.asked(slug, offer(application.call))


def asked_sections(application: Application) -> list[sections.Section]:
    """Return all sections of an application as its call asks them, in order. One query."""
    call = application.call
    return sections.asked_all(call.mode.sections, offer(call))


def in_unit(call: Call, gpu_hours: int, answers: Mapping[str, Any]) -> int:
    """Return GPU-hours in the unit of the call's mode, rounded up: on the partition answered.

    answers  of the section work, as they were typed
    """
    if call.mode.unit != "node_hour":
        return gpu_hours
    offered = _partitions(call)
    name = answers.get("partition", "")
    chosen = next((one for one in offered if one.name == name), offered[0] if offered else None)
    return -(-gpu_hours // (chosen.gpus_per_node if chosen else 1))
