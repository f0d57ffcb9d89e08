"""Licences."""

from datetime import datetime

from uzina.catalogue import queries
from uzina.catalogue.models import Licence
from uzina.core.db import action
from uzina.core.log import log


@action
def seed_licences(*, now: datetime) -> int:
    """Write the shipped licences into the table; return how many changed. Again is harmless."""
    changed = 0
    for row in queries.shipped_licences():
        known = Licence.objects.filter(slug=row["slug"])
        if not known.filter(**row).exists():
            Licence.objects.update_or_create(slug=row["slug"], defaults=row)
            changed += 1
    if changed:
        log("licences.seeded", "licences", by=None, now=now, changed=changed)
    return changed
