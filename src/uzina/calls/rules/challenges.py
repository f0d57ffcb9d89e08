"""Grand challenges: reading what is sent, scoring it, and who comes before whom.

What an entrant sends is never trusted, and what it is scored on is never told: a problem names a
line or an identifier of the entrant's own file, and no answer.
"""

import csv
import hashlib
import hmac
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from uzina.core.errors import Refused
from uzina.core.text import _
from uzina.people.rules import Named

MILLION = 1_000_000

MOST_BYTES = 10 * 1024 * 1024
MOST_ROWS = 200_000
LONGEST_LINE = 4000
LONGEST_ID = 100
LARGEST_NUMBER = 1e9
LONGEST_NUMBER = 40

MOST_REFUSED_PER_DAY = 10
"""How many entries that could not be scored one entrant may send in a day, besides those that were."""

PUBLIC_PERCENT = 30
"""The share of the answers that is public where the file does not say which are."""

UNSHOWN = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""Control characters, and those that change the direction in which the rest is shown."""

MOST_PRIZES = 100
MOST_ENTRIES_PER_DAY = 1000


class Metric(Named):
    """How predictions are compared with the answers."""

    ACCURACY = "accuracy", _("Accuracy")
    MACRO_F1 = "macro_f1", _("Macro-averaged F1")
    EXACT_MATCH = "exact_match", _("Exact match")
    RMSE = "rmse", _("Root mean squared error")
    MAE = "mae", _("Mean absolute error")

    @property
    def is_numeric(self) -> bool:
        """Whether answers are numbers."""
        return self in {Metric.RMSE, Metric.MAE}

    @property
    def is_less_better(self) -> bool:
        """Whether the smaller score is the better one."""
        return self.is_numeric


@dataclass(frozen=True)
class Answer:
    """One held-out answer, and whether the public score counts it."""

    text: str
    is_public: bool


@dataclass(frozen=True)
class Scores:
    """What an entry scored, millionths of the metric's unit."""

    public: int
    private: int


# Reading --------------------------------------------------------------------------------------


def read_truth(content: bytes, metric: Metric) -> dict[str, Answer]:
    """Return the held-out answers by id: a CSV of id, answer and, where it likes, part.

    Without the column `part` (public or private) about 30 % of the answers are public, chosen by
    a keyed hash that nobody can compute who has not got the file.

    Raises Refused challenge.truth.<why> with the line. Both parts need an answer.
    """
    lines = _lines(content, "challenge.truth")
    header = next(lines)[1]
    if header not in (["id", "answer"], ["id", "answer", "part"]):
        raise _wrong(
            "challenge.truth.header", _("Begin the file with the line id,answer or id,answer,part.")
        )
    key = hashlib.sha512(content).digest()
    found: dict[str, Answer] = {}
    for number, row in lines:
        name, text = _cells(row, len(header), number, "challenge.truth")[:2]
        _check_new(name, found, number, "challenge.truth")
        _check_value(text, metric, number, "challenge.truth")
        if len(header) == 2:
            is_public = _draw(key, name) < PUBLIC_PERCENT
        elif row[2].strip() in {"public", "private"}:
            is_public = row[2].strip() == "public"
        else:
            raise _wrong(
                "challenge.truth.part", _("Line {line}: write public or private."), line=number
            )
        found[name] = Answer(text, is_public)
    if len({one.is_public for one in found.values()}) < 2:
        raise _wrong(
            "challenge.truth.one_part",
            _("The file needs answers of both parts, public and private: write more of them."),
        )
    return found


def _draw(key: bytes, name: str) -> int:
    digest = hmac.digest(key, name.encode(), "sha256")
    return int.from_bytes(digest[:8], "big") % 100


def read_entry(content: bytes, metric: Metric) -> dict[str, str]:
    """Return the predictions by id: a CSV of id and prediction.

    Raises Refused entry.send.<why> with the line. Whether the ids are the right ones is asked by
    check_ids, where the answers are.
    """
    lines = _lines(content, "entry.send")
    if next(lines)[1] != ["id", "prediction"]:
        raise _wrong("entry.send.header", _("Begin the file with the line id,prediction."))
    found: dict[str, str] = {}
    for number, row in lines:
        name, text = _cells(row, 2, number, "entry.send")
        _check_new(name, found, number, "entry.send")
        _check_value(text, metric, number, "entry.send")
        found[name] = text
    return found


