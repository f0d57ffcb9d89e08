"""Forms of calls. They parse and show again; the rules say what is wrong."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from django import forms as django_forms
from django.conf import settings
from django.utils.translation import get_language, gettext, gettext_lazy

from uzina.calls import queries
from uzina.calls.rules import sections
from uzina.calls.rules.sections import ELSEWHERE, Field, Section
from uzina.core.forms import DateField, Form, IntegerField, whole_number
from uzina.people.rules import OrganisationKind

YES_NO = (("yes", gettext_lazy("Yes")), ("no", gettext_lazy("No")))
LARGEST = 2**63 - 1


def language() -> str:
    """Return the language of the reader, two letters."""
    return (get_language() or "en")[:2]


def country_choices() -> list[tuple[str, str]]:
    """Return the countries to choose from, the last one for those not in the list."""
    return [
        ("", gettext("Choose a country")),
        *queries.country_names(language()).items(),
        (ELSEWHERE, gettext("A country that is not in this list")),
    ]


class SectionForm(Form):
    """One step of an application, made from its declaration.

    It validates nothing itself: what is sent goes to the rules as it is, and what they say comes
    back through add_refusal.
    """

    def __init__(
        self,
        section: Section,
        *,
        data: Mapping[str, Any] | None = None,
        answers: Mapping[str, Any] | None = None,
        durations: Sequence[int] = (),
        added: str = "",
    ) -> None:
        self.section = section
        self.durations = durations
        self.row_counts: dict[str, int] = {}
        initial = _flat(answers or {})
        super().__init__(data, initial=initial)
        for field in section.fields:
            if field.kind == "rows":
                self._add_rows(field, data, answers or {}, added)
            else:
                self._add(field.name, field, gettext(field.label))
        for name, made in self.fields.items():
            _wear(made, name)

    def _add(self, name: str, field: Field, label: str) -> None:
        self.fields[name] = _control(field, label, self.durations)

    def _add_rows(
        self, field: Field, data: Mapping[str, Any] | None, answers: Mapping[str, Any], added: str
    ) -> None:
        if data is None:
            count = len(answers.get(field.name, [])) or 1
        else:
            typed = str(data.get(f"{field.name}-rows", ""))
            count = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 3 else 1
        count = min(max(count, 1) + (added == field.name), sections.MOST_ROWS)
        self.row_counts[field.name] = count
        for number in range(count):
            for column in field.columns:
                self._add(f"{field.name}.{number}.{column.name}", column, gettext(column.label))

    def _clean_fields(self) -> None:
        """Take what was sent; the rules judge it."""
        self.cleaned_data = {name: self[name].data for name in self.fields}

    def raw(self) -> dict[str, Any]:
        """Return what was sent in the shape that the rules read."""
        raw: dict[str, Any] = {}
        for field in self.section.fields:
            if field.kind == "rows":
                raw[field.name] = [
                    {
                        column.name: self._sent(column, f"{field.name}.{number}.{column.name}")
                        for column in field.columns
                    }
                    for number in range(self.row_counts[field.name])
                ]
            else:
                raw[field.name] = self._sent(field, field.name)
        return raw

    def _sent(self, field: Field, name: str) -> Any:
        value = self.data.get(name, "")
        if field.kind == "whole" and value:
            try:
                return whole_number(str(value), language=language())
            except ValueError:
                return value
        return value

    def groups(self) -> list[dict[str, Any]]:
        """Return the fields as the page shows them: single ones, and rows with their legend."""
        shown: list[dict[str, Any]] = []
        for field in self.section.fields:
            if field.kind != "rows":
                shown.append({"bound": self[field.name]})
                continue
            rows = [
                [self[f"{field.name}.{number}.{column.name}"] for column in field.columns]
                for number in range(self.row_counts[field.name])
            ]
            shown.append(
                {
                    "name": field.name,
                    "label": field.label,
                    "hint": field.hint,
                    "is_optional": not field.missing,
                    "rows": rows,
                    "count": len(rows),
                    "may_add": len(rows) < sections.MOST_ROWS,
                }
            )
        return shown

    def _field_of(self, path: str) -> str | None:
        if path in self.fields:
            return path
        return next((name for name in self.fields if name.startswith(f"{path}.")), None)


def _wear(field: django_forms.Field, name: str) -> None:
    bare = (django_forms.CheckboxInput, django_forms.RadioSelect)
    if not isinstance(field.widget, bare):
        field.widget.attrs.setdefault("class", "input")
    field.widget.attrs.setdefault("id", f"id_{name.replace('.', '_')}")


def _control(field: Field, label: str, durations: Sequence[int]) -> django_forms.Field:
    common: dict[str, Any] = {
        "label": label,
        "help_text": gettext(field.hint) if field.hint else "",
        "required": bool(field.missing) and not field.needed_where,
    }
    if field.name == "months" and durations:
        choices = [(str(number), str(number)) for number in durations]
        return django_forms.ChoiceField(choices=choices, widget=django_forms.RadioSelect, **common)
    match field.kind:
        case "tick":
            return django_forms.BooleanField(**common)
        case "yes_no":
            return django_forms.ChoiceField(
                choices=YES_NO, widget=django_forms.RadioSelect, **common
            )
        case "choice":
            choices = [(value, gettext(words)) for value, words in field.choices]
            return django_forms.ChoiceField(
                choices=choices, widget=django_forms.RadioSelect, **common
            )
        case "country":
            return django_forms.ChoiceField(choices=country_choices(), **common)
        case "text":
            return django_forms.CharField(widget=django_forms.Textarea(attrs={"rows": 5}), **common)
        case "whole":
            widget = django_forms.TextInput(attrs={"inputmode": "numeric", "data-width": "20"})
            return django_forms.CharField(widget=widget, **common)
        case "email":
            return django_forms.CharField(
                widget=django_forms.EmailInput(attrs={"autocomplete": "email"}), **common
            )
        case _:
            return django_forms.CharField(**common)


def _flat(answers: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in answers.items():
        if isinstance(value, list):
            for number, row in enumerate(value):
                flat |= {f"{name}.{number}.{key}": _typed(one) for key, one in row.items()}
        else:
            flat[name] = _typed(value)
    return flat


def _typed(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


class QualifyForm(Form):
    """What decides whether an organisation qualifies, before any sign-in."""

    kind = django_forms.ChoiceField(
        label=gettext_lazy("What is your organisation?"), widget=django_forms.RadioSelect
    )
    country = django_forms.ChoiceField(label=gettext_lazy("In which country is it?"))
    headcount = IntegerField(
        label=gettext_lazy("How many people work there?"),
        help_text=gettext_lazy(
            "With the partner and linked enterprises: linked ones in full, partners by the share."
        ),
        required=False,
        min_value=0,
        max_value=2**31 - 1,
    )
    turnover_eur = IntegerField(
        label=gettext_lazy("Turnover of the last closed year, euro"),
        help_text=gettext_lazy("Counted in the same way. 0 if there is none yet."),
        required=False,
        min_value=0,
        max_value=LARGEST,
    )
    balance_eur = IntegerField(
        label=gettext_lazy("Balance sheet of the last closed year, euro"),
        required=False,
        min_value=0,
        max_value=LARGEST,
    )
    civilian_purpose = django_forms.ChoiceField(
        label=gettext_lazy("Does the work serve civilian purposes only?"),
        widget=django_forms.RadioSelect,
        choices=YES_NO,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _choose(self, "kind", [(one.value, gettext(one.label)) for one in OrganisationKind])
        _choose(self, "country", country_choices())


def _choose(form: Form, name: str, choices: Iterable[tuple[str, str]]) -> None:
    field = form.fields[name]
    if isinstance(field, django_forms.ChoiceField):
        field.choices = list(choices)


class StartForm(Form):
    """For which organisation one applies."""

    organisation = django_forms.ChoiceField(
        label=gettext_lazy("For which organisation do you apply?"),
        widget=django_forms.RadioSelect,
    )

    def __init__(self, *args: Any, organisations: Sequence[Any], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _choose(self, "organisation", [(one.code, one.name) for one in organisations])
        if len(organisations) == 1:
            self.fields["organisation"].initial = organisations[0].code


class AssessmentForm(Form):
    """The three questions of a technical assessment."""

    is_fitting = django_forms.ChoiceField(
        label=gettext_lazy("Does the work fit the system?"),
        help_text=gettext_lazy("Memory, number of GPUs, run time, software."),
        choices=YES_NO,
        widget=django_forms.RadioSelect,
    )
    is_ready = django_forms.ChoiceField(
        label=gettext_lazy("Is the code ready to run?"),
        choices=YES_NO,
        widget=django_forms.RadioSelect,
    )
    is_justified = django_forms.ChoiceField(
        label=gettext_lazy("Is the ask justified?"), choices=YES_NO, widget=django_forms.RadioSelect
    )
    recommended_gpu_hours = IntegerField(
        label=gettext_lazy("Recommended GPU-hours"),
        help_text=gettext_lazy("Counts where all three answers are yes."),
        min_value=0,
        max_value=2_000_000_000,
    )
    comment = django_forms.CharField(
        label=gettext_lazy("Comment to the applicant"),
        help_text=gettext_lazy("Needed where an answer is no: why, and what would have to change."),
        widget=django_forms.Textarea(attrs={"rows": 5}),
        max_length=4000,
        required=False,
    )
    note = django_forms.CharField(
        label=gettext_lazy("Note for the host"),
        help_text=gettext_lazy("The applicant does not see it."),
        widget=django_forms.Textarea(attrs={"rows": 3}),
        max_length=4000,
        required=False,
    )

    def verdict(self) -> dict[str, Any]:
        """Return the answers as the action takes them."""
        answers = dict(self.cleaned_data)
        for name in ("is_fitting", "is_ready", "is_justified"):
            answers[name] = answers[name] == "yes"
        return answers


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
    budget_gpu_hours = IntegerField(
        label=gettext_lazy("Budget, GPU-hours"),
        help_text=gettext_lazy("What the call can grant in all."),
        min_value=1,
        max_value=2_000_000_000,
    )
    package_gpu_hours = IntegerField(
        label=gettext_lazy("Package of one award, GPU-hours"),
        help_text=gettext_lazy("Leave empty for the figure of the mode."),
        min_value=1,
        max_value=10_000_000,
        required=False,
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
    partition = django_forms.CharField(
        label=gettext_lazy("Partition"), max_length=60, required=False
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        modes = queries.shipped_modes().values()
        _choose(
            self,
            "mode",
            [(mode.slug, mode.title.get(language(), mode.title["en"])) for mode in modes],
        )

    def facts(self) -> dict[str, Any]:
        """Return the facts as the action takes them; days begin at midnight of the factory."""
        facts = dict(self.cleaned_data)
        zone = ZoneInfo(settings.UZINA.site.timezone)
        for name in ("opens", "closes"):
            day = facts.pop(f"{name}_on")
            facts[f"{name}_at"] = (
                datetime.combine(day, time(), tzinfo=zone).astimezone(UTC) if day else None
            )
        return facts

    def _field_of(self, path: str) -> str | None:
        return super()._field_of(path.replace("_at", "_on"))
