"""One section of an application."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from django import forms as django_forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from uzina.calls.forms.shared import YES_NO, country_choices, language
from uzina.calls.rules import sections
from uzina.calls.rules.sections import Field, Section
from uzina.core.forms import DateField, Form, whole_number


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
        added: str = "",
    ) -> None:
        self.section = section
        self.row_counts: dict[str, int] = {}
        initial = _flat(answers or {})
        for field in section.fields:
            if field.kind == "date" and field.name in initial:
                initial[field.name] = date.fromisoformat(initial[field.name])
        super().__init__(data, initial=initial)
        for field in section.fields:
            if field.kind == "rows":
                self._add_rows(field, data, answers or {}, added)
            else:
                self._add(field.name, field, gettext(field.label))
        for name, made in self.fields.items():
            _wear(made, name)

    def _add(self, name: str, field: Field, label: str) -> None:
        self.fields[name] = _control(field, label)

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
        if field.kind == "date":
            return _day([str(self.data.get(f"{name}_{part}", "")) for part in DATE_PARTS])
        if field.kind == "choices":
            sent = self.data.getlist(name) if hasattr(self.data, "getlist") else self.data.get(name)
            return list(sent or [])
        value = self.data.get(name, "")
        if field.kind == "whole" and value:
            try:
                return whole_number(str(value), language=language())
            except ValueError:
                return value
        return value

    def sent_as(self, name: str) -> dict[str, list[str]]:
        """Return what a browser would send of one question, as this form shows it."""
        sent: dict[str, list[str]] = {}
        if name in self.row_counts:
            sent[f"{name}-rows"] = [str(self.row_counts[name])]
        for key, value in self.initial.items():
            if key != name and not key.startswith(f"{name}."):
                continue
            if isinstance(self.fields[key], DateField):
                sent |= {f"{key}_{part}": [str(getattr(value, part))] for part in DATE_PARTS}
            else:
                sent[key] = value if isinstance(value, list) else [value]
        return sent

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


DATE_PARTS = ("day", "month", "year")


def _day(typed: list[str]) -> str:
    """Return three parts as a date for the rules; what is no date as it was typed."""
    if not any(part.strip() for part in typed):
        return ""
    try:
        return str(DateField(required=False).clean(typed))
    except ValidationError:
        return " ".join(typed)


def _wear(field: django_forms.Field, name: str) -> None:
    bare = (
        django_forms.CheckboxInput,
        django_forms.RadioSelect,
        django_forms.CheckboxSelectMultiple,
        django_forms.MultiWidget,
    )
    if not isinstance(field.widget, bare):
        field.widget.attrs.setdefault("class", "input")
    field.widget.attrs.setdefault("id", f"id_{name.replace('.', '_')}")


MOST_RADIOS = 7


def _control(field: Field, label: str) -> django_forms.Field:
    common: dict[str, Any] = {
        "label": label,
        "help_text": gettext(field.hint) if field.hint else "",
        "required": bool(field.missing) and not field.needed_where,
    }
    if field.allowed:
        choices = [(str(number), str(number)) for number in field.allowed]
        return django_forms.ChoiceField(choices=choices, widget=django_forms.RadioSelect, **common)
    choices = [(value, gettext(words)) for value, words in field.choices]
    match field.kind:
        case "tick":
            return django_forms.BooleanField(**common)
        case "terms":
            version = field.choices[0][0] if field.choices else "on"
            return django_forms.BooleanField(widget=_Accepts(version), **common)
        case "yes_no":
            return django_forms.ChoiceField(
                choices=YES_NO, widget=django_forms.RadioSelect, **common
            )
        case "choice" if len(choices) > MOST_RADIOS:
            return django_forms.ChoiceField(choices=[("", gettext("Choose")), *choices], **common)
        case "choice":
            return django_forms.ChoiceField(
                choices=choices, widget=django_forms.RadioSelect, **common
            )
        case "choices":
            return django_forms.MultipleChoiceField(
                choices=choices, widget=django_forms.CheckboxSelectMultiple, **common
            )
        case "country":
            return django_forms.ChoiceField(choices=country_choices(), **common)
        case _:
            return _typed_control(field, common)


def _typed_control(field: Field, common: dict[str, Any]) -> django_forms.Field:
    match field.kind:
        case "date":
            return DateField(**common)
        case "text":
            return django_forms.CharField(widget=django_forms.Textarea(attrs={"rows": 5}), **common)
        case "whole":
            width = "4" if field.most <= 100 else "20"
            widget = django_forms.TextInput(attrs={"inputmode": "numeric", "data-width": width})
            return django_forms.CharField(widget=widget, **common)
        case "email":
            return django_forms.CharField(
                widget=django_forms.EmailInput(attrs={"autocomplete": "email"}), **common
            )
        case "url":
            return django_forms.CharField(widget=django_forms.URLInput(), **common)
        case "phone":
            return django_forms.CharField(
                widget=django_forms.TextInput(attrs={"type": "tel", "data-width": "20"}), **common
            )
        case _:
            return django_forms.CharField(**common)


class _Accepts(django_forms.CheckboxInput):
    """A box whose value is the version that is accepted; ticked where that one was accepted."""

    def __init__(self, version: str) -> None:
        super().__init__({"value": version}, lambda value: value in {version, "yes", True})

    def format_value(self, value: Any) -> None:
        """Return nothing: the value is among the attributes."""
        del value


def _flat(answers: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in answers.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            for number, row in enumerate(value):
                flat |= {f"{name}.{number}.{key}": _typed(one) for key, one in row.items()}
        else:
            flat[name] = _typed(value)
    return flat


def _typed(value: Any) -> Any:
    if isinstance(value, list):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
