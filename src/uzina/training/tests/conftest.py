"""What the tests of training start from: recipes, hours, data, and jobs that have ended."""

import hashlib
import json
from datetime import timedelta

import pytest
from django.utils import timezone

from uzina.catalogue import actions as catalogue
from uzina.compute import queries as compute
from uzina.compute.models import Job, Usage
from uzina.core.tests import NOW
from uzina.training import actions, queries

HOUR = 3_600_000


@pytest.fixture(autouse=True)
def seeds(db):
    catalogue.seed_licences(now=NOW)
    actions.sync_recipes(now=NOW)


@pytest.fixture
def allocation(grant_hours):
    """Ten GPU-hours of the project, open at NOW."""
    return grant_hours(NOW, days=60)


@pytest.fixture
def real_allocation(grant_hours):
    """Ten GPU-hours, open now by the real clock: real jobs need it."""
    return grant_hours(timezone.now(), days=30)


@pytest.fixture
def make_version(ana, project):
    """Register a dataset of the project with one version of the given files."""

    def make(slug, files, licence="cc-by-sa-3.0", **more):
        dataset = catalogue.register_dataset(
            slug=slug,
            title=more.get("title", slug),
            description=more.get("description", "Texts."),
            licence=licence,
            languages=["ro"],
            holder=project.organisation,
            project=project,
            by=ana,
            now=NOW,
        )
        rows = []
        for path, body in files.items():
            sha256 = hashlib.sha256(body).hexdigest()
            catalogue.upload(sha256, iter([body]), size=len(body), by=ana, now=NOW)
            rows.append({"path": path, "bytes": len(body), "sha256": sha256})
        return catalogue.add_version(dataset, files=rows, note="", by=ana, now=NOW)

    return make


@pytest.fixture
def texts(make_version):
    return make_version("ro-texts", {"ro.jsonl": b'{"text": "Bun\\u0103 ziua"}\n'})


@pytest.fixture
def tokens(make_version):
    return make_version("ro-tokens", {"shards.json": b"{}", "train.bin": b"\0\1"})


@pytest.fixture
def start(project, allocation, ana):
    """Start a run with whatever differs from the usual."""

    def start(recipe="prepare", **changes):
        facts = {
            "recipe": queries.recipe(recipe),
            "params": {},
            "inputs": [],
            "gpus": 1,
            "cpus": 1,
            "memory_mb": 500,
            "time_limit_s": 600,
            "by": ana,
            "now": NOW,
            "key": f"key-{recipe}",
        } | changes
        return actions.start_run(project, **facts)

    return start


@pytest.fixture
def end():
    """End the newest job of a run, with what it left behind, as the cluster and ledger would."""

    def end(run, state="done", elapsed_s=120, **files):
        job = run.job
        folder = compute.run_dir(job)
        record = {"state": "done", "resume": False, "step": 4, "reason": ""}
        manifest = {
            "recipe": {"slug": run.recipe.slug, "version": run.recipe.version},
            "code": {"package": "uzina_recipes 0.1.0", "sha256": "c" * 64},
            "environment": {
                "python": "3.11.7",
                "packages": {"torch": "2.13.0", "numpy": "2.4.0"},
                "system": "Linux 6.1 x86_64",
            },
            "seed": 1,
            "world_size": 1,
        }
        written = {"exit.json": record, "manifest.json": manifest} | {
            path.replace("__", "/").replace("_json", ".json"): value
            for path, value in files.items()
        }
        for path, value in written.items():
            if value is None:
                continue
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            body = value if isinstance(value, bytes) else json.dumps(value).encode()
            (folder / path).write_bytes(body)
        starts = NOW + timedelta(minutes=1)
        ends = starts + timedelta(seconds=elapsed_s)
        Usage.objects.create(
            cluster=job.cluster,
            job=job,
            row_key=f"test/{job.code}",
            native_id="1",
            submitted_at=NOW,
            started_at=starts,
            ended_at=ends,
            elapsed_s=elapsed_s,
            nodes=1,
            cpus=job.cpus,
            gpus=job.gpus,
            state=state,
            raw="",
            read_at=ends,
        )
        Job.objects.filter(pk=job.pk).update(
            state=state,
            started_at=starts,
            ended_at=ends,
            settled_at=ends,
            gpu_ms=elapsed_s * 1000,
            reason="" if state == "done" else "ExitCode",
        )
        return queries.run(run.code)

    return end


REPORT = {
    "out": {
        "train": {"documents": 900, "tokens": 1_200_000, "bytes": 5_000_000},
        "heldout": {"documents": 40, "tokens": 50_000, "bytes": 200_000},
    },
    "vocabulary": 4096,
    "excluded_documents": {
        "too_short": {"by_language": {"ro": {"documents": 12, "bytes": 900}}, "samples": []},
        "exact_duplicate": {"by_language": {}, "samples": []},
    },
}
FACTS = {
    "parameters": 3_400_000,
    "parameters_without_input_embedding": 2_600_000,
    "architecture": {
        "family": "llama",
        "layers": 4,
        "width": 192,
        "heads": 6,
        "kv_heads": 2,
        "hidden": 512,
        "context": 256,
        "vocabulary": 4096,
        "tied_embeddings": False,
        "positions": "rotary",
        "activation": "SwiGLU",
        "normalisation": "RMSNorm",
    },
    "tokens_seen": 409_600,
    "steps": 400,
    "flop": {"value": 6.4e12, "method": "6 N D", "n": 2_600_000},
    "energy": {
        "kwh": 0.0004,
        "kwh_low": 0.0002,
        "kwh_high": 0.0012,
        "is_estimate": True,
        "method": "CPU seconds x 5 W a busy core.",
        "boundary": "processor package",
        "quality_class": "C",
    },
}
RESULTS = {
    "bits_per_byte": {
        "model": {"total": 2.1, "ro": 2.0, "en": 2.3},
        "unigram_token": {"total": 3.4, "ro": 3.3, "en": 3.5},
        "xz": {"total": 2.6, "ro": 2.5, "en": 2.7},
    },
    "held_out": {"documents": 40, "bytes": {"total": 200_000}},
    "methods": {"xz": "What the held-out text adds."},
}


@pytest.fixture
def prepared(start, end, texts):
    """A collected prepare run."""
    run = start("prepare", inputs=[("ro-texts", 1)], name="ro-data")
    end(
        run,
        **{
            "export/data/shards.json": {"format": "uint16"},
            "export/data/heldout.jsonl": b'{"text": "x"}\n',
            "export/data/tokenizer.json": {},
            "export/data/report.json": REPORT,
        },
    )
    return actions.collect(run, now=NOW)


@pytest.fixture
def trained(start, end, prepared):
    """A collected train run on what the prepare run made."""
    run = start("train", inputs=[("ro-data", 1)], name="ro-mini", params={"steps": 400})
    end(
        run,
        **{
            "export/hf/model.safetensors": b"weights" * 1000,
            "export/hf/config.json": {"model_type": "llama"},
            "export/hf/tokenizer.json": {},
            "export/facts.json": FACTS,
            "export/hf_check.json": {"checked": True, "equal": True, "max_difference": 0.0},
        },
    )
    return actions.collect(run, now=NOW)


@pytest.fixture
def evaluated(start, end, trained):
    """A collected evaluation of the trained model."""
    run = start("evaluate", inputs=[("ro-data", 1)], model=("ro-mini", 1))
    end(run, **{"export/results.json": RESULTS})
    return actions.collect(run, now=NOW)


@pytest.fixture
def model_version(trained):
    return trained.made.get()
