"""The story of a factory, from a call to a documented model, told through its public doors.

Six stages; each asks the portal and nothing else, so the same story runs on a laptop and on a
cluster. What a stage found out is written to story.json, and a story that was interrupted goes
on after the last stage that ended.
"""

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from uzina_client import story_answers as answers
from uzina_client.client import Client
from uzina_client.files import files_under
from uzina_client.problems import Problem
from uzina_client.transport import Json

POLL_S = 0.5
PATIENCE_S = 1800.0
ENDED = frozenset({"done", "failed", "cancelled", "lost"})
RUN_ENDED = ENDED | {"stopped"}
MS = 1000
FORBIDDEN = 403
CORPUS, DATA, MODEL = "debian-docs", "debian-docs-tokens", "mic-model"


class StoryFailed(Exception):
    """The story cannot go on; the message says at which point and what was seen."""


@dataclass(frozen=True)
class Login:
    """Someone who plays in the story, and the password they sign in with."""

    email: str
    name: str
    password: str


@dataclass(frozen=True)
class Cast:
    """Who plays: the lead and the applicant register in the story, the others are there before."""

    lead: Login
    applicant: Login
    operator: Login
    assessor: Login


@dataclass(frozen=True)
class Size:
    """How much work the story does.

    prepare, train, evaluate  parameters of the recipes
    kill_step                 the training is killed once it has got that far
    beyond                    steps that the unbroken reference run does past that point
    time_limit_s              of each job; what it could use up to then is held
    """

    prepare: Mapping[str, Any]
    train: Mapping[str, Any]
    evaluate: Mapping[str, Any]
    kill_step: int
    beyond: int
    time_limit_s: int
    cpus: int = 1
    memory_mb: int = 2000


DEMO = Size(
    prepare={},
    train={"steps": 300, "checkpoint_every": 40},
    evaluate={},
    kill_step=90,
    beyond=20,
    time_limit_s=1800,
)
"""Minutes on two cores; a model of some million parameters."""

SMALL = Size(
    prepare={"vocabulary": 512},
    train={
        "steps": 30,
        "batch": 2,
        "context": 64,
        "width": 64,
        "layers": 2,
        "heads": 2,
        "kv_heads": 1,
        "hidden": 128,
        "warmup": 5,
        "checkpoint_every": 10,
        "evaluate_every": 30,
        "threads": 1,
    },
    evaluate={"sample_tokens": 8, "baseline_mib": 1, "threads": 1},
    kill_step=14,
    beyond=10,
    time_limit_s=300,
)
"""As little as shows every step: for tests."""


class Teller:
    """Tells the story in plain lines. A terminal may tell it better: override the methods."""

    def say(self, text: str) -> None:
        """Tell something."""
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    @contextlib.contextmanager
    def stage(self, title: str) -> Iterator[None]:
        """Tell that a stage begins, and how long it took."""
        self.say(f"\n{title}")
        began = time.monotonic()
        yield
        self.say(f"  done in {time.monotonic() - began:.1f} s")

    def fact(self, text: str) -> None:
        """Tell what a stage found out."""
        self.say(f"  {text}")

    def progress(self, text: str, share: float | None) -> None:
        """Tell how far something has come: words, and 0 to 1 where it is known."""


