"""Parses and re-shows what people type. Saves nothing."""

import re
import shlex
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.utils.text import format_lazy
from django.utils.translation import gettext, gettext_lazy

from uzina.compute import actions, rules
from uzina.compute.models import Maintenance
from uzina.compute.rules import sessions
from uzina.core.errors import Invalid, Problem
from uzina.core.forms import DateField, DecimalField, Form, IntegerField
from uzina.core.text import _
from uzina.people import queries as people
from uzina.people.models import Person

KEPT = ("files", "arguments", "ranks", "nice", "python_lock", "after_any")
"""What a copy takes over from its model although the form has no field for it."""
SAID_AS = {"time_limit_s": "time_limit", "memory_mb": "memory"}


def typed_of(spec: rules.JobSpec, *, project: str) -> dict[str, Any]:
    """Return what one would type for a description."""
    return {
        "project": project,
        "name": spec.name,
        "command": shlex.join(spec.command),
        "script": spec.script,
        "gpus": spec.gpus,
        "nodes": spec.nodes,
        "cpus": spec.cpus,
        "memory": f"{spec.memory_mb}M",
        "time_limit": f"{spec.time_limit_s}s",
        "inputs": "\n".join(f"{one.dataset}@{one.version}" for one in spec.inputs),
        "environment": "\n".join(f"{name}={value}" for name, value in spec.environment.items()),
        "partition": spec.partition,
        "array": spec.array,
        "after": " ".join(spec.after),
        "chain": spec.chain,
        "modules": " ".join(spec.modules),
        "container": spec.container,
        "outputs": "\n".join(spec.outputs),
    }


