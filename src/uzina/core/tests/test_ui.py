"""Components, charts and forms: what pages are made of."""

import math
import re
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
from django import forms as django_forms
from django.core.paginator import Paginator
from django.template import Context, Template
from django.test import RequestFactory
from django.utils.translation import gettext, ngettext, override

from uzina.core import charts
from uzina.core.errors import Invalid, Problem, Refused
from uzina.core.flow import States
from uzina.core.forms import DateField, DecimalField, Form, IntegerField, whole_number
from uzina.core.templatetags import ui
from uzina.core.tests import NOW
from uzina.core.text import _

HOSTILE = """<script>alert("x")</script>'"&"""
MODULES = ("core", "people", "root")
SOURCE = Path(__file__).parents[2]
STATIC = SOURCE / "core" / "static" / "core"


def show(text, **context):
    return Template("{% load i18n ui %}" + text).render(Context(context))


class Mood(States):
    CALM = "calm", _("Done"), "good"
    CROSS = "cross", _("Stopped after too many failures"), "bad"


class Balanced(HTMLParser):
    """Notes every tag that is not closed by its own end."""

    VOID = {"input", "meta", "link", "hr", "br", "img"}

    def __init__(self):
        super().__init__()
        self.open, self.wrong, self.ids = [], [], []

    def handle_starttag(self, tag, attrs):
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):  # noqa: ARG002 - the parser names them
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def well_formed(html):
    parser = Balanced()
    parser.feed(html)
    return not parser.wrong and not parser.open


class Everything(Form):
    title = django_forms.CharField(label="Title", max_length=5, help_text="Short.")
    note = django_forms.CharField(label="Note", widget=django_forms.Textarea, required=False)
    kind = django_forms.ChoiceField(
        label="Kind", choices=[("a", "First"), ("b", "Second")], widget=django_forms.RadioSelect
    )
    land = django_forms.ChoiceField(label="Land", choices=[("RO", "Romania")])
    topics = django_forms.MultipleChoiceField(
        label="Topics",
        choices=[("x", "Ex"), ("y", "Why")],
        widget=django_forms.CheckboxSelectMultiple,
        required=False,
    )
    starts_on = DateField(label="Start")
    hours = IntegerField(label="Hours", min_value=100, max_value=5000)
    price = DecimalField(label="Price", required=False)
    email = django_forms.EmailField(label="Mail", required=False)
    site = django_forms.URLField(label="Site", required=False, assume_scheme="https")
    agrees = django_forms.BooleanField(label="I agree")
    token = django_forms.CharField(widget=django_forms.HiddenInput, required=False)


# Components ---------------------------------------------------------------------------------


COMPONENTS = {
    "{% page_head h h h %}": {},
    "{% back_link '/x/' h %}": {},
    "{% badge h 'good' %}": {},
    "{% notice 'warning' h %}": {},
    "{% notice h h %}": {},
    "{% meter 1 2 h %}": {},
    "{% timeline rows %}": {"rows": [{"title": HOSTILE, "text": HOSTILE, "is_done": True}]},
    "{% empty_state h h '/x/' h %}": {},
    "{% summary_list rows %}": {"rows": [(HOSTILE, HOSTILE, "/x/", HOSTILE)]},
    "{% task_list rows %}": {
        "rows": [
            {"title": HOSTILE, "href": "/x/", "label": HOSTILE, "tone": "bad", "hint": HOSTILE}
        ]
    },
    "{% line_chart chart %}": {
        "chart": charts.line_chart(
            title=HOSTILE,
            x_label=HOSTILE,
            y_label=HOSTILE,
            series=[(HOSTILE, [(0, 1), (1, 2)]), (HOSTILE, [(0, 2), (1, 1)])],
        )
    },
    "{% bar_chart chart %}": {
        "chart": charts.bar_chart(
            title=HOSTILE, x_label=HOSTILE, y_label=HOSTILE, bars=[(HOSTILE, 3)]
        )
    },
    "{% icon h %}": {},
    "{{ h|said }}": {},
}


@pytest.mark.parametrize("template", COMPONENTS)
def test_a_component_shows_hostile_text_as_text(template):
    html = show(template, h=HOSTILE, **COMPONENTS[template])

    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert well_formed(html)


