"""500 varied records before the validators of others: DCAT-AP by pyshacl, Croissant by mlcroissant.

    python benchmarks/standards.py [--quick]

The records are those of the tests (hypothesis, the same ones each time): titles in any script, with
control characters, quotes and marks; every optional field on and off. Each is written in DCAT-AP 3.0.1
and judged by pyshacl with all official shapes, required and recommended, 50 records at once as a
harvester takes a page; beside it by the engine the portal runs, which must find exactly the same. Each
is written in Croissant 1.1 and read by mlcroissant, which may neither name an error nor warn of
anything but a missing citation. CPU seconds of this process. It ends with 1 when anything is found.
Rewrites benchmarks/standards.md unless --quick is given; the last line is one JSON object.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import logging
import os
import platform
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from uzina.catalogue.rules import shapes
from uzina.catalogue.rules.records import Record
from uzina.catalogue.tests import varied

MANY, FEW, PAGE = 500, 50, 50
OPTIONAL: dict[str, Callable[[Record], bool]] = {
    "texts in several languages": lambda one: len(one.title) > 1,
    "several versions": lambda one: len(one.versions) > 1,
    "files": lambda one: bool(one.versions[0].files),
    "columns of files": lambda one: any(file.columns for file in one.versions[0].files),
    "made from other data": lambda one: bool(one.versions[0].sources),
    "note of the version": lambda one: bool(one.versions[0].note),
    "creators": lambda one: bool(one.creators),
    "contact's name": lambda one: bool(one.contact_name),
    "contact's e-mail": lambda one: bool(one.contact_email),
    "page at the holder": lambda one: bool(one.landing_url),
    "identifier": lambda one: bool(one.identifier),
    "citation": lambda one: bool(one.cite_as),
    "themes": lambda one: bool(one.themes),
    "keywords": lambda one: bool(one.keywords),
    "frequency": lambda one: one.frequency is not None,
    "places": lambda one: bool(one.places),
    "begins on": lambda one: one.begins_on is not None,
    "ends on": lambda one: one.ends_on is not None,
    "answers of the steward": lambda one: bool(one.answers),
    "usage policy": lambda one: one.policy is not None,
    "open to all": lambda one: one.is_open,
}


def main() -> int:
    """Judge, print and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="few records, table not rewritten")
    quick = parser.parse_args().quick
    warnings.filterwarnings("ignore", "ConjunctiveGraph is deprecated")
    logging.getLogger("absl").setLevel(logging.ERROR)
    found = measure(FEW if quick else MANY)
    print(table(found))
    if not quick:
        Path(__file__).with_suffix(".md").write_text(f"{table(found)}\n", encoding="utf-8")
    return 1 if found["violations"] or found["differences"] or found["croissant_faults"] else 0


def measure(count: int) -> dict[str, Any]:
    """Return what the validators find in that many records, and what it costs."""
    cpu: dict[str, float] = {}

    def timed(name: str, act: Callable[..., Any], *given: Any) -> Any:
        start = time.process_time()
        done = act(*given)
        cpu[name] = cpu.get(name, 0.0) + time.process_time() - start
        return done

    records = timed("making", varied.varied, count)
    varied.judged("")
    shapes.findings("")
    severities: Counter[str] = Counter()
    differences = triples = 0
    for first in range(0, count, PAGE):
        batch = records[first : first + PAGE]
        whole = timed("writing", varied.page, batch)
        triples += len({line for line in whole.split("\n") if line})
        oracle = timed("pyshacl", varied.judged, whole)
        ours = timed("portal", varied.found_by_portal, whole)
        differences += sum(((oracle - ours) + (ours - oracle)).values())
        for one, times in oracle.items():
            severities[one[0]] += times
            if one[0] == "Violation":
                print(f"violation: {one}", file=sys.stderr)
    faults = 0
    for one in records:
        for fault in timed("mlcroissant", varied.croissant_faults, one):
            faults += 1
            print(f"{one.slug}: {fault}", file=sys.stderr)
    return {
        "benchmark": "standards",
        "records": count,
        "different": len({varied.document(one).replace(one.slug, "") for one in records}),
        "triples": triples,
        "violations": severities["Violation"],
        "recommendations": sum(severities.values()) - severities["Violation"],
        "differences": differences,
        "croissant_faults": faults,
        "cpu_s": {name: round(seconds, 2) for name, seconds in cpu.items()},
        "fields": {name: sum(map(is_on, records)) for name, is_on in OPTIONAL.items()},
    }


def table(found: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    count, cpu = found["records"], found["cpu_s"]
    version = importlib.metadata.version
    rows = [
        (
            f"pyshacl {version('pyshacl')}, every shape of DCAT-AP 3.0.1",
            f"{found['violations']} violations, {found['recommendations']:,} recommendations",
            cpu["pyshacl"],
        ),
        (
            f"shacl {version('shacl')}, which the portal runs",
            f"{found['differences']} differences from pyshacl",
            cpu["portal"],
        ),
        (
            f"mlcroissant {version('mlcroissant')}",
            f"{found['croissant_faults']} errors or warnings",
            cpu["mlcroissant"],
        ),
    ]
    lines = [
        "# Records before the validators of others",
        "",
        (
            f"{count} records, {found['different']} of them different, {found['triples']:,} triples in "
            f"pages of {PAGE}. Making them took {cpu['making']} s of CPU, writing them in DCAT-AP "
            f"{cpu['writing']} s. CPython {platform.python_version()}, {os.cpu_count()} cores, load "
            f"{os.getloadavg()[0]:.1f}. `python benchmarks/standards.py` makes this page."
        ),
        "",
        "| Validator | found | CPU s | CPU ms a record |",
        "|---|---|---:|---:|",
        *(f"| {name} | {what} | {s:.2f} | {1000 * s / count:.1f} |" for name, what, s in rows),
        "",
        "| Optional | on | off |",
        "|---|---:|---:|",
        *(f"| {name} | {on} | {count - on} |" for name, on in found["fields"].items()),
        "",
        json.dumps(found),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