class WorkForm(Form):
    """What every kind of work needs: whose hours, which data, how much of a machine."""

    project: forms.ModelChoiceField = forms.ModelChoiceField(  # type: ignore[type-arg]
        queryset=None,
        to_field_name="code",
        empty_label=None,
        label=gettext_lazy("Project"),
        help_text=gettext_lazy("Its hours are used."),
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

    def _machine(self) -> dict[str, Any]:
        """Return what is asked of a machine, as a description says it."""
        typed = self.cleaned_data
        return {
            "gpus": typed["gpus"],
            "cpus": typed["cpus"],
            "memory": typed["memory"].replace(" ", "").upper().removesuffix("B"),
            "time_limit": typed["time_limit"].replace(" ", "").lower(),
            "inputs": typed["inputs"].split(),
        }

    def _field_of(self, path: str) -> str | None:
        """Mistakes inside a list stand beside the list; those of seconds beside the time."""
        head = path.split(".", maxsplit=1)[0]
        return super()._field_of(SAID_AS.get(head, head))


class JobForm(WorkForm):
    """A command to run, and what it needs."""

    field_order = ("project", "name", "command", "script", "gpus", "nodes", "cpus", "memory",
                   "time_limit", "inputs")  # fmt: skip
    name = forms.CharField(
        max_length=80,
        label=gettext_lazy("Name"),
        help_text=gettext_lazy("So that you find it again."),
    )
    command = forms.CharField(
        max_length=20_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        label=gettext_lazy("Command"),
        help_text=gettext_lazy(
            "As in a terminal, one program: python train.py --steps 100. Or bring a script below."
        ),
    )
    script = forms.CharField(
        max_length=262_144,
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}),
        label=gettext_lazy("Batch script"),
        help_text=gettext_lazy(
            "Instead of a command. What its #SBATCH lines ask for counts more than the fields here."
        ),
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
    environment = forms.CharField(
        max_length=20_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
        label=gettext_lazy("Environment variables"),
        help_text=gettext_lazy("One a line, such as SEED=7."),
    )
    partition = forms.CharField(
        max_length=80,
        required=False,
        label=gettext_lazy("Partition"),
        help_text=gettext_lazy("Empty for the usual one."),
    )
    array = forms.CharField(
        max_length=200,
        required=False,
        label=gettext_lazy("Array"),
        help_text=gettext_lazy(
            "Runs the same many times, each with its own UZINA_TASK_ID: 0-9, or 0-9%2 for two at "
            "one time."
        ),
    )
    after = forms.CharField(
        max_length=1_300,
        required=False,
        label=gettext_lazy("After these jobs are done"),
        help_text=gettext_lazy("Their codes, such as JOB-7Q3K2M."),
    )
    chain = IntegerField(
        initial=0,
        required=False,
        label=gettext_lazy("Go on past the time limit, at most so many times"),
        help_text=gettext_lazy(
            "A minute before its time is up the file STOP appears in its run directory: the "
            "program saves its work and ends, and another job goes on from there."
        ),
    )
    modules = forms.CharField(
        max_length=2_000,
        required=False,
        label=gettext_lazy("Modules to load"),
        help_text=gettext_lazy("Such as cuda/12.8 openmpi/5.0."),
    )
    container = forms.CharField(
        max_length=250,
        required=False,
        label=gettext_lazy("Container image"),
        help_text=gettext_lazy("A .sif or .sqsh file, by its path on the cluster."),
    )
    outputs = forms.CharField(
        max_length=2_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
        label=gettext_lazy("Files to list at the end with their checksums"),
        help_text=gettext_lazy("One a line, such as export/**."),
    )
    like = forms.CharField(max_length=16, required=False, widget=forms.HiddenInput())

    MORE = ("script", "inputs", "environment", "partition", "array", "after", "chain", "modules",
            "container", "outputs")  # fmt: skip
    """Fields most jobs leave empty; the page folds them away."""

    def __init__(
        self,
        *args: Any,
        person: Person,
        model: rules.JobSpec | None = None,
        **kwargs: Any,
    ) -> None:
        """Take what is typed; model: a description whose files and rarer wishes are kept."""
        self.model = model
        super().__init__(*args, person=person, **kwargs)

    def spec(self) -> rules.JobSpec:
        """Return the description of a valid form. Raises Invalid with what the rules say."""
        typed = self.cleaned_data
        mapping = {name: typed[name] for name in ("name", "command", "nodes")} | {
            **self._machine(),
            "environment": self._environment(),
            "outputs": typed["outputs"].splitlines(),
            "chain": typed["chain"] or 0,
        }
        words = ("script", "partition", "array", "after", "modules", "container")
        mapping |= {name: typed[name].replace("\r\n", "\n") for name in words if typed[name]}
        if self.model is not None:
            kept = self.model.as_json()
            mapping |= {name: kept[name] for name in KEPT if name in kept}
        # What a script says of machines is said on purpose; the fields are filled from the start.
        said = {SAID_AS.get(one, one) for one in rules.read_script(typed["script"]).fields}
        for name in said - {"name"}:
            mapping.pop(name, None)
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


class SessionForm(WorkForm):
    """A notebook, and what it needs."""

    field_order = ("project", "gpus", "cpus", "memory", "time_limit", "idle_minutes", "inputs")
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

    def spec(self) -> rules.JobSpec:
        """Return the description of a valid form. Raises Invalid with what the rules say."""
        idle_minutes = self.cleaned_data["idle_minutes"]
        return sessions.session_spec(self._machine(), idle_minutes=idle_minutes)


ALL = "*"
"""Chosen for all of the cluster; no partition can be called so."""

CLOCK = re.compile(r"([01]?\d|2[0-3])[:.]([0-5]\d)")


