"""What decides whether an organisation qualifies."""

from typing import Any

from django import forms as django_forms
from django.utils.translation import gettext, gettext_lazy

from uzina.calls.forms.shared import LARGEST, YES_NO, choose, country_choices
from uzina.core.forms import Form, IntegerField
from uzina.people.rules import OrganisationKind


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
        choose(self, "kind", [(one.value, gettext(one.label)) for one in OrganisationKind])
        choose(self, "country", country_choices())
