"""Charts as SVG, made on the server: `{% line_chart chart %}` shows one, with its data as a table.

The plot is fluid: places are per cent of it, text keeps its size on a telephone. Colours come from
the style sheet, so a chart follows the theme. Whatever is not a finite number is left out.
"""

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.text import Truncator
from django.utils.translation import get_language, gettext

MOST_POINTS = 600
"""As many points as are drawn of one series: more than a screen is wide is not seen."""

MOST_ROWS = 25
"""As many rows as the data table has; a longer series is sampled evenly."""

MOST_BARS = 50
LARGEST = 1e150
"""Beyond this a number is noise: differences and products still fit a float."""

PLOT = 1000
"""Side of the drawing's own coordinates."""

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400
TIME_STEPS_S = (
    1, 2, 5, 10, 15, 30,
    60, 120, 300, 600, 900, 1800,
    3600, 7200, 10_800, 21_600, 43_200,
    DAY_S, 2 * DAY_S, 7 * DAY_S, 14 * DAY_S, 30 * DAY_S, 61 * DAY_S, 91 * DAY_S, 182 * DAY_S,
    365 * DAY_S, 730 * DAY_S, 1826 * DAY_S, 3652 * DAY_S,
)  # fmt: skip

Point = tuple[float, float]


@dataclass(frozen=True)
class Tick:
    """One mark of an axis. `at` is per cent of the plot, as text; minor ones may be hidden."""

    at: str
    label: str
    is_minor: bool = False


@dataclass(frozen=True)
class Mark:
    """A moment worth a vertical line: now, or the end."""

    at: str
    label: str
    anchor: str
    line: str


@dataclass(frozen=True)
class Line:
    """One series as SVG paths in a drawing of 1000 by 1000."""

    index: int
    name: str
    path: str
    area: str = ""


@dataclass(frozen=True)
class Row:
    """One row of the data table."""

    x: str
    values: list[str]


@dataclass(frozen=True)
class LineChart:
    """A drawn line chart; show it with `{% line_chart chart %}`."""

    id: str
    title: str
    x_label: str
    y_label: str
    summary: str = ""
    is_empty: bool = True
    is_sampled: bool = False
    lines: list[Line] = field(default_factory=list)
    band: str = ""
    x_ticks: list[Tick] = field(default_factory=list)
    y_ticks: list[Tick] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)


@dataclass(frozen=True)
class Bar:
    """One bar: its name, its length in per cent and its value in words."""

    label: str
    width: str
    value: str


@dataclass(frozen=True)
class BarChart:
    """A drawn bar chart; show it with `{% bar_chart chart %}`."""

    id: str
    title: str
    x_label: str
    y_label: str
    is_empty: bool = True
    bars: list[Bar] = field(default_factory=list)


