"""Bits per byte are counted right, for the model and for both baselines."""

from __future__ import annotations

import json
import lzma
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from uzina_recipes import hf
from uzina_recipes.model import Llama, Shape
from uzina_recipes.recipes.evaluate import measures
from uzina_recipes.tests.conftest import ended, run_folder, start


def small_model():
    torch.manual_seed(5)
    return Llama(
        Shape(
            vocabulary=512,
            context=16,
            width=16,
            layers=1,
            heads=2,
            kv_heads=1,
            hidden=24,
            is_tied=False,
        )
    ).eval()


@pytest.fixture(scope="module")
def evaluated(straight, data, tmp_path_factory):
    run = run_folder(
        tmp_path_factory.mktemp("evaluate") / "run",
        {"threads": 1, "sample_tokens": 8},
        model=straight / "export" / "hf",
        data=data,
    )
    assert start("evaluate", run) == 0
    return run


@pytest.fixture(scope="module")
def results(evaluated):
    return json.loads((evaluated / "export" / "results.json").read_text("utf-8"))


def test_bits_per_byte_of_a_case_worked_out_by_hand():
    # Four tokens, each of four equally likely ones: 2 bits each, 8 bits for 16 bytes.
    assert measures.bits_per_byte(4 * math.log(4), 16) == pytest.approx(0.5)


def test_a_unigram_model_of_a_case_worked_out_by_hand():
    # Counts 1, 0, 5 become 2, 1, 6 of 9.
    nats = measures.unigram_nats(np.array([1, 0, 5]), np.array([0, 1, 2, 2]))
    assert nats == pytest.approx(-math.log(2 / 9 * 1 / 9 * 6 / 9 * 6 / 9))


@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=5),
    context=st.integers(1, 20),
    stride=st.integers(1, 20),
)
def test_windows_score_every_target_exactly_once(lengths, context, stride):
    stride = min(stride, context)
    seen = []
    for window in measures.windows(lengths, context, stride):
        assert window.scored <= window.length <= context
        assert window.start >= 0
        end = window.start + window.length
        seen += [(window.document, at) for at in range(end - window.scored, end)]
    wanted = [(at, target) for at, length in enumerate(lengths) for target in range(length - 1)]
    assert sorted(seen) == wanted


def test_a_window_after_the_first_has_at_least_context_less_stride_before_it():
    later = [window for window in measures.windows([100], 16, 4) if window.start]
    assert later
    assert all(window.length - window.scored >= 12 for window in later)


def test_a_document_in_one_window_costs_what_a_plain_sum_says():
    model = small_model()
    document = np.arange(3, 15, dtype=np.int64)
    cut = measures.windows([len(document)], 16, 8)
    [nats] = measures.window_nats(model, [document], cut)
    tokens = torch.from_numpy(document)[None]
    shares = model(tokens[:, :-1]).detach().log_softmax(-1)[0]
    plain = -sum(float(shares[at, target]) for at, target in enumerate(document[1:]))
    assert nats == pytest.approx(plain, rel=1e-5)


def test_padding_beside_a_longer_window_changes_nothing():
    model = small_model()
    documents = [np.arange(0, 9, dtype=np.int64), np.arange(20, 37, dtype=np.int64)]
    cut = measures.windows([9, 17], 16, 16)
    together = measures.window_nats(model, documents, cut)
    alone = [measures.window_nats(model, documents, [window])[0] for window in cut]
    assert together == pytest.approx(alone, rel=1e-5)


def test_a_model_that_knows_nothing_needs_the_log_of_the_vocabulary_for_each_token(data, tmp_path):
    model = small_model()
    with torch.no_grad():
        model.lm_head.weight.zero_()
    hf.write(tmp_path / "hf", model, tokenizer=data / "tokenizer.json", separator=0)
    scores = []
    for stride in (4, 16):
        run = run_folder(
            tmp_path / str(stride),
            {"threads": 1, "sample_tokens": 0, "stride": stride},
            model=tmp_path / "hf",
            data=data,
        )
        assert start("evaluate", run) == 0
        found = json.loads((run / "export" / "results.json").read_text("utf-8"))
        scores.append(found["bits_per_byte"]["model"]["total"])
        tokens, size = found["held_out"]["tokens"], found["held_out"]["bytes"]["total"]
        assert scores[-1] == pytest.approx(tokens * 9 / size, rel=1e-6)
        assert found["samples"] == []
    assert scores[0] == pytest.approx(scores[1], rel=1e-6)


