"""The portal's API in Python: one object, one attribute for each part of the portal.

Methods return the decoded documents of the API (dicts with the keys of the OpenAPI document);
lists are iterators that ask for pages as they are needed. Every method raises Problem when the
portal refuses and Unreachable when it does not answer.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import httpx

from uzina_client.calls import Calls
from uzina_client.catalogue import Catalogue
from uzina_client.challenges import Challenges
from uzina_client.files import fetch_files
from uzina_client.judging import Judging
from uzina_client.part import Part
from uzina_client.permits import Permits
from uzina_client.programme import Programme
from uzina_client.sources import Sources
from uzina_client.spaces import Spaces
from uzina_client.transport import Json, Transport


class People(Part):
    """Who acts, for which organisation, and in which project."""

    def register(self, *, email: str, name: str, password: str, language: str = "en") -> Json:
        """Make an account. Needs no token."""
        return self.transport.post_secret(
            "/people/register",
            {"email": email, "name": name, "password": password, "language": language},
        )

    def token(self, *, email: str, password: str, name: str, days: int = 30) -> Json:
        """Return a new token; its `secret` is shown this once. Needs no token."""
        return self.transport.post_secret(
            "/people/tokens", {"email": email, "password": password, "name": name, "days": days}
        )

    def revoke(self, code: str) -> None:
        """End one of one's tokens at once."""
        self.transport.post(f"/people/tokens/{code}/revoke")

    def me(self) -> Json:
        """Return who the token belongs to, with roles."""
        return self.transport.get("/people/me")

    def register_organisation(self, facts: Mapping[str, Any]) -> Json:
        """Register the organisation one acts for: name, kind, country, size, related firms.

        facts  for the rule of two years `years`, each with year, headcount, turnover_eur and
               balance_eur; `public_share_percent`, `vat_number` and `pic` where there are any
        """
        return self.transport.post("/people/organisations", dict(facts))

    def organisations(self) -> Iterator[Json]:
        """Yield the organisations one acts for."""
        return self.transport.pages("/people/organisations")

    def projects(self) -> Iterator[Json]:
        """Yield the projects one takes part in."""
        return self.transport.pages("/people/projects")

    def project(self, code: str) -> Json:
        """Return one project."""
        return self.transport.get(f"/people/projects/{code}")


class Sizing(Part):
    """How many GPU-hours a model takes."""

    def estimate(self, facts: Mapping[str, Any]) -> Json:
        """Return an estimate: low, middle and high, with its sources. Needs no token."""
        return self.transport.post("/sizing/estimate", dict(facts))


class Ledger(Part):
    """What each project may spend, has set aside and has spent."""

    def allocations(self, *, project: str = "") -> Iterator[Json]:
        """Yield allocations with their balances."""
        return self.transport.pages("/ledger/allocations", project=project)

    def allocation(self, code: str) -> Json:
        """Return one allocation with its balance."""
        return self.transport.get(f"/ledger/allocations/{code}")

    def statement(self, code: str) -> Json:
        """Return every movement of an allocation."""
        return self.transport.get(f"/ledger/allocations/{code}/statement")

    def forecast(self, code: str) -> Json:
        """Return how long an allocation's hours last, as a range."""
        return self.transport.get(f"/ledger/allocations/{code}/forecast")

    def overdraw(self, code: str, *, amount: int, reason: str, key: str = "") -> Json:
        """Sign an overdraft (operator). amount in GPU-milliseconds."""
        return self.transport.post(
            f"/ledger/allocations/{code}/overdraw", {"amount": amount, "reason": reason}, key=key
        )

    def top_up(self, code: str, *, amount: int, reason: str, key: str = "") -> Json:
        """Add to an allocation (operator). amount in GPU-milliseconds."""
        return self.transport.post(
            f"/ledger/allocations/{code}/top-up", {"amount": amount, "reason": reason}, key=key
        )


