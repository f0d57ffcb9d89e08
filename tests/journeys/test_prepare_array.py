"""A corpus prepared by an array of tasks on a real cluster is, to the byte, the one that a single
job makes of it.
"""

import json
import lzma
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from uzina.root.demo import CORPUS, Factory
from uzina_client import Client, story_answers
from uzina_client.transport import Json
from uzina_recipes import corpora

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(900)]

PATIENCE_S = 600.0
"""How long a run may take on a busy machine. Nothing is proved by how long it took."""
FILES, EACH = 5, 24
PARAMS = {"vocabulary": 400, "held_out": 0.1, "workers": 1, "parquet": True}


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Some shipped documents in several files, so that there is something to share out."""
    folder = tmp_path_factory.mktemp("texts")
    shipped = corpora.folder(CORPUS) / "documents.jsonl.xz"
    with lzma.open(shipped, "rt", encoding="utf-8") as file:
        lines = list(file)[:: 1870 // (FILES * EACH)]
    made = {}
    for at in range(FILES):
        name = f"part-{at}.jsonl"
        (folder / name).write_text("".join(lines[at * EACH : (at + 1) * EACH]), "utf-8")
        made[name] = folder / name
    return made


@pytest.fixture
def factory(slurm_conf: str, make_factory: Callable[..., Factory]) -> Factory:
    """A factory whose jobs go to a real cluster."""
    return make_factory(
        {"scheduler": {"kind": "slurm", "name": "testbed", "slurm_conf": slurm_conf}}
    )


@pytest.fixture
def given(factory: Factory, awarded: Callable[[Factory], dict[str, str]]) -> dict[str, str]:
    """A project with hours, in a factory that is served."""
    given = awarded(factory)
    factory.start()
    return given


@pytest.fixture
def client(factory: Factory, given: dict[str, str]) -> Iterator[Client]:
    """The portal as the project's lead sees it."""
    with Client(factory.url, given["token"]) as client:
        try:
            yield client
        except BaseException:
            print((factory.folder / "serve.log").read_text(errors="replace")[-6000:])
            raise


def ended(client: Client, code: str) -> Json:
    """Wait until a run has ended and was taken in, and return it."""
    deadline = time.monotonic() + PATIENCE_S
    while not (run := client.training.run(code))["collected_at"]:
        assert time.monotonic() < deadline, run
        time.sleep(0.5)
    return run


def contents(client: Client, reference: str, folder: Path) -> dict[str, bytes]:
    """Every file of a version, by its path."""
    slug, _at, number = reference.partition("@")
    client.catalogue.download(slug, int(number), to=folder)
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_an_array_on_a_cluster_makes_the_bytes_that_one_job_makes(
    client: Client, given: dict[str, str], texts: dict[str, Path], tmp_path: Path
) -> None:
    client.catalogue.register(
        {
            "slug": "texts",
            "title": "Texts",
            "description": "Documents in several files.",
            "licence": story_answers.CORPUS_LICENCE,
            "languages": ["ro", "en"],
            "project": given["project"],
        }
    )
    version = client.catalogue.add_version("texts", paths=texts, note="As shipped.")

    def start(name: str, tasks: int) -> Json:
        facts: dict[str, Any] = {
            "project": given["project"],
            "recipe": "prepare",
            "params": PARAMS,
            "inputs": [version["reference"]],
            "name": name,
            "gpus": 0,
            "cpus": 1,
            "memory_mb": 800,
            "time_limit_s": 900,
            "tasks": tasks,
        }
        return client.training.start(facts)

    shared, single = start("shared", 2), start("single", 1)
    runs = [ended(client, run["code"]) for run in (shared, single)]

    assert [(run["state"], run["problem"]) for run in runs] == [("done", "")] * 2
    made = [contents(client, run["output"], tmp_path / run["name"]) for run in runs]
    assert made[0] == made[1]
    assert {"train.bin", "heldout.bin", "report.json", "statistics.json"} <= made[0].keys()
    report = json.loads(made[0]["report.json"])
    assert sum(row["documents"] for row in report["in"].values()) == FILES * EACH

    # Five jobs came before the last one, three of them arrays of two tasks, in one folder.
    jobs = [one for one in client.compute.jobs(project=given["project"]) if "shared" in one["name"]]
    assert sorted(client.compute.job(one["code"])["tasks"] for one in jobs) == [1, 1, 1, 2, 2, 2]
    assert {one["state"] for one in jobs} == {"done"}
