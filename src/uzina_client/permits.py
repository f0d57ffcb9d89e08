"""Access to restricted data, over HTTP: policies, requests, and who used what."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from uzina_client.part import Part
from uzina_client.transport import Json


class Permits(Part):
    """Who may use which data for what until when."""

    def purposes(self) -> list[Json]:
        """Return the purposes that data can be asked for."""
        return list(self.transport.get("/catalogue/purposes"))

    def policy(self, dataset: str) -> Json:
        """Return the usage policy of a dataset, with its ODRL offer."""
        return self.transport.get(f"/catalogue/datasets/{dataset}/policy")

    def offer(self, dataset: str, terms: Mapping[str, Any]) -> Json:
        """Offer a policy: purposes, until, places, kinds, countries, is_automatic and others."""
        return self.transport.post(f"/catalogue/datasets/{dataset}/policy", dict(terms))

    def ask(
        self,
        dataset: str,
        *,
        project: str,
        purpose: str,
        why: str,
        place: str,
        until: datetime,
        legal_basis: str = "",
    ) -> Json:
        """Ask the holder of a dataset to let a project use it."""
        return self.transport.post(
            f"/catalogue/datasets/{dataset}/access",
            {
                "project": project,
                "purpose": purpose,
                "why": why,
                "place": place,
                "until": until.isoformat(),
                "legal_basis": legal_basis,
            },
        )

    def requests(self, *, state: str = "", to_decide: bool = False) -> Iterator[Json]:
        """Yield requests one may see, newest first; to_decide: those one answers."""
        asked = {"state": state, "to_decide": "true" if to_decide else ""}
        return self.transport.pages(
            "/catalogue/access", **{name: value for name, value in asked.items() if value}
        )

    def request(self, code: str) -> Json:
        """Return one request, and which constraints of the policy it does not meet."""
        return self.transport.get(f"/catalogue/access/{code}")

    def grant(self, code: str, *, until: datetime | None = None, reason: str = "") -> Json:
        """Let a project use the data, for as long as it asked or for less."""
        body = {"until": until.isoformat() if until else None, "reason": reason}
        return self.transport.post(f"/catalogue/access/{code}/grant", body)

    def refuse(self, code: str, *, reason: str) -> Json:
        """Do not let a project use the data."""
        return self.transport.post(f"/catalogue/access/{code}/refuse", {"reason": reason})

    def revoke(self, code: str, *, reason: str) -> Json:
        """Take a permission back."""
        return self.transport.post(f"/catalogue/access/{code}/revoke", {"reason": reason})

    def withdraw(self, code: str) -> Json:
        """Take a request back before it is answered."""
        return self.transport.post(f"/catalogue/access/{code}/withdraw")

    def end(self, code: str) -> Json:
        """Give a permission back before its time is over."""
        return self.transport.post(f"/catalogue/access/{code}/end")

    def uses(self, *, dataset: str = "", request: str = "") -> Iterator[Json]:
        """Yield who used a dataset's restricted files, or what was used under one permission."""
        at = f"access/{request}" if request else f"datasets/{dataset}"
        return self.transport.pages(f"/catalogue/{at}/uses")
