"""datatrove's side of benchmarks/prepare.py, in an environment of its own.

    peer.py default|tuned CORPUS TOKENIZER MODEL OUT

Its filters, duplicate search and MinHash as they are, called one after the other on documents in
memory. Default: spaCy's words and sentences. Tuned: words and sentences by compiled expressions,
each run of characters between spaces cut only once; they cut as the description in
uzina_recipes.corpus.words says. CPU seconds of each stage; imports are not counted.
"""

import functools
import json
import os
import resource
import struct
import sys
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import regex
from datatrove.data import Document
from datatrove.pipeline.dedup.exact_dedup import (
    ExactDedupConfig,
    ExactDedupFilter,
    ExactDedupSignature,
    ExactFindDedups,
)
from datatrove.pipeline.dedup.minhash import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    LanguageFilter,
)
from datatrove.utils.word_tokenizers import WordTokenizer
from fasttext.FastText import _FastText
from tokenizers import Tokenizer

EDGE = r"[\p{So}\p{Ps}\p{Pe}\p{Pi}\p{Pf}–—…§¡¿،؛؟、。，；：？！!\"#&'()*,:;<>?\[\]_`{}]"
FRONT = regex.compile(rf"\.{{2,}}|{EDGE}|[\p{{Sc}}%=]|\+(?!\d)")
BACK = regex.compile(
    rf"(?:\.{{2,}}|{EDGE}|(?<=\d)[\p{{Sc}}%+]|(?<!(?<!\p{{Lu}})\p{{Lu}})\.|(?<=.)['’][sS])$"
)
INNER = regex.compile(
    r"\.{2,}|…|\p{So}|(?<=\d)[+*^-](?=[\d-])|(?<=\p{Ll})\.(?=\p{Lu})|(?<=\p{L}),(?=\p{L})"
    r"|(?<=\p{L})(?:-{1,3}|[–—~])(?=\p{L})|(?<=[\p{L}\d])[:<>=/](?=\p{L})"
)
NEXT_SENTENCE = regex.compile(
    r"(?V1)(?:(?<!\.)\.(?!\.)|[\p{STerm}--\.])(?![\w\p{M}])[\s[\p{P}--_]]*+(?=\S)"
)


@functools.lru_cache(1 << 17)
def cut(chunk: str) -> tuple[str, ...]:
    """The words of a run of characters between spaces."""
    front, back = [], []
    while chunk and (met := FRONT.match(chunk)):
        front.append(met[0])
        chunk = chunk[met.end() :]
    while chunk and (met := BACK.search(chunk)):
        back.append(met[0])
        chunk = chunk[: met.start()]
    if "@" in chunk or "://" in chunk or chunk.startswith("www."):
        front.append(chunk)
    elif chunk:
        at = 0
        for met in INNER.finditer(chunk):
            front += [part for part in (chunk[at : met.start()], met[0]) if part]
            at = met.end()
        front += [chunk[at:]] if at < len(chunk) else []
    return (*front, *back[::-1])


class Tuned(WordTokenizer):
    """Words and sentences by expressions."""

    def word_tokenize(self, text: str) -> list[str]:
        return [word for chunk in text.split() for word in cut(chunk)]

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        cuts = [met.end() for met in NEXT_SENTENCE.finditer(text)]
        return list(zip([0, *cuts], [*cuts, len(text)], strict=True))

    def sent_tokenize(self, text: str) -> list[str]:
        return [text[begin:end] for begin, end in self.span_tokenize(text)]


def cpu() -> float:
    """CPU seconds of this process so far."""
    return sum(resource.getrusage(resource.RUSAGE_SELF)[:2])


