"""Token ids are those of the reference library, and a fast library that errs is caught."""

import json
import logging
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from uzina_recipes.corpus import tokens
from uzina_recipes.corpus.tokens import Encoder


@pytest.fixture(scope="module")
def trained(rows) -> str:
    return tokens.train(
        (row["text"] for row in rows[::3]), vocabulary=1500, special=["<|endoftext|>", "<|pad|>"]
    )


@pytest.fixture(scope="module")
def encoder(trained) -> Encoder:
    return Encoder(trained)


def by_reference(trained: str, text: str) -> list[int]:
    reference = Tokenizer.from_str(trained)
    reference.encode_special_tokens = True
    return reference.encode(text, add_special_tokens=False).ids


def each(found: tokens.Ids) -> list[list[int]]:
    return [part.tolist() for part in np.split(found.ids, found.starts[1:-1])]


def test_a_tokenizer_has_the_vocabulary_asked_for_and_reads_back_any_text(trained, encoder):
    tokenizer = Tokenizer.from_str(trained)
    assert tokenizer.get_vocab_size() == 1500
    assert [tokenizer.id_to_token(n) for n in (0, 1)] == ["<|endoftext|>", "<|pad|>"]
    text = "Țară,\n\tîn 2026 😀 中\u0000"
    assert tokenizer.decode(encoder.encode([text]).ids.tolist()) == text


def test_training_twice_makes_the_same_tokenizer(rows, trained):
    texts = [row["text"] for row in rows[::3]]
    again = tokens.train(texts, vocabulary=1500, special=["<|endoftext|>", "<|pad|>"])
    assert again == trained


def test_real_texts_get_the_ids_of_the_reference(rows, trained, encoder):
    assert encoder.fast is not None
    texts = [row["text"] for row in rows[::5]] + [""]
    assert each(encoder.encode(texts)) == [by_reference(trained, text) for text in texts]
    assert encoder.disagreed is None


@given(st.text(max_size=80).filter(lambda text: text.isprintable() or "\n" in text))
@settings(max_examples=60, deadline=None)
def test_any_text_gets_the_ids_of_the_reference(trained, encoder, text):
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    # The second of a call is not among those that are encoded twice.
    assert each(encoder.encode(["first", text]))[1] == by_reference(trained, text)


def test_a_special_token_spelled_out_in_a_text_is_letters(trained, encoder):
    ids = each(encoder.encode(["first", "a <|endoftext|> b <|pad|>"]))[1]
    assert not {0, 1} & set(ids)
    assert ids == by_reference(trained, "a <|endoftext|> b <|pad|>")


class Erring:
    """A fast library that gives one id too many."""

    def __init__(self, real) -> None:
        self.real = real

    def encode_batch_flat(self, texts, *, add_special_tokens):
        flat, sizes = self.real.encode_batch_flat(texts, add_special_tokens=add_special_tokens)
        return np.append(flat, np.uint32(7)), [*sizes[:-1], sizes[-1] + 1]


def test_a_difference_is_reported_and_the_reference_takes_over(trained, caplog):
    encoder = Encoder(trained)
    encoder.fast = Erring(encoder.fast)
    with caplog.at_level(logging.ERROR):
        found = encoder.encode(["one text"])
    assert each(found) == [by_reference(trained, "one text")]
    assert encoder.disagreed == "one text"
    assert "disagree" in caplog.text
    assert each(encoder.encode(["x", "two"])) == [by_reference(trained, t) for t in ("x", "two")]


def test_a_tokenizer_of_another_kind_is_left_to_the_reference(trained):
    described = json.loads(trained)
    described["normalizer"] = {"type": "Lowercase"}
    encoder = Encoder(json.dumps(described))
    assert encoder.fast is None
    assert each(encoder.encode(["ABC"])) == each(Encoder(trained).encode(["abc"]))


def test_an_encoder_sent_to_another_process_encodes_alike(rows, encoder):
    texts = [row["text"] for row in rows[:5]]
    assert each(pickle.loads(pickle.dumps(encoder)).encode(texts)) == each(encoder.encode(texts))


@pytest.mark.parametrize("size", [1, 17])
def test_ids_do_not_depend_on_the_batch(size, rows, encoder):
    texts = [row["text"] for row in rows[:40]]
    parts = [encoder.encode(texts[at : at + size]) for at in range(0, len(texts), size)]
    assert [ids for part in parts for ids in each(part)] == each(encoder.encode(texts))