def test_a_state_is_said_in_words_in_the_language_of_the_reader():
    thing = SimpleNamespace(state=Mood.CROSS)

    assert "Stopped after too many failures" in show("{% state_badge thing %}", thing=thing)
    with override("ro"):
        html = show("{% state_badge thing %}", thing=thing)
    assert "Oprit după prea multe eșecuri" in html
    assert 'data-tone="bad"' in html


def test_a_tone_nobody_knows_is_quiet():
    assert 'data-tone="quiet"' in show("{% badge 'x' 'screaming' %}")


@pytest.mark.parametrize(
    ("value", "maximum", "percent"),
    [
        (1, 2, "50.00%"),
        (0, 5, "0.00%"),
        (7, 5, "100.00%"),
        (-1, 5, "0.00%"),
        (1, 0, "0.00%"),
        (None, 5, "0.00%"),
        ("x", 5, "0.00%"),
        (math.nan, 5, "0.00%"),
        (math.inf, math.inf, "0.00%"),
        (10**400, 10**400, "0.00%"),
    ],
)
def test_a_meter_stays_between_nothing_and_all(value, maximum, percent):
    assert f'width="{percent}"' in show("{% meter v m 'Hours' %}", v=value, m=maximum)


def test_widths_are_written_with_a_point_in_every_language():
    with override("ro"):
        assert 'width="33.33%"' in show("{% meter 1 3 'Ore' %}")


def test_the_hours_meter_shows_what_is_left_held_spent_and_granted():
    hour = 3_600_000
    balance = SimpleNamespace(granted=100 * hour, held=20 * hour, spent=30 * hour, free=50 * hour)
    html = show("{% hours_meter b %}", b=balance)

    assert re.findall(r"<dd>([^<]+)</dd>", html) == ["50", "20", "30", "100"]
    assert 'x="30.00%" width="20.00%"' in html


def test_the_pager_of_a_cursor_keeps_the_filters_of_the_address():
    request = RequestFactory().get("/log/", {"subject": "a&b", "cursor": "90"})
    html = show("{% pager page %}", request=request, page={"items": [1], "next": "80"})

    assert 'href="?subject=a%26b&amp;cursor=80"' in html
    assert 'href="?subject=a%26b"' in html


def test_the_pager_of_a_paginator_says_where_one_is():
    request = RequestFactory().get("/x/", {"page": "2", "q": "é"})
    page = Paginator(list(range(60)), 25).get_page(2)
    html = show("{% pager page %}", request=request, page=page)

    assert "Page 2 of 3" in html
    assert "page=1" in html
    assert "page=3" in html
    assert "q=%C3%A9" in html


def test_a_list_of_one_page_has_no_pager():
    assert show("{% pager page %}", page={"items": [], "next": None}).strip() == ""
    page = Paginator([1], 25).get_page(1)
    assert show("{% pager page %}", page=page).strip() == ""


def test_a_summary_says_what_was_not_given_but_shows_a_zero():
    html = show("{% summary_list rows %}", rows=[("City", ""), ("People", 0)])

    assert "Not given" in html
    assert "<dd>0</dd>" in html


# Filters ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gpu_ms", "english", "romanian"),
    [
        (0, "0", "0"),
        (3_600_000, "1", "1"),
        (18_000_000_000, "5,000", "5.000"),
        (18_000_000_001, "5,000.00", "5.000,00"),
        (5_400_000, "1.50", "1,50"),
        (1_000, "0.0003", "0,0003"),
        (-5_400_000, "-1.50", "-1,50"),
        (None, "", ""),
    ],
)
def test_gpu_milliseconds_are_shown_as_hours(gpu_ms, english, romanian):
    assert ui.hours(gpu_ms) == english
    with override("ro"):
        assert ui.hours(gpu_ms) == romanian


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59.6, "1 min 00 s"),
        (61, "1 min 01 s"),
        (3723, "1 h 02 min 03 s"),
        (86_400, "1 d 00 h 00 min"),
        (-61, "−1 min 01 s"),
        (None, ""),
    ],
)
def test_durations_are_said_in_their_largest_units(seconds, words):
    assert ui.duration(seconds) == words


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_950, "1.0 MB"),
        (5_300_000, "5.3 MB"),
        (123_456_789, "123 MB"),
        (10**18, "1,000 PB"),
    ],
)
def test_sizes_have_the_unit_people_would_choose(size, words):
    assert ui.file_size(size) == words


