"""The parts pages are made of: `{% load ui %}`. One tag, one template, one block of CSS each."""

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from django import template
from django.conf import settings
from django.forms import BoundField
from django.forms.widgets import CheckboxInput, CheckboxSelectMultiple, RadioSelect
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext, gettext_lazy

from uzina.core import charts
from uzina.core.forms import DateWidget

register = template.Library()

GPU_MS_PER_HOUR = 3_600_000
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400
TONES = {"quiet": "neutral", "busy": "info", "good": "success", "bad": "danger"}
"""A tone of a state, and the colour that repeats it."""

NOTICES = {"info": "info", "success": "success", "warning": "warning", "danger": "danger"}
NOTICES |= {"debug": "info", "error": "danger"}
"""Kinds of notice, the levels of Django's messages among them."""


# What a page knows of itself ----------------------------------------------------------------


@register.simple_tag
def site() -> Any:
    """Return the factory's name and address."""
    return settings.UZINA.site


@register.simple_tag(takes_context=True)
def color_scheme(context: template.Context) -> str:
    """Return light, dark or auto: what the visitor chose, kept in a cookie."""
    request = context.get("request")
    chosen = request.COOKIES.get("theme", "") if request else ""
    return chosen if chosen in {"light", "dark"} else "auto"


@register.simple_tag
def languages() -> list[dict[str, Any]]:
    """Return the languages of the portal, each by its own name."""
    here = get_language()
    names = {"en": "English", "ro": "Română"}
    return [
        {"code": code, "name": names.get(code, code), "is_current": code == here}
        for code, _name in settings.LANGUAGES
    ]


@register.simple_tag
def icon(name: str) -> SafeString:
    """Show an icon of the sprite, the height of a line; said by nobody, so put a word beside it."""
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"/></svg>',
        static("core/vendor/lucide/icons.svg"),
        name,
    )


# Parts ----------------------------------------------------------------------------------------


@register.inclusion_tag("ui/page_head.html")
def page_head(title: Any, lead: Any = "", caption: Any = "") -> dict[str, Any]:
    """Show the page's one h1, what it belongs to above it, and a sentence below it."""
    return {"title": title, "lead": lead, "caption": caption}


@register.inclusion_tag("ui/breadcrumb.html")
def back_link(href: str, label: Any) -> dict[str, Any]:
    """Show the way one step up, above the page head."""
    return {"href": href, "label": label}


@register.inclusion_tag("ui/state_badge.html")
def state_badge(thing: Any) -> dict[str, Any]:
    """Show where a thing stands: in words first, the colour only repeats them.

    thing  anything with a `state` that is one of its States, or such a state itself
    """
    state = getattr(thing, "state", thing)
    label = str(getattr(state, "label", state))
    return badge(gettext(label) if label else "", getattr(state, "tone", "quiet"))


@register.inclusion_tag("ui/state_badge.html", name="badge")
def badge(label: Any, tone: str = "quiet") -> dict[str, Any]:
    """Show a word with a tone: quiet, busy, good or bad."""
    tone = tone if tone in TONES else "quiet"
    return {"label": label, "tone": tone, "color": TONES[tone]}


@register.inclusion_tag("ui/notice.html")
def notice(kind: str, text: Any) -> dict[str, Any]:
    """Show one message: info, success, warning or danger."""
    return {"color": NOTICES.get(kind, "info"), "text": text}


@register.inclusion_tag("ui/error_summary.html")
def error_summary(form: Any) -> dict[str, Any]:
    """List every mistake of a form, or of a formset, with a link to its field; takes the focus."""
    forms = [form] if hasattr(form, "fields") else list(getattr(form, "forms", []) or [])
    mistakes = [
        {"text": text, "href": ""}
        for text in (form.non_form_errors() if hasattr(form, "non_form_errors") else [])
    ]
    for one in forms:
        mistakes += [{"text": text, "href": ""} for text in one.non_field_errors()]
        mistakes += [
            {"text": text, "href": "" if bound.is_hidden else f"#{_first_control(bound)}"}
            for bound in one
            for text in bound.errors
        ]
    return {"mistakes": mistakes}


