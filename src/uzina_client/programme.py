"""What a project owes at its end, and what was used of it."""

from collections.abc import Iterator, Mapping

from uzina_client.part import Part
from uzina_client.transport import Json


class Programme(Part):
    """End, burn rate, monthly use, and reports."""

    def project(self, code: str) -> Json:
        """Return when a project ends, what it has left, and what is due."""
        return self.transport.get(f"/programme/projects/{code}")

    def use(self, code: str) -> Json:
        """Return month by month what was used beside an even pace."""
        return self.transport.get(f"/programme/projects/{code}/use")

    def answer_use(self, code: str, check: int, *, answer: str) -> Json:
        """Say why an award was not used."""
        return self.transport.post(f"/programme/projects/{code}/use/{check}", {"answer": answer})

    def reports(self) -> Iterator[Json]:
        """Yield the reports that are owed, the next one first."""
        return self.transport.pages("/programme/reports")

    def report(self, award: str, kind: str) -> Json:
        """Return a report as it stands, with what the portal knows filled in."""
        return self.transport.get(f"/programme/reports/{award}/{kind}")

    def save_report(
        self, award: str, kind: str, answers: Mapping[str, str], *, version: int
    ) -> Json:
        """Save the answers of a report; version is what one saw."""
        return self.transport.put(
            f"/programme/reports/{award}/{kind}", {"version": version, "answers": dict(answers)}
        )

    def submit_report(self, award: str, kind: str, *, version: int, key: str = "") -> Json:
        """Hand a report in."""
        return self.transport.post(
            f"/programme/reports/{award}/{kind}/submit", {"version": version}, key=key
        )
