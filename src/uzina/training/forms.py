"""Parses and re-shows what people type. Saves nothing."""

import uuid
from datetime import datetime
from typing import Any

from django import forms
from django.utils.translation import get_language, gettext, gettext_lazy

from uzina.catalogue import queries as catalogue
from uzina.catalogue.models import Version
from uzina.core.errors import Invalid
from uzina.core.forms import DecimalField, Form, IntegerField
from uzina.people.models import Person, Project
from uzina.training import actions
from uzina.training.models import ModelVersion, Recipe
from uzina.training.rules.runs import MOST_TASKS, SEVERAL, Output, lacks

MOST_CHOICES = 200


class RunForm(Form):
    """A recipe's settings, made from its schema, with its data and the machine it needs."""

    def __init__(
        self,
        *args: Any,
        recipe: Recipe,
        projects: list[Project],
        person: Person,
        now: datetime,
        **kwargs: Any,
    ) -> None:
        self.recipe = recipe
        self.projects = projects
        self._own_fields(person, now)
        super().__init__(*args, **kwargs)

    def _own_fields(self, person: Person, now: datetime) -> None:
        """Lay the fields out for this recipe; each form has its own."""
        language = get_language() or "en"
        made: dict[str, forms.Field] = {
            "project": forms.ChoiceField(
                label=gettext_lazy("Project that pays"),
                choices=[(one.code, f"{one.title} ({one.code})") for one in self.projects],
            )
        }
        names = [name for name in self.recipe.schema["inputs"] if name != "model"]
        for name in names:
            made[f"input_{name}"] = self._data_field(name, person, now)
        if "model" in self.recipe.schema["inputs"]:
            made["model"] = forms.ChoiceField(
                label=gettext_lazy("Model version"), choices=_models(person)
            )
        if self.recipe.output is not Output.RESULTS:
            made["name"] = forms.CharField(
                label=gettext_lazy("Name of what comes out"),
                help_text=gettext_lazy("Small letters, digits and hyphens, such as ro-mini."),
                max_length=63,
            )
        made["gpus"] = IntegerField(
            label=gettext_lazy("GPUs"), min_value=0, max_value=64, initial=0
        )
        made["cpus"] = IntegerField(
            label=gettext_lazy("CPU cores"), min_value=1, max_value=4096, initial=2
        )
        made["memory_mb"] = IntegerField(
            label=gettext_lazy("Memory, MiB"), min_value=16, max_value=16_000_000, initial=2000
        )
        made["time_limit_min"] = IntegerField(
            label=gettext_lazy("Time limit, minutes"),
            help_text=gettext_lazy("What is not used is given back."),
            min_value=1,
            max_value=43_200,
            initial=15,
        )
        if self.recipe.schema.get("stages"):
            made["tasks"] = IntegerField(
                label=gettext_lazy("Machines to share the work"),
                help_text=gettext_lazy(
                    "More than one makes arrays of tasks, with steps between that join their "
                    "work. What comes out is the same."
                ),
                min_value=1,
                max_value=MOST_TASKS,
                initial=1,
                required=False,
            )
        for parameter in self.recipe.schema["parameters"]:
            made[f"param_{parameter['name']}"] = _parameter_field(parameter, language)
        made["key"] = forms.CharField(
            widget=forms.HiddenInput(), max_length=64, initial=lambda: uuid.uuid4().hex
        )
        self.base_fields = made  # type: ignore[misc]  # Django copies it for each form

    def _data_field(self, name: str, person: Person, now: datetime) -> forms.Field:
        choices = _data(person, name, now)
        if name in SEVERAL:
            return forms.MultipleChoiceField(
                label=gettext_lazy("Texts to prepare"),
                choices=choices,
                widget=forms.CheckboxSelectMultiple(),
            )
        return forms.ChoiceField(label=gettext_lazy("Data"), choices=choices)

    def settings(self) -> dict[str, Any]:
        """Return the recipe's settings as they were typed."""
        found: dict[str, Any] = {}
        for parameter in self.recipe.schema["parameters"]:
            value = self.cleaned_data[f"param_{parameter['name']}"]
            if value is not None and value != "":
                found[parameter["name"]] = float(value) if parameter["kind"] == "number" else value
        return found

    def references(self) -> list[tuple[str, int]]:
        """Return the data versions chosen, in the order of the recipe's inputs."""
        chosen: list[str] = []
        for name in self.recipe.schema["inputs"]:
            value = self.cleaned_data.get(f"input_{name}")
            chosen += value if isinstance(value, list) else [value] if value else []
        return [_reference(one) for one in chosen]

    def model(self) -> tuple[str, int] | None:
        """Return the model version chosen, where the recipe reads one."""
        chosen = self.cleaned_data.get("model")
        return _reference(chosen) if chosen else None

    def add_problems(self, refused: Invalid) -> None:
        """Put problems of settings and inputs beside the fields that stand for them here."""
        for problem in refused.problems:
            head, _dot, tail = problem.field.partition(".")
            place = f"param_{tail}" if head == "params" else head
            if head == "inputs":
                place = next((one for one in self.fields if one.startswith("input_")), "")
            if head == "time_limit_s":
                place = "time_limit_min"
            message = gettext(problem.message).format(**problem.facts)
            self.add_error(place if place in self.fields else None, message)


def _reference(text: str) -> tuple[str, int]:
    slug, _at, number = text.partition("@")
    return slug, int(number)


def _data(person: Person, name: str, now: datetime) -> list[tuple[str, str]]:
    """Return the data versions the person may read that fit an input of that name, newest first."""
    return [
        (one.reference, f"{one.dataset.title} ({one.reference})")
        for one in catalogue.data_for(person, most=MOST_CHOICES, now=now)
        if _fits(one, name)
    ]


def _fits(version: Version, name: str) -> bool:
    return not lacks(name, [one["path"] for one in version.manifest])


def _models(person: Person) -> list[tuple[str, str]]:
    rows = ModelVersion.objects.visible_to(person).select_related("model").order_by("-pk")
    return [
        (one.reference, f"{one.model.title} ({one.reference})")
        for one in rows.exclude(state="retired")[:MOST_CHOICES]
    ]


def _parameter_field(parameter: dict[str, Any], language: str) -> forms.Field:
    given = {
        "label": parameter["name"].replace("_", " "),
        "help_text": parameter["help"].get(language) or parameter["help"]["en"],
        "initial": parameter["default"],
        "required": False,
    }
    if parameter["kind"] == "choice":
        return forms.ChoiceField(choices=[(one, one) for one in parameter["choices"]], **given)
    if parameter["kind"] == "boolean":
        return forms.BooleanField(**given)
    if parameter["kind"] == "text":
        return forms.CharField(max_length=parameter["maximum"], **given)
    kind = IntegerField if parameter["kind"] == "integer" else DecimalField
    return kind(min_value=parameter["minimum"], max_value=parameter["maximum"], **given)


class AnswerForm(Form):
    """What a person states in a field of the documentation form."""

    text = forms.CharField(
        max_length=actions.LONGEST_ANSWER,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        label=gettext_lazy("Your statement"),
        help_text=gettext_lazy("Kept with your code and the time. Empty takes it back."),
    )
