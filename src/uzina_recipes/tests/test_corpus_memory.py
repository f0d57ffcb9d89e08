"""Memory does not grow with the corpus."""

import subprocess
import sys

PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from uzina_recipes.corpus import exact, filters, keys, language, near
from uzina_recipes.corpus.batch import Batch

def largest():
    # Not ru_maxrss, which begins with what the parent had.
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) // 1024

keys.AT_ONCE = 20_000
folder, rules, shape = Path(sys.argv[1]), filters.Rules.published(), near.Shape()
exacts, nears = exact.Exact(folder), near.Near(folder, shape)
draw = np.random.default_rng(1)
words = np.array(["casa", "mare", "lume", "drum", "carte", "apa", "munte", "om"])
after = []
for round in range(40):
    texts = [". ".join(" ".join(draw.choice(words, 8)) for _ in range(150)) for _ in range(25)]
    batch = Batch.of(texts)
    language.identify(texts)
    filters.judge(batch, rules)
    exacts.add(exact.digests(texts))
    nears.add(near.band_keys(batch, shape))
    after.append(largest())
made = largest()
nears.add(draw.integers(1, 2**64 - 1, (150_000, 14), np.uint64))
before = largest()
nears.settle()
print(after[3], after[-1], before, largest())
"""


def test_forty_batches_take_no_more_memory_than_four_and_settling_is_bounded(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, check=True
    )
    after_four, after_forty, before, settled = map(int, done.stdout.split())
    assert after_forty < after_four + 40
    # 150,000 texts: their numbers and marks are 1.3 MB, their keys would be 17 MB.
    assert settled < before + 25
    assert settled < 1000