def line_chart(
    *,
    title: str,
    x_label: str,
    y_label: str,
    series: Iterable[tuple[str, Iterable[tuple[Any, Any]]]],
    now: datetime | float | None = None,
    ends_at: datetime | float | None = None,
    from_zero: bool = False,
    ceiling: float | None = None,
    band: tuple[int, int] | None = None,
) -> LineChart:
    """Return a line chart of one to four series.

    x_label, y_label  what the axes count, with the unit: "Loss, nats a token"
    series            (name, [(x, y), ...]); x are numbers, or moments in all series
    now               where to draw the line between past and future; what lies after is dotted in
    ends_at           a moment to mark as the end; the axis reaches it
    from_zero         begin the y axis at zero and fill the area below the first series
    ceiling           a y that the axis must reach, such as what was granted
    band              which two series to shade the room between: the ends of a range
    """
    given = [(str(name), _finite(points)) for name, points in series][:4]
    is_time = any(
        isinstance(x, datetime) for _name, points in given for x, _y in points
    ) or isinstance(ends_at or now, datetime)
    drawn = [(name, _numbers(points)) for name, points in given]
    drawn = [(name, points) for name, points in drawn if points]
    chart_id = "chart-" + hashlib.sha256(f"{title}{y_label}".encode()).hexdigest()[:8]
    if not drawn:
        return LineChart(chart_id, title, x_label, y_label)

    marks = [
        (moment, label)
        for moment, label in ((_number(now), gettext("Now")), (_number(ends_at), gettext("End")))
        if moment is not None
    ]
    xs = [x for _name, points in drawn for x, _y in points] + [moment for moment, _ in marks]
    ys = [y for _name, points in drawn for _x, y in points if y is not None]
    if ceiling is not None and math.isfinite(ceiling):
        ys.append(float(ceiling))
    x_low, x_high = _span(min(xs), max(xs))
    floor, top = min([0.0, *ys] if from_zero else ys), max(ys)
    y_step = _nice((top - floor) or abs(top) or 1, 5)
    y_low = math.floor(floor / y_step) * y_step
    y_high = max(math.ceil(top / y_step) * y_step, y_low + y_step)

    def place(x: float, y: float) -> Point:
        return (x - x_low) / (x_high - x_low) * PLOT, (y_high - y) / (y_high - y_low) * PLOT

    lines, edges = [], []
    for index, (name, points) in enumerate(drawn):
        runs = [[place(*point) for point in run] for run in _runs(downsampled(points))]
        area = _area(runs) if from_zero and index == 0 else ""
        lines.append(Line(index, name, _path(runs), area))
        edges.append([point for run in runs for point in run])
    rows, is_sampled = _rows(drawn, is_time=is_time, y_step=y_step, span=x_high - x_low)
    return LineChart(
        id=chart_id,
        title=title,
        x_label=x_label,
        y_label=y_label,
        summary=_summary(drawn, is_time=is_time, y_step=y_step, span=x_high - x_low),
        is_empty=False,
        is_sampled=is_sampled,
        lines=lines,
        band=_band(edges, *band) if band else "",
        x_ticks=_time_ticks(x_low, x_high) if is_time else _x_ticks(x_low, x_high),
        y_ticks=_y_ticks(y_low, y_high, y_step),
        marks=_marks(marks, x_low, x_high),
        rows=rows,
    )


def bar_chart(
    *, title: str, x_label: str, y_label: str, bars: Iterable[tuple[Any, Any]], places: int = 1
) -> BarChart:
    """Return a chart of bars that lie, longest possible names, values of zero and more.

    bars    (name, value); what is not a number is left out, negative values have no bar
    places  decimal places of the values
    """
    known = [(str(label), value) for label, raw in bars if (value := _number(raw)) is not None][
        :MOST_BARS
    ]
    chart_id = "chart-" + hashlib.sha256(f"{title}{y_label}".encode()).hexdigest()[:8]
    top = max((value for _label, value in known), default=0.0)
    drawn = [
        Bar(
            Truncator(label).chars(60),
            f"{max(value, 0.0) / top * 100 if top > 0 else 0:.2f}%",
            _words(value, places),
        )
        for label, value in known
    ]
    return BarChart(chart_id, title, x_label, y_label, not drawn, drawn)


