"""Participants of a data space."""

from typing import Any

from babel import Locale
from django import forms
from django.utils.translation import get_language, gettext, gettext_lazy

from uzina.catalogue.rules import odrl
from uzina.catalogue.rules.search import index_of
from uzina.core.forms import Form
from uzina.people.rules import OrganisationKind

NO_COUNTRIES = {"EU", "EZ", "QO", "UN", "XA", "XB", "ZZ"}
"""What the list of names has beside countries: unions, places nobody lives in, tests."""


class ParticipantForm(Form):
    """What an operator says of a participant."""

    name = forms.CharField(max_length=200, label=gettext_lazy("Name of the organisation"))
    participant_id = forms.CharField(
        max_length=200,
        label=gettext_lazy("Its name in the data space"),
        help_text=gettext_lazy("Such as did:web:example.org. Its messages carry it."),
    )
    kind = forms.ChoiceField(
        label=gettext_lazy("What it is"),
        help_text=gettext_lazy("Policies may let in only some kinds of organisations."),
    )
    country = forms.ChoiceField(label=gettext_lazy("Country"))
    callback_base = forms.URLField(
        max_length=300,
        assume_scheme="https",
        label=gettext_lazy("Where our messages to it go"),
        help_text=gettext_lazy(
            "The web address its callbacks begin with, such as https://connector.example.org/dsp."
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kinds = {str(one): gettext(one.label) for one in OrganisationKind}
        self.fields["kind"].choices = [  # type: ignore[attr-defined]
            ("", ""),
            *((one, kinds[one]) for one in kinds if one in odrl.ORGANISATION_KINDS),
        ]
        self.fields["country"].choices = [("", ""), *_countries()]  # type: ignore[attr-defined]


def _countries() -> list[tuple[str, str]]:
    names = Locale(get_language() or "en").territories
    rows = [(code, name) for code, name in names.items() if code.isalpha() and len(code) == 2]
    return sorted(
        (one for one in rows if one[0] not in NO_COUNTRIES), key=lambda one: index_of(one[1])
    )
