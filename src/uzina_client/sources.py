"""Portals that are harvested, over HTTP."""

from collections.abc import Iterator, Mapping
from typing import Any

from uzina_client.part import Part
from uzina_client.transport import Json


class Sources(Part):
    """Other portals whose datasets are listed here too. For operators."""

    def list(self) -> Iterator[Json]:
        """Yield the portals."""
        return self.transport.pages("/catalogue/sources")

    def add(self, facts: Mapping[str, Any]) -> Json:
        """Have a portal harvested: title, url, kind, every_hours, licences, owner."""
        return self.transport.post("/catalogue/sources", dict(facts))

    def show(self, code: str) -> Json:
        """Return one portal."""
        return self.transport.get(f"/catalogue/sources/{code}")

    def harvests(self, code: str) -> Iterator[Json]:
        """Yield the harvests of a portal, newest first."""
        return self.transport.pages(f"/catalogue/sources/{code}/harvests")

    def harvest(self, code: str) -> Json:
        """Harvest a portal now."""
        return self.transport.post(f"/catalogue/sources/{code}/harvest")

    def pause(self, code: str) -> Json:
        """Harvest a portal no more by the clock."""
        return self.transport.post(f"/catalogue/sources/{code}/pause")

    def resume(self, code: str) -> Json:
        """Harvest a portal by the clock again."""
        return self.transport.post(f"/catalogue/sources/{code}/resume")