class Compute(Part):
    """Jobs on clusters: hand them over, watch them, measure them."""

    def inventory(self) -> Json:
        """Return clusters, partitions and what is free."""
        return self.transport.get("/compute/inventory")

    def history(self, *, since: str = "", until: str = "", partition: str = "") -> Json:
        """Return how busy a partition was; times are ISO 8601 with a zone. For operators."""
        return self.transport.get(
            "/compute/history", since=since or None, until=until or None, partition=partition
        )

    def project_history(self, code: str, *, since: str = "", until: str = "") -> Json:
        """Return day by day whether a project ran, waited, or had nothing submitted."""
        return self.transport.get(
            f"/compute/projects/{code}/history", since=since or None, until=until or None
        )

    def waste(self) -> Json:
        """Return the jobs that wasted what they held. For operators."""
        return self.transport.get("/compute/waste")

    def maintenance(self) -> Iterator[Json]:
        """Yield the maintenances, cancelled ones too, the newest announcement first."""
        return self.transport.pages("/compute/maintenance")

    def announce_maintenance(self, facts: Mapping[str, Any], *, key: str = "") -> Json:
        """Announce a maintenance: starts_at, ends_at, reason, and partition if not all."""
        return self.transport.post("/compute/maintenance", dict(facts), key=key)

    def change_maintenance(self, code: str, facts: Mapping[str, Any], *, key: str = "") -> Json:
        """Put another maintenance in the place of one."""
        return self.transport.post(f"/compute/maintenance/{code}/change", dict(facts), key=key)

    def cancel_maintenance(self, code: str, *, key: str = "") -> Json:
        """Call off a maintenance."""
        return self.transport.post(f"/compute/maintenance/{code}/cancel", key=key)

    def submit(
        self, project: str, spec: Mapping[str, Any], *, key: str = "", rehearse: bool = False
    ) -> Json:
        """Submit a job; what it could cost at most is set aside first.

        rehearse  run it for two minutes and ask it to stop after one
        """
        return self.transport.post("/compute/jobs", _described(project, spec, rehearse), key=key)

    def check(self, project: str, spec: Mapping[str, Any], *, rehearse: bool = False) -> Json:
        """Return what stands in a job's way; nothing is submitted."""
        return self.transport.post("/compute/jobs/check", _described(project, spec, rehearse))

    def rerun(self, code: str, *, key: str = "") -> Json:
        """Submit the same job once more, with the same description and inputs."""
        return self.transport.post(f"/compute/jobs/{code}/rerun", key=key)

    def files(self, code: str) -> Json:
        """Return the files of a job's run directory, and its outputs with their checksums."""
        return self.transport.get(f"/compute/jobs/{code}/files")

    def jobs(self, *, project: str = "") -> Iterator[Json]:
        """Yield jobs, newest first."""
        return self.transport.pages("/compute/jobs", project=project)

    def job(self, code: str) -> Json:
        """Return one job."""
        return self.transport.get(f"/compute/jobs/{code}")

    def logs(self, code: str, *, stream: str = "stdout", offset: int = 0, limit: int = 0) -> Json:
        """Return a piece of a job's output and the offset after it."""
        return self.transport.get(
            f"/compute/jobs/{code}/logs", stream=stream, offset=offset, limit=limit or None
        )

    def metrics(self, code: str, *, after: int = 0) -> Json:
        """Return the lines a training job has measured after a given one."""
        return self.transport.get(f"/compute/jobs/{code}/metrics", after=after)

    def events(self, code: str) -> Json:
        """Return what a job says has happened to it."""
        return self.transport.get(f"/compute/jobs/{code}/events")

    def cancel(self, code: str, *, key: str = "") -> Json:
        """Stop a job."""
        return self.transport.post(f"/compute/jobs/{code}/cancel", key=key)

    def usage(self, code: str) -> Json:
        """Return what the scheduler measured of a job."""
        return self.transport.get(f"/compute/jobs/{code}/usage")

    def runs(self, project: str, **filters: str) -> Iterator[Json]:
        """Yield every run of a project, also those past the portal. Filters: way, user, since."""
        return self.transport.pages("/compute/usage", project=project, **filters)

    def totals(self, project: str) -> Json:
        """Return what each user of a project used in each month."""
        return self.transport.get("/compute/usage/totals", project=project)


