"""Reviews, replies, panels, rankings and appeals."""

from collections.abc import Iterator, Mapping
from typing import Any

from uzina_client.part import Part
from uzina_client.transport import Json


class Judging(Part):
    """How applications are judged: what each of those who take part does."""

    def reviews(self) -> Iterator[Json]:
        """Yield the reviews one was asked for."""
        return self.transport.pages("/calls/reviews")

    def review(self, code: str) -> Json:
        """Return one review with what it is about; send its `version` back when saving."""
        return self.transport.get(f"/calls/reviews/{code}")

    def accept(self, code: str) -> Json:
        """Accept to write a review."""
        return self.transport.post(f"/calls/reviews/{code}/accept")

    def decline(self, code: str, *, reason: str) -> None:
        """Decline to write a review."""
        self.transport.post(f"/calls/reviews/{code}/decline", {"reason": reason})

    def conflict(self, code: str, *, reason: str) -> None:
        """Declare an interest in what one was asked to review: one sees nothing of it any more."""
        self.transport.post(f"/calls/reviews/{code}/conflict", {"reason": reason})

    def save(self, code: str, facts: Mapping[str, Any]) -> Json:
        """Save a review, complete or not: version, scores, comment, panel_comment, notes."""
        return self.transport.put(f"/calls/reviews/{code}", dict(facts))

    def submit(self, code: str, facts: Mapping[str, Any]) -> Json:
        """Hand a review in."""
        return self.transport.post(f"/calls/reviews/{code}/submit", dict(facts))

    def profile(self) -> Json:
        """Return one's profile as a reviewer."""
        return self.transport.get("/calls/reviewer")

    def change_profile(self, facts: Mapping[str, Any]) -> Json:
        """Say what one knows, reads and takes, and whom one must not judge."""
        return self.transport.put("/calls/reviewer", dict(facts))

    def bids(self) -> Iterator[Json]:
        """Yield what one may bid for."""
        return self.transport.pages("/calls/bids")

    def bid(self, code: str, value: int) -> Json:
        """Say how gladly one would review an application: 2, 1 or 0."""
        return self.transport.put(f"/calls/bids/{code}", {"value": value})

    def comments(self, code: str) -> Json:
        """Return what the reviewers wrote of one's application, and one's reply."""
        return self.transport.get(f"/calls/applications/{code}/reply")

    def reply(self, code: str, *, text: str) -> Json:
        """Reply to the reviewers, once."""
        return self.transport.post(f"/calls/applications/{code}/reply", {"text": text})

    def waive_reply(self, code: str) -> Json:
        """Say that one does not want to reply."""
        return self.transport.post(f"/calls/applications/{code}/reply/waive")

    def reviewers(self) -> Iterator[Json]:
        """Yield the reviewers (operator)."""
        return self.transport.pages("/calls/reviewers")

    def make_reviewer(self, facts: Mapping[str, Any]) -> Json:
        """Make a person a reviewer (operator)."""
        return self.transport.post("/calls/reviewers", dict(facts))

    def plan(self, slug: str, *, seed: int = 1, cut_off: str = "") -> Json:
        """Find the best assignment of reviewers (operator); nobody is asked before it is adopted."""
        return self.transport.post(
            f"/calls/calls/{slug}/assignment", {"seed": seed, "cut_off": cut_off or None}
        )

    def adopt_plan(self, code: str) -> Json:
        """Ask the reviewers of an assignment for their reviews (operator)."""
        return self.transport.post(f"/calls/assignments/{code}/adopt")

    def reviewing(self, code: str) -> Json:
        """Return an application's reviews, who would be next, and its conflicts (operator)."""
        return self.transport.get(f"/calls/applications/{code}/reviewing")

    def assign(self, code: str, *, reviewer: str) -> Json:
        """Ask a reviewer for a review by hand (operator)."""
        return self.transport.post(
            f"/calls/applications/{code}/reviewing/assign", {"reviewer": reviewer}
        )

    def close_review(self, code: str, *, reason: str) -> Json:
        """Let fewer reviews be enough for an application (operator)."""
        return self.transport.post(
            f"/calls/applications/{code}/reviewing/close", {"reason": reason}
        )