def test_xz_knows_what_stands_in_its_context():
    text = bytes(np.random.default_rng(1).integers(0, 256, 4000, np.uint8))
    assert measures.xz_size(text) > 3990
    assert measures.xz_size(text + text) - measures.xz_size(text) < 100


def test_xz_here_is_as_good_as_the_program_less_its_headers():
    text = b"".join(f"line {number} of a text\n".encode() for number in range(5000))
    program = len(lzma.compress(text, preset=9 | lzma.PRESET_EXTREME))
    assert program - 100 < measures.xz_size(text) <= program


def test_the_window_reaches_back_over_the_whole_context():
    text = bytes(np.random.default_rng(2).integers(0, 256, 2_000_000, np.uint8))
    assert measures.xz_size(text + text[:1000]) - measures.xz_size(text) < 100


def test_the_results_hold_the_model_and_both_baselines_by_language(results, data):
    scores = results["bits_per_byte"]
    assert set(scores) == {"model", "unigram_token", "unigram_byte", "xz", "xz_alone"}
    assert all(set(row) == {"total", "en", "ro"} for row in scores.values())
    assert set(results["methods"]) == set(scores)
    sizes = results["held_out"]["bytes"]
    assert sizes["total"] == sizes["ro"] + sizes["en"]
    for name in ("model", "unigram_token", "unigram_byte"):
        row = scores[name]
        bits = row["ro"] * sizes["ro"] + row["en"] * sizes["en"]
        assert row["total"] * sizes["total"] == pytest.approx(bits, rel=1e-6)
    facts = json.loads((data / "shards.json").read_text("utf-8"))
    assert sizes["total"] == facts["heldout"]["bytes"]
    assert results["baselines_learn_from_bytes"] >= facts["train"]["bytes"]


def test_the_unigram_baseline_is_fitted_on_training_text_and_asked_on_held_out_text(results, data):
    tokenizer = Tokenizer.from_file(str(data / "tokenizer.json"))
    tokens = np.fromfile(data / "train.bin", "<u2")
    counts = np.bincount(tokens[tokens != 0], minlength=512)
    bits = size = 0.0
    for line in (data / "heldout.jsonl").read_text("utf-8").splitlines():
        text = json.loads(line)["text"]
        size += len(text.encode())
        for code in tokenizer.encode(text).ids:
            bits -= math.log2((counts[code] + 1) / (counts.sum() + 512))
    found = results["bits_per_byte"]["unigram_token"]["total"]
    assert found == pytest.approx(bits / size, rel=1e-9)


def test_samples_come_in_both_languages_and_again_the_same_with_the_seed(
    results, straight, data, tmp_path
):
    assert [sample["language"] for sample in results["samples"]] == ["ro", "en"]
    again = run_folder(
        tmp_path / "run",
        {"threads": 1, "sample_tokens": 8},
        model=straight / "export" / "hf",
        data=data,
    )
    assert start("evaluate", again) == 0
    found = json.loads((again / "export" / "results.json").read_text("utf-8"))
    assert found["samples"] == results["samples"]
    assert found["bits_per_byte"] == results["bits_per_byte"]


def test_an_evaluation_is_done_and_can_be_stopped(evaluated, straight, data, tmp_path):
    assert ended(evaluated)["state"] == "done"
    run = run_folder(tmp_path / "run", {"threads": 1}, model=straight / "export" / "hf", data=data)
    (run / "STOP").touch()
    assert start("evaluate", run) == 0
    assert (ended(run)["state"], ended(run)["resume"]) == ("stopped", True)
    assert not (run / "export" / "results.json").exists()


def test_a_model_of_another_architecture_is_refused(straight, data, tmp_path):
    other = tmp_path / "hf"
    other.mkdir()
    for path in (straight / "export" / "hf").iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    (other / "config.json").write_text('{"model_type": "bert"}')
    run = run_folder(tmp_path / "run", {}, model=other, data=data)
    assert start("evaluate", run) == 1
    assert "config.json says bert" in ended(run)["reason"]