def _lines(content: bytes, code: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the cells of each line that is not empty, the header first.

    A line is a row: quotes may hold commas, never a line break. A mark that Excel writes before
    UTF-8 text is passed over.
    """
    if len(content) > MOST_BYTES:
        raise _wrong(f"{code}.too_big", _("Send a file of at most {most} bytes."), most=MOST_BYTES)
    is_empty = True
    for number, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        bare = raw.removesuffix(b"\r")
        if not bare:
            continue
        if number > MOST_ROWS + 1:
            raise _wrong(f"{code}.too_many", _("Send at most {most} lines."), most=MOST_ROWS)
        if len(bare) > LONGEST_LINE:
            raise _wrong(
                f"{code}.line_too_long",
                _("Line {line} is longer than {most} bytes."),
                line=number,
                most=LONGEST_LINE,
            )
        yield number, _row(bare, number, code)
        is_empty = False
    if is_empty:
        raise _wrong(f"{code}.empty", _("The file is empty."))


def _row(bare: bytes, number: int, code: str) -> list[str]:
    try:
        text = bare.decode()
    except UnicodeDecodeError:
        text = "\0"
    if UNSHOWN.search(text):
        raise _wrong(
            f"{code}.not_text",
            _("Line {line} is not plain text. Send a CSV file in UTF-8, not packed."),
            line=number,
        )
    try:
        return next(csv.reader([text], strict=True))
    except (csv.Error, StopIteration):
        raise _wrong(
            f"{code}.quotes",
            _("Line {line}: a quotation mark is not closed, or text follows it."),
            line=number,
        ) from None


def _cells(row: Sequence[str], width: int, number: int, code: str) -> list[str]:
    if len(row) != width:
        raise _wrong(
            f"{code}.columns",
            _("Line {line}: columns asked for {width}, found {found}."),
            line=number,
            found=len(row),
            width=width,
        )
    return [cell.strip() for cell in row]


def _check_new(name: str, found: Mapping[str, object], number: int, code: str) -> None:
    if not 1 <= len(name) <= LONGEST_ID:
        raise _wrong(
            f"{code}.id",
            _("Line {line}: write an id of 1 to {most} letters."),
            line=number,
            most=LONGEST_ID,
        )
    if name in found:
        raise _wrong(
            f"{code}.twice", _("Line {line}: the id {id} was there before."), line=number, id=name
        )


def _check_value(text: str, metric: Metric, number: int, code: str) -> None:
    if not text:
        raise _wrong(f"{code}.value", _("Line {line}: the value is missing."), line=number)
    if metric.is_numeric and _number(text) is None:
        raise _wrong(
            f"{code}.number",
            _("Line {line}: write a number between −1,000,000,000 and 1,000,000,000, such as 1.5."),
            line=number,
        )


def _number(text: str) -> float | None:
    """Return a finite number that is not too large, or None."""
    if len(text) > LONGEST_NUMBER or "_" in text or not text.isascii():
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) <= LARGEST_NUMBER else None


def _wrong(code: str, message: str, **facts: object) -> Refused:
    return Refused(code, message, **facts)


def check_ids(predictions: Mapping[str, str], truth: Mapping[str, Answer]) -> None:
    """Raise Refused entry.score.missing or entry.score.unknown unless the ids are the same.

    It names an id, as the entrants know them all, and not in which part it is.
    """
    if missing := sorted(truth.keys() - predictions.keys()):
        raise _wrong(
            "entry.score.missing",
            _("Missing ids: {count}. The first is {id}."),
            count=len(missing),
            id=missing[0],
        )
    if unknown := sorted(predictions.keys() - truth.keys()):
        raise _wrong(
            "entry.score.unknown",
            _("Ids that are not asked for: {count}. The first is {id}."),
            count=len(unknown),
            id=unknown[0],
        )


# Scoring --------------------------------------------------------------------------------------


def scores(predictions: Mapping[str, str], truth: Mapping[str, Answer], metric: Metric) -> Scores:
    """Return what the predictions score on either part. The order of the lines does not matter.

    Raises what check_ids raises.
    """
    check_ids(predictions, truth)
    parts: dict[bool, list[tuple[str, str]]] = {True: [], False: []}
    for name, answer in truth.items():
        parts[answer.is_public].append((answer.text, predictions[name]))
    return Scores(public=score(parts[True], metric), private=score(parts[False], metric))


def score(pairs: Sequence[tuple[str, str]], metric: Metric) -> int:
    """Return the score of pairs of answer and prediction, in millionths.

    accuracy     share of equal labels, capitals and all
    macro_f1     mean over the labels of either side of 2 TP / (2 TP + FP + FN)
    exact_match  share of equal texts, when case, accents' encoding and spaces are made alike
    rmse, mae    of numbers

    pairs  at least one
    """
    match metric:
        case Metric.ACCURACY:
            return _share(sum(right == said for right, said in pairs), len(pairs))
        case Metric.EXACT_MATCH:
            return _share(sum(alike(right) == alike(said) for right, said in pairs), len(pairs))
        case Metric.MACRO_F1:
            return _macro_f1(pairs)
        case Metric.MAE:
            return round(math.fsum(map(abs, _errors(pairs))) / len(pairs) * MILLION)
        case Metric.RMSE:
            squares = math.fsum(error * error for error in _errors(pairs))
            return round(math.sqrt(squares / len(pairs)) * MILLION)


def _share(part: int, whole: int) -> int:
    return round(Fraction(part * MILLION, whole))


def _errors(pairs: Iterable[tuple[str, str]]) -> Iterator[float]:
    for right, said in pairs:
        yield float(said) - float(right)


def alike(text: str) -> str:
    """Return a text with case, composition and runs of spaces made alike."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _macro_f1(pairs: Sequence[tuple[str, str]]) -> int:
    hits = Counter(right for right, said in pairs if right == said)
    either = Counter(right for right, _said in pairs) + Counter(said for _right, said in pairs)
    mean = sum(Fraction(2 * hits[label], count) for label, count in either.items()) / len(either)
    return round(mean * MILLION)


# When, and how often --------------------------------------------------------------------------


def day_of(now: datetime, zone: str) -> tuple[datetime, datetime]:
    """Return the local day that an instant is in, as [midnight, next midnight) in UTC.

    A day of the zone: 23 or 25 hours long when the clocks are changed.
    """
    local = ZoneInfo(zone)
    day = now.astimezone(local).date()
    return _midnight(day, local), _midnight(day + timedelta(days=1), local)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), tzinfo=zone).astimezone(ZoneInfo("UTC"))


