"""The official SHACL shapes, and what a result of theirs means in our form."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pyoxigraph as ox

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
