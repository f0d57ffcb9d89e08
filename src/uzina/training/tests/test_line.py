"""The whole line on real parts: real text, real recipes, real processes, one worker."""

import json
import lzma

import pytest
from django.utils import timezone

from uzina.catalogue import actions as catalogue
from uzina.catalogue import queries as catalogue_queries
from uzina.compute import queries as compute
from uzina.core.promises import Worker, plant_recurring
from uzina.training import actions, queries
from uzina.training.models import Run
from uzina.training.queries import records
from uzina.training.rules import form, lineage
from uzina_recipes import corpora

pytestmark = pytest.mark.django_db(transaction=True)
TINY = {
    "steps": 8, "batch": 2, "context": 32, "width": 32, "layers": 2, "heads": 2, "kv_heads": 1,
    "hidden": 48, "warmup": 2, "checkpoint_every": 4, "evaluate_every": 0, "threads": 1,
}  # fmt: skip


@pytest.fixture
def corpus(ana, project, seeds, tmp_path):
    """A part of the shipped corpus as a dataset version."""
    with lzma.open(corpora.folder("debian-docs") / "documents.jsonl.xz", "rt") as file:
        lines = list(file)[::20]
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "documents.jsonl").write_text("".join(lines), "utf-8")
    dataset = catalogue.register_dataset(
        slug="debian-docs",
        title="Debian documents",
        description="A part of the shipped corpus.",
        licence="mixed-see-files",
        languages=["ro", "en"],
        holder=project.organisation,
        project=project,
        by=ana,
        now=timezone.now(),
    )
    return catalogue.add_version_from_folder(
        dataset, folder=tmp_path / "texts", note="", made_by_job="", by=None, now=timezone.now()
    )


def work_until_collected(run, seconds=150):
    """Run a worker in this thread until the run has ended and was collected."""
    import time

    worker, end = Worker("test-worker"), time.monotonic() + seconds
    plant_recurring(now=timezone.now())
    while not Run.objects.get(pk=run.pk).ended_as:
        assert time.monotonic() < end
        if not worker.run_one():
            time.sleep(0.05)
    run = queries.run(run.code)
    assert str(run.state) == "done", (run.problem, run.facts)
    return run


@pytest.mark.timeout(600)
def test_real_text_becomes_a_documented_model(corpus, project, real_allocation, ana):
    def go(recipe, **facts):
        run = actions.start_run(
            project,
            recipe=queries.recipe(recipe),
            gpus=1,
            cpus=1,
            memory_mb=1000,
            time_limit_s=300,
            by=ana,
            now=timezone.now(),
            key=recipe,
            **facts,
        )
        return work_until_collected(run)

    data = go(
        "prepare", params={"vocabulary": 400}, inputs=[("debian-docs", 1)], name="tokens"
    ).output
    assert data.facts["train_tokens"] > 10_000
    report = json.loads(catalogue_queries.text(data, "report.json", most=10**8))
    assert report["out"]["train"]["tokens"] == data.facts["train_tokens"]

    trained = go("train", params=TINY, inputs=[("tokens", 1)], name="tiny")
    version = trained.made.get()
    assert version.facts["tokens_seen"] == 8 * 2 * 32
    assert version.facts["hf_check"]["equal"]
    assert compute.run_dir(trained.job).joinpath("export/hf/model.safetensors").exists()

    go("evaluate", params={"sample_tokens": 4, "baseline_mib": 1, "threads": 1},
       inputs=[("tokens", 1)], model=("tiny", 1))  # fmt: skip
    scores = version.evaluations.get().scores
    assert set(scores) >= {"model", "unigram_token", "xz"}
    assert 0 < scores["model"] < 8

    record = records.record(version)
    filled = form.fill(record, queries.form_fields(), lambda text: text)
    measured = sum(one.elapsed_s for one in compute.usage_of(trained.job))
    rows = {one.field.slug: one.value for one in filled.rows}
    assert f"({measured:,} s)" in rows["training_time"]
    assert rows["compute_amount"].endswith("FLOP")
    assert "estimated" in rows["energy_amount"]
    chain = lineage.trace(record, lambda text: text, "en")
    assert {one.kind for one in chain.nodes if one.is_missing} == {"call", "application", "award"}
    run = next(one for one in record["runs"] if one["code"] == trained.code)
    assert len(run["code_version"]["sha256"]) == 64
    assert run["environment"]["packages"]["torch"].startswith("2.13.0")