def test_a_moment_is_shown_in_the_time_of_the_factory_and_kept_in_utc():
    moment = datetime(2026, 11, 23, 22, 30, tzinfo=UTC)

    assert ui.instant(moment) == (
        '<time datetime="2026-11-23T22:30:00Z">24 November 2026, 00:30 EET</time>'
    )
    with override("ro"):
        assert "24 noiembrie 2026, 00:30 EET" in ui.instant(moment)
    assert ui.day(moment) == '<time datetime="2026-11-24">24 November 2026</time>'
    assert ui.day(date(2026, 3, 1)) == '<time datetime="2026-03-01">1 March 2026</time>'
    assert ui.instant(None) == ui.day(None) == ""


# Fields -------------------------------------------------------------------------------------


def test_every_kind_of_field_has_a_label_that_names_its_control():
    html = show("{% form_fields form %}", form=Everything())
    parser = Balanced()
    parser.feed(html)

    assert well_formed(html)
    assert len(parser.ids) == len(set(parser.ids))
    assert set(re.findall(r'for="([^"]+)"', html)) <= set(parser.ids)
    assert "(optional)" in html
    assert 'type="hidden"' in html
    assert " required" not in html
    assert 'type="number"' not in html
    assert 'type="date"' not in html


def test_a_mistake_stands_beside_its_field_and_in_the_summary_with_a_link():
    form = Everything(
        {
            "title": "too long",
            "kind": "z",
            "land": "XX",
            "hours": "99",
            "starts_on_day": "31",
            "starts_on_month": "2",
            "starts_on_year": "2026",
            "email": "nobody",
            "site": "http://[",
        }
    )
    summary, fields = show("{% error_summary form %}", form=form), show("{{ form }}", form=form)
    parser = Balanced()
    parser.feed(fields)

    assert well_formed(summary)
    assert well_formed(fields)
    assert set(re.findall(r'href="#([^"]+)"', summary)) <= set(parser.ids)
    for words in (
        "Shorten this to 5 characters; it has 8.",
        "Choose one of the answers.",
        "Write a number from 100 to 5,000.",
        "There is no date 31 2 2026.",
        "Write an e-mail address such as name@example.org.",
        "Write a web address such as https://example.org.",
        "Tick “I agree” to go on.",
    ):
        assert words in summary
        assert words in fields
    for element_id in re.findall(r'aria-describedby="([^"]+)"', fields):
        assert set(element_id.split()) <= set(parser.ids)


def test_an_empty_form_asks_for_each_answer_by_its_name():
    form = Everything({})

    assert form.errors["title"] == ["Fill in “Title”."]
    assert form.errors["starts_on"] == ["Fill in “Start”."]
    assert form.errors["kind"] == ["Choose an answer for “Kind”."]
    assert "note" not in form.errors
    with override("ro"):
        assert Everything({}).errors["title"] == ["Completați „Title”."]


def test_typed_text_is_kept_as_it_was_typed():
    form = Everything(
        {"title": HOSTILE, "hours": "5.000", "starts_on_day": "x", "starts_on_year": '"9'}
    )
    html = show("{{ form }}", form=form)

    assert "<script>" not in html
    assert "&lt;script&gt;alert(&quot;x&quot;)" in html
    assert 'value="5.000"' in html
    assert 'value="x"' in html
    assert 'value="&quot;9"' in html


def test_a_refusal_goes_to_the_fields_it_is_about_and_the_rest_to_the_top():
    form = Everything({"title": "x"})
    form.add_refusal(
        Invalid(
            [
                Problem(
                    "title", "thing.title.taken", _("Choose a limit from 1 to {most}."), {"most": 3}
                ),
                Problem("starts.on", "thing.start.late", "Too late."),
                Problem("elsewhere.0", "thing.other", "Somewhere else."),
            ]
        )
    )
    form.add_refusal(Refused("thing.do.not_now", "Not before {hour}.", hour=9))

    assert "Choose a limit from 1 to 3." in form.errors["title"]
    assert "Too late." in form.errors["starts_on"]
    assert form.non_field_errors() == ["Somewhere else.", "Not before 9."]


