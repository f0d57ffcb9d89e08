"""Training goes on after anything as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from uzina_recipes import cli, hf, shards, verify
from uzina_recipes.model import Llama, Shape
from uzina_recipes.recipes.train import checkpoints, order
from uzina_recipes.recipes.train.run import learning_rate
from uzina_recipes.run_directory import read_lines
from uzina_recipes.tests.conftest import (
    SMALL,
    ended,
    event_names,
    losses,
    run_folder,
    start,
    start_apart,
    write_config,
)

FIELDS = frozenset(
    [
        "t",
        "step",
        "tokens",
        "loss",
        "lr",
        "gnorm",
        "tok_s",
        "tflops_dev",
        "mfu",
        "step_s",
        "data_s",
        "ckpt_s",
        "mem_gib",
        "w_dev",
        "kwh",
        "eta_s",
        "job",
        "life",
    ]
)


def life(run, faults=""):
    """One life of a run in its own process; returns its exit code."""
    process = start_apart("train", run, faults)
    _, errors = process.communicate(timeout=120)
    assert process.returncode in {0, -signal.SIGKILL}, errors
    return process.returncode


def test_a_run_learns_and_leaves_everything_the_contract_names(straight):
    assert ended(straight) == {"state": "done", "resume": False, "step": 12, "reason": ""}
    rows = read_lines(straight / "metrics.jsonl")
    assert [row["step"] for row in rows] == list(range(1, 13))
    assert all(set(row) >= FIELDS for row in rows)
    assert rows[-1]["tokens"] == 12 * 4 * 32
    assert np.mean([row["loss"] for row in rows[-3:]]) < rows[0]["loss"] - 0.3
    assert event_names(straight) == [
        "started",
        "checkpoint",
        "eval",
        "checkpoint",
        "eval",
        "checkpoint",
        "done",
    ]


def test_two_runs_of_one_configuration_are_bit_equal(straight, data, tmp_path):
    again = run_folder(tmp_path / "run", SMALL, data=data)
    assert start("train", again) == 0
    assert verify.compare(again, straight)["max_loss_difference"] == 0.0
    weights = [load_file(run / "export" / "hf" / hf.WEIGHTS) for run in (again, straight)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[1])


def test_another_seed_sees_other_samples(straight, data, tmp_path):
    other = run_folder(tmp_path / "run", {**SMALL, "seed": 2}, data=data)
    assert start("train", other) == 0
    mine, theirs = losses(other), losses(straight)
    assert all(mine[step][0] != theirs[step][0] for step in mine)


def test_killed_at_random_steps_it_sees_the_same_samples_and_losses(straight, data, tmp_path):
    draw = random.Random(20261121)
    run = run_folder(tmp_path / "run", SMALL, data=data)
    kills = sorted(draw.sample(range(2, 13), 4))
    for step in kills:
        assert life(run, f"kill@{step}") == -signal.SIGKILL
        assert not (run / "exit.json").exists()
    assert life(run) == 0
    found = verify.compare(run, straight)
    assert found["equal"], found
    assert (found["steps"], found["lives"]["run"][-1]) == (12, 5)
    assert losses(run) == losses(straight)
    name = f"export/hf/{hf.WEIGHTS}"
    assert (run / name).read_bytes() == (straight / name).read_bytes()


def test_killed_from_outside_at_any_moment_it_ends_the_same(straight, data, tmp_path):
    run = run_folder(tmp_path / "run", SMALL, data=data)
    process = start_apart("train", run)
    deadline = time.monotonic() + 60
    while len(read_lines(run / "metrics.jsonl")) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert start("train", run) == 0
    assert losses(run) == losses(straight)


def test_killed_while_a_checkpoint_is_written_it_goes_on_from_the_one_before(
    straight, data, tmp_path
):
    run = run_folder(tmp_path / "run", SMALL, data=data)
    assert life(run, "kill-in-checkpoint@8") == -signal.SIGKILL
    assert (run / "checkpoints" / "step-8").exists()
    assert not (run / "checkpoints" / "step-8" / checkpoints.MARK).exists()
    assert start("train", run) == 0
    refused = [
        row for row in read_lines(run / "events.jsonl") if row["event"] == "checkpoint_refused"
    ]
    assert [(row["step"], row["why"]) for row in refused] == [(8, "it was never completed")]
    resumed = next(row for row in read_lines(run / "events.jsonl") if row["event"] == "resumed")
    assert (resumed["step"], resumed["from"], resumed["life"]) == (4, "step-4", 2)
    assert losses(run) == losses(straight)


def stopped_at(step, data, folder):
    """A run that was stopped after this step."""
    run = run_folder(folder / "run", SMALL, data=data)
    os.environ["UZINA_RECIPES_FAULTS"] = f"stop@{step}"
    try:
        assert start("train", run) == 0
    finally:
        del os.environ["UZINA_RECIPES_FAULTS"]
    assert ended(run)["step"] == step
    return run


@pytest.mark.parametrize("damage", ["shorten", "flip", "remove"])
def test_a_damaged_newest_checkpoint_is_passed_over(straight, data, tmp_path, damage):
    run = stopped_at(9, data, tmp_path)
    path = run / "checkpoints" / "step-9" / checkpoints.TENSORS
    whole = bytearray(path.read_bytes())
    if damage == "shorten":
        path.write_bytes(whole[:-1])
    elif damage == "flip":
        whole[-1] ^= 1
        path.write_bytes(whole)
    else:
        path.unlink()
    assert start("train", run) == 0
    resumed = next(row for row in read_lines(run / "events.jsonl") if row["event"] == "resumed")
    assert resumed["step"] == 8
    assert "checkpoint_refused" in event_names(run)
    assert losses(run) == losses(straight)


def test_a_stop_file_leaves_a_checkpoint_and_the_run_goes_on_later(straight, data, tmp_path):
    run = run_folder(tmp_path / "run", SMALL, data=data)
    (run / "STOP").touch()
    assert start("train", run) == 0
    assert (ended(run)["state"], ended(run)["resume"], ended(run)["step"]) == ("stopped", True, 0)
    assert not (run / "STOP").exists()
    assert start("train", run) == 0
    assert ended(run)["state"] == "done"
    assert losses(run) == losses(straight)


def test_sigterm_is_taken_as_a_wish_to_stop(data, tmp_path):
    run = run_folder(tmp_path / "run", {**SMALL, "steps": 100_000, "evaluate_every": 0}, data=data)
    process = start_apart("train", run)
    deadline = time.monotonic() + 60
    while len(read_lines(run / "metrics.jsonl")) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.terminate()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert (ended(run)["state"], ended(run)["resume"]) == ("stopped", True)
    step = ended(run)["step"]
    assert (run / "checkpoints" / f"step-{step}" / checkpoints.MARK).exists()
    assert "SIGTERM" in ended(run)["reason"]


def test_only_the_two_newest_checkpoints_are_kept(straight):
    assert [path.name for path in checkpoints.folders(straight / "checkpoints")] == [
        "step-12",
        "step-8",
    ]


def test_a_save_file_makes_a_checkpoint_at_the_next_step(data, tmp_path):
    run = run_folder(tmp_path / "run", {**SMALL, "checkpoint_every": 1000}, data=data)
    (run / "SAVE").touch()
    assert start("train", run) == 0
    assert (run / "checkpoints" / "step-1" / checkpoints.MARK).exists()
    assert not (run / "SAVE").exists()


def test_a_finished_run_started_again_is_done_at_once(straight, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(straight, run, symlinks=True)
    assert start("train", run) == 0
    assert ended(run)["state"] == "done"
    assert len(read_lines(run / "metrics.jsonl")) == 12


def not_finite_at(steps, data, folder):
    run = run_folder(folder / "run", SMALL, data=data)
    os.environ["UZINA_RECIPES_FAULTS"] = ",".join(f"not-finite@{step}" for step in steps)
    try:
        return start("train", run), run
    finally:
        del os.environ["UZINA_RECIPES_FAULTS"]


def test_three_steps_that_are_not_finite_are_left_out_and_the_run_ends_well(data, tmp_path):
    code, run = not_finite_at((5, 6, 7), data, tmp_path)
    assert (code, ended(run)["state"]) == (0, "done")
    assert event_names(run).count("skip_step") == 3
    rows = {row["step"]: row["loss"] for row in read_lines(run / "metrics.jsonl")}
    assert rows[6] is None
    assert rows[12] is not None
    facts = json.loads((run / "export" / "facts.json").read_text("utf-8"))
    assert (facts["steps"], facts["updates"]) == (12, 9)


def test_the_fourth_step_that_is_not_finite_ends_the_run(data, tmp_path):
    code, run = not_finite_at((2, 5, 6, 7), data, tmp_path)
    assert code == 1
    left = ended(run)
    assert (left["state"], left["resume"], left["step"]) == ("failed", False, 7)
    assert "not finite 4 times" in left["reason"]
    assert not (run / "export" / "hf").exists()


def test_weights_are_untouched_by_a_step_that_is_not_finite(data, tmp_path):
    code, run = not_finite_at((12,), data, tmp_path)
    assert code == 0
    other = stopped_at(11, data, tmp_path / "other")
    exported = load_file(run / "export" / "hf" / hf.WEIGHTS)
    saved, _ = checkpoints.read(other / "checkpoints" / "step-11")
    assert all(torch.equal(saved[f"weight {name}"], exported[name]) for name in exported)


def test_other_settings_are_refused_when_going_on_and_nothing_is_changed(data, tmp_path):
    run = stopped_at(5, data, tmp_path)
    before = sorted(path.name for path in run.rglob("*"))
    write_config(run, {**SMALL, "seed": 3, "learning_rate": 0.5})
    assert start("train", run) == 2
    reason = ended(run)["reason"]
    assert "seed was 1 and is now 3" in reason
    assert "learning_rate was 0.01 and is now 0.5" in reason
    assert sorted(path.name for path in run.rglob("*")) == before
    write_config(run, {**SMALL, "checkpoint_every": 5})
    assert start("train", run) == 0


def test_a_full_disk_in_a_checkpoint_keeps_the_last_one_and_says_what_to_do(
    straight, data, tmp_path
):
    run = stopped_at(9, data, tmp_path)
    kept = (run / "checkpoints" / "step-9" / checkpoints.TENSORS).stat().st_size
    process = start_apart(
        "train",
        run,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (kept - 1, kept - 1)),
    )
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in errors
    left = ended(run)
    assert (left["state"], left["resume"], left["step"]) == ("failed", True, 12)
    assert "The disk is full" in left["reason"]
    assert not (run / "checkpoints" / "step-12").exists()
    assert (run / "checkpoints" / "step-9" / checkpoints.MARK).exists()
    assert start("train", run) == 0
    assert losses(run) == losses(straight)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_really_full_disk_ends_the_same_way(straight, data, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("this machine does not let root mount a tmpfs")
    try:
        run = run_folder(disk / "run", SMALL, data=data)
        assert start("train", run) == 1
        left = ended(run)
        assert (left["state"], left["resume"]) == ("failed", True)
        assert "The disk is full" in left["reason"]
        marks = [path / checkpoints.MARK for path in checkpoints.folders(run / "checkpoints")]
        assert marks
        assert all(mark.exists() for mark in marks)
        subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
        assert start("train", run) == 0
        assert losses(run) == losses(straight)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def copied(data, folder, *, tokens):
    """A copy of the shards with other training tokens."""
    shutil.copytree(data, folder)
    facts = json.loads((folder / "shards.json").read_text("utf-8"))
    kept = np.fromfile(folder / "train.bin", shards.TOKEN)[:tokens]
    kept.tofile(folder / "train.bin")
    facts["train"]["tokens"] = len(kept)
    (folder / "shards.json").write_text(json.dumps(facts), "utf-8")
    return folder


def test_text_shorter_than_a_sample_is_a_failure_with_the_numbers(data, tmp_path):
    short = copied(data, tmp_path / "data", tokens=32)
    run = run_folder(tmp_path / "run", SMALL, data=short)
    assert start("train", run) == 1
    assert "has 32 tokens and one sample takes 33" in ended(run)["reason"]


def test_text_of_one_sample_is_enough(data, tmp_path):
    just = copied(data, tmp_path / "data", tokens=33)
    run = run_folder(tmp_path / "run", {**SMALL, "steps": 2}, data=just)
    assert start("train", run) == 0


def test_a_shard_that_was_cut_off_is_refused(data, tmp_path):
    source = tmp_path / "data"
    shutil.copytree(data, source)
    whole = (source / "train.bin").read_bytes()
    (source / "train.bin").write_bytes(whole[:-2])
    run = run_folder(tmp_path / "run", SMALL, data=source)
    assert start("train", run) == 1
    assert (
        f"train.bin has {len(whole) - 2} bytes and shards.json says {len(whole)}"
        in (ended(run)["reason"])
    )


@pytest.mark.parametrize("is_tied", [False, True])
@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_transformers_computes_equal_logits(data, tmp_path, is_tied, kv_heads):
    torch.manual_seed(3)
    model = Llama(
        Shape(
            vocabulary=512,
            context=64,
            width=32,
            layers=2,
            heads=4,
            kv_heads=kv_heads,
            hidden=48,
            is_tied=is_tied,
        )
    )
    hf.write(tmp_path / "hf", model, tokenizer=data / "tokenizer.json", separator=0)
    split = shards.open_shards(data, "heldout")
    tokens = torch.from_numpy(np.asarray(split.tokens[:64], np.int64)).view(2, 32)
    found = hf.check(tmp_path / "hf", tokens)
    assert found["checked"]
    assert (found["equal"], found["max_difference"]) == (True, 0.0)


def test_transformers_loads_the_tokenizer_of_an_export_and_generates(straight):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = straight / "export" / "hf"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    text = "Pachetul și configurația țintă"
    codes = tokenizer(text, return_tensors="pt")
    assert tokenizer.decode(codes["input_ids"][0]) == text
    written = model.generate(**codes, max_new_tokens=5, do_sample=False)
    assert written.shape[1] <= codes["input_ids"].shape[1] + 5
    assert tokenizer.eos_token_id == 0


def test_the_export_is_checked_and_the_facts_add_up(straight):
    check = json.loads((straight / "export" / "hf_check.json").read_text("utf-8"))
    assert (check["equal"], check["max_difference"]) == (True, 0.0)
    facts = json.loads((straight / "export" / "facts.json").read_text("utf-8"))
    table = 512 * 32
    layer = 2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 48 + 2 * 32
    assert facts["parameters"] == 2 * table + 2 * layer + 32
    assert facts["tokens_seen"] == 12 * 4 * 32
    assert facts["flop"]["value"] == 6 * (facts["parameters"] - table) * facts["tokens_seen"]
    energy = facts["energy"]
    assert energy["is_estimate"]
    assert energy["quality_class"] == "C"
    assert energy["boundary"]
    assert energy["kwh_low"] < energy["kwh"] < energy["kwh_high"]
    assert energy["kwh"] == pytest.approx(facts["cpu_seconds"] * 7 / 3.6e6, rel=1e-3)


def test_energy_and_time_go_on_counting_over_lives(data, tmp_path):
    run = stopped_at(6, data, tmp_path)
    before = read_lines(run / "metrics.jsonl")[-1]
    assert start("train", run) == 0
    after = read_lines(run / "metrics.jsonl")[6]
    assert (before["step"], after["step"], after["life"]) == (6, 7, 2)
    for name in ("kwh", "cpu_s", "wall_s"):
        assert after[name] > before[name]


def test_two_processes_share_a_batch_and_see_the_same_samples(straight, data, tmp_path):
    run = run_folder(tmp_path / "run", SMALL, data=data)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc-per-node=2",
            "-m",
            "uzina_recipes",
            "train",
            "--run-dir",
            str(run),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    mine, theirs = losses(run), losses(straight)
    assert [mine[step][0] for step in mine] == [theirs[step][0] for step in theirs]
    assert max(abs(mine[step][1] - theirs[step][1]) for step in mine) < 1e-4
    assert event_names(run).count("started") == 1


@settings(deadline=None)
@given(count=st.integers(1, 3000), key=st.integers(0, 2**48))
def test_the_order_of_an_epoch_visits_every_window_once(count, key):
    order_ = order.permuted(np.arange(count, dtype=np.uint64), count, key)
    assert sorted(order_.tolist()) == list(range(count))


def test_samples_are_a_function_of_seed_and_step_and_every_epoch_has_its_own_order():
    assert (order.samples(1, 7, 8, 100) == order.samples(1, 7, 8, 100)).all()
    epochs = [
        np.concatenate([order.samples(1, step, 4, 12) for step in (a, a + 1, a + 2)])
        for a in (1, 4)
    ]
    assert all(sorted(epoch.tolist()) == list(range(12)) for epoch in epochs)
    assert (epochs[0] != epochs[1]).any()


def test_a_batch_larger_than_an_epoch_runs_over_into_the_next():
    seen = order.samples(1, 1, 10, 4)
    assert sorted(seen[:4].tolist()) == sorted(seen[4:8].tolist()) == [0, 1, 2, 3]


@pytest.mark.parametrize(("tokens", "count"), [(0, 0), (32, 0), (33, 1), (64, 1), (65, 2)])
def test_a_window_needs_one_token_more_than_the_context(tokens, count):
    assert order.windows(tokens, 32) == count


def test_the_learning_rate_rises_straight_and_falls_to_its_final_share():
    rates = {"learning_rate": 1.0, "warmup": 10, "steps": 110, "final_rate": 0.1}
    assert [learning_rate(step, rates) for step in (1, 5, 10)] == [0.1, 0.5, 1.0]
    assert learning_rate(60, rates) == pytest.approx(0.55)
    assert learning_rate(110, rates) == pytest.approx(0.1)


def test_a_batch_that_processes_cannot_share_is_refused(data, tmp_path, monkeypatch):
    from uzina_recipes.recipes.train import run as train

    class Three(train.World):
        def __init__(self):
            super().__init__()
            self.size = 3

        def leave(self):
            """There is no group to leave."""

    monkeypatch.setattr(train, "World", Three)
    run = run_folder(tmp_path / "run", SMALL, data=data)
    assert cli.main(["train", "--run-dir", str(run)]) == 2
    assert "batch is 4: give a multiple of the 3 processes" in ended(run)["reason"]
