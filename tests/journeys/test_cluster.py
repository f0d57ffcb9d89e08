"""A factory and its real cluster over a bad day: jobs through the portal and past it, a project that
wants more than it has, a restart of the controller, an answer that was lost, an accounting that was
away. At the end the books come to what Slurm measured, to the second.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from uzina.root.demo import APPLICANT, LEAD, OFFICE, Factory
from uzina_client import Client, Problem, story_answers
from uzina_client.transport import Json

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(900)]

SERVICE = Path(__file__).parent.parent / "services" / "slurm.py"
PATIENCE_S = 240.0
"""How long anything may take on a busy machine. Nothing is proved by how long it took."""
HOURS = 2
LOSES = """#!/bin/bash
# sbatch, whose answer is lost on the way back as long as the file beside it lies there.
answer=$("{sbatch}" "$@")
status=$?
if rm "{folder}/lose" 2>/dev/null; then
  echo "$answer" >>"{folder}/lost"
  kill -KILL $$
fi
echo "$answer"
exit $status
"""


@dataclass
class Bed:
    """A private Slurm whose daemons may be ended and started again."""

    folder: Path
    conf: str = ""
    ended: list[str] = field(default_factory=list)

    def start(self) -> None:
        """Start what does not run."""
        self.service("start")
        self.conf = self.service("env").split("SLURM_CONF=")[1].split()[0]

    def service(self, verb: str) -> str:
        argv = [sys.executable, str(SERVICE), verb, "--folder", str(self.folder)]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout

    def end(self, daemon: str) -> None:
        """End a daemon and wait until it is gone."""
        process = int((Path(self.conf).parent.parent / "run" / f"{daemon}.pid").read_text())
        os.kill(process, signal.SIGTERM)
        eventually(lambda: not Path(f"/proc/{process}").exists(), f"{daemon} ends")
        self.ended.append(daemon)

    def run(self, *argv: str) -> str:
        """Run one of Slurm's commands."""
        environment = os.environ | {"SLURM_CONF": self.conf, "SLURM_TIME_FORMAT": "%s"}
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (argv, done.stdout, done.stderr)
        return done.stdout

    def submit(self, account: str, *words: str, script: str) -> str:
        """Submit a job past the portal, as its user would, and return its id."""
        argv = ["sbatch", "--parsable", "-A", account, "-p", "gpu", "-o", "/dev/null", *words]
        return self.run(*argv, "--wrap", script).strip()

    def takes_jobs_of(self, account: str) -> bool:
        """Tell whether the controller would take a job of this account."""
        argv = ["sbatch", "--test-only", "-A", account, "-p", "gpu", "--wrap", "true"]
        environment = os.environ | {"SLURM_CONF": self.conf}
        return (
            subprocess.run(argv, env=environment, capture_output=True, check=False).returncode == 0
        )

    def rows(self) -> list[dict[str, str]]:
        """Return every run in the accounting that has ended."""
        names = ("JobID", "JobName", "Account", "State", "Start", "End", "ElapsedRaw", "AllocTRES")
        text = self.run(
            *("sacct", "-n", "-P", "-X", "-D", "-a", "-S", "now-1day", "-E", "now"),
            *("-s", "CA,CD,F,TO,NF,OOM,PR,BF,DL,RQ", "-o", ",".join(names)),
        )
        rows = [dict(zip(names, line.split("|"), strict=True)) for line in text.splitlines()]
        return [row for row in rows if row["End"].isdigit()]


def eventually(is_so: Callable[[], Any], what: str) -> Any:
    """Wait until something is so and return it."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := is_so()):
        assert time.monotonic() < deadline, f"not within {PATIENCE_S:.0f} s: {what}"
        time.sleep(0.3)
    return found


@pytest.fixture
def bed(tmp_path: Path, slurm_conf: str) -> Iterator[Bed]:
    """A Slurm of this test's own, since it is broken here. Slurm is installed: slurm_conf says so."""
    del slurm_conf
    bed = Bed(tmp_path / "slurm")
    bed.start()
    try:
        yield bed
    finally:
        bed.service("stop")