@register.inclusion_tag("ui/field.html")
def field(bound: BoundField) -> dict[str, Any]:
    """Show one field of a form: label, hint, error, control; typed text is kept."""
    widget = bound.field.widget
    kind = "text"
    if isinstance(widget, CheckboxInput):
        kind = "checkbox"
    elif isinstance(widget, RadioSelect | CheckboxSelectMultiple):
        kind = "choices"
    elif isinstance(widget, DateWidget):
        kind = "date"
    element_id = bound.id_for_label if kind in {"text", "checkbox"} else bound.auto_id
    about = [f"{element_id}_hint"] if bound.help_text else []
    about += [f"{element_id}_error"] if bound.errors else []
    attrs: dict[str, Any] = {"aria-invalid": "true"} if bound.errors else {}
    if about and kind in {"text", "checkbox"}:
        attrs["aria-describedby"] = " ".join(about)
    return {
        "bound": bound,
        "kind": kind,
        "id": element_id,
        "control": bound.as_widget(attrs=attrs) if kind in {"text", "checkbox"} else "",
        "choices": _choices(bound) if kind == "choices" else [],
        "parts": _date_parts(bound) if kind == "date" else [],
        "about": " ".join(about),
        "is_optional": not bound.field.required and kind != "checkbox",
    }


def _first_control(bound: BoundField) -> str:
    if isinstance(bound.field.widget, DateWidget):
        return f"{bound.auto_id}_day"
    if isinstance(bound.field.widget, RadioSelect | CheckboxSelectMultiple):
        return f"{bound.auto_id}_0"
    return bound.id_for_label or str(bound.auto_id)


def _choices(bound: BoundField) -> list[dict[str, Any]]:
    return [
        {"id": one.id_for_label, "tag": one.tag(), "label": one.choice_label}
        for one in bound.subwidgets
    ]


def _date_parts(bound: BoundField) -> list[dict[str, Any]]:
    widget = bound.field.widget
    attrs = {"id": str(bound.auto_id)} | ({"aria-invalid": "true"} if bound.errors else {})
    context = widget.get_context(bound.html_name, bound.value(), attrs)
    labels = {"day": gettext("Day"), "month": gettext("Month"), "year": gettext("Year")}
    return [
        {
            "label": labels[name],
            "id": part["attrs"]["id"],
            "name": part["name"],
            "value": part["value"],
            "width": 4 if name == "year" else 2,
        }
        for name, part in zip(labels, context["widget"]["subwidgets"], strict=True)
    ]


@register.inclusion_tag("ui/form_fields.html")
def form_fields(form: Any) -> dict[str, Any]:
    """Show every field of a form in order, hidden ones included."""
    return {"form": form}


@register.inclusion_tag("ui/meter.html")
def meter(value: Any, maximum: Any, label: Any) -> dict[str, Any]:
    """Show how much of a whole is reached, as a bar and in words (both in the same unit)."""
    share = _share(value, maximum)
    return {
        "label": label,
        "percent": _width(share),
        "words": gettext("{percent} %").format(percent=number_format(round(share * 100), 0)),
    }


@register.inclusion_tag("ui/hours_meter.html")
def hours_meter(balance: Any) -> dict[str, Any]:
    """Show what an allocation has spent, holds and has left.

    balance  anything with granted, held, spent and free, GPU-milliseconds; expired if there is any
    """
    whole = max(balance.granted, balance.spent + balance.held + balance.free, 1)
    spent, held = _share(balance.spent, whole), _share(balance.held, whole)
    return {
        "balance": balance,
        "expired": getattr(balance, "expired", 0),
        "overrun": getattr(balance, "overrun", 0),
        "spent": _width(spent),
        "held": _width(held),
        "held_from": _width(spent),
    }


