"""What people sent, what is on its way, and where bytes can be fetched."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from django.core.signing import Signer
from django.utils.crypto import constant_time_compare

from uzina.catalogue import rules
from uzina.catalogue.adapters import store
from uzina.catalogue.models import Upload, Version
from uzina.catalogue.ports import Incoming, Link, Part
from uzina.core.attachments import SHOWN_BY_NO_BROWSER
from uzina.core.errors import NotAllowed, Refused
from uzina.core.text import _

if TYPE_CHECKING:
    from uzina.people.models import Person

LINK_LIFE = timedelta(minutes=15)


def has_blob(person: "Person", sha256: str) -> int | None:
    """Return the size of a blob that the person may put into a version; None for any other."""
    sent = Upload.objects.kept().filter(person=person, sha256=sha256).first()
    return None if sent is None else store().size(sha256)


def incoming(row: Upload) -> Incoming:
    """Return the upload as the store knows it."""
    return Incoming(row.code, row.handle, row.bytes, row.part_bytes)


def parts(row: Upload) -> list[Part]:
    """Return the parts of an upload that have arrived; none once it has ended."""
    if row.state is not rules.UploadState.RECEIVING or not row.handle:
        return []
    try:
        return store().list_parts(incoming(row))
    except Refused:
        return []


def is_direct() -> bool:
    """Tell whether parts go past the portal, by links."""
    return store().is_direct


def part_links(
    row: Upload, first: int, count: int, *, base: str, now: datetime
) -> list[dict[str, object]]:
    """Return where the parts from `first` on go: to the store itself, or to the API."""
    whole, kept = incoming(row), store()
    numbers = range(first, min(first + count, whole.part_count + 1))
    here = f"{base}/api/v1/catalogue/uploads/{row.code}/parts"
    found = []
    for number in numbers:
        link = kept.part_link(whole, number, now=now)
        url, until = (link.url, link.expires_at) if link else (f"{here}/{number}", row.expires_at)
        found.append({"number": number, "url": url, "expires_at": until})
    return found


# --- links to files ---------------------------------------------------------------------------


def link(version: Version, file: rules.File, *, person: "Person", base: str, now: datetime) -> Link:
    """Return an address where one file can be fetched for a short time, without signing in.

    The caller has asked whether the person may. In the store itself where it can; else an address
    of ours, bound to file, version and person, where the same is asked again.
    """
    away = away_link(file, now=now)
    if away is not None:
        return away
    until = now + LINK_LIFE
    place = f"/files/{version.dataset.slug}/{version.number}/{quote(file.path)}"
    bound = {"person": person.code, "expires": str(int(until.timestamp()))}
    signature = _signature(version.dataset.slug, version.number, file.path, **bound)
    return Link(f"{base}{place}?{urlencode(bound | {'signature': signature})}", until)


def away_link(file: rules.File, *, now: datetime) -> Link | None:
    """Return where the store itself gives a file, as an attachment; None where it cannot."""
    kind = file.media_type if file.media_type in SHOWN_BY_NO_BROWSER else "application/octet-stream"
    return store().link(file.sha256, name=file.path.rpartition("/")[2], media_type=kind, now=now)


def check_link(
    slug: str, number: int, path: str, *, person: str, expires: str, signature: str, now: datetime
) -> None:
    """Raise NotAllowed file.link.wrong, file.link.expired unless the address is one we gave."""
    wanted = _signature(slug, number, path, person=person, expires=expires)
    if not constant_time_compare(wanted, signature):
        raise NotAllowed(
            "file.link.wrong", _("This address was changed. Ask for a new link to the file.")
        )
    if now.timestamp() >= int(expires):
        raise NotAllowed(
            "file.link.expired", _("This link has ended. Ask for a new link to the file.")
        )


def _signature(slug: str, number: int, path: str, *, person: str, expires: str) -> str:
    signer = Signer(salt="uzina.catalogue.files")
    return signer.signature("\n".join([slug, str(number), person, expires, path]))