def test_a_refusal_is_told_in_the_language_of_the_reader():
    form = Everything({"title": "x"})
    with override("ro"):
        form.add_refusal(
            Invalid([Problem("title", "x.y.z", _("Choose a limit from 1 to {most}."), {"most": 3})])
        )
    assert "Alegeți o limită de la 1 la 3." in form.errors["title"]


@pytest.mark.parametrize("text", ["5000", "5 000", "5\u00a0000", "5\u202f000", "5'000", " +5000 "])
@pytest.mark.parametrize("language", ["en", "ro"])
def test_a_whole_number_may_be_grouped_by_spaces_in_every_language(text, language):
    assert whole_number(text, language=language) == 5000


@pytest.mark.parametrize(
    ("text", "english", "romanian"),
    [
        ("5,000", 5000, "ambiguous"),
        ("5.000", "ambiguous", 5000),
        ("1,234,567", 1_234_567, 1_234_567),
        ("1.234.567", 1_234_567, 1_234_567),
        ("1,234.00", 1234, 1234),
        ("1.234,00", 1234, 1234),
        ("5.0", 5, 5),
        ("-5", -5, -5),
        ("\u22125", -5, -5),
        ("5.5", "invalid", "invalid"),
        ("5,5", "invalid", "invalid"),
        ("1,23,456", "invalid", "invalid"),
        ("1.2.3", "invalid", "invalid"),
        ("five", "invalid", "invalid"),
        ("1e3", "invalid", "invalid"),
        ("0x10", "invalid", "invalid"),
        ("٥", "invalid", "invalid"),
        ("nan", "invalid", "invalid"),
        (".", "invalid", "invalid"),
        ("9" * 60, "invalid", "invalid"),
    ],
)
def test_a_whole_number_is_read_as_the_language_writes_it_or_not_at_all(text, english, romanian):
    for language, wanted in (("en", english), ("ro", romanian)):
        field = IntegerField()
        with override(language):
            try:
                found = field.clean(text)
            except django_forms.ValidationError as wrong:
                found = wrong.code
        assert found == wanted, language


@pytest.mark.parametrize(
    ("text", "english", "romanian"),
    [
        ("5.5", "5.5", "5.5"),
        ("5,5", "5.5", "5.5"),
        ("5,000", "5000", "5.000"),
        ("5.000", "5.000", "5000"),
        ("1,234.5", "1234.5", "1234.5"),
        ("1.234,5", "1234.5", "1234.5"),
        (".5", "0.5", "0.5"),
        ("Infinity", None, None),
        ("1,2,3", None, None),
    ],
)
def test_a_decimal_number_is_read_as_the_language_writes_it(text, english, romanian):
    for language, wanted in (("en", english), ("ro", romanian)):
        with override(language):
            try:
                found = DecimalField().clean(text)
            except django_forms.ValidationError:
                found = None
        assert found == (None if wanted is None else Decimal(wanted)), language


@pytest.mark.parametrize(
    ("value", "is_right"), [("99", False), ("100", True), ("5000", True), ("5001", False)]
)
def test_a_range_holds_at_both_ends(value, is_right):
    field = IntegerField(min_value=100, max_value=5000)
    if is_right:
        assert field.clean(value) == int(value)
    else:
        with pytest.raises(django_forms.ValidationError, match="from 100 to 5,000"):
            field.clean(value)


