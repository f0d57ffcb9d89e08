"""Forms of panels, rankings, letters and appeals."""

from typing import Any

from django import forms as django_forms
from django.utils.translation import gettext, gettext_lazy

from uzina.calls.forms.shared import LARGEST, language
from uzina.calls.rules import modes
from uzina.core.forms import DecimalField, Form, IntegerField

RULES = (
    ("strict", gettext_lazy("Nobody overtakes")),
    ("fill", gettext_lazy("What is left is filled")),
)
MOST_LETTER_MIB = 5


class ConsensusForm(Form):
    """What a panel agreed on one application: a score for each criterion, and why."""

    comment = django_forms.CharField(
        label=gettext_lazy("Comment to the applicant"),
        help_text=gettext_lazy("It stands in the letter."),
        widget=django_forms.Textarea(attrs={"rows": 5}),
        max_length=8000,
        required=False,
    )
    note = django_forms.CharField(
        label=gettext_lazy("Note for the record"),
        help_text=gettext_lazy("How the panel came to it. The applicant does not see it."),
        widget=django_forms.Textarea(attrs={"rows": 3}),
        max_length=8000,
        required=False,
    )

    def __init__(self, *args: Any, mode: modes.Mode, **kwargs: Any) -> None:
        self.criteria = mode.scoring.criteria if mode.scoring else ()
        scores: dict[str, django_forms.Field] = {}
        for one in self.criteria:
            assert mode.scoring is not None  # noqa: S101 - it has criteria
            scores[one.key] = DecimalField(
                label=modes.in_language(one.title, language()),
                min_value=mode.scoring.least,
                max_value=mode.scoring.most,
                decimal_places=3,
            )
        self.base_fields = {**scores, **self.base_fields}  # type: ignore[misc]
        super().__init__(*args, **kwargs)

    def agreed(self) -> dict[str, Any]:
        """Return the answers as the action takes them: scores in thousandths."""
        given = self.cleaned_data
        return {
            "scores": {one.key: int(given[one.key] * 1000) for one in self.criteria},
            "comment": given["comment"],
            "note": given["note"],
        }


class ClosePanelForm(Form):
    """Why what was not discussed is ranked by the mean of its reviews."""

    reason = django_forms.CharField(
        label=gettext_lazy("Why the mean of the reviews stands where the panel agreed on nothing"),
        widget=django_forms.Textarea(attrs={"rows": 2}),
        max_length=4000,
        required=False,
    )


class SeatForm(Form):
    """Who sits on which panel of a call."""

    person = django_forms.ChoiceField(label=gettext_lazy("Person"))
    panel = django_forms.ChoiceField(
        label=gettext_lazy("Panel"),
        choices=(
            ("first", gettext_lazy("The panel")),
            ("appeals", gettext_lazy("The second panel, which hears appeals")),
        ),
        widget=django_forms.RadioSelect,
    )
    is_chair = django_forms.BooleanField(label=gettext_lazy("Chairs it"), required=False)


class WhatIfForm(Form):
    """Other capacities, weights and terms, to see what would come out."""

    rule = django_forms.ChoiceField(label=gettext_lazy("Rule"), choices=RULES)
    least_share_percent = IntegerField(
        label=gettext_lazy("Least share of an ask, per cent"), min_value=1, max_value=100
    )
    threshold = DecimalField(
        label=gettext_lazy("Overall threshold"), min_value=0, max_value=100, decimal_places=3
    )

    def __init__(
        self, *args: Any, inputs: dict[str, Any], titles: dict[str, str], **kwargs: Any
    ) -> None:
        initial = {
            "rule": inputs["rule"],
            "least_share_percent": inputs["least_share_percent"],
            "threshold": inputs["threshold_milli"] / 1000,
        }
        numbers: dict[str, django_forms.Field] = {}
        for one in inputs["capacities"]:
            name = f"capacity-{one['code']}"
            numbers[name] = IntegerField(
                label=gettext("GPU-hours of {partition}").format(
                    partition=one["partition"] or gettext("the call")
                ),
                min_value=0,
                max_value=LARGEST // 3_600_000,
            )
            initial[name] = one["gpu_hours"]
        for one in inputs["criteria"]:
            name = f"weight-{one['key']}"
            numbers[name] = IntegerField(
                label=gettext("Weight of “{criterion}”").format(
                    criterion=titles.get(one["key"], one["key"])
                ),
                min_value=1,
                max_value=1000,
            )
            initial[name] = one["weight"]
        self.base_fields = {**numbers, **self.base_fields}  # type: ignore[misc]
        super().__init__(*args, initial=initial, **kwargs)

    def changes(self) -> dict[str, Any]:
        """Return what is other, as rules.ranking.changed takes it."""
        given = self.cleaned_data
        return {
            "capacities": _under(given, "capacity-"),
            "weights": _under(given, "weight-"),
            "rule": given["rule"],
            "least_share_percent": given["least_share_percent"],
            "threshold_milli": int(given["threshold"] * 1000),
        }


def _under(given: dict[str, Any], prefix: str) -> dict[str, int]:
    return {
        name.removeprefix(prefix): value for name, value in given.items() if name.startswith(prefix)
    }


class VerifyForm(Form):
    """The code of a letter, and the letter itself for whoever wants to compare it."""

    code = django_forms.CharField(
        label=gettext_lazy("Code on the letter"),
        help_text=gettext_lazy("Sixteen letters and figures, such as 2AB3-CD4E-FG5H-JK6M."),
        max_length=40,
    )
    letter = django_forms.FileField(
        label=gettext_lazy("The letter as PDF, to compare it"),
        help_text=gettext_lazy("It is compared and not kept."),
        required=False,
    )


class AppealForm(Form):
    """On what grounds."""

    grounds = django_forms.CharField(
        label=gettext_lazy("Your grounds"),
        help_text=gettext_lazy("Which finding is wrong, and what shows it."),
        widget=django_forms.Textarea(attrs={"rows": 10}),
        max_length=8000,
    )


class AppealDecisionForm(Form):
    """What the second panel decides."""

    outcome = django_forms.ChoiceField(
        label=gettext_lazy("Decision"),
        choices=(
            ("uphold", gettext_lazy("Uphold: an award is offered")),
            ("dismiss", gettext_lazy("Dismiss: the decision stands")),
        ),
        widget=django_forms.RadioSelect,
    )
    gpu_hours = IntegerField(
        label=gettext_lazy("GPU-hours, where it is upheld"),
        min_value=1,
        max_value=2_000_000_000,
        required=False,
    )
    text = django_forms.CharField(
        label=gettext_lazy("What was found"),
        help_text=gettext_lazy("It goes to the applicant."),
        widget=django_forms.Textarea(attrs={"rows": 6}),
        max_length=8000,
    )


class FundingForm(Form):
    """Why the factory adds hours for an appeal."""

    reason = django_forms.CharField(label=gettext_lazy("Where the hours come from"), max_length=500)