@pytest.fixture
def lossy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put an sbatch before the real one whose next answer is lost once `lose` lies in the folder."""
    folder = tmp_path / "bin"
    folder.mkdir()
    real = subprocess.run(["which", "sbatch"], capture_output=True, text=True, check=True).stdout
    (folder / "sbatch").write_text(LOSES.format(sbatch=real.strip(), folder=folder))
    (folder / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


@pytest.fixture
def factory(bed: Bed, lossy: Path, make_factory: Callable[..., Factory]) -> Factory:
    """A served factory that keeps an account a project on the cluster."""
    del lossy
    return make_factory(
        {
            "scheduler": {
                "kind": "slurm",
                "name": "testbed",
                "slurm_conf": bed.conf,
                "account": "uzina",
                "partition": "gpu",
                "accounts": "project",
                "repair": "auto",
            }
        }
    )


@dataclass
class People:
    """Who takes part, as the portal sees them."""

    factory: Factory
    passwords: dict[str, str]
    clients: list[Client] = field(default_factory=list)

    def sign_in(self, who: tuple[str, str]) -> Client:
        """Return the portal as somebody sees it, registering who is new."""
        email, name = who
        password = self.passwords[email]
        with Client(self.factory.url) as nobody:
            try:
                token = nobody.people.token(email=email, password=password, name="day")
            except Problem:
                nobody.people.register(email=email, name=name, password=password)
                token = nobody.people.token(email=email, password=password, name="day")
        self.clients.append(Client(self.factory.url, token["secret"]))
        return self.clients[-1]


@pytest.fixture
def people(factory: Factory) -> Iterator[People]:
    """The people of a factory that is served."""
    passwords = factory.open()
    factory.start()
    found = People(factory, passwords)
    try:
        yield found
    except BaseException:
        print((factory.folder / "serve.log").read_text(errors="replace")[-6000:])
        raise
    finally:
        for client in found.clients:
            client.close()


def awarded(
    client: Client, who: tuple[str, str], facts: Json, *, call: str, assessor: Client
) -> tuple[str, str]:
    """Apply for a few hours and accept them; returns the codes of project and allocation."""
    email, name = who
    organisation = client.people.register_organisation(facts)
    code = client.calls.apply(call, organisation=organisation["code"])["code"]
    versions = {one["slug"]: one["version"] for one in client.calls.application(code)["sections"]}
    answers = story_answers.sections(name=name, email=email, gpu_hours=HOURS)
    for slug, given in answers.items():
        client.calls.save_section(code, slug, given, version=versions[slug])
    client.calls.submit(code)

    def in_state(*states: str) -> Json:
        return eventually(
            lambda: (found := client.calls.application(code))["state"] in states and found,
            f"{code} is {states}",
        )

    in_state("eligible", "awarded")
    assessor.calls.assess(code, story_answers.ASSESSMENT | {"recommended_gpu_hours": HOURS})
    award = client.calls.accept(client.calls.award(in_state("awarded")["award"])["code"])
    allocation = next(client.ledger.allocations(project=award["project"]))
    assert allocation["balance"]["free"] == HOURS * 3_600_000
    return award["project"], allocation["code"]


def job(script: str, *, gpus: int = 1, time_limit_s: int = 120, **more: Any) -> Json:
    """Return the description of a small job."""
    command = ["bash", "-c", script]
    small = {"gpus": gpus, "cpus": 1, "memory_mb": 100, "time_limit_s": time_limit_s}
    return {"name": "Day", "command": command, **small, **more}


def cost(row: dict[str, str]) -> int:
    """Return what a run costs by the tariff there is without any: GPU-milliseconds."""
    used = dict(part.split("=") for part in row["AllocTRES"].split(",") if "=" in part)
    per_second = max(int(used.get("gres/gpu", 0)) * 1000, int(used.get("cpu", 0)) * 50)
    return int(row["ElapsedRaw"]) * per_second


def ended(clients: Sequence[tuple[Client, str]]) -> bool:
    """Tell whether nothing is owed for any job of the projects."""
    return all(
        one["settled_at"]
        for client, project in clients
        for one in client.compute.jobs(project=project)
    )


def test_after_a_bad_day_the_books_come_to_what_slurm_measured(
    bed: Bed, lossy: Path, factory: Factory, people: People
) -> None:
    operator, assessor = people.sign_in(OFFICE["operator"]), people.sign_in(OFFICE["assessor"])
    opens_at = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    call = operator.calls.open(story_answers.CALL | {"opens_at": opens_at.isoformat()})
    call = operator.calls.publish(call["slug"])["slug"]
    ana, mihai = people.sign_in(LEAD), people.sign_in(APPLICANT)
    by = {"call": call, "assessor": assessor}
    speech, speech_hours = awarded(ana, LEAD, story_answers.ORGANISATION, **by)
    fields, fields_hours = awarded(mihai, APPLICANT, story_answers.SECOND_ORGANISATION, **by)
    accounts = {speech: f"uz-{speech.lower()}", fields: f"uz-{fields.lower()}"}

    # The accounts and their limits are on the cluster, below the factory's own.
    def limits() -> dict[str, str]:
        said = bed.run("sacctmgr", "-nP", "show", "assoc", "format=account,user,grptresmins%80")
        rows = [line.split("|") for line in said.splitlines()]
        return {account: limit for account, user, limit in rows if not user and limit}

    eventually(lambda: limits().keys() >= set(accounts.values()), "both accounts have limits")
    # The controller hears of them from the accounting a moment after sacctmgr shows them.
    eventually(lambda: all(map(bed.takes_jobs_of, accounts.values())), "the controller knows them")

    # Jobs through the portal and past it; some fail, one is stopped, one is an array.
    jobs = [ana.compute.submit(speech, job(f"sleep {n}"))["code"] for n in (1, 2, 3)]
    jobs.append(ana.compute.submit(speech, job("exit 3", gpus=0))["code"])
    jobs.append(mihai.compute.submit(fields, job("sleep 2", gpus=2))["code"])
    stopped = mihai.compute.submit(fields, job("sleep 100"))["code"]
    long = ana.compute.submit(speech, job("sleep 12"))["code"]
    gpu = ("--gpus-per-node=1", "--time=2")
    for n in (2, 4):
        bed.submit(accounts[speech], *gpu, script=f"sleep {n}")
        bed.submit(accounts[fields], *gpu, script=f"sleep {n}; exit 1")
    bed.submit(accounts[fields], *gpu, "--array=1-3", script="sleep 1")
    gone = bed.submit(accounts[fields], *gpu, "--time=5", script="sleep 100")
    eventually(lambda: bed.run("squeue", "-hj", gone, "-o", "%T").strip() == "RUNNING", "it runs")
    bed.run("scancel", gone)
    eventually(lambda: mihai.compute.job(stopped)["state"] == "running", "the job to stop runs")
    mihai.compute.cancel(stopped)

    # More than there is: refused at the portal, and kept waiting on the cluster.
    with pytest.raises(Problem) as refused:
        mihai.compute.submit(fields, job("true", gpus=4, time_limit_s=3600 * HOURS))
    assert refused.value.code == "allocation.hold.too_big"
    greedy = bed.submit(accounts[fields], "--gpus-per-node=4", "--time=120", script="sleep 1")
    why = ("squeue", "-hj", greedy, "-o", "%T %r")
    eventually(lambda: "AssocGrp" in bed.run(*why), "the limit stops the over-spender")
    assert bed.run(*why).split()[0] == "PENDING"
    bed.run("scancel", greedy)

    # The controller is away while a job runs and one is submitted.
    eventually(lambda: ana.compute.job(long)["started_at"], "the long job runs")
    bed.end("slurmctld")
    kept = ana.compute.submit(speech, job("sleep 1"))["code"]
    eventually(
        lambda: ana.compute.job(kept)["reason"] in {"SchedulerDown", "Uncertain"},
        "the portal says that the cluster does not answer",
    )
    bed.start()

    # An answer is lost on its way back, after Slurm took the job.
    (lossy / "lose").touch()
    lost = ana.compute.submit(speech, job("sleep 1"))["code"]
    eventually((lossy / "lost").exists, "an answer was lost")

    # The accounting is away while jobs run and end.
    bed.end("slurmdbd")
    unseen = mihai.compute.submit(fields, job("sleep 1"))["code"]
    bed.submit(accounts[speech], *gpu, script="sleep 1")
    eventually(
        lambda: mihai.compute.job(unseen)["state"] in {"queued", "running"}, "jobs go on without"
    )
    bed.start()
    assert bed.ended == ["slurmctld", "slurmdbd"]

    # Calm: everything ends, and the books come to the same as Slurm's accounting.
    everyone = [(ana, speech), (mihai, fields)]
    eventually(lambda: ended(everyone), "every job is settled")
    eventually(lambda: not bed.run("squeue", "-h").strip(), "the queue is empty")
    allocations = {speech: (ana, speech_hours), fields: (mihai, fields_hours)}

    def booked() -> dict[str, int]:
        return {
            project: client.ledger.allocation(allocation)["balance"]["spent"]
            for project, (client, allocation) in allocations.items()
        }

    def measured() -> dict[str, int]:
        sums: dict[str, int] = defaultdict(int)
        for row in bed.rows():
            sums[row["Account"]] += cost(row)
        return {project: sums[account] for project, account in accounts.items()}

    eventually(lambda: booked() == measured(), "the books come to what Slurm measured")

    rows = bed.rows()
    done = {one: ana.compute.job(one) for one in (*jobs[:4], long, kept, lost)}
    assert {one: row["state"] for one, row in done.items()} == {
        one: "failed" if one == jobs[3] else "done" for one in done
    }
    assert mihai.compute.job(stopped)["state"] == "cancelled"
    names = Counter(
        row["JobName"].rpartition(".")[2] for row in rows if row["JobName"].startswith("day.")
    )
    assert set(names.values()) == {1}
    assert len(names) == sum(
        len(list(client.compute.jobs(project=project))) for client, project in everyone
    )
    for client, allocation in allocations.values():
        assert client.ledger.allocation(allocation)["balance"]["held"] == 0
    eventually(
        lambda: operator.compute.transport.get("/compute/reconciliation")["count"] == 0,
        "nothing differs between cluster and factory",
    )
    checked = factory.admin("check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    print(json.dumps({"measured": measured(), "rows": len(rows)}))