@pytest.mark.parametrize(
    ("least", "most", "value", "words"),
    [(1, None, "0", "of 1 or more"), (None, 9, "10", "of 9 or less")],
)
def test_a_range_with_one_end_names_that_end(least, most, value, words):
    with pytest.raises(django_forms.ValidationError, match=words):
        IntegerField(min_value=least, max_value=most).clean(value)


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        (("27", "3", "2027"), date(2027, 3, 27)),
        (("07", "03", "2027"), date(2027, 3, 7)),
        (("1", "mar", "2027"), date(2027, 3, 1)),
        (("1", "March", "2027"), date(2027, 3, 1)),
        (("1", "noiembrie", "2027"), date(2027, 11, 1)),
        (("1", "Noi.", "2027"), date(2027, 11, 1)),
        (("29", "2", "2028"), date(2028, 2, 29)),
        (("29", "2", "2027"), "invalid"),
        (("31", "4", "2027"), "invalid"),
        (("1", "13", "2027"), "invalid"),
        (("1", "0", "2027"), "invalid"),
        (("1", "3", "27"), "invalid"),
        (("1", "3", "0000"), "invalid"),
        (("x", "3", "2027"), "invalid"),
        (("٣", "3", "2027"), "invalid"),
        (("1", "ma", "2027"), "invalid"),
        (("", "3", "2027"), "incomplete"),
        (("1", "", ""), "incomplete"),
        (("", "", ""), "required"),
    ],
)
def test_a_date_is_three_fields_and_one_day_of_the_calendar(typed, found):
    try:
        date_found = DateField().clean(list(typed))
    except django_forms.ValidationError as wrong:
        date_found = wrong.code
    assert date_found == found


def test_an_optional_date_may_be_left_empty_and_begins_with_what_was_kept():
    class Kept(Form):
        on = DateField(label="On", required=False)

    assert Kept({}).is_valid()
    html = show("{% field form.on %}", form=Kept(initial={"on": date(2026, 11, 3)}))
    assert re.findall(r'name="on_(\w+)" .*?value="(\d+)"', html) == [
        ("day", "3"),
        ("month", "11"),
        ("year", "2026"),
    ]


def test_a_date_that_lacks_parts_says_which():
    with pytest.raises(django_forms.ValidationError, match="needs a month and a year too"):
        DateField().clean(["1", "", ""])


# Charts -------------------------------------------------------------------------------------


def drawn(points, **options):
    return charts.line_chart(
        title="T", x_label="Step", y_label="Loss", series=[("a", points)], **options
    )


def coordinates(chart):
    return [
        float(number) for number in re.findall(r"-?[0-9.]+", chart.lines[0].path.replace("h.1", ""))
    ]


EDGES = {
    "one point": [(3, 4)],
    "one point at zero": [(0, 0)],
    "two of one x": [(1, 1), (1, 2)],
    "flat": [(0, 5), (1, 5), (2, 5)],
    "flat below zero": [(0, -5), (1, -5)],
    "tiny": [(0, 1e-300), (1, 2e-300)],
    "huge": [(0, -1e149), (1e149, 1e149)],
    "too huge": [(0, 1), (1, 10**400), (2, 1e308), (3, -math.inf), (4, 2)],
    "holes": [(0, 1), (1, math.nan), (2, None), (3, "x"), (4, 2)],
    "bad x": [(math.nan, 1), (None, 1), (0, 1), (1, 2)],
    "backwards": [(3, 1), (2, 2), (1, 3)],
    "decimals": [(Decimal("0.1"), Decimal("0.2")), (1, True)],
    "many": [(index, math.sin(index)) for index in range(100_000)],
    "many holes": [(index, math.nan if index % 3 else 1.0) for index in range(5_000)],
    "moments": [(NOW + timedelta(days=index), index) for index in range(30)],
    "far moments": [(datetime(1, 1, 2, tzinfo=UTC), 1), (datetime(9999, 12, 30, tzinfo=UTC), 2)],
    "one moment": [(NOW, 1)],
}


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("language", ["en", "ro"])
def test_a_chart_of_any_series_stays_inside_its_frame(edge, language):
    with override(language):
        chart = drawn(EDGES[edge])
        html = show("{% line_chart chart %}", chart=chart)

    assert well_formed(html)
    assert not chart.is_empty
    assert all(-0.1 <= number <= 1000.1 for number in coordinates(chart))
    assert all(0 <= float(tick.at) <= 100 for tick in [*chart.x_ticks, *chart.y_ticks])
    assert 2 <= len(chart.y_ticks) <= 12
    assert len(chart.x_ticks) <= 12
    assert "nan" not in html.lower().replace("nanotechnology", "")
    assert len(html) < 40_000
    assert "<title>T</title>" in html
    assert "<table" in html


