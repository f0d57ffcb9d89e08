"""Portals to be harvested."""

from typing import Any

from django import forms
from django.utils.translation import get_language, gettext_lazy

from uzina.catalogue import queries
from uzina.catalogue.rules.harvest import HOURS, SourceKind
from uzina.core.forms import Form, IntegerField


class SourceForm(Form):
    """What an operator says of another portal."""

    title = forms.CharField(max_length=200, label=gettext_lazy("Name of the portal"))
    url = forms.URLField(
        max_length=1000,
        assume_scheme="https",
        label=gettext_lazy("Address"),
        help_text=gettext_lazy(
            "Of a CKAN portal its front page; of a DCAT catalogue the document, such as "
            "https://data.example.org/catalog.ttl."
        ),
    )
    kind = forms.ChoiceField(
        choices=[(one.value, one.label) for one in SourceKind],
        label=gettext_lazy("What it speaks"),
        widget=forms.RadioSelect,
    )
    every_hours = IntegerField(
        min_value=HOURS[0],
        max_value=HOURS[1],
        initial=24,
        label=gettext_lazy("Harvest it every so many hours"),
    )
    owner = forms.CharField(
        max_length=16,
        label=gettext_lazy("Organisation that answers for it here"),
        help_text=gettext_lazy("Its code, such as ORG-7Q3K2M."),
    )
    licences = forms.MultipleChoiceField(
        required=False,
        label=gettext_lazy("Only data under these licences"),
        help_text=gettext_lazy("None ticked: all data, whatever their licence."),
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        here = get_language() or "en"
        self.fields["licences"].choices = [  # type: ignore[attr-defined]
            (one.slug, one.title(here)) for one in queries.licences()
        ]