def _share(value: Any, maximum: Any) -> float:
    try:
        share = float(value) / float(maximum)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return 0.0
    return min(max(share, 0.0), 1.0) if math.isfinite(share) else 0.0


def _width(share: float) -> str:
    return f"{share * 100:.2f}%"


@register.inclusion_tag("ui/timeline.html")
def timeline(entries: Iterable[Any]) -> dict[str, Any]:
    """Show steps in order: objects or dicts with title, is_done, at (may be None) and text."""
    return {"entries": [_row(one, "at", "title", "text", "is_done") for one in entries]}


@register.inclusion_tag("ui/pager.html", takes_context=True)
def pager(context: template.Context, page: Any) -> dict[str, Any]:
    """Show the way through a long list.

    page  a page of Django's Paginator, or what core.paging.paged returned; other parameters of
          the address (filters) are kept
    """
    request = context.get("request")
    query = request.GET.copy() if request else None

    def address(name: str, value: Any) -> str:
        if query is None:
            return f"?{name}={value}"
        changed = query.copy()
        changed[name] = str(value)
        return f"?{changed.urlencode()}"

    if isinstance(page, Mapping):
        following = page.get("next")
        is_first = not (query and query.get("cursor"))
        first = query.copy() if query is not None else None
        if first is not None:
            first.pop("cursor", None)
        return {
            "previous": "" if is_first or first is None else f"?{first.urlencode()}",
            "previous_label": gettext("First page"),
            "next": address("cursor", following) if following else "",
            "position": "",
        }
    total = page.paginator.num_pages
    position = gettext("Page {number} of {total}").format(number=page.number, total=total)
    return {
        "previous": address("page", page.number - 1) if page.has_previous() else "",
        "previous_label": gettext("Previous page"),
        "next": address("page", page.number + 1) if page.has_next() else "",
        "position": position if total > 1 else "",
    }


@register.inclusion_tag("ui/empty_state.html")
def empty_state(title: Any, text: Any = "", href: str = "", label: Any = "") -> dict[str, Any]:
    """Say that there is nothing yet, why, and what to do first."""
    return {"title": title, "text": text, "href": href, "label": label}


@register.inclusion_tag("ui/summary_list.html")
def summary_list(rows: Iterable[Any]) -> dict[str, Any]:
    """Show facts: objects, dicts or tuples of key, value, href and change_label."""
    return {"rows": [_row(one, "key", "value", "href", "change_label") for one in rows]}


@register.inclusion_tag("ui/task_list.html")
def task_list(rows: Iterable[Any]) -> dict[str, Any]:
    """Show what is to do and how far it is: title, href, label, tone, hint. Done is plain text."""
    shown = []
    for one in rows:
        row = _row(one, "title", "href", "label", "tone", "hint")
        shown.append(row | {"color": TONES.get(row["tone"] or "", "")})
    return {"rows": shown}


def _row(thing: Any, *names: str) -> dict[str, Any]:
    """Return the named parts of an object, a dict or a tuple; what is missing is empty."""
    if isinstance(thing, Mapping):
        return {name: thing.get(name, "") for name in names}
    if isinstance(thing, tuple) and not hasattr(thing, "_fields"):
        return dict.fromkeys(names, "") | dict(zip(names, thing, strict=False))
    return {name: getattr(thing, name, "") for name in names}


@register.inclusion_tag("ui/line_chart.html")
def line_chart(chart: charts.LineChart) -> dict[str, Any]:
    """Show a chart made by core.charts.line_chart, with its data as a table."""
    return {"chart": chart}


@register.inclusion_tag("ui/bar_chart.html")
def bar_chart(chart: charts.BarChart) -> dict[str, Any]:
    """Show a chart made by core.charts.bar_chart; it is a table with bars."""
    return {"chart": chart}


