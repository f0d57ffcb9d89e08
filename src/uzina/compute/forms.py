"""Parses and re-shows what people type. Saves nothing."""

import re
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.utils.translation import gettext, gettext_lazy

from uzina.compute import actions, rules
from uzina.compute.models import Maintenance
from uzina.compute.rules import sessions
from uzina.core.errors import Invalid, Problem
from uzina.core.forms import DateField, Form, IntegerField
from uzina.core.text import _
from uzina.people import queries as people
from uzina.people.models import Person


class JobForm(Form):
    """A command to run, and what it needs."""

    project: forms.ModelChoiceField = forms.ModelChoiceField(  # type: ignore[type-arg]
        queryset=None,
        to_field_name="code",
        empty_label=None,
        label=gettext_lazy("Project"),
        help_text=gettext_lazy("Its hours are used."),
    )
    name = forms.CharField(
        max_length=80,
        label=gettext_lazy("Name"),
        help_text=gettext_lazy("So that you find it again."),
    )
    command = forms.CharField(
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        label=gettext_lazy("Command"),
        help_text=gettext_lazy("As in a terminal, one program: python train.py --steps 100"),
    )
    gpus = IntegerField(initial=1, label=gettext_lazy("GPUs on each node"))
    nodes = IntegerField(initial=1, label=gettext_lazy("Nodes"))
    cpus = IntegerField(initial=1, label=gettext_lazy("CPU cores on each node"))
    memory = forms.CharField(
        max_length=12,
        initial="4G",
        label=gettext_lazy("Memory on each node"),
        help_text=gettext_lazy("Such as 64G."),
    )
    time_limit = forms.CharField(
        max_length=24,
        initial="1h",
        label=gettext_lazy("Time limit"),
        help_text=gettext_lazy(
            "Such as 2h30m. The job is stopped then. You pay for what it really uses."
        ),
    )
    inputs = forms.CharField(
        max_length=5_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
        label=gettext_lazy("Datasets"),
        help_text=gettext_lazy(
            "One a line, such as ro-corpus@3. The job finds it in inputs/ro-corpus."
        ),
    )
    environment = forms.CharField(
        max_length=20_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
        label=gettext_lazy("Environment variables"),
        help_text=gettext_lazy("One a line, such as SEED=7."),
    )

    def __init__(self, *args: Any, person: Person, **kwargs: Any) -> None:
        self.person = person
        super().__init__(*args, **kwargs)
        mine = people.projects_of(person).filter(state="active")
        self.fields["project"].queryset = mine  # type: ignore[attr-defined]

    def spec(self) -> rules.JobSpec:
        """Return the description of a valid form. Raises Invalid with what the rules say."""
        typed = self.cleaned_data
        mapping = {name: typed[name] for name in ("name", "command", "gpus", "nodes", "cpus")} | {
            "memory": typed["memory"].replace(" ", "").upper().removesuffix("B"),
            "time_limit": typed["time_limit"].replace(" ", "").lower(),
            "inputs": typed["inputs"].split(),
            "environment": self._environment(),
        }
        return rules.parse_spec(mapping)

    def _environment(self) -> dict[str, str]:
        lines = [line for line in self.cleaned_data["environment"].splitlines() if line.strip()]
        if any("=" not in line for line in lines):
            raise Invalid(
                [
                    Problem(
                        "environment",
                        "job.spec.environment",
                        _("Write each variable on a line of its own as NAME=value."),
                    )
                ]
            )
        pairs = (line.partition("=") for line in lines)
        return {name.strip(): value.strip() for name, _equals, value in pairs}

    def _field_of(self, path: str) -> str | None:
        """Mistakes inside a list stand beside the list; those of seconds beside the time."""
        head = path.split(".", maxsplit=1)[0]
        same = {"time_limit_s": "time_limit", "memory_mb": "memory"}
        return super()._field_of(same.get(head, head))


