"""The official SHACL shapes, and what a result of theirs means in our form."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyoxigraph as ox
import shacl

from uzina.catalogue.rules.rdf import as_ntriples

FOLDER = Path(__file__).parent.parent / "shapes"

SH = "http://www.w3.org/ns/shacl#"


@cache
def origin() -> dict[str, Any]:
    """Return where the shapes come from, by profile."""
    return tomllib.loads((FOLDER / "origin.toml").read_text(encoding="utf-8"))


@cache
def shapes(profile: str) -> str:
    """Return the shapes of a profile of origin(), mended, as N-Triples.

    Some releases refer to property shapes that no file of theirs defines; a validator that keeps
    to the specification then refuses them all, so such references are dropped.
    """
    facts = origin()[profile]
    triples = [
        one.triple
        for name in (*facts["required"], *facts["recommended"])
        for one in ox.parse(
            path=FOLDER / facts["folder"] / name,
            format=ox.RdfFormat.TURTLE,
            rename_blank_nodes=True,
        )
    ]
    has_path = {one.subject for one in triples if one.predicate.value == f"{SH}path"}
    return as_ntriples(
        one for one in triples if one.predicate.value != f"{SH}property" or one.object in has_path
    )


@dataclass(frozen=True)
class Finding:
    """One result of the shapes.

    focus, path, component  as the shapes name them: node, property and constraint
    is_mistake  a violation; otherwise a recommendation
    """

    severity: str
    focus: str
    path: str
    component: str
    shape: str

    @property
    def is_mistake(self) -> bool:
        """Whether the shapes require what is missing."""
        return self.severity == "Violation"


@cache
def _engine(profile: str) -> shacl.Shapes:
    return shacl.Shapes.from_text(shapes(profile), format="ntriples")


def findings(ntriples: str, *, profile: str = "dcat-ap") -> list[Finding]:
    """Return what the official shapes find in triples, required or recommended.

    By the engine `shacl`, some hundred times faster than pyshacl, which the tests compare it with.
    Nothing is kept from being saved by it.
    """
    return [
        Finding(
            severity=one.severity,
            focus=one.focus_node.strip("<>"),
            path=(one.path or "").strip("<>"),
            component=one.component,
            shape=(one.root_shape or "").strip("<>"),
        )
        for one in _engine(profile).validate_text(ntriples, format="ntriples").results
    ]