def downsampled(points: Sequence[tuple[float, float | None]]) -> list[tuple[float, float | None]]:
    """Return at most 600 of the points, the lowest and highest of each stretch among them.

    A spike is never lost: that is what one looks for in a loss curve.
    """
    if len(points) <= MOST_POINTS:
        return list(points)
    stretches = MOST_POINTS // 2
    kept: list[tuple[float, float | None]] = []
    for index in range(stretches):
        start = index * len(points) // stretches
        stretch = points[start : (index + 1) * len(points) // stretches]
        known = [point for point in stretch if point[1] is not None]
        if not known:
            kept.append((stretch[0][0], None))
            continue
        ends = {
            min(known, key=lambda point: point[1] or 0.0),
            max(known, key=lambda point: point[1] or 0.0),
        }
        kept += sorted(ends, key=lambda point: point[0])
    return kept


def day_words(value: date, form: str) -> str:
    """Write a date in the form of Django's date filter, months as the language writes them."""
    words = date_format(value, form)
    return words.lower() if get_language() == "ro" else words


# Numbers --------------------------------------------------------------------------------------


def _number(value: Any) -> float | None:
    """Return a finite number, or None. Moments become seconds since 1970."""
    if isinstance(value, datetime):
        return (value if timezone.is_aware(value) else value.replace(tzinfo=UTC)).timestamp()
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and abs(found) < LARGEST else None


def _finite(points: Iterable[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    return [(x, y) for x, y in points if _number(x) is not None]


def _numbers(points: Iterable[tuple[Any, Any]]) -> list[tuple[float, float | None]]:
    """Return the points in order of x; a y that is no number is a gap. Empty without any y."""
    found = [(_number(x) or 0.0, _number(y)) for x, y in points]
    if all(y is None for _x, y in found):
        return []
    return sorted(found, key=lambda point: point[0])


def _span(low: float, high: float) -> tuple[float, float]:
    """Return an interval of some width around what may be one point."""
    if high > low:
        return low, high
    half = max(abs(low) * 1e-6, 0.5)
    return low - half, high + half


def _nice(width: float, parts: int) -> float:
    """Return a step of 1, 2 or 5 times a power of ten that cuts width into about so many parts."""
    raw = width / parts
    power = 10.0 ** math.floor(math.log10(raw)) if raw > 0 else 1.0
    return next((step * power for step in (1, 2, 5) if raw <= step * power * 1.000001), 10 * power)


def _places(step: float) -> int:
    """Return how many decimals tell multiples of step apart."""
    return min(max(0, -math.floor(math.log10(step) + 1e-9)), 12) if step > 0 else 0


def _words(value: float, places: int) -> str:
    size = abs(value)
    if size >= 1e12 or (size and size < 1e-6):
        return f"{value:.2e}"
    for limit, unit in ((1e9, gettext("bn")), (1e6, gettext("M"))):
        if size >= limit * 10:
            return f"{number_format(round(value / limit, 1), 1)} {unit}"
    return number_format(round(value, places) + 0.0, places, force_grouping=True)


# Parts of the drawing -------------------------------------------------------------------------


def _runs(points: Iterable[tuple[float, float | None]]) -> list[list[Point]]:
    runs: list[list[Point]] = [[]]
    for x, y in points:
        if y is None:
            runs.append([])
        else:
            runs[-1].append((x, y))
    return [run for run in runs if run]


def _path(runs: list[list[Point]]) -> str:
    parts = []
    for run in runs:
        places = [f"{x:.1f} {y:.1f}" for x, y in run]
        parts.append("M" + "L".join(places) + ("h.1" if len(places) == 1 else ""))
    return "".join(parts)


def _area(runs: list[list[Point]]) -> str:
    return "".join(
        f"M{run[0][0]:.1f} {PLOT}"
        + "".join(f"L{x:.1f} {y:.1f}" for x, y in run)
        + f"L{run[-1][0]:.1f} {PLOT}Z"
        for run in runs
        if len(run) > 1
    )


def _band(edges: list[list[Point]], first: int, second: int) -> str:
    """Return the path around the room between two series; none where one is missing."""
    if max(first, second) >= len(edges):
        return ""
    return _path([[*edges[first], *reversed(edges[second])]]) + "Z"


def _percent(value: float, low: float, high: float) -> str:
    return f"{(value - low) / (high - low) * 100:.2f}"


def _y_ticks(low: float, high: float, step: float) -> list[Tick]:
    count = round((high - low) / step)
    places = _places(step)
    return [
        Tick(_percent(high - index * step, high, low), _words(high - index * step, places))
        for index in range(count + 1)
    ]


def _x_ticks(low: float, high: float) -> list[Tick]:
    step = _nice(high - low, 6)
    first = math.ceil(low / step - 1e-9) * step
    count = min(int((high - first) / step + 1e-9) + 1, 12)
    places = _places(step)
    return [
        Tick(
            _percent(first + index * step, low, high),
            _words(first + index * step, places),
            bool(index % 2),
        )
        for index in range(count)
    ]


def _time_ticks(low: float, high: float) -> list[Tick]:
    width = high - low
    step = next((one for one in TIME_STEPS_S if width / one <= 7), None)
    if step is None:
        step = math.ceil(width / 7 / TIME_STEPS_S[-1]) * TIME_STEPS_S[-1]
    try:
        start = timezone.localtime(datetime.fromtimestamp(low, UTC))
        midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
        offset = (midnight.utcoffset() or timedelta()).total_seconds()
        first = math.ceil((low + offset) / step) * step - offset
        return [
            Tick(
                _percent(first + index * step, low, high),
                _moment_words(first + index * step, width),
                bool(index % 2),
            )
            for index in range(int((high - first) // step) + 1)
        ]
    except (OverflowError, ValueError, OSError):
        return []


def _moment_words(seconds: float, width: float) -> str:
    local = timezone.localtime(datetime.fromtimestamp(seconds, UTC))
    if width <= 10 * MINUTE_S:
        return date_format(local, "H:i:s")
    if width <= 2 * DAY_S:
        return date_format(local, "H:i")
    if width <= 400 * DAY_S:
        return day_words(local, "j M")
    return day_words(local, "M Y")


def _marks(marks: list[tuple[float, str]], low: float, high: float) -> list[Mark]:
    drawn = []
    for index, (moment, label) in enumerate(marks):
        at = (moment - low) / (high - low)
        near = any(abs(moment - other) < (high - low) / 8 for other, _ in marks[:index])
        drawn.append(
            Mark(
                _percent(moment, low, high),
                label,
                "end" if at > 0.85 else "start",
                "2.1" if near else "0.8",
            )
        )
    return drawn


def _x_words(x: float, *, is_time: bool, span: float) -> str:
    if not is_time:
        return _words(x, _places(_nice(span, 100)))
    try:
        local = timezone.localtime(datetime.fromtimestamp(x, UTC))
    except (OverflowError, ValueError, OSError):
        return _words(x, 0)
    if span > 60 * DAY_S:
        return day_words(local, "j M Y")
    return f"{day_words(local, 'j M Y')}, {date_format(local, 'H:i:s')}"


def _rows(
    drawn: list[tuple[str, list[tuple[float, float | None]]]],
    *,
    is_time: bool,
    y_step: float,
    span: float,
) -> tuple[list[Row], bool]:
    """Return the rows of the data table, and whether points were left out of it."""
    by_x: dict[float, list[float | None]] = {}
    for index, (_name, points) in enumerate(drawn):
        for x, y in points:
            by_x.setdefault(x, [None] * len(drawn))[index] = y
    xs = sorted(by_x)
    is_sampled = len(xs) > MOST_ROWS
    if is_sampled:
        xs = [xs[round(index * (len(xs) - 1) / (MOST_ROWS - 1))] for index in range(MOST_ROWS)]
    places = _places(y_step / 100)
    return [
        Row(
            _x_words(x, is_time=is_time, span=span),
            ["–" if y is None else _words(y, places) for y in by_x[x]],
        )
        for x in xs
    ], is_sampled


def _summary(
    drawn: list[tuple[str, list[tuple[float, float | None]]]],
    *,
    is_time: bool,
    y_step: float,
    span: float,
) -> str:
    """Say in words what the picture shows, for those who do not see it."""
    places = _places(y_step / 10)
    sentences = []
    for name, points in drawn:
        known = [(x, y) for x, y in points if y is not None]
        (first_x, first), (last_x, last) = known[0], known[-1]
        words = gettext("from {first} ({first_x}) to {last} ({last_x})").format(
            first=_words(first, places),
            last=_words(last, places),
            first_x=_x_words(first_x, is_time=is_time, span=span),
            last_x=_x_words(last_x, is_time=is_time, span=span),
        )
        sentences.append(f"{name}: {words}." if name else f"{words[:1].upper()}{words[1:]}.")
    return " ".join(sentences)
