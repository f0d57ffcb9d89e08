"""A cluster that opens no port: the agent there dials out, and jobs run on the real Slurm."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from uzina.root.demo import Factory

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(600)]
TOKEN = uuid.uuid4().hex


class Host:
    """A host of the cluster: its agents, and an sbatch that notes what it was told."""

    def __init__(self, factory: Factory, folder: Path, slurm_conf: str) -> None:
        self.folder = folder
        self.environment = {
            "PATH": f"{folder}:{os.environ['PATH']}",
            "SLURM_CONF": slurm_conf,
            "UZINA_TOKEN": TOKEN,
            "UZINA_URL": factory.url,
            "HOME": str(folder),
        }
        self.agents: list[subprocess.Popen[bytes]] = []
        folder.mkdir()
        self.hang(is_on=False)

    def hang(self, *, is_on: bool) -> None:
        """Have sbatch hang after Slurm took the job, or not."""
        real = shutil.which("sbatch")
        text = f'echo "$@" >>{self.folder}/told\n'
        if is_on:
            text += f'{real} "$@" >{self.folder}/id\necho $$ >{self.folder}/hung\nsleep 300\n'
        else:
            text += f'exec {real} "$@"\n'
        (self.folder / "new").write_text(f"#!/bin/sh\n{text}")
        (self.folder / "new").chmod(0o755)
        (self.folder / "new").replace(self.folder / "sbatch")

    def start(self) -> subprocess.Popen[bytes]:
        """Start an agent."""
        with (self.folder / "agent.log").open("ab") as log:
            agent = subprocess.Popen(
                [sys.executable, "-m", "uzina_client.cli", "agent"],
                env=self.environment, stdout=log, stderr=log, cwd=self.folder,
            )  # fmt: skip
        self.agents.append(agent)
        return agent

    def told(self) -> list[str]:
        """Return what sbatch was told, a line each time it was called."""
        path = self.folder / "told"
        return path.read_text().splitlines() if path.exists() else []

    def stop(self) -> None:
        """End the agents and what hangs."""
        for agent in self.agents:
            agent.kill()
            agent.wait()
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            os.killpg(int((self.folder / "hung").read_text()), signal.SIGKILL)


class Lead:
    """The API as the project's lead."""

    def __init__(self, factory: Factory, facts: dict[str, str]) -> None:
        self.project = facts["project"]
        self.client = httpx.Client(
            base_url=f"{factory.url}/api/v1/compute",
            headers={"Authorization": f"Bearer {facts['token']}"},
            timeout=60,
        )

    def submit(self, command: str) -> str:
        spec = {
            "name": "Agent", "command": ["bash", "-c", command], "gpus": 1, "memory_mb": 100,
            "time_limit_s": 120,
        }  # fmt: skip
        reply = self.client.post(
            "/jobs",
            json={"project": self.project, "spec": spec},
            headers={"Idempotency-Key": uuid.uuid4().hex},
        )
        assert reply.status_code == 201, reply.text
        return str(reply.json()["code"])

    def wait(self, code: str, what: Callable[[dict], bool]) -> dict:
        until = time.monotonic() + 400
        while not what(job := self.client.get(f"/jobs/{code}").raise_for_status().json()):
            assert time.monotonic() < until, job
            time.sleep(0.3)
        return job


@pytest.fixture
def cluster(make_factory, awarded, slurm_conf, tmp_path) -> Iterator[tuple[Lead, Host]]:
    """Return a served factory that reaches Slurm by an agent only: its lead, the agent's host."""
    scheduler = {
        "kind": "slurm", "transport": "agent", "agent_token": TOKEN, "account": "uzina",
        "partition": "gpu", "slurm_conf": "/nonexistent/slurm.conf",
    }  # fmt: skip
    factory = make_factory({"scheduler": scheduler})
    facts = awarded(factory)
    factory.start()
    lead, host = Lead(factory, facts), Host(factory, tmp_path / "host", slurm_conf)
    with lead.client:
        yield lead, host
    factory.stop()
    host.stop()
    print((tmp_path / "host/agent.log").read_text()[-3000:])


def is_over(job: dict) -> bool:
    return job["settled_at"] is not None


def test_jobs_go_by_two_agents_once_each_and_so_does_one_whose_agents_are_killed(cluster):
    """sbatch was answered and the agents died with the answer: the job is found by its key."""
    lead, host = cluster
    agents = [host.start(), host.start()]
    codes = [lead.submit("echo $UZINA_JOB_KEY; sleep 1") for _ in range(6)]
    jobs = [lead.wait(code, is_over) for code in codes]
    assert {job["state"] for job in jobs} == {"done"}
    assert all(1000 <= job["gpu_ms"] <= 120_000 for job in jobs)
    assert len(host.told()) == len({job["native_id"] for job in jobs}) == len(codes)

    host.hang(is_on=True)
    code = lead.submit("sleep 1")
    until = time.monotonic() + 120
    while not (host.folder / "hung").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    for agent in agents:
        agent.kill()
        agent.wait()
    host.hang(is_on=False)
    host.start()
    job = lead.wait(code, is_over)

    assert job["state"] == "done"
    assert job["native_id"] == (host.folder / "id").read_text().strip()
    assert len(host.told()) == len(codes) + 1
