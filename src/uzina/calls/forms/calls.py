"""Making and changing a call."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from django import forms as django_forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext, gettext_lazy

from uzina.calls.forms.shared import choose, language
from uzina.calls.rules import cut_offs
from uzina.calls.rules.clock import Window
from uzina.calls.rules.modes import Mode, in_language
from uzina.core.errors import Refused
from uzina.core.forms import DateField, Form, IntegerField, whole_number
from uzina.core.http import told

BRUSSELS = "Europe/Brussels"
LONGEST_LIST = 4000
TIME = re.compile(r"([01]?\d|2[0-3])[:.]([0-5]\d)")
PLANNED, TYPED, NONE = "planned", "typed", "none"


def zones() -> list[tuple[str, str]]:
    """Return the time zones in which a cut-off may be said: Brussels, the factory's, UTC."""
    names = dict.fromkeys([BRUSSELS, settings.UZINA.site.timezone, "UTC"])
    return [(name, name.replace("_", " ")) for name in names]


def instant(day: date, at: str, zone: str) -> datetime:
    """Return the instant of a time of day as people type it. Raises ValidationError."""
    match = TIME.fullmatch(at.strip())
    if not match:
        raise ValidationError(gettext("Write a time of day such as 10:00."), code="time")
    try:
        return cut_offs.instant_of(day, time(int(match[1]), int(match[2])), zone)
    except Refused as refused:
        raise ValidationError(told(refused), code="no_such_time") from None


