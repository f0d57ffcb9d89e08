"""Imported once by the process that workers are forked from: all that they need is loaded then.

Libraries, tables of characters, the language model and the compiled kernels take a second and a
half of a processor, and half a minute more where the kernels are not compiled yet. Nothing else
imports this module.
"""

from __future__ import annotations

import signal

for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)

from uzina_recipes.corpus import filters, language, near, personal  # noqa: E402
from uzina_recipes.corpus.batch import Batch  # noqa: E402
from uzina_recipes.corpus.decontaminate import HeldOut  # noqa: E402
from uzina_recipes.recipes.prepare import duplicates, texts  # noqa: E402

TEXT = "A line of some words in a row that any of the rules may look at as it likes to.\n" * 8


def warm() -> None:
    """Call every kernel of a worker once."""
    texts.line_hashes(TEXT)
    language.identify([TEXT])
    batch = filters.judge(Batch.of([TEXT, TEXT]), filters.Rules.published()).batch
    personal.scrub(TEXT)
    near.band_keys(batch, near.Shape())
    list(duplicates.shingles(batch))
    HeldOut.of([TEXT]).overlap(batch)


warm()
