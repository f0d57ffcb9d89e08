"""Reviews, replies, panels, rankings and appeals."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from uzina_client.part import Part
from uzina_client.transport import Json

NOTHING: Mapping[str, int] = MappingProxyType({})


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

    def seats(self, slug: str) -> Json:
        """Return who sits on the panels of a call (operator, auditor)."""
        return self.transport.get(f"/calls/panels/{slug}/seats")

    def seat(
        self, slug: str, person: str, *, is_chair: bool = False, is_for_appeals: bool = False
    ) -> Json:
        """Seat a person on a panel of a call (operator)."""
        return self.transport.post(
            f"/calls/panels/{slug}/seats",
            {"person": person, "is_chair": is_chair, "is_for_appeals": is_for_appeals},
        )

    def panel(self, slug: str, number: int = 0) -> Json:
        """Return what is before the panel of a cut-off (from 1), disagreements first."""
        return self.transport.get(f"/calls/panels/{slug}/{number}")

    def agree(
        self, slug: str, number: int, code: str, *, scores: Mapping[str, int], comment: str = ""
    ) -> Json:
        """Write down what the panel agreed: thousandths of a point for each criterion."""
        return self.transport.post(
            f"/calls/panels/{slug}/{number}/{code}/consensus",
            {"scores": dict(scores), "comment": comment},
        )

    def close_panel(self, slug: str, number: int, *, reason: str = "") -> Json:
        """Close the panel of a cut-off (its chair)."""
        return self.transport.post(f"/calls/panels/{slug}/{number}/close", {"reason": reason})

    def rank(self, slug: str, number: int = 0, *, held_back: Mapping[str, int] = NOTHING) -> Json:
        """Rank what waits at a cut-off (operator): a draft."""
        return self.transport.post(
            f"/calls/rankings/{slug}/{number}", {"held_back": dict(held_back)}
        )

    def what_if(self, slug: str, number: int, facts: Mapping[str, Any]) -> Json:
        """Return what would come out with other capacities, weights and terms (operator)."""
        return self.transport.post(f"/calls/rankings/{slug}/{number}/what-if", dict(facts))

    def ranking(self, code: str) -> Json:
        """Return one ranking with its whole record (operator, auditor)."""
        return self.transport.get(f"/calls/rankings/{code}")

    def why(self, code: str, application: str) -> Json:
        """Return why one application got what it got (operator, auditor)."""
        return self.transport.get(f"/calls/rankings/{code}/why/{application}")

    def adopt(self, code: str) -> Json:
        """Adopt a ranking (operator): it is sealed and its decisions are pending."""
        return self.transport.post(f"/calls/rankings/{code}/adopt")

    def release(self, code: str) -> Json:
        """Release all decisions of a ranking together (operator)."""
        return self.transport.post(f"/calls/rankings/{code}/release")

    def rerun(self, code: str) -> Json:
        """Run a ranking's record again and compare (operator, auditor)."""
        return self.transport.post(f"/calls/rankings/{code}/rerun")

    def letters(self, code: str) -> Json:
        """Return the letters on an application."""
        return self.transport.get(f"/calls/applications/{code}/letters")

    def verify(self, verifier: str) -> Json:
        """Return what is known of the letter with a code. Needs no token."""
        return self.transport.get(f"/calls/letters/verify/{verifier}")

    def appeals(self) -> Iterator[Json]:
        """Yield the appeals one filed or hears; all of them for operators and auditors."""
        return self.transport.pages("/calls/appeals")

    def appeal(self, code: str, *, grounds: str) -> Json:
        """Appeal against the decision that declined one's application."""
        return self.transport.post(f"/calls/applications/{code}/appeal", {"grounds": grounds})

    def fund_appeal(self, code: str, *, reason: str) -> Json:
        """Allow hours to be added to the call, should an appeal be upheld (operator)."""
        return self.transport.post(f"/calls/appeals/{code}/fund", {"reason": reason})

    def uphold(self, code: str, *, gpu_hours: int, text: str) -> Json:
        """Uphold an appeal (second panel): an award is offered."""
        return self.transport.post(
            f"/calls/appeals/{code}/uphold", {"gpu_hours": gpu_hours, "text": text}
        )

    def dismiss(self, code: str, *, text: str) -> Json:
        """Dismiss an appeal (second panel)."""
        return self.transport.post(f"/calls/appeals/{code}/dismiss", {"text": text})

    def withdraw_appeal(self, code: str) -> Json:
        """Take one's appeal back."""
        return self.transport.post(f"/calls/appeals/{code}/withdraw")

    def queue(self, **filters: object) -> Iterator[Json]:
        """Yield what is under way, the first due first. Filters: call, step, owner, late, waiting."""
        return self.transport.pages("/calls/queue", **filters)

    def late(self) -> Json:
        """Return what is late, by step and by who works on it."""
        return self.transport.get("/calls/queue/late")

    def take(self, code: str) -> Json:
        """Take the step of an application that is under way."""
        return self.transport.post(f"/calls/applications/{code}/take")

    def redirect(self, code: str, *, reason: str, call: str = "", factory: str = "") -> Json:
        """Send an application on to another call here, or to another factory."""
        return self.transport.post(
            f"/calls/applications/{code}/redirect",
            {"call": call, "factory": factory, "reason": reason},
        )

    def questions(self, code: str) -> Json:
        """Return what the applicant was asked."""
        return self.transport.get(f"/calls/applications/{code}/questions")

    def ask(self, code: str, *, text: str) -> Json:
        """Ask the applicant; the clock stands still until there is an answer."""
        return self.transport.post(f"/calls/applications/{code}/questions", {"text": text})

    def answer(self, code: str, question: str, *, text: str) -> Json:
        """Answer a question; the clock goes on."""
        return self.transport.post(
            f"/calls/applications/{code}/questions/{question}/answer", {"text": text}
        )