class ClockField(forms.CharField):
    """A time of day, typed as 8:00 or 08.00."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TextInput(attrs={"data-width": "10", "inputmode": "numeric"})
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

    partition = forms.ChoiceField(label=gettext_lazy("What it hits"))
    starts_on = DateField(
        label=gettext_lazy("First day"), help_text=gettext_lazy("For example, 27 3 2027.")
    )
    starts_time = ClockField(
        label=gettext_lazy("Begins at"),
        help_text=format_lazy(
            gettext_lazy("Times are those of {zone}."), zone=settings.UZINA.site.timezone
        ),
    )
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
                "partition": window.partition or ALL,
                "starts_on": starts_at.date(),
                "starts_time": f"{starts_at:%H:%M}",
                "ends_on": ends_at.date(),
                "ends_time": f"{ends_at:%H:%M}",
                "reason": window.reason,
            }
        super().__init__(*args, **kwargs)
        choices = [(ALL, gettext("All of the cluster")), *((name, name) for name in partitions)]
        self.fields["partition"].choices = choices  # type: ignore[attr-defined]

    def window(self) -> actions.Window:
        """Return what was typed of a valid form."""
        typed = self.cleaned_data
        starts_at, ends_at = (
            datetime.combine(typed[f"{name}_on"], typed[f"{name}_time"], tzinfo=_zone())
            for name in ("starts", "ends")
        )
        return actions.Window(
            typed["partition"].removeprefix(ALL),
            starts_at.astimezone(UTC),
            ends_at.astimezone(UTC),
            typed["reason"],
        )


def _zone() -> ZoneInfo:
    return ZoneInfo(settings.UZINA.site.timezone)


class SiteUserForm(Form):
    """Which user of the cluster a person is."""

    email = forms.EmailField(
        label=gettext_lazy("E-mail address of the person"),
        help_text=gettext_lazy("The one the person signs in with."),
    )
    name = forms.CharField(
        max_length=64,
        label=gettext_lazy("User name on the cluster"),
        help_text=gettext_lazy("Such as apop. A person has one, and nobody shares it."),
    )

    def clean_email(self) -> Person:
        """Return the person."""
        person = people.person_by_email(self.cleaned_data["email"])
        if person is None:
            raise forms.ValidationError(gettext("Nobody signs in with this address."))
        return person


class TariffForm(Form):
    """What a second costs on a partition from a day on."""

    partition = forms.ChoiceField(required=False, label=gettext_lazy("Partition"))
    since = DateField(
        label=gettext_lazy("From"),
        help_text=gettext_lazy(
            "Today or later. For an earlier day you see what changes for whom before you sign it."
        ),
    )
    rule = forms.ChoiceField(
        choices=[
            ("max", gettext_lazy("The dearest of GPUs, cores and memory")),
            ("sum", gettext_lazy("GPUs, cores and memory together")),
        ],
        label=gettext_lazy("What counts"),
    )
    gpu = DecimalField(
        label=gettext_lazy("GPUs for one device"),
        help_text=gettext_lazy("1 for a whole GPU, 0.5 where the cluster counts halves."),
        min_value=0,
        max_value=1000,
        decimal_places=6,
        initial=1,
    )
    cpu = DecimalField(
        label=gettext_lazy("GPUs for one core"),
        help_text=gettext_lazy("0.05 where 20 cores go with one GPU."),
        min_value=0,
        max_value=1000,
        decimal_places=6,
        initial="0.05",
    )
    gib = DecimalField(
        label=gettext_lazy("GPUs for one GiB of memory"),
        help_text=gettext_lazy("0 where memory is free of charge."),
        min_value=0,
        max_value=1000,
        decimal_places=9,
        initial=0,
    )
    node_gpus = IntegerField(
        label=gettext_lazy("GPUs in a node-hour"),
        help_text=gettext_lazy("0 where hours are shown in GPU-hours only."),
        min_value=0,
        max_value=1000,
        initial=0,
    )
    source = forms.CharField(
        max_length=500,
        label=gettext_lazy("Where the figures come from"),
        help_text=gettext_lazy("A decision, a contract or an address, so that people can look."),
    )
    reason = forms.CharField(
        max_length=400,
        required=False,
        label=gettext_lazy("Why"),
        help_text=gettext_lazy("For a day that has passed: it stands on each statement."),
    )

    def __init__(self, *args: Any, partitions: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["partition"].choices = [  # type: ignore[attr-defined]
            ("", gettext_lazy("Every partition without a price of its own")),
            *((name, name) for name in partitions),
        ]

    def tariff(self) -> rules.Tariff:
        """Return the price of a valid form."""
        typed = self.cleaned_data
        return rules.Tariff(
            typed["rule"],
            int(typed["gpu"] * 10**6),
            int(typed["cpu"] * 10**6),
            int(typed["gib"] * 10**9),
            typed["node_gpus"],
        )