@dataclass
class Story:
    """One telling.

    corpus  folder of the real corpus, with its corpus.json
    folder  where story.json and the model lie
    kill    kills the training process of a job, by the job's code; tells whether one was found
    """

    url: str
    cast: Cast
    size: Size
    corpus: Path
    folder: Path
    teller: Teller
    kill: Callable[[str], bool]
    facts: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    clients: dict[str, Client] = field(default_factory=dict)

    def tell(self) -> dict[str, Any]:
        """Tell every stage that was not told yet, and return the facts.

        Raises StoryFailed, Problem or Unreachable; telling again goes on where it broke off.
        """
        self._remember()
        stages: Sequence[tuple[str, str, Callable[[], None]]] = (
            ("call", "1. The factory opens a Playground call", self.open_call),
            ("application", "2. A start-up applies and gets GPU-hours", self.apply),
            ("data", "3. A corpus in Romanian and English becomes training data", self.prepare),
            ("training", "4. A model is trained, killed, and goes on", self.train),
            ("model", "5. The model is evaluated and documented", self.document),
            ("statement", "6. The statement", self.account),
        )
        try:
            for name, title, stage in stages:
                if name in self.seconds:
                    continue
                began = time.monotonic()
                with self.teller.stage(title):
                    stage()
                self.seconds[name] = round(time.monotonic() - began, 1)
                self._write()
        finally:
            for client in self.clients.values():
                client.close()
            self.clients.clear()
        return self.facts

    # --- 1 ---

    def open_call(self) -> None:
        """The operator opens a Playground call with a budget."""
        operator = self._as(self.cast.operator)
        known = {one["slug"]: one for one in operator.calls.calls()}
        call = known.get(answers.CALL["slug"])
        if call is None:
            opens_at = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
            call = operator.calls.open(answers.CALL | {"opens_at": opens_at.isoformat()})
        if call["state"] == "draft":
            call = operator.calls.publish(call["slug"])
        self.facts["call"] = call["slug"]
        self.teller.fact(
            f"{call['title']}: {call['package_gpu_hours']:,} GPU-hours each, first come, first "
            f"served, an answer within {call['target_working_days']} working days."
        )

    # --- 2 ---

    def apply(self) -> None:
        """A start-up learns that it qualifies, applies, is assessed and accepts."""
        lead = self._registered(self.cast.lead)
        hours = self._qualify(lead)
        organisation = self._organisation(lead, answers.ORGANISATION)
        self.teller.fact(f"{organisation['name']} is a {organisation['size_class']} enterprise.")
        code = self._submitted(lead, organisation, hours)
        self._wait_application(lead, code, {"eligible", "awarded"})
        self.teller.fact(f"{code} is complete and eligible.")
        assessor = self._as(self.cast.assessor)
        if lead.calls.application(code)["assessment"] is None:
            verdict = answers.ASSESSMENT | {"recommended_gpu_hours": hours}
            assessor.calls.assess(code, verdict)
        awarded = self._wait_application(lead, code, {"awarded"})
        award = lead.calls.award(awarded["award"])
        if award["state"] == "offered":
            award = lead.calls.accept(award["code"])
        allocation = next(lead.ledger.allocations(project=award["project"]))
        self.facts |= {
            "award": award["code"],
            "project": award["project"],
            "allocation": allocation["code"],
        }
        self.teller.fact(
            f"{award['code']} is accepted: {award['project']} has {award['gpu_hours']:,.0f} "
            f"GPU-hours until {award['ends_at'][:10]}."
        )
        self._second_applicant()

    def _qualify(self, client: Client) -> int:
        """Tell why the start-up qualifies and return the GPU-hours to ask for."""
        estimate = client.sizing.estimate(answers.ESTIMATE)
        hours = min(int(estimate["gpu_hours_to_ask"]), self._package(client))
        verdicts = client.calls.qualify(answers.qualify_facts(gpu_hours=hours))
        mine = next(one for one in verdicts if one["mode"] == answers.CALL["mode"])
        self._must(mine["qualifies"], f"the start-up does not qualify: {mine['reasons']}")
        self.teller.fact("You qualify, because:")
        for reason in mine["reasons"]:
            if reason["passed"]:
                self.teller.fact(f"  {reason['text']}")
        self.teller.fact(f"Estimate: {hours:,} GPU-hours to ask for.")
        return hours

    def _package(self, client: Client) -> int:
        return int(client.calls.call(self.facts["call"])["package_gpu_hours"])

    def _submitted(self, client: Client, organisation: Json, hours: int) -> str:
        """Return an application that is handed in: filled in now, or before an interruption."""
        for one in client.calls.applications():
            if one["state"] not in {"draft", "withdrawn", "declined"}:
                self.facts["application"] = one["code"]
                return str(one["code"])
        draft = next((one for one in client.calls.applications() if one["state"] == "draft"), None)
        draft = draft or client.calls.apply(self.facts["call"], organisation=organisation["code"])
        code = draft["code"]
        versions = {
            one["slug"]: one["version"] for one in client.calls.application(code)["sections"]
        }
        who = self.cast.lead
        filled = answers.sections(name=who.name, email=who.email, gpu_hours=hours)
        for slug, given in filled.items():
            saved = client.calls.save_section(code, slug, given, version=versions[slug])
            self._must(saved["is_complete"], f"section {slug} lacks {saved['problems']}")
        client.calls.submit(code)
        self.facts["application"] = code
        return str(code)

    def _second_applicant(self) -> None:
        """Another start-up begins an application and leaves it half filled in."""
        client = self._registered(self.cast.applicant)
        organisation = self._organisation(client, answers.SECOND_ORGANISATION)
        if next(client.calls.applications(), None) is None:
            draft = client.calls.apply(self.facts["call"], organisation=organisation["code"])
            client.calls.save_section(draft["code"], "project", answers.PROJECT, version=0)

    # --- 3 ---

    def prepare(self) -> None:
        """The corpus is registered with licence and checksums, and prepared as a job."""
        lead = self._as(self.cast.lead)
        about = json.loads((self.corpus / "corpus.json").read_text())
        if CORPUS not in {one["slug"] for one in lead.catalogue.datasets()}:
            lead.catalogue.register(
                {
                    "slug": CORPUS,
                    "title": about["title"]["en"],
                    "description": answers.CORPUS_DESCRIPTION,
                    "licence": answers.CORPUS_LICENCE,
                    "languages": about["languages"],
                    "project": self.facts["project"],
                }
            )
        paths = files_under(self.corpus)
        version = lead.catalogue.add_version(CORPUS, paths=paths, note="As shipped.")
        self.teller.fact(
            f"{version['reference']}: {about['documents']:,} documents, "
            f"{about['bytes'] / 1e6:.1f} MB, languages {' and '.join(about['languages'])}."
        )
        run = self._run(
            "prepare", self.size.prepare, inputs=[version["reference"]], gpus=0, name=DATA
        )
        self.facts |= {"corpus": version["reference"], "data": run["output"]}
        self.teller.fact(f"{run['code']} made {run['output']}.")

    # --- 4 ---

    def train(self) -> None:
        """A model is trained, killed in the middle, and goes on with the same samples and losses."""
        lead = self._as(self.cast.lead)
        run = self._start("train", self.size.train, inputs=[self.facts["data"]], gpus=1, name=MODEL)
        first = run["job"]
        self._follow(first, until=self.size.kill_step)
        self._must(self.kill(first), f"no training process of {first} was found to kill")
        self._wait_run(run["code"], "failed")
        self.teller.fact(f"Killed {first} at step {self.size.kill_step} or later.")
        run = lead.training.resume(run["code"])
        second = run["job"]
        self._follow(second)
        self._done(second)
        run = self._wait_run(run["code"])
        self.facts |= {"run": run["code"], "jobs": [first, second], "model": run["output"]}
        self._compare(second)

    def _compare(self, resumed: str) -> None:
        """Run the same training unbroken past the kill, and compare every step."""
        lead = self._as(self.cast.lead)
        run = self._start(
            "train", self.size.train, inputs=[self.facts["data"]], gpus=1, name=f"{MODEL}-unbroken"
        )
        self._follow(run["job"], until=self.size.kill_step + self.size.beyond)
        lead.training.stop(run["code"])
        self._wait_job(run["job"])
        compared = compare(self._metrics(resumed), self._metrics(run["job"]))
        self.facts["resume"] = {
            "is_equal": compared.is_equal,
            "steps": compared.steps,
            "repeated": compared.repeated,
        }
        self._must(compared.is_equal, f"the resumed run differs from the unbroken one: {compared}")
        self.teller.fact(
            f"Same samples and losses as without the kill: {compared.steps} steps compared, "
            f"{compared.repeated} of them done twice."
        )

    # --- 5 ---

    def document(self) -> None:
        """The model is evaluated beside two baselines, and fetched with its documents."""
        lead = self._as(self.cast.lead)
        run = self._run(
            "evaluate",
            self.size.evaluate,
            inputs=[self.facts["data"]],
            gpus=0,
            model=self.facts["model"],
        )
        slug, number = MODEL, 1
        version = lead.training.model_version(slug, number)
        scores = version["evaluations"][0]["results"]["bits_per_byte"]
        self.facts["evaluation"] = run["code"]
        self.facts["bits_per_byte"] = {name: row["total"] for name, row in scores.items()}
        self.teller.fact(
            "Bits per byte: "
            + ", ".join(f"{name} {row['total']:.3f}" for name, row in scores.items())
        )
        folder = self.folder / "model"
        lead.training.download(slug, number, to=folder)
        for kind in ("card", "documentation-form", "lineage"):
            document = lead.training.document(slug, number, kind)
            text = document if isinstance(document, str) else json.dumps(document, indent=2)
            (folder / f"{kind}.{'md' if isinstance(document, str) else 'json'}").write_text(text)
        self.facts["model_directory"] = str(folder)
        self.teller.fact(f"The model with its card, form and lineage is in {folder}.")

    # --- 6 ---

    def account(self) -> None:
        """What was granted, spent and is left, beside what the scheduler measured."""
        lead = self._as(self.cast.lead)
        balance = lead.ledger.allocation(self.facts["allocation"])["balance"]
        jobs = list(lead.compute.jobs(project=self.facts["project"]))
        charged = sum(job["gpu_ms"] for job in jobs)
        self._must(
            charged == balance["spent"],
            f"the jobs cost {charged} GPU-ms and the statement says {balance['spent']}",
        )
        self.facts["gpu_seconds"] = {
            "granted": balance["granted"] / MS,
            "spent": balance["spent"] / MS,
            "left": balance["free"] / MS,
        }
        self.teller.fact(f"{len(jobs)} jobs, {charged / MS:,.3f} GPU-seconds, as measured.")

    # --- what every stage needs ---

    def _as(self, who: Login) -> Client:
        """Return the portal as one of the cast sees it."""
        if who.email not in self.clients:
            with Client(self.url) as nobody:
                token = nobody.people.token(email=who.email, password=who.password, name="story")
            self.clients[who.email] = Client(self.url, token["secret"])
        return self.clients[who.email]

    def _registered(self, who: Login) -> Client:
        """Register someone who is not yet there, and return the portal as they see it."""
        try:
            return self._as(who)
        except Problem as problem:
            if problem.status != FORBIDDEN:
                raise
        with Client(self.url) as nobody:
            nobody.people.register(email=who.email, name=who.name, password=who.password)
        return self._as(who)

    def _organisation(self, client: Client, facts: Mapping[str, Any]) -> Json:
        known = (one for one in client.people.organisations() if one["name"] == facts["name"])
        return next(known, None) or client.people.register_organisation(facts)

    def _run(self, recipe: str, params: Mapping[str, Any], **more: Any) -> Json:
        """Start a run, follow it to its end and return it."""
        run = self._start(recipe, params, **more)
        self._follow(run["job"])
        self._done(run["job"])
        return self._wait_run(run["code"])

    def _start(
        self,
        recipe: str,
        params: Mapping[str, Any],
        *,
        inputs: Sequence[str],
        gpus: int,
        name: str = "",
        model: str = "",
    ) -> Json:
        return self._as(self.cast.lead).training.start(
            {
                "project": self.facts["project"],
                "recipe": recipe,
                "params": dict(params),
                "inputs": list(inputs),
                "name": name,
                "model": model,
                "gpus": gpus,
                "cpus": self.size.cpus,
                "memory_mb": self.size.memory_mb,
                "time_limit_s": self.size.time_limit_s,
            }
        )

    def _follow(self, job: str, *, until: int | None = None) -> None:
        """Tell how a job comes along until it has ended, or has done a step."""
        compute = self._as(self.cast.lead).compute
        after, step = 0, 0
        for _ in patiently(f"{job} to go on"):
            piece = compute.metrics(job, after=after)
            after = piece["next"]
            for line in piece["items"]:
                step = max(step, line.get("step") or 0)
                self.teller.progress(told(line), share_of(line, self.size.train.get("steps")))
            state = compute.job(job)
            if until is not None and step >= until:
                return
            if state["state"] in ENDED:
                return
            if not piece["items"]:
                self.teller.progress(f"{job} {state['state']}", None)

    def _metrics(self, job: str) -> list[Json]:
        """Return every line a job has measured."""
        compute, lines, after = self._as(self.cast.lead).compute, [], 0
        while (piece := compute.metrics(job, after=after))["items"]:
            lines += piece["items"]
            after = piece["next"]
        return lines

    def _wait_job(self, job: str) -> Json:
        """Return a job once it has ended and is paid for."""
        compute = self._as(self.cast.lead).compute
        for _ in patiently(f"{job} to end"):
            seen = compute.job(job)
            if seen["state"] in ENDED and seen["gpu_ms"] is not None:
                return seen
        raise AssertionError

    def _done(self, job: str) -> None:
        seen = self._wait_job(job)
        if seen["state"] != "done":
            log = self._as(self.cast.lead).compute.logs(job, stream="stderr", offset=-2000)
            raise StoryFailed(f"{job} is {seen['state']}: {seen['why']}\n{log['text']}")

    def _wait_run(self, run: str, state: str = "done") -> Json:
        """Return a run once it has ended and what it left is taken in."""
        training = self._as(self.cast.lead).training
        for _ in patiently(f"{run} to be collected"):
            seen = training.run(run)
            if seen["state"] in RUN_ENDED:
                self._must(seen["state"] == state, f"{run} is {seen['state']}: {seen['problem']}")
                return seen
        raise AssertionError

    def _wait_application(self, client: Client, code: str, states: set[str]) -> Json:
        for _ in patiently(f"{code} to be {' or '.join(states)}"):
            seen = client.calls.application(code)
            if seen["state"] in states:
                return seen
            self._must(seen["state"] != "declined", f"{code} was declined: {seen}")
        raise AssertionError

    def _must(self, is_so: bool, otherwise: str) -> None:  # noqa: FBT001 - what must be so
        if not is_so:
            raise StoryFailed(otherwise)

    def _remember(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            kept = json.loads((self.folder / "story.json").read_text())
            self.facts, self.seconds = kept["facts"], kept["seconds"]

    def _write(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        kept = {"facts": self.facts, "seconds": self.seconds}
        part = self.folder / ".story.json.part"
        part.write_text(json.dumps(kept, indent=1) + "\n")
        part.replace(self.folder / "story.json")


def patiently(what: str) -> Iterator[None]:
    """Yield again and again with a pause, and give up after half an hour.

    Raises StoryFailed when it took too long.
    """
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        yield
        time.sleep(POLL_S)
    raise StoryFailed(f"waited {PATIENCE_S:.0f} s for {what}.")


def told(line: Mapping[str, Any]) -> str:
    """Return one line of measurements in words."""
    parts = [f"step {line.get('step', 0)}"]
    if isinstance(line.get("loss"), float):
        parts.append(f"loss {line['loss']:.3f}")
    if isinstance(line.get("tok_s"), int | float):
        parts.append(f"{line['tok_s']:,.0f} tokens/s")
    if isinstance(line.get("eta_s"), int | float):
        parts.append(f"{line['eta_s']:.0f} s left")
    return ", ".join(parts)


def share_of(line: Mapping[str, Any], steps: int | None) -> float | None:
    """Return how far a run has come, 0 to 1, None where that is not known."""
    total = line.get("total") or steps
    return min(1.0, line["step"] / total) if total and "step" in line else None


@dataclass(frozen=True)
class Comparison:
    """How two trainings with the same parameters agree.

    steps     both did
    repeated  of these, done more than once by the first, because it was killed
    differing numbers of the steps with other samples or another loss
    """

    steps: int
    repeated: int
    differing: tuple[int, ...]

    @property
    def is_equal(self) -> bool:
        """Tell whether every step that both did had the same samples and the same loss."""
        return self.steps > 0 and not self.differing


def compare(broken: Sequence[Json], unbroken: Sequence[Json]) -> Comparison:
    """Compare the measurements of a run that was killed and resumed with one that was not."""
    left, right = by_step(broken), by_step(unbroken)
    shared = sorted(left.keys() & right.keys())
    return Comparison(
        steps=len(shared),
        repeated=sum(len(left[step]) > 1 for step in shared),
        differing=tuple(step for step in shared if len(set(left[step] + right[step])) > 1),
    )


def by_step(lines: Sequence[Json]) -> dict[int, list[tuple[str, float]]]:
    """Return for each step the samples it saw and the loss it got, once for every time."""
    found: dict[int, list[tuple[str, float]]] = {}
    for line in lines:
        if "samples" in line:
            found.setdefault(line["step"], []).append((line["samples"], line["loss"]))
    return found
