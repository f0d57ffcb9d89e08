"""The estimator's question as people type it."""

from typing import Any

from django import forms as django_forms
from django.utils.translation import gettext, gettext_lazy

from uzina.core.forms import DecimalField, Form, IntegerField
from uzina.sizing import queries, rules

WIDE = {"inputmode": "numeric", "data-width": "20"}


class EstimateForm(Form):
    """What someone wants to train, on what."""

    method = django_forms.ChoiceField(
        label=gettext_lazy("What do you want to do?"),
    )
    parameters = IntegerField(
        label=gettext_lazy("Size of the model, parameters"),
        help_text=gettext_lazy("In figures: 7 000 000 000 for a 7B model."),
        min_value=1,
        max_value=rules.LARGEST_PARAMETERS,
        widget=django_forms.TextInput(attrs=WIDE),
    )
    tokens = IntegerField(
        label=gettext_lazy("Training tokens, all epochs together"),
        help_text=gettext_lazy("If you do not know: 20 for each parameter is a good start."),
        min_value=1,
        max_value=rules.LARGEST_TOKENS,
        widget=django_forms.TextInput(attrs=WIDE),
    )
    device = django_forms.ChoiceField(label=gettext_lazy("On which device?"))
    devices = IntegerField(
        label=gettext_lazy("On how many devices at once?"),
        min_value=1,
        max_value=rules.LARGEST_DEVICES,
        initial=1,
    )
    architecture = django_forms.ChoiceField(
        label=gettext_lazy("Kind of model"), widget=django_forms.RadioSelect
    )
    active_parameters = IntegerField(
        label=gettext_lazy("Active parameters for each token"),
        help_text=gettext_lazy("Only for a mixture of experts."),
        min_value=1,
        max_value=rules.LARGEST_PARAMETERS,
        required=False,
        widget=django_forms.TextInput(attrs=WIDE),
    )
    precision = django_forms.ChoiceField(
        label=gettext_lazy("Number format"), widget=django_forms.RadioSelect
    )
    context_length = IntegerField(
        label=gettext_lazy("Context length, tokens"),
        min_value=1,
        max_value=10_000_000,
        required=False,
    )
    pue = DecimalField(
        label=gettext_lazy("Power usage effectiveness (PUE) of the site"),
        help_text=gettext_lazy("Leave empty to count the devices alone."),
        min_value=1,
        max_value=5,
        required=False,
    )
    grams_per_kwh = DecimalField(
        label=gettext_lazy("CO2 of the site's electricity, grams for each kWh"),
        min_value=0,
        max_value=5000,
        required=False,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = {
            "method": [(one.value, gettext(label)) for one, label in rules.METHOD_LABELS.items()],
            "device": rules.device_choices(list(queries.devices().values())),
            "architecture": [
                (one.value, gettext(label)) for one, label in rules.ARCHITECTURE_LABELS.items()
            ],
            "precision": [
                (one.value, gettext(label)) for one, label in rules.PRECISION_LABELS.items()
            ],
        }
        for name, rows in choices.items():
            field = self.fields[name]
            if isinstance(field, django_forms.ChoiceField):
                field.choices = rows

    def question(self) -> rules.Question:
        """Return the question as the rules take it."""
        typed = self.cleaned_data
        return rules.Question(
            parameters=typed["parameters"],
            tokens=typed["tokens"],
            method=rules.Method(typed["method"]),
            architecture=rules.Architecture(typed["architecture"]),
            active_parameters=typed["active_parameters"],
            precision=rules.Precision(typed["precision"]),
            context_length=typed["context_length"],
        )