def test_a_band_is_the_room_between_two_series():
    series = [("a", [(0, 5)]), ("low", [(0, 0), (10, 0)]), ("high", [(0, 0), (10, 10)])]
    words = {"title": "T", "x_label": "Step", "y_label": "Loss", "series": series}
    chart = charts.line_chart(**words, band=(1, 2))

    assert chart.band == "M0.0 1000.0L1000.0 1000.0L1000.0 0.0L0.0 1000.0Z"
    assert 'class="chart__band"' in show("{% line_chart chart %}", chart=chart)
    for plain in (charts.line_chart(**words), charts.line_chart(**words, band=(1, 3))):
        assert plain.band == ""
        assert "chart__band" not in show("{% line_chart chart %}", chart=plain)


@pytest.mark.parametrize("points", [[], [(0, math.nan)], [(None, 1)], [("x", "y")], iter([])])
def test_a_chart_without_numbers_says_so(points):
    chart = drawn(points)

    assert chart.is_empty
    assert "There is nothing to draw yet." in show("{% line_chart chart %}", chart=chart)


def test_a_long_series_is_thinned_and_no_spike_is_lost():
    points = [(float(index), 1.0) for index in range(50_000)]
    points[31_415] = (31_415.0, 99.0)
    points[27_182] = (27_182.0, -99.0)

    kept = charts.downsampled(points)

    assert len(kept) <= charts.MOST_POINTS
    assert {99.0, -99.0} <= {y for _x, y in kept}
    assert kept == sorted(kept, key=lambda point: point[0])


@pytest.mark.parametrize("count", [1, 599, 600, 601, 1000])
def test_thinning_begins_above_the_limit(count):
    points = [(float(index), float(index % 7)) for index in range(count)]
    kept = charts.downsampled(points)

    assert (kept == points) == (count <= charts.MOST_POINTS)
    assert len(kept) <= charts.MOST_POINTS


def test_a_gap_in_the_data_is_a_gap_in_the_line():
    assert drawn([(0, 1), (1, 2), (2, math.nan), (3, 1), (4, 2)]).lines[0].path.count("M") == 2


def test_the_table_below_has_the_first_and_the_last_point():
    chart = drawn([(index, index * 2) for index in range(1000)])

    assert chart.is_sampled
    assert len(chart.rows) == charts.MOST_ROWS
    assert (chart.rows[0].values, chart.rows[-1].values) == (["0.0"], ["1,998.0"]) or (
        chart.rows[0].values[0].startswith("0") and chart.rows[-1].values[0].startswith("1,998")
    )


def test_a_burn_down_reaches_its_end_and_marks_now():
    chart = charts.line_chart(
        title="Left",
        x_label="Day",
        y_label="GPU-hours",
        series=[("Left", [(NOW, 5000), (NOW + timedelta(days=10), 4000)])],
        now=NOW + timedelta(days=10),
        ends_at=NOW + timedelta(days=40),
        from_zero=True,
        ceiling=6000,
    )

    assert [(mark.label, mark.at) for mark in chart.marks] == [("Now", "25.00"), ("End", "100.00")]
    assert chart.lines[0].area.endswith("Z")
    assert chart.y_ticks[-1].label == "0"
    assert float(chart.y_ticks[0].label.replace(",", "")) >= 6000
    assert "from 5,000" in chart.summary


def test_numbers_of_a_drawing_have_a_point_in_every_language():
    with override("ro"):
        html = show(
            "{% line_chart chart %}", chart=drawn([(0, 0.5), (1, 1.25), (2, 3.75)], from_zero=True)
        )
    for attribute in re.findall(r' (?:x|y|x1|x2|y1|y2|d|width|height)="([^"]*)"', html):
        assert "," not in attribute


def test_bars_are_as_long_as_their_values_and_never_longer_than_the_table():
    chart = charts.bar_chart(
        title="T",
        x_label="Kind",
        y_label="GPU-hours",
        bars=[("a", 10), ("b", 5), ("c", -3), ("d", math.nan), ("e", "x"), ("f", 0)],
    )

    assert [(bar.label, bar.width) for bar in chart.bars] == [
        ("a", "100.00%"),
        ("b", "50.00%"),
        ("c", "0.00%"),
        ("f", "0.00%"),
    ]
    assert charts.bar_chart(title="T", x_label="K", y_label="H", bars=[]).is_empty


