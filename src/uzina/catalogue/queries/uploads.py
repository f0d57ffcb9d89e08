"""What people sent."""

from typing import TYPE_CHECKING

from uzina.catalogue.adapters import store
from uzina.catalogue.models import Upload

if TYPE_CHECKING:
    from uzina.people.models import Person


def has_blob(person: "Person", sha256: str) -> int | None:
    """Return the size of a blob that the person may put into a version; None for any other."""
    sent = Upload.objects.filter(person=person, sha256=sha256).first()
    return None if sent is None else store().size(sha256)
