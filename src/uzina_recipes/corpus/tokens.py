"""From texts to token ids: train a byte-level BPE tokenizer, and encode with it fast.

The reference is the library `tokenizers`. The faster library `tokie` reads the same tokenizer.json
and must give the same ids: the first text of every call and every sixteenth after it is encoded
twice. At the first difference it says so and the reference alone encodes from that batch on.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tokie
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

log = logging.getLogger(__name__)
EVERY = 16
"""One text in so many is encoded twice."""
EXCERPT = 200


def train(texts: Iterable[str], *, vocabulary: int, special: Sequence[str]) -> str:
    """The tokenizer.json of a byte-level BPE tokenizer trained on texts.

    vocabulary  how many tokens it has at most, the special ones included
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return str(tokenizer.to_str())


@dataclass(frozen=True)
class Ids:
    """Token ids of a batch.

    starts  [texts + 1] where each text's ids begin
    ids     [tokens]
    """

    starts: NDArray[np.int64]
    ids: NDArray[np.uint32]

    @classmethod
    def of(cls, each: Sequence[NDArray[np.uint32]]) -> Ids:
        """Lay each text's ids end to end."""
        starts = np.zeros(len(each) + 1, np.int64)
        np.cumsum([len(ids) for ids in each], out=starts[1:])
        return cls(starts, np.concatenate(each) if each else np.zeros(0, np.uint32))


class Encoder:
    """Encodes texts by a tokenizer.json; can be sent to another process.

    checked    texts that were encoded twice
    disagreed  the beginning of the first text on which the two differ; None while they agree
    """

    def __init__(self, text: str) -> None:
        """Read a tokenizer.json."""
        self.text = text
        self.checked = 0
        self.disagreed: str | None = None
        self.load()

    def load(self) -> None:
        """Set both libraries up."""
        self.reference = Tokenizer.from_str(self.text)
        # A text that spells a special token out gets the ids of its letters, not the token's.
        self.reference.encode_special_tokens = True
        self.fast = fast(self.text)

    def __getstate__(self) -> dict[str, object]:
        return {"text": self.text, "checked": self.checked, "disagreed": self.disagreed}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.load()

    def encode(self, texts: Sequence[str]) -> Ids:
        """The ids of each text, no special token among them."""
        texts = list(texts)
        if self.fast is None or self.disagreed is not None:
            return self.by_reference(texts)
        flat, sizes = self.fast.encode_batch_flat(texts, add_special_tokens=False)
        starts = np.zeros(len(texts) + 1, np.int64)
        np.cumsum(sizes, out=starts[1:])
        sample = texts[::EVERY]
        checked = self.by_reference(sample)
        self.checked += len(sample)
        for at, text in enumerate(sample):
            ours = flat[starts[at * EVERY] : starts[at * EVERY + 1]]
            if not np.array_equal(ours, checked.ids[checked.starts[at] : checked.starts[at + 1]]):
                self.disagreed = text[:EXCERPT]
                log.error("tokie and tokenizers disagree; going on with tokenizers: %r", text[:80])
                return self.by_reference(texts)
        return Ids(starts, flat)

    def by_reference(self, texts: Sequence[str]) -> Ids:
        """The ids as the reference gives them."""
        found = self.reference.encode_batch_fast(list(texts), add_special_tokens=False)
        return Ids.of([np.array(one.ids, np.uint32) for one in found])


def fast(text: str) -> Any:
    """The fast library's tokenizer, None for a kind on which it was not seen to agree.

    Seen to agree: byte-level BPE without normaliser. It is given no special tokens to look for.
    """
    described = json.loads(text)
    splits = (described.get("pre_tokenizer") or {}).get("type")
    if described["model"]["type"] != "BPE" or splits != "ByteLevel" or described.get("normalizer"):
        return None
    described["added_tokens"] = []
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(described, file)
        file.flush()
        return tokie.Tokenizer.from_json(file.name)
