"""Licences."""

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet

from uzina.catalogue.models import Licence
from uzina.core.errors import Refused
from uzina.core.text import _

if TYPE_CHECKING:
    pass


NO_LICENCE = "not-stated"
"""The licence of harvested data that name none of ours. No steward can choose it."""


def licences() -> QuerySet[Licence]:
    """Return the licences a dataset can be under, in the order of their titles."""
    return Licence.objects.exclude(slug=NO_LICENCE).order_by("title_en")


def licence(slug: str) -> Licence:
    """Return the licence with the slug. Raises Refused licence.find.unknown."""
    found = Licence.objects.filter(slug=slug).first()
    if found is None:
        raise Refused(
            "licence.find.unknown",
            _("There is no licence {slug!r} here. GET /api/v1/catalogue/licences lists them."),
            slug=slug[:40],
        )
    return found


def shipped_licences() -> tuple[dict[str, Any], ...]:
    """Return the rows of `licences.toml`, each with the day the file was checked."""
    table = tomllib.loads(
        (Path(__file__).parent.parent / "licences.toml").read_text(encoding="utf-8")
    )
    return tuple(one | {"as_of": table["as_of"]} for one in table["licence"])