# The base of every page -----------------------------------------------------------------------


def base(language="en", **cookies):
    request = RequestFactory().get("/nowhere/")
    request.COOKIES.update(cookies)
    with override(language):
        return Template(
            "{% extends 'base.html' %}{% load ui %}{% block title %}T{% endblock %}"
            "{% block content %}{% page_head 'T' %}{% endblock %}"
        ).render(
            Context(
                {
                    "request": request,
                    "csrf_token": "0",
                    "navigation": [{"href": "/", "label": "Home", "is_current": True}],
                }
            )
        )


def test_the_base_page_has_no_style_and_no_script_of_its_own():
    html = base()

    assert well_formed(html.replace("<!doctype html>", ""))
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", html)
    assert re.findall(r"<script(?![^>]*\ssrc=)", html) == []


def test_no_template_of_ours_has_a_style_or_a_script_of_its_own():
    """Data in a page is no script: nothing runs it, and the policy does not ask."""
    data = r' type="application/ld\+json">'
    wrong = [
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("templates/**/*.html")
        if re.search(
            r"<style|\sstyle=[\"']|\son(click|change|submit|load|input)="
            rf"|<script(?!{data})(?![^>]*\ssrc=)",
            path.read_text(),
        )
    ]
    assert wrong == []


def test_the_csrf_token_is_inherited_by_everything_htmx_sends():
    assert """hx-headers:inherited='{"X-CSRFToken": "0"}'""" in base()


def test_the_theme_of_the_cookie_is_on_the_page_and_nonsense_is_not():
    assert 'data-color-scheme="dark"' in base(theme="dark")
    assert 'data-color-scheme="auto"' in base(theme='"><script>')
    assert 'data-color-scheme="auto"' in base()


def test_the_page_says_its_language_and_offers_the_other():
    html = base("ro")

    assert '<html lang="ro"' in html
    assert "Salt la conținut" in html
    assert re.search(r'value="ro" lang="ro" aria-current="true"', html)
    assert re.search(r'value="en" lang="en"(?! aria-current)', html)


def test_the_first_stop_of_the_tab_key_is_a_link_to_the_content():
    html = base()

    assert re.search(r"<a [^>]*href=\"#main\"", html).start() < html.index("<header")
    assert '<main class="main" id="main"' in html


# Assets ---------------------------------------------------------------------------------------


def test_the_first_load_is_under_a_hundred_kilobytes():
    import gzip

    text = ["tokens.css", "uzina.css", "uzina.js", "vendor/htmx/htmx.min.js", "mark.svg"]
    text += ["vendor/designsystemet/designsystemet.css", "vendor/lucide/icons.svg"]
    total = sum(len(gzip.compress((STATIC / name).read_bytes())) for name in text)
    total += sum(path.stat().st_size for path in (STATIC / "vendor" / "inter").glob("*.woff2"))
    total += len(gzip.compress(base().encode()))

    assert total < 100_000


def test_what_others_made_comes_with_its_licence_and_without_source_maps():
    for folder in (STATIC / "vendor").iterdir():
        assert (folder / "LICENSE").read_text().strip(), folder
    for path in STATIC.rglob("*.*"):
        if path.suffix in {".css", ".js"}:
            assert "sourceMappingURL" not in path.read_text(), path


def test_every_icon_that_a_template_asks_for_is_in_the_sprite():
    drawn_icons = set(
        re.findall(r'<symbol id="([^"]+)"', (STATIC / "vendor/lucide/icons.svg").read_text())
    )
    asked = {
        name
        for path in SOURCE.rglob("templates/**/*.html")
        for name in re.findall(r'{% icon ["\']([^"\']+)', path.read_text())
    }
    assert asked <= drawn_icons


def oklch(lightness, chroma, hue):
    """Return linear sRGB of a colour, cut to what a screen shows (Ottosson's matrices)."""
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return [
        min(max(value, 0.0), 1.0)
        for value in (
            4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
            -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
            -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
        )
    ]


def contrast(one, other):
    luminance = [
        0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05
        for red, green, blue in (oklch(*one), oklch(*other))
    ]
    return max(luminance) / min(luminance)


