"""Grand challenges, and expressions of interest."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from uzina_client.part import Part
from uzina_client.transport import Json

CSV = {"Content-Type": "text/csv"}


class Challenges(Part):
    """Entries scored on data that entrants never see; and who is admitted to a consortium."""

    def show(self, slug: str) -> Json:
        """Return what the entries to a call are scored on."""
        return self.transport.get(f"/calls/calls/{slug}/challenge")

    def set(
        self,
        slug: str,
        truth: Path,
        *,
        metric: str,
        prizes: Sequence[int],
        entries_per_day: int,
        closes_at: str,
    ) -> Json:
        """Set a challenge (operator).

        truth   a CSV of id, answer and, if wanted, part
        prizes  GPU-hours by rank
        """
        return self.transport.send(
            "PUT",
            f"/calls/calls/{slug}/challenge",
            params={
                "metric": metric,
                "prizes": list(prizes),
                "entries_per_day": entries_per_day,
                "closes_at": closes_at,
            },
            body=lambda: iter([truth.read_bytes()]),
            headers=CSV | {"Content-Length": str(truth.stat().st_size)},
        ).json()

    def leaderboard(self, slug: str) -> Iterator[Json]:
        """Yield the places: by public scores until all are revealed, then by private ones."""
        after: int | None = 0
        while after is not None:
            page = self.transport.get(f"/calls/calls/{slug}/leaderboard", after=after)
            yield from page["items"]
            after = page["next"]

    def reveal(self, slug: str) -> Json:
        """Show the private scores (operator), after the close."""
        return self.transport.post(f"/calls/calls/{slug}/challenge/reveal")

    def release(self, slug: str) -> Json:
        """Offer the prizes (operator)."""
        return self.transport.post(f"/calls/calls/{slug}/challenge/release")

    def enter(self, application: str, path: Path, *, note: str = "") -> Json:
        """Send predictions, a CSV of id and prediction. The portal scores them in a while."""
        return self.transport.send(
            "POST",
            f"/calls/applications/{application}/entries",
            params={"note": note} if note else None,
            body=lambda: iter([path.read_bytes()]),
            headers=CSV | {"Content-Length": str(path.stat().st_size)},
        ).json()

    def entries(self, application: str) -> Iterator[Json]:
        """Yield what one sent, newest first."""
        return self.transport.pages(f"/calls/applications/{application}/entries")

    def entry(self, code: str) -> Json:
        """Return one of one's entries."""
        return self.transport.get(f"/calls/entries/{code}")

    def choose(self, code: str) -> Json:
        """Have this entry count instead of the one with the best public score."""
        return self.transport.post(f"/calls/entries/{code}/choose")

    def interests(self, slug: str) -> Iterator[Json]:
        """Yield the expressions of interest in a call (operator, panel)."""
        return self.transport.pages(f"/calls/calls/{slug}/interests")

    def members(self, slug: str) -> Iterator[Json]:
        """Yield the organisations that were admitted (operator, panel)."""
        return self.transport.pages(f"/calls/calls/{slug}/members")

    def admit(self, slug: str, code: str, *, reason: str = "") -> Json:
        """Admit an organisation to the consortium (operator, panel)."""
        return self.transport.post(
            f"/calls/calls/{slug}/interests/{code}/admit", {"reason": reason}
        )

    def decline(self, slug: str, code: str, *, reason: str) -> Json:
        """Decline an expression of interest (operator, panel)."""
        return self.transport.post(
            f"/calls/calls/{slug}/interests/{code}/decline", {"reason": reason}
        )
