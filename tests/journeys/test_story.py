"""The whole story over HTTP: on processes of this machine, and on a real cluster."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from uzina.root.demo import CORPUS, Factory, processes_of
from uzina_client import Client
from uzina_client.story import SMALL, Story

pytestmark = pytest.mark.timeout(1200)


def lead(story: Story) -> Client:
    """Return the portal as the project lead sees it."""
    with Client(story.url) as nobody:
        who = story.cast.lead
        secret = nobody.people.token(email=who.email, password=who.password, name="test")["secret"]
    return Client(story.url, secret)


def check_facts(factory: Factory, story: Story) -> None:
    """Check what must be so after every telling."""
    facts = story.facts
    assert facts["resume"]["is_equal"]
    assert facts["resume"]["steps"] >= SMALL.kill_step
    spent = facts["gpu_seconds"]
    assert spent["granted"] == spent["spent"] + spent["left"]
    assert spent["spent"] > 0
    for name in ("model", "unigram_token", "xz"):
        assert 0 < facts["bits_per_byte"][name] < 16
    done = factory.admin("check")
    assert done.returncode == 0, done.stdout + done.stderr


def check_model(story: Story) -> None:
    """Check that the fetched model loads with transformers and carries its documents."""
    folder = Path(story.facts["model_directory"])
    for name in ("card.md", "documentation-form.json", "lineage.json"):
        assert (folder / name).stat().st_size > 0
    weights = next(folder.rglob("model.safetensors"))
    script = (
        "import sys, transformers\n"
        "model = transformers.AutoModelForCausalLM.from_pretrained(sys.argv[1])\n"
        "print(sum(p.numel() for p in model.parameters()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(weights.parent)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10_000


def check_command(story: Story, home: Path) -> None:
    """Check that every reading command of `uzina` understands a portal where all has happened."""
    facts = story.facts
    with Client(story.url) as nobody:
        who = story.cast.lead
        secret = nobody.people.token(email=who.email, password=who.password, name="cli")["secret"]
    environment = os.environ | {
        "UZINA_TOKEN": secret,
        "UZINA_URL": story.url,
        "XDG_CONFIG_HOME": str(home),
    }
    slug = facts["model"].partition("@")[0]
    commands = [
        "whoami",
        "calls list",
        f"calls show {facts['call']}",
        "qualify --kind startup --country RO --headcount 7",
        "applications list",
        f"applications show {facts['application']}",
        f"awards show {facts['award']}",
        "projects list",
        f"projects show {facts['project']}",
        "usage",
        f"usage {facts['project']} --statement",
        "data list",
        f"data show {CORPUS}",
        f"data show {facts['data']}",
        "data licences",
        "jobs list",
        f"jobs show {facts['jobs'][1]}",
        f"jobs logs {facts['jobs'][1]}",
        "runs list",
        f"runs show {facts['run']}",
        f"runs watch {facts['run']}",
        "recipes",
        "recipes train",
        "models list",
        f"models show {slug}",
        f"models show {facts['model']}",
        f"models card {facts['model']}",
        "estimate --parameters 350m --tokens 7b",
    ]
    for command in commands:
        for more in ([], ["--json"]):
            done = subprocess.run(
                [sys.executable, "-m", "uzina_client.cli", *command.split(), *more],
                capture_output=True,
                text=True,
                check=False,
                env=environment,
            )
            assert done.returncode == 0, (command, done.stderr)
            assert done.stdout.strip(), command
            if more:
                lines = done.stdout.splitlines() if "watch" in command or "logs" in command else []
                for text in lines[:3] or [done.stdout]:
                    json.loads(text)


def test_the_story_on_this_machine_with_sqlite(told: tuple[Factory, Story]) -> None:
    factory, story = told
    check_facts(factory, story)
    check_charges(story, None)


def test_the_model_loads_with_transformers_and_carries_its_documents(
    told: tuple[Factory, Story],
) -> None:
    check_model(told[1])


def test_every_reading_command_understands_a_portal_where_all_has_happened(
    told: tuple[Factory, Story], tmp_path: Path
) -> None:
    check_command(told[1], tmp_path)


def test_the_story_told_again_changes_nothing(told: tuple[Factory, Story]) -> None:
    _factory, story = told
    with lead(story) as client:
        before = len(list(client.compute.jobs()))
        story.tell()
        assert len(list(client.compute.jobs())) == before


@pytest.mark.slurm
@pytest.mark.postgres
def test_the_story_on_slurm_with_postgresql(
    make_factory: Callable[..., Factory],
    tell: Callable[[Factory], Story],
    postgres_url: str,
    slurm_conf: str,
) -> None:
    factory = make_factory(
        {
            "database": {"url": postgres_url},
            "scheduler": {
                "kind": "slurm",
                "name": "testbed",
                "slurm_conf": slurm_conf,
                "account": "uzina",
                "partition": "gpu",
            },
        }
    )
    story = tell(factory)
    check_facts(factory, story)
    check_model(story)
    check_charges(story, slurm_conf)
    check_ends_clean(factory, story)


def check_charges(story: Story, slurm_conf: str | None) -> None:
    """Check that each job cost what its scheduler measured, to the second.

    slurm_conf  where Slurm's own accounting can be asked, beside what the portal says
    """
    with lead(story) as client:
        jobs = list(client.compute.jobs(project=story.facts["project"]))
        assert len(jobs) == 5
        total = 0
        for job in jobs:
            rows = client.compute.usage(job["code"])["items"]
            seconds = sum(row["elapsed_s"] for row in rows)
            per_second = job["nodes"] * (job["gpus"] * 1000 or job["cpus"] * 50)
            assert job["gpu_ms"] == seconds * per_second
            total += job["gpu_ms"]
            if slurm_conf:
                assert seconds == sum(sacct(row["native_id"], slurm_conf) for row in rows)
        allocation = client.ledger.allocation(story.facts["allocation"])
        balance = allocation["balance"]
        assert (balance["spent"], balance["held"]) == (total, 0)


def sacct(native_id: str, slurm_conf: str) -> int:
    """Return what Slurm's accounting says a job took, seconds."""
    done = subprocess.run(
        ["sacct", "-X", "-n", "-P", "-j", native_id, "-o", "ElapsedRaw"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"SLURM_CONF": slurm_conf},
    )
    return int(done.stdout.strip())


def check_ends_clean(factory: Factory, story: Story) -> None:
    """Check that nothing of the factory runs on after it was ended."""
    process = factory.process
    assert process is not None
    factory.stop()
    assert members_of(process.pid) == []
    for job in story.facts["jobs"]:
        assert processes_of(job) == []


def members_of(session: int) -> list[int]:
    """Return the processes whose ancestor started the session, or which are in its group."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                fields = (place / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if session in (int(fields[1]), int(fields[2])):
                found.append(int(place.name))
    return found