def inside(text, opening):
    """Return what stands between each opening and the bracket that closes it."""
    found = []
    for start in re.finditer(re.escape(opening), text):
        depth, end = 1, start.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        found.append(text[start.end() : end - 1])
    return found


def token(css, name, side, hue, chroma):
    """Return lightness, chroma and hue of a token on the light (0) or the dark (1) side."""
    declared = css[css.index(f"--ds-color-{name}:") :]
    text = inside(inside(declared, "light-dark(")[0], "oklch(")[side]
    text = re.sub(r"var\(--(?:h|hue-\w+)\)", str(hue), text)
    text = re.sub(r"var\(--(?:c|chroma-\w+)\)", str(chroma), text)
    for sum_of in inside(text, "calc("):
        text = text.replace(f"calc({sum_of})", str(eval(sum_of, {"__builtins__": {}})))
    return [float(number) for number in text.split()]


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("hue", [*range(0, 360, 15), "neutral"])
def test_text_is_readable_on_its_ground_whatever_hue_a_factory_chooses(side, hue):
    css = (STATIC / "tokens.css").read_text()
    chroma = 0.014 if hue == "neutral" else 0.185
    hue = 262 if hue == "neutral" else hue

    def colour(name):
        return token(css, name, side, hue, chroma)

    page = token(css, "neutral-background-default", side, 262, 0.014)
    card = token(css, "neutral-surface-default", side, 262, 0.014)
    for ground in (page, card, colour("surface-tinted"), colour("surface-hover")):
        assert contrast(colour("text-subtle"), ground) >= 4.5
        assert contrast(colour("text-default"), ground) >= 7
    assert contrast(colour("base-contrast-default"), colour("base-default")) >= 4.5
    for ground in (page, card):
        assert contrast(colour("border-default"), ground) >= 3
        muted = token(css, "neutral-text-subtle", side, 262, 0.014)
        assert contrast(muted, ground) >= 4.5


# Words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", MODULES)
def test_every_sentence_of_the_pages_is_translated(module, tmp_path):
    """Extracts the sentences anew and lays them over the catalogue: none new, empty or fuzzy."""
    folder = SOURCE / module
    catalogue = folder / "locale" / "ro" / "LC_MESSAGES" / "django.po"
    copy = tmp_path / module
    (copy / "locale" / "ro" / "LC_MESSAGES").mkdir(parents=True)
    for path in folder.rglob("*"):
        inside = path.relative_to(folder)
        if path.suffix in {".py", ".html"} and inside.parts[0] not in {"tests", "migrations"}:
            (copy / inside).parent.mkdir(parents=True, exist_ok=True)
            (copy / inside).write_text(path.read_text())
    made = copy / "locale" / "ro" / "LC_MESSAGES" / "django.po"
    made.write_text(catalogue.read_text())
    subprocess.run(
        [sys.executable, "-P", "-m", "django", "makemessages", "-l", "ro", "--no-location", "-v0"],
        cwd=copy,
        check=True,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": ""},
    )
    entries = made.read_text().split("\n\n")[1:]

    lacking = [
        entry
        for entry in entries
        if not entry.startswith("#~")
        and (
            "#, fuzzy" in entry
            or re.search(r'^msgstr(\[\d\])? ""\s*(\Z|\n(?!"))', entry, re.MULTILINE)
        )
    ]
    assert lacking == []
    assert "ş" not in catalogue.read_text()
    assert "ţ" not in catalogue.read_text()


@pytest.mark.parametrize(
    ("count", "words"),
    [(1, "1 caracter;"), (2, "2 caractere;"), (20, "20 de caractere;"), (101, "101 caractere;")],
)
def test_romanian_counts_in_three_forms(count, words):
    with override("ro"):
        text = ngettext(
            "Shorten this to %(limit_value)d character; it has %(show_value)d.",
            "Shorten this to %(limit_value)d characters; it has %(show_value)d.",
            count,
        )
    assert words in text % {"limit_value": count, "show_value": 300}


def test_romanian_is_loaded():
    with override("ro"):
        assert gettext("There is a problem") == "Ceva trebuie corectat"