class SessionForm(Form):
    """A notebook, and what it needs."""

    project: forms.ModelChoiceField = forms.ModelChoiceField(  # type: ignore[type-arg]
        queryset=None,
        to_field_name="code",
        empty_label=None,
        label=gettext_lazy("Project"),
        help_text=gettext_lazy("Its hours are used."),
    )
    gpus = IntegerField(initial=1, label=gettext_lazy("GPUs"))
    cpus = IntegerField(initial=2, label=gettext_lazy("CPU cores"))
    memory = forms.CharField(
        max_length=12,
        initial="8G",
        label=gettext_lazy("Memory"),
        help_text=gettext_lazy("Such as 64G."),
    )
    time_limit = forms.CharField(
        max_length=24,
        initial="2h",
        label=gettext_lazy("Ends at the latest after"),
        help_text=gettext_lazy("Such as 2h30m, at most 12h. You pay for what it really uses."),
    )
    idle_minutes = forms.TypedChoiceField(
        coerce=int,
        choices=[(minutes, str(minutes)) for minutes in sessions.IDLE_MINUTES],
        initial=sessions.IDLE_DEFAULT,
        label=gettext_lazy("Ends when nothing was computed for so many minutes"),
        help_text=gettext_lazy("A page that only lies open does not count."),
    )
    inputs = forms.CharField(
        max_length=5_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
        label=gettext_lazy("Datasets"),
        help_text=gettext_lazy(
            "One a line, such as ro-corpus@3. The job finds it in inputs/ro-corpus."
        ),
    )

    def __init__(self, *args: Any, person: Person, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        mine = people.projects_of(person).filter(state="active")
        self.fields["project"].queryset = mine  # type: ignore[attr-defined]

    def spec(self) -> rules.JobSpec:
        """Return the description of a valid form. Raises Invalid with what the rules say."""
        typed = self.cleaned_data
        return sessions.session_spec(
            {
                "gpus": typed["gpus"],
                "cpus": typed["cpus"],
                "memory": typed["memory"].replace(" ", "").upper().removesuffix("B"),
                "time_limit": typed["time_limit"].replace(" ", "").lower(),
                "inputs": typed["inputs"].split(),
            },
            idle_minutes=typed["idle_minutes"],
        )

    def _field_of(self, path: str) -> str | None:
        """Mistakes inside a list stand beside the list; those of seconds beside the time."""
        head = path.split(".", maxsplit=1)[0]
        same = {"time_limit_s": "time_limit", "memory_mb": "memory"}
        return super()._field_of(same.get(head, head))


CLOCK = re.compile(r"([01]?\d|2[0-3])[:.]([0-5]\d)")


class ClockField(forms.CharField):
    """A time of day, typed as 8:00 or 08.00."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TextInput(attrs={"data-width": "5", "inputmode": "numeric"})
        super().__init__(max_length=5, widget=widget, **kwargs)

    def clean(self, value: Any) -> time | str:  # type: ignore[override]
        """Return the time."""
        typed = super().clean(value)
        match = CLOCK.fullmatch(typed)
        if match is None:
            raise forms.ValidationError(
                gettext("Write a time of day such as 08:00."), code="invalid"
            )
        return time(int(match[1]), int(match[2]))


class MaintenanceForm(Form):
    """A maintenance to announce, in the factory's time zone."""

    partition = forms.ChoiceField(required=False, label=gettext_lazy("What it hits"))
    starts_on = DateField(
        label=gettext_lazy("First day"), help_text=gettext_lazy("For example, 27 3 2027.")
    )
    starts_time = ClockField(label=gettext_lazy("Begins at"))
    ends_on = DateField(label=gettext_lazy("Last day"))
    ends_time = ClockField(label=gettext_lazy("Ends at"))
    reason = forms.CharField(
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3}),
        label=gettext_lazy("What is done"),
        help_text=gettext_lazy("People read it in the mail and on the pages of their jobs."),
    )

    def __init__(
        self, *args: Any, partitions: list[str], window: Maintenance | None, **kwargs: Any
    ) -> None:
        if window is not None:
            starts_at, ends_at = (
                at.astimezone(_zone()) for at in (window.starts_at, window.ends_at)
            )
            kwargs["initial"] = {
                "partition": window.partition,
                "starts_on": starts_at.date(),
                "starts_time": f"{starts_at:%H:%M}",
                "ends_on": ends_at.date(),
                "ends_time": f"{ends_at:%H:%M}",
                "reason": window.reason,
            }
        super().__init__(*args, **kwargs)
        choices = [("", gettext("All of the cluster")), *((name, name) for name in partitions)]
        self.fields["partition"].choices = choices  # type: ignore[attr-defined]
        words = gettext("Times are those of {zone}.").format(zone=_zone().key)
        self.fields["starts_time"].help_text = words

    def window(self) -> actions.Window:
        """Return what was typed of a valid form."""
        typed = self.cleaned_data
        starts_at, ends_at = (
            datetime.combine(typed[f"{name}_on"], typed[f"{name}_time"], tzinfo=_zone())
            for name in ("starts", "ends")
        )
        return actions.Window(
            typed["partition"], starts_at.astimezone(UTC), ends_at.astimezone(UTC), typed["reason"]
        )


def _zone() -> ZoneInfo:
    return ZoneInfo(settings.UZINA.site.timezone)
