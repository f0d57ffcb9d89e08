"""What an operator types to correct an allocation."""

from decimal import Decimal
from typing import Any

from django import forms as django_forms
from django.utils.crypto import get_random_string
from django.utils.translation import gettext_lazy

from uzina.core.forms import DecimalField, Form
from uzina.ledger import rules

SMALLEST_HOURS = Decimal("0.0001")
"""360 GPU-milliseconds: with four decimals any GPU-hours are whole GPU-milliseconds."""

LARGEST_HOURS = Decimal(rules.LARGEST // rules.GPU_MS_PER_HOUR)


class ReasonForm(Form):
    """A correction that says why. The key, made with the form, lets it count once."""

    reason = django_forms.CharField(
        label=gettext_lazy("Why"),
        help_text=gettext_lazy("The people of the project read it on their statement."),
        max_length=rules.REASON_LONGEST,
        widget=django_forms.Textarea(attrs={"rows": 3}),
    )
    key = django_forms.CharField(max_length=40, widget=django_forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["key"].initial = lambda: get_random_string(24)


class AmountForm(ReasonForm):
    """A correction of so many GPU-hours."""

    amount = DecimalField(
        label=gettext_lazy("GPU-hours"),
        help_text=gettext_lazy("With up to four decimals."),
        min_value=SMALLEST_HOURS,
        max_value=LARGEST_HOURS,
        decimal_places=4,
    )
    field_order = ["amount", "reason", "key"]

    def clean_amount(self) -> int:
        """Return the amount in GPU-milliseconds."""
        return int(self.cleaned_data["amount"] * rules.GPU_MS_PER_HOUR)