def check_pace(*, scored: int, refused: int, per_day: int, next_day: str) -> None:
    """Raise Refused entry.send.too_often unless another entry may be sent today.

    scored   today's entries that were scored or will be
    refused  today's entries that could not be scored; a few of them are forgiven
    """
    if scored >= per_day or refused >= MOST_REFUSED_PER_DAY:
        raise Refused(
            "entry.send.too_often",
            _("Entries you sent today: {count}. The next one is taken from {next_day} on."),
            count=scored + refused,
            next_day=next_day,
        )


# Who comes before whom ------------------------------------------------------------------------


@dataclass(frozen=True)
class Counted:
    """The entry that counts for one entrant. score: of the part that ranks, millionths."""

    entrant: str
    entry: str
    score: int
    received_at: datetime


@dataclass(frozen=True)
class Ranked:
    """An entrant's place, from 1."""

    rank: int
    entrant: str
    entry: str
    score: int


def ranked(entries: Iterable[Counted], metric: Metric) -> list[Ranked]:
    """Return the entrants in order. Of equal scores the entry that came first is before.

    No two have one place, so a prize is never split.
    """
    sign = 1 if metric.is_less_better else -1
    order = sorted(entries, key=lambda one: (sign * one.score, one.received_at, one.entry))
    return [Ranked(rank, one.entrant, one.entry, one.score) for rank, one in enumerate(order, 1)]


def winners(
    ranking: Sequence[Ranked], prizes: Sequence[int], passed_over: Iterable[str] = ()
) -> dict[str, int]:
    """Return the GPU-hours of each entrant who wins, by rank.

    passed_over  entrants who may not be given a prize: those after them move up
    """
    out = set(passed_over)
    eligible = [one.entrant for one in ranking if one.entrant not in out]
    return dict(zip(eligible, prizes, strict=False))