class Training(Part):
    """Recipes, the runs they make and the models that come of them."""

    def recipes(self) -> Iterator[Json]:
        """Yield the recipes."""
        return self.transport.pages("/training/recipes")

    def recipe(self, slug: str) -> Json:
        """Return one recipe with its parameters."""
        return self.transport.get(f"/training/recipes/{slug}")

    def start(self, facts: Mapping[str, Any], *, key: str = "") -> Json:
        """Start a run: project, recipe, params, inputs, model, gpus, cpus, memory and time."""
        return self.transport.post("/training/runs", dict(facts), key=key)

    def runs(self, *, project: str = "") -> Iterator[Json]:
        """Yield runs, newest first."""
        return self.transport.pages("/training/runs", project=project)

    def run(self, code: str) -> Json:
        """Return one run."""
        return self.transport.get(f"/training/runs/{code}")

    def stop(self, code: str) -> Json:
        """Ask a run to stop after saving a checkpoint."""
        return self.transport.post(f"/training/runs/{code}/stop")

    def resume(self, code: str, *, key: str = "") -> Json:
        """Go on with a run from its last checkpoint, as a new job in the same run directory."""
        return self.transport.post(f"/training/runs/{code}/resume", key=key)

    def models(self) -> Iterator[Json]:
        """Yield the models one may see."""
        return self.transport.pages("/training/models")

    def model(self, slug: str) -> Json:
        """Return one model with its versions."""
        return self.transport.get(f"/training/models/{slug}")

    def model_version(self, slug: str, number: int) -> Json:
        """Return one version of a model."""
        return self.transport.get(f"/training/models/{slug}/versions/{number}")

    def document(self, slug: str, number: int, kind: str) -> Json:
        """Return a document of a model version: card, documentation-form or lineage."""
        reply = self.transport.send(
            "GET", f"/training/models/{slug}/versions/{number}/documents/{kind}"
        )
        is_json = "json" in reply.headers.get("Content-Type", "")
        return reply.json() if is_json else reply.text

    def release(self, slug: str, number: int) -> Json:
        """Release a model version."""
        return self.transport.post(f"/training/models/{slug}/versions/{number}/release")

    def retire(self, slug: str, number: int) -> Json:
        """Retire a model version."""
        return self.transport.post(f"/training/models/{slug}/versions/{number}/retire")

    def download(self, slug: str, number: int, *, to: Path) -> list[Path]:
        """Fetch every file of a model version into a folder, checked against its checksums."""
        base = f"/training/models/{slug}/versions/{number}"
        version = self.model_version(slug, number)
        return fetch_files(self.transport, base, version["manifest"], to=to)


def _described(project: str, spec: Mapping[str, Any], rehearse: bool) -> Json:  # noqa: FBT001
    body = {"project": project, "spec": dict(spec)}
    return body | ({"is_rehearsal": True} if rehearse else {})


class Client:
    """A portal, spoken to as one person (or as nobody, without a token).

    url    the portal's address, "https://portal.example"
    token  "uz_…", from `uzina login` or the account page
    """

    def __init__(
        self,
        url: str,
        token: str = "",
        *,
        language: str = "en",
        wire: httpx.BaseTransport | None = None,
    ) -> None:
        self.transport = Transport(url, token, language=language, wire=wire)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.transport.close()

    @property
    def url(self) -> str:
        """The portal's address, without a slash at its end."""
        return self.transport.url

    @cached_property
    def people(self) -> People:
        """Who acts, for which organisation, and in which project."""
        return People(self.transport)

    @cached_property
    def calls(self) -> Calls:
        """From a published call to an award."""
        return Calls(self.transport)

    @cached_property
    def judging(self) -> Judging:
        """Reviews, replies, panels, rankings and appeals."""
        return Judging(self.transport)

    @cached_property
    def challenges(self) -> Challenges:
        """Grand challenges, and expressions of interest."""
        return Challenges(self.transport)

    @cached_property
    def programme(self) -> Programme:
        """What a project owes at its end."""
        return Programme(self.transport)

    @cached_property
    def sizing(self) -> Sizing:
        """How many GPU-hours a model takes."""
        return Sizing(self.transport)

    @cached_property
    def ledger(self) -> Ledger:
        """What each project may spend, has set aside and has spent."""
        return Ledger(self.transport)

    @cached_property
    def permits(self) -> Permits:
        """Access to data that is not for everybody."""
        return Permits(self.transport)

    @cached_property
    def spaces(self) -> Spaces:
        """Storage of projects."""
        return Spaces(self.transport)

    @cached_property
    def sources(self) -> Sources:
        """Other portals whose datasets are listed here too."""
        return Sources(self.transport)

    @cached_property
    def catalogue(self) -> Catalogue:
        """What data there is, and under which terms."""
        return Catalogue(self.transport)

    @cached_property
    def compute(self) -> Compute:
        """Jobs on clusters."""
        return Compute(self.transport)

    @cached_property
    def training(self) -> Training:
        """Recipes, runs and models."""
        return Training(self.transport)