class CallForm(Form):
    """A new call, made from a mode."""

    mode = django_forms.ChoiceField(label=gettext_lazy("Access mode"))
    title_en = django_forms.CharField(label=gettext_lazy("Title in English"), max_length=200)
    title_ro = django_forms.CharField(label=gettext_lazy("Title in Romanian"), max_length=200)
    slug = django_forms.CharField(
        label=gettext_lazy("Name in addresses"),
        help_text=gettext_lazy("Small letters, figures and hyphens, for instance playground-2026"),
        max_length=60,
    )
    opens_on = DateField(
        label=gettext_lazy("Opens on"), help_text=gettext_lazy("For example, 27 3 2027.")
    )
    closes_on = DateField(
        label=gettext_lazy("Closes on"),
        help_text=gettext_lazy(
            "The first day on which it takes nothing. Leave empty to keep it open."
        ),
        required=False,
    )
    cut_off_kind = django_forms.ChoiceField(
        label=gettext_lazy("Cut-offs"),
        widget=django_forms.RadioSelect,
        initial=NONE,
        required=False,
        choices=[
            (NONE, gettext_lazy("None: it is open without a break")),
            (PLANNED, gettext_lazy("Those that the mode plans, from the opening on")),
            (TYPED, gettext_lazy("Those written below")),
        ],
    )
    cut_offs = django_forms.CharField(
        label=gettext_lazy("Cut-offs of its own"),
        help_text=gettext_lazy("One a line, in order, such as 2026-12-15 10:00"),
        widget=django_forms.Textarea(attrs={"rows": 4}),
        max_length=LONGEST_LIST,
        required=False,
    )
    zone = django_forms.ChoiceField(
        label=gettext_lazy("Time zone of these cut-offs"), required=False, initial=BRUSSELS
    )
    budget_gpu_hours = IntegerField(
        label=gettext_lazy("Budget, GPU-hours"),
        help_text=gettext_lazy("What the call can grant in all, where it has one partition."),
        min_value=1,
        max_value=2_000_000_000,
        required=False,
    )
    partition = django_forms.CharField(
        label=gettext_lazy("Partition"), max_length=60, required=False
    )
    capacities = django_forms.CharField(
        label=gettext_lazy("Capacity by partition, instead of one budget"),
        help_text=gettext_lazy(
            "One a line: partition; GPU-hours; number of the cut-off, if it is for one only. For"
            " instance: LUMI-G; 100000; 1"
        ),
        widget=django_forms.Textarea(attrs={"rows": 4}),
        max_length=LONGEST_LIST,
        required=False,
    )
    package_gpu_hours = IntegerField(
        label=gettext_lazy("Package of one award, GPU-hours"),
        help_text=gettext_lazy("Leave empty for the figure of the mode."),
        min_value=1,
        max_value=10_000_000,
        required=False,
    )
    money_eur = IntegerField(
        label=gettext_lazy("Value of all awards together at most, euro"),
        help_text=gettext_lazy("Only where the funder says so."),
        min_value=1,
        max_value=10**11,
        required=False,
    )

    def __init__(self, *args: Any, modes: Mapping[str, Mode], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.modes = modes
        titles = [(one.slug, in_language(one.title, language())) for one in modes.values()]
        choose(self, "mode", titles)
        choose(self, "zone", zones())

    def clean_cut_offs(self) -> list[datetime]:
        """Return the instants that are written, line by line."""
        if self.data.get("cut_off_kind") != TYPED:
            return []
        found = []
        zone = self.data.get("zone") or BRUSSELS
        if zone not in dict(zones()):
            zone = BRUSSELS
        for line in _lines(self.cleaned_data["cut_offs"]):
            day, _space, at = line.partition(" ")
            try:
                found.append(instant(date.fromisoformat(day), at, zone))
            except ValueError:
                raise ValidationError(
                    gettext("“{line}” is no cut-off. Write it such as 2026-12-15 10:00.").format(
                        line=line[:60]
                    ),
                    code="cut_off",
                ) from None
        if not found:
            raise ValidationError(gettext("Write at least one cut-off."), code="missing")
        return found

    def clean_capacities(self) -> list[dict[str, Any]]:
        """Return the capacities that are written, line by line."""
        found = []
        for line in _lines(self.cleaned_data["capacities"]):
            parts = [part.strip() for part in line.split(";")]
            try:
                found.append(
                    {
                        "partition": parts[0],
                        "budget_gpu_hours": whole_number(parts[1], language=language()),
                        "cut_off": int(parts[2]) - 1 if len(parts) > 2 and parts[2] else None,
                    }
                )
            except (ValueError, IndexError):
                raise ValidationError(
                    gettext("“{line}” is no capacity. Write it such as LUMI-G; 100000; 1.").format(
                        line=line[:60]
                    ),
                    code="capacity",
                ) from None
        return found

    def clean(self) -> dict[str, Any]:
        """Have either a budget or capacities."""
        super().clean()
        given = self.cleaned_data
        mode = self.modes.get(given.get("mode", ""))
        has_hours = mode is None or mode.kind != "interest"
        named = {"budget_gpu_hours", "capacities"}
        has_none = not any(given.get(name) for name in named) and not named & set(self.errors)
        if has_hours and has_none:
            self.add_error("budget_gpu_hours", gettext("Write how many GPU-hours it can grant."))
        return given

    def facts(self) -> dict[str, Any]:
        """Return the facts as the action takes them; days begin at midnight of the factory."""
        facts = dict(self.cleaned_data)
        zone = ZoneInfo(settings.UZINA.site.timezone)
        for name in ("opens", "closes"):
            day = facts.pop(f"{name}_on")
            facts[f"{name}_at"] = (
                datetime.combine(day, time(), tzinfo=zone).astimezone(UTC) if day else None
            )
        money = facts.pop("money_eur")
        facts["money_eur_cents"] = money * 100 if money else None
        facts["budget_gpu_hours"] = facts["budget_gpu_hours"] or 0
        facts["has_planned_cut_offs"] = facts.pop("cut_off_kind") == PLANNED
        facts.pop("zone")
        windows, opens = [], facts["opens_at"]
        for closes in facts["cut_offs"]:
            windows.append(Window(opens, closes))
            opens = closes
        facts["cut_offs"] = tuple(windows)
        return facts

    def _field_of(self, path: str) -> str | None:
        return super()._field_of(path.replace("_at", "_on")) or super()._field_of(
            path.split(".", maxsplit=1)[0].replace("money_eur_cents", "money_eur")
        )


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


class MoveForm(Form):
    """Where a cut-off goes, and why."""

    closes_on = DateField(label=gettext_lazy("New day"))
    at = django_forms.CharField(
        label=gettext_lazy("New time of day"),
        help_text=gettext_lazy("For instance 10:00"),
        max_length=5,
    )
    zone = django_forms.ChoiceField(label=gettext_lazy("Time zone"))
    reason = django_forms.CharField(
        label=gettext_lazy("Why it moves"),
        help_text=gettext_lazy("Applicants read it on the page of the call and in a message."),
        widget=django_forms.Textarea(attrs={"rows": 3}),
        max_length=500,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choose(self, "zone", zones())

    def clean(self) -> dict[str, Any]:
        """Put day, time and zone together."""
        super().clean()
        given = self.cleaned_data
        if {"closes_on", "at", "zone"} <= set(given):
            try:
                given["closes_at"] = instant(given["closes_on"], given["at"], given["zone"])
            except ValidationError as wrong:
                self.add_error("at", wrong)
        return given


class FundForm(Form):
    """More hours for a capacity."""

    gpu_hours = IntegerField(
        label=gettext_lazy("GPU-hours to add"), min_value=1, max_value=2_000_000_000
    )
    reason = django_forms.CharField(
        label=gettext_lazy("Why they are added"),
        widget=django_forms.Textarea(attrs={"rows": 3}),
        max_length=500,
    )
    key = django_forms.CharField(widget=django_forms.HiddenInput, max_length=100)
