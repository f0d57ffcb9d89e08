"""What a version holds, as the page of its dataset shows it: a sample and statistics."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext, gettext_lazy

from uzina.catalogue import queries, rules
from uzina.catalogue.models import Version
from uzina.core.charts import BarChart, bar_chart

TITLES = {
    "by_language": gettext_lazy("Documents by language"),
    "documents_by_language": gettext_lazy("Documents by language"),
    "languages": gettext_lazy("Documents by language"),
    "tokens_by_language": gettext_lazy("Tokens by language"),
    "by_source": gettext_lazy("Documents by source"),
    "documents_by_source": gettext_lazy("Documents by source"),
    "sources": gettext_lazy("Documents by source"),
    "excluded": gettext_lazy("Documents left out, by rule"),
}
"""What recipes count into tables of name and number; others are shown under their own name."""

LABELS = {
    "train_documents": gettext_lazy("Documents to train on"),
    "train_tokens": gettext_lazy("Tokens to train on"),
    "train_bytes": gettext_lazy("Bytes to train on"),
    "heldout_documents": gettext_lazy("Documents held out"),
    "heldout_tokens": gettext_lazy("Tokens held out"),
    "heldout_bytes": gettext_lazy("Bytes held out"),
    "vocabulary": gettext_lazy("Size of the vocabulary"),
    "unreadable": gettext_lazy("Could not be read"),
    "other_language": gettext_lazy("In a language that was not asked for"),
    "wrong_language": gettext_lazy("In another language than it says"),
    "too_short": gettext_lazy("Too short"),
    "few_letters": gettext_lazy("Too few letters"),
    "word_length": gettext_lazy("Words too long"),
    "repeated_text": gettext_lazy("Repeats its own lines"),
    "exact_duplicate": gettext_lazy("The same text again"),
    "near_duplicate": gettext_lazy("Nearly the same text again"),
    "in_evaluation": gettext_lazy("Holds text of an evaluation set"),
    "near_held_out": gettext_lazy("Too near to held-out text"),
}
"""What recipes count, and the rules they leave documents out by; published rules keep their names."""

LEAST_BARS = 2
MOST_CHARTS = 6
MOST_BARS = 15
LARGEST_UNIT = 1e6


def sample(version: Version) -> rules.Sample | None:
    """Return the beginning of the file that shows most, None where no file can be shown, or where
    the files were deleted.
    """
    if queries.is_purged(version):
        return None
    path = rules.sampled_path([one["path"] for one in version.manifest])
    file = version.file(path) if path else None
    if file is None:
        return None
    most = min(file.bytes, rules.SAMPLE_BYTES)
    start = b"".join(queries.contents(version, path, first=0, after=most)) if most else b""
    shown = rules.sample(path, start)
    return shown if shown.rows or shown.lines else None


def charts(version: Version, here: str) -> list[BarChart]:
    """Return the statistics of a version, drawn: bytes by format, and what its recipe counted."""
    drawn = [_by_format(version)]
    for name, table in version.facts.items():
        bars = _bars(table) if isinstance(table, Mapping) else []
        if len(bars) >= LEAST_BARS:
            drawn.append(
                bar_chart(
                    title=str(TITLES.get(name, name.replace("_", " "))),
                    x_label=gettext("Name"),
                    y_label=gettext("Number"),
                    bars=[(_name(key, here), value) for key, value in bars],
                    places=0,
                )
            )
    return drawn[:MOST_CHARTS]


def _by_format(version: Version) -> BarChart:
    sizes: Counter[str] = Counter()
    for one in version.manifest:
        sizes[rules.file_format(one["path"]) or gettext("other")] += one["bytes"]
    is_large = max(sizes.values(), default=0) >= LARGEST_UNIT
    return bar_chart(
        title=gettext("Size by file format"),
        x_label=gettext("File format"),
        y_label=gettext("Size, MB") if is_large else gettext("Size, kB"),
        bars=[
            (name, size / (LARGEST_UNIT if is_large else 1000))
            for name, size in sizes.most_common(MOST_BARS)
        ],
    )


def _bars(table: Mapping[str, Any]) -> list[tuple[str, float]]:
    rows = [
        (str(key), value)
        for key, value in table.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    return sorted(rows, key=lambda one: -one[1])[:MOST_BARS]


def _name(key: str, here: str) -> str:
    if key in rules.LANGUAGES:
        return queries.language_names([key], here)[0]
    return str(LABELS.get(key, key.replace("_", " ")))


def facts(version: Version) -> list[tuple[str, str]]:
    """Return the plain numbers and words a recipe noted of the version."""
    return [
        (
            str(LABELS.get(name, name.replace("_", " "))),
            value if isinstance(value, str) else number_format(value, force_grouping=True),
        )
        for name, value in version.facts.items()
        if isinstance(value, int | float | str) and not isinstance(value, bool)
    ]