# Filters --------------------------------------------------------------------------------------


@register.filter
def hours(gpu_ms: Any) -> str:
    """Write GPU-milliseconds as GPU-hours: 5,000 or 12.35; small amounts with four places."""
    if gpu_ms is None or gpu_ms == "":
        return ""
    amount = Decimal(int(gpu_ms)) / GPU_MS_PER_HOUR
    places = 4 if 0 < abs(amount) < Decimal("0.1") else 2
    rounded = amount.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)
    if rounded == rounded.to_integral_value() and amount == rounded:
        places, rounded = 0, rounded.to_integral_value()
    return number_format(rounded, places, use_l10n=True, force_grouping=True)


@register.filter
def number(value: Any, places: int = 0) -> str:
    """Write a number with the separators of the language."""
    if value is None or value == "":
        return ""
    return number_format(round(Decimal(str(value)), places), places, force_grouping=True)


@register.filter
def duration(seconds: Any) -> str:
    """Write seconds as "1 h 02 min 03 s", the largest unit first, none before it."""
    if seconds is None or seconds == "":
        return ""
    whole = round(float(seconds))
    sign, whole = ("−" if whole < 0 else ""), abs(whole)
    days, rest = divmod(whole, DAY_S)
    parts = [(rest // HOUR_S, gettext("h")), (rest % HOUR_S // MINUTE_S, gettext("min"))]
    parts = [(days, gettext("d")), *parts, (rest % MINUTE_S, gettext("s"))]
    while len(parts) > 1 and not parts[0][0]:
        parts = parts[1:]
    if days:
        parts = parts[:-1]
    first, *others = parts
    words = [f"{first[0]} {first[1]}", *(f"{amount:02d} {unit}" for amount, unit in others)]
    return sign + " ".join(words)


@register.filter
def file_size(size_bytes: Any) -> str:
    """Write bytes in the unit people would choose, by powers of 1000."""
    if size_bytes is None or size_bytes == "":
        return ""
    amount, unit = float(size_bytes), 0
    units = ["B", "kB", "MB", "GB", "TB", "PB"]
    while abs(amount) >= 999.5 and unit < len(units) - 1:
        amount, unit = amount / 1000, unit + 1
    places = 0 if unit == 0 or abs(amount) >= 99.95 else 1
    return f"{number_format(round(amount, places), places, force_grouping=True)} {units[unit]}"


@register.filter(expects_localtime=True)
def instant(value: datetime | None) -> SafeString | str:
    """Write a moment as <time>, in the factory's time zone, which is named."""
    if not value:
        return ""
    local = timezone.localtime(value) if timezone.is_aware(value) else value
    words = f"{_day(local)}, {date_format(local, 'H:i')} {local.strftime('%Z')}".strip()
    machine = local.astimezone(UTC) if timezone.is_aware(local) else local
    return format_html(
        '<time datetime="{}">{}</time>', machine.strftime("%Y-%m-%dT%H:%M:%SZ"), words
    )


@register.filter(expects_localtime=True)
def day(value: date | None) -> SafeString | str:
    """Write a day, or the day of a moment, as <time>."""
    if not value:
        return ""
    local = value
    if isinstance(value, datetime) and timezone.is_aware(value):
        local = timezone.localtime(value)
    return format_html('<time datetime="{}">{}</time>', local.strftime("%Y-%m-%d"), _day(local))


def _day(value: date) -> str:
    return charts.day_words(value, "j F Y")


@register.filter
def said(text: Any) -> str:
    """Translate text that a rule only marked: `{{ kind.label|said }}`."""
    return gettext(str(text)) if text else ""


YES_NO = {True: gettext_lazy("Yes"), False: gettext_lazy("No"), None: "–"}


@register.filter
def yes_no(value: bool | None) -> str:  # noqa: FBT001 - a filter has one argument
    """Write a truth in words."""
    return str(YES_NO[None if value is None else bool(value)])
