"""What people add to a report."""

from collections.abc import Mapping
from typing import Any

from django import forms as django_forms
from django.utils.translation import gettext_lazy

from uzina.core.forms import Form
from uzina.programme.rules import use
from uzina.programme.rules.reports import FIELDS, LONGEST


class ReportForm(Form):
    """The questions of a report. Nothing is needed to save; handing in asks for what is missing."""

    def __init__(self, *args: Any, answers: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, initial=dict(answers or {}), **kwargs)
        for field in FIELDS:
            self.fields[field.name] = django_forms.CharField(
                label=gettext_lazy(field.label),
                help_text=gettext_lazy(field.hint),
                widget=django_forms.Textarea(attrs={"rows": 6, "class": "input"}),
                max_length=LONGEST,
                required=False,
            )

    def answers(self) -> dict[str, str]:
        """Return the answers as they were sent."""
        return {field.name: str(self.data.get(field.name, "")) for field in FIELDS}


class AnswerForm(Form):
    """Why hours were not used."""

    answer = django_forms.CharField(
        label=gettext_lazy("Why hours were not used"),
        widget=django_forms.Textarea(attrs={"rows": 5}),
        max_length=use.LONGEST_ANSWER,
    )


class DecisionForm(Form):
    """What has to change in a report that is sent back."""

    reason = django_forms.CharField(
        label=gettext_lazy("What has to change"),
        help_text=gettext_lazy("Needed where you send it back."),
        widget=django_forms.Textarea(attrs={"rows": 4}),
        max_length=500,
        required=False,
    )
