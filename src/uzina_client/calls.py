"""Calls, applications and awards."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from uzina_client.part import Part
from uzina_client.transport import Json


class Calls(Part):
    """From a published call to an award."""

    def modes(self) -> Json:
        """Return the access modes a call can be opened from."""
        return self.transport.get("/calls/modes")

    def open(self, facts: Mapping[str, Any]) -> Json:
        """Draft a call from a mode (operator)."""
        return self.transport.post("/calls/calls", dict(facts))

    def publish(self, slug: str) -> Json:
        """Publish a draft call (operator)."""
        return self.transport.post(f"/calls/calls/{slug}/publish")

    def calls(self) -> Iterator[Json]:
        """Yield the calls one may see, newest first."""
        return self.transport.pages("/calls/calls")

    def call(self, slug: str) -> Json:
        """Return one call."""
        return self.transport.get(f"/calls/calls/{slug}")

    def qualify(self, facts: Mapping[str, Any]) -> Json:
        """Return for each mode whether an organisation qualifies, and why. Needs no token.

        facts  `organisation` (kind, country, figures, related), and of the work what is known
        """
        return self.transport.post("/calls/qualify", dict(facts))

    def apply(self, call: str, *, organisation: str) -> Json:
        """Start an application and return the draft."""
        return self.transport.post(
            "/calls/applications", {"call": call, "organisation": organisation}
        )

    def applications(self) -> Iterator[Json]:
        """Yield one's applications."""
        return self.transport.pages("/calls/applications")

    def application(self, code: str) -> Json:
        """Return one application."""
        return self.transport.get(f"/calls/applications/{code}")

    def save_section(
        self, code: str, section: str, answers: Mapping[str, Any], *, version: int
    ) -> Json:
        """Save one step of an application, complete or not; `problems` says what is missing.

        version  of the section that the answers were typed into, 0 before the first save
        """
        return self.transport.put(
            f"/calls/applications/{code}/sections/{section}",
            {"version": version, "answers": dict(answers)},
        )

    def submit(self, code: str) -> Json:
        """Hand an application in."""
        return self.transport.post(f"/calls/applications/{code}/submit")

    def withdraw(self, code: str) -> Json:
        """Take an application back."""
        return self.transport.post(f"/calls/applications/{code}/withdraw")

    def check(self, slug: str) -> Json:
        """Return what deserves a look before a call is published (operator)."""
        return self.transport.get(f"/calls/calls/{slug}/check")

    def terms(self, slug: str) -> Json:
        """Return the terms of reference of a call. Needs no token."""
        return self.transport.get(f"/calls/calls/{slug}/terms")

    def cut_offs(self) -> Json:
        """Return the deadlines to come, of all calls. Needs no token."""
        return self.transport.get("/calls/cut-offs")

    def move_cut_off(self, slug: str, number: int, *, closes_at: str, reason: str) -> Json:
        """Move a deadline (operator); everybody with a draft is told."""
        return self.transport.post(
            f"/calls/calls/{slug}/cut-offs/{number}/move",
            {"closes_at": closes_at, "reason": reason},
        )

    def documents(self, code: str) -> Json:
        """Return the documents that an application's call asks for, with those that are there."""
        return self.transport.get(f"/calls/applications/{code}/documents")

    def attach(self, code: str, slug: str, path: Path) -> Json:
        """Send a document; it takes the place of an earlier one."""
        return self.transport.send(
            "PUT",
            f"/calls/applications/{code}/documents/{slug}",
            params={"name": path.name},
            body=lambda: iter([path.read_bytes()]),
            headers={
                "Content-Type": "application/octet-stream",
                "Content-Length": str(path.stat().st_size),
            },
        ).json()

    def remove_document(self, code: str) -> None:
        """Take a document out of a draft."""
        self.transport.send("DELETE", f"/calls/documents/{code}")

    def editors(self, code: str) -> Json:
        """Return who fills in an application beside the applicant."""
        return self.transport.get(f"/calls/applications/{code}/editors")

    def share(self, code: str, *, email: str) -> Json:
        """Let a colleague who has an account here fill in a draft."""
        return self.transport.post(f"/calls/applications/{code}/editors", {"email": email})

    def export(self, code: str) -> Json:
        """Return an application with all its answers, as a document to keep or to take in."""
        return self.transport.get(f"/calls/applications/{code}/export")

    def clone(self, code: str, *, call: str) -> Json:
        """Start a draft for another call with the answers of an application."""
        return self.transport.post(f"/calls/applications/{code}/clone", {"call": call})

    def take_in(self, call: str, *, organisation: str, document: Json) -> Json:
        """Start a draft from an exported application."""
        return self.transport.post(
            "/calls/applications/import",
            {"call": call, "organisation": organisation, "document": document},
        )

    def assessments(self) -> Iterator[Json]:
        """Yield the applications that wait for one's technical assessment (assessor)."""
        return self.transport.pages("/calls/assessments")

    def assess(self, code: str, verdict: Mapping[str, Any]) -> Json:
        """Give the technical assessment of an application (assessor)."""
        return self.transport.post(f"/calls/applications/{code}/assessment", dict(verdict))

    def award(self, code: str) -> Json:
        """Return one award."""
        return self.transport.get(f"/calls/awards/{code}")

    def accept(self, code: str, *, key: str = "") -> Json:
        """Accept an award: it becomes a project with an allocation."""
        return self.transport.post(f"/calls/awards/{code}/accept", key=key)

    def refuse(self, code: str) -> Json:
        """Refuse an award."""
        return self.transport.post(f"/calls/awards/{code}/refuse")

    def amendments(self, code: str) -> Json:
        """Return the changes of an award: which may be asked for, and those that were."""
        return self.transport.get(f"/calls/awards/{code}/amendments")

    def amend(self, code: str, facts: Mapping[str, Any], *, key: str = "") -> Json:
        """Ask for a change of an award: kind, reason, and months, gpu_hours, organisation or lead."""
        return self.transport.post(f"/calls/awards/{code}/amendments", dict(facts), key=key)

    def asked_amendments(self) -> Iterator[Json]:
        """Yield the changes that wait for a decision (operator)."""
        return self.transport.pages("/calls/amendments")

    def approve_amendment(self, code: str, *, reason: str, key: str = "") -> Json:
        """Approve a change (operator)."""
        return self.transport.post(f"/calls/amendments/{code}/approve", {"reason": reason}, key=key)

    def refuse_amendment(self, code: str, *, reason: str) -> Json:
        """Refuse a change (operator)."""
        return self.transport.post(f"/calls/amendments/{code}/refuse", {"reason": reason})

    def withdraw_amendment(self, code: str) -> Json:
        """Take back a change that one asked for."""
        return self.transport.post(f"/calls/amendments/{code}/withdraw")
