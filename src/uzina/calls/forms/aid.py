"""State aid that an undertaking declares."""

from decimal import ROUND_HALF_UP

from django import forms as django_forms
from django.utils.translation import gettext_lazy

from uzina.calls import queries
from uzina.calls.forms.shared import choose, language
from uzina.calls.rules.aid import BASIS_LABELS
from uzina.core.forms import DateField, DecimalField, Form


class AidForm(Form):
    """What an undertaking got elsewhere."""

    title = django_forms.CharField(label=gettext_lazy("Who gave it, and what for"), max_length=200)
    member_state = django_forms.ChoiceField(
        label=gettext_lazy("Member State that gave it"), choices=()
    )
    basis = django_forms.ChoiceField(
        label=gettext_lazy("Basis"),
        choices=[(basis, gettext_lazy(BASIS_LABELS[basis])) for basis in ("de_minimis", "gber_28")],
    )
    granted_on = DateField(
        label=gettext_lazy("Granted on"),
        help_text=gettext_lazy("The day on which the right to it arose, not of the payment."),
    )
    value_eur = DecimalField(
        label=gettext_lazy("Value, euro"), min_value=0, max_digits=13, decimal_places=2
    )
    aid_eur = DecimalField(
        label=gettext_lazy("Of which aid, euro"), min_value=0, max_digits=13, decimal_places=2
    )

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        names = queries.country_names(language())
        codes = queries.country_groups()["eu"]
        choose(self, "member_state", [one for one in names.items() if one[0] in codes])

    def cents(self, name: str) -> int:
        """Return a sum in cents."""
        return int((self.cleaned_data[name] * 100).quantize(1, rounding=ROUND_HALF_UP))