class Run:
    """What is left, what became of the rest, and the seconds of each stage."""

    def __init__(self) -> None:
        self.last, self.spent, self.fate, self.docs = cpu(), {}, {}, []

    def lap(self, stage: str, kept: list[Document] | None = None) -> None:
        """A stage is over, and these documents are left."""
        now = cpu()
        self.spent[stage] = round(self.spent.get(stage, 0) + now - self.last, 2)
        if kept is not None:
            left = {doc.id for doc in kept}
            self.fate |= {doc.id: stage for doc in self.docs if doc.id not in left}
            self.docs = kept
        self.last = cpu()


def passes(stage: object, doc: Document) -> bool:
    """Whether a filter keeps a document; one without any word breaks some, and is not kept."""
    try:
        answer = stage.filter(doc)
    except ZeroDivisionError:
        return False
    return bool(answer[0] if isinstance(answer, tuple) else answer)


def main(kind: str, corpus: str, tokenizer: str, model: str, out: Path) -> None:
    """Prepare the corpus and write OUT/result.json."""
    language = {} if kind == "default" else {"language": Tuned()}
    run = Run()
    with Path(corpus).open(encoding="utf-8") as file:
        docs = [Document(json.loads(line)["text"], str(at)) for at, line in enumerate(file)]
    run.docs = docs
    run.lap("read")
    told = LanguageFilter()
    told.model._model = _FastText(model)  # noqa: SLF001 - it would be downloaded
    stages = {
        "language": told,
        "gopher_repetition": GopherRepetitionFilter(**language),
        "gopher_quality": GopherQualityFilter(min_stop_words=None, **language),
        "c4": C4QualityFilter(**language),
        "fineweb": FineWebQualityFilter(**language),
    }
    for name, stage in stages.items():
        run.lap(name, [doc for doc in run.docs if passes(stage, doc)])
    exact(run, out)
    clusters = near(run, out, language)
    encoder = Tokenizer.from_file(tokenizer)
    encoder.encode_special_tokens = True
    texts = [doc.text for doc in run.docs]
    ids = [
        one.ids
        for at in range(0, len(texts), 64)
        for one in encoder.encode_batch(texts[at : at + 64], add_special_tokens=False)
    ]
    run.lap("tokenise")
    result = {
        "spent": run.spent,
        "documents": len(docs),
        "fate": run.fate,
        "clusters": clusters,
        "tokens": sum(map(len, ids)),
        "largest_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    (out / "result.json").write_text(json.dumps(result), "utf-8")


def exact(run: Run, out: Path) -> None:
    """Drop exact duplicates."""
    config = ExactDedupConfig(content_getter=lambda doc: doc.text)
    ExactDedupSignature(str(out / "signed"), config).run(iter(run.docs))
    ExactFindDedups(str(out / "signed"), str(out / "found"), config=config).run()
    kept = ExactDedupFilter(str(out / "found"), config=config).run(iter(run.docs))
    run.lap("exact", list(kept))


def near(run: Run, out: Path, language: dict) -> list[list[str]]:
    """Drop near duplicates; returns the groups that belong together."""
    config = MinhashConfig()
    folders = {name: str(out / name) for name in ("signatures", "buckets", "clusters")}
    MinhashDedupSignature(folders["signatures"], config, **language).run(iter(run.docs))
    for bucket in range(config.num_buckets):
        MinhashDedupBuckets(folders["signatures"], folders["buckets"], config=config).run(
            rank=bucket, world_size=config.num_buckets
        )
    MinhashDedupCluster(
        folders["buckets"], folders["clusters"], config=config, save_cluster_id=True
    ).run()
    groups: dict[int, list[str]] = {}
    members = out / "clusters" / "000000.clusters"
    if members.exists():
        for at, group in struct.iter_unpack("<II", members.read_bytes()):
            groups.setdefault(group, []).append(run.docs[at].id)
    run.lap("near", list(MinhashDedupFilter(folders["clusters"]).run(iter(run.docs))))
    return list(groups.values())


if __name__ == "__main__":
    folder = Path(sys.argv[5])
    folder.mkdir(parents=True)
    main(*sys.argv[1:5], folder)
