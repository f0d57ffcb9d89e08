"""Portals that run CKAN: its search, page after page, as JSON.

GET <portal>/api/3/action/package_search?rows=100&start=N&sort=id asc answers
{"success": true, "result": {"count": …, "results": [package, …]}} (CKAN's API guide, version 2.9 on).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from uzina.catalogue.adapters.web import Web
from uzina.catalogue.ports import PortalRefused
from uzina.catalogue.rules import harvest as rules

ROWS = 100


@dataclass(frozen=True)
class CkanPortal:
    """A portal at its own address, without /api."""

    url: str
    web: Web
    licences: Sequence[Mapping[str, str]]

    def page(self, place: str) -> rules.Page:
        """Return one page. Its place is how many packages come before it, "" for the first.

        Raises PortalRefused, PortalDown.
        """
        base, start = self.url.rstrip("/"), int(place or 0)
        address = f"{base}/api/3/action/package_search?rows={ROWS}&start={start}&sort=id%20asc"
        total, packages = answer_of(self.web.get(address, accept="application/json").body)
        after = start + len(packages)
        is_last = not packages or (total is not None and after >= total)
        page = page_of(packages, base, self.licences, total)
        return replace(page, following="" if is_last else str(after))


def answer_of(body: bytes) -> tuple[int | None, list[Any]]:
    """Return how many packages there are, and those of this page. Raises PortalRefused."""
    try:
        said = json.loads(body)
        if said["success"] is not True:
            raise KeyError("success")
        result = said["result"]
        packages, total = result["results"], result.get("count")
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        msg = f"The answer is not what CKAN's package_search answers ({type(error).__name__})."
        raise PortalRefused(msg) from error
    if not isinstance(packages, list):
        msg = "The answer is not what CKAN's package_search answers: its results are no list."
        raise PortalRefused(msg)
    is_count = isinstance(total, int) and not isinstance(total, bool) and 0 <= total < 10**9
    return total if is_count else None, packages[: 10 * ROWS]


def page_of(
    packages: Sequence[Any], base: str, licences: Sequence[Mapping[str, str]], total: int | None
) -> rules.Page:
    """Return the packages as records. One that cannot be kept is told, the others are kept."""
    records, broken = [], []
    for package in packages:
        try:
            if not isinstance(package, dict):
                msg = "It is no object."
                raise rules.BrokenRecord(msg)
            if package.get("private") is True or package.get("state", "active") != "active":
                continue
            records.append(_record(package, base, licences))
        except rules.BrokenRecord as error:
            name = package.get("name") if isinstance(package, dict) else ""
            broken.append((str(name or "")[:200], str(error)))
    return rules.Page(records, broken, total)


def _record(
    package: Mapping[str, Any], base: str, licences: Sequence[Mapping[str, str]]
) -> rules.Foreign:
    key = package.get("id") or package.get("name")
    if not isinstance(key, str) or not 1 <= len(key) <= 200 or not key.isprintable():
        msg = "It has neither an id nor a name."
        raise rules.BrokenRecord(msg)
    name = package.get("name")
    name = name if isinstance(name, str) and name.isprintable() else key
    extras = _extras(package)
    files = [one for one in _list(package, "resources") if isinstance(one, dict)][:1_000]
    language = rules.codes(
        "language", rules.words(package.get("language") or extras.get("language"))
    )
    main = language[0] if language else ""
    named = [package.get("license_url"), package.get("license_id"), package.get("license_title")]
    organisation = package.get("organization")
    publisher = organisation.get("title") if isinstance(organisation, dict) else None
    return rules.Foreign(
        uri=rules.checked_uri(f"{base}/dataset/{quote(key, safe='')}"),
        title=rules.checked_title({main: package.get("title") or name}),
        description=rules.checked_description({main: package.get("notes")}),
        keywords=rules.keywords(
            one.get("display_name") or one.get("name")
            for one in _list(package, "tags")[:1_000]
            if isinstance(one, dict)
        ),
        themes=rules.codes(
            "data-theme",
            [
                *rules.words(package.get("theme") or extras.get("theme")),
                *(
                    one.get("name")
                    for one in _list(package, "groups")[:100]
                    if isinstance(one, dict)
                ),
            ],
        ),
        languages=language,
        licence=rules.licence_of(named, licences),
        licence_said=rules.plain(
            next((one for one in named if isinstance(one, str) and one), ""), 200
        ),
        access=rules.access_of(
            rules.codes("access-right", rules.words(extras.get("access_rights")))
        ),
        publisher=rules.plain(publisher or package.get("author"), 200),
        contact_name=rules.plain(package.get("maintainer") or package.get("author"), 120),
        contact_email=rules.email(package.get("maintainer_email") or package.get("author_email")),
        landing_url=rules.web_address(f"{base}/dataset/{quote(str(name)[:200], safe='')}")[:500],
        formats=rules.file_formats(one.get("format") or one.get("mimetype") for one in files),
        bytes=sum(_size(one.get("size")) for one in files),
        issued_at=rules.moment(package.get("metadata_created")),
        modified_at=rules.moment(package.get("metadata_modified")),
    )


def _list(package: Mapping[str, Any], key: str) -> list[Any]:
    found = package.get(key)
    return found if isinstance(found, list) else []


def _extras(package: Mapping[str, Any]) -> dict[str, Any]:
    """Return the extras: CKAN keeps them as a list of key and value, lists in them as JSON."""
    found: dict[str, Any] = {}
    for one in _list(package, "extras")[:200]:
        if isinstance(one, dict) and isinstance(one.get("key"), str):
            value = one.get("value")
            if isinstance(value, str) and value.startswith("["):
                try:
                    value = json.loads(value)
                except (ValueError, RecursionError):
                    value = None
            found[one["key"]] = value
    return found


def _size(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return 0
    text = str(value)
    return min(int(text), 2**50) if text.isascii() and text.isdecimal() and len(text) < 20 else 0
