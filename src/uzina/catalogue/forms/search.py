"""What to look for among the datasets."""

from django import forms
from django.utils.translation import gettext_lazy

from uzina.core.forms import Form

SORTS = {
    "relevance": gettext_lazy("Best match first"),
    "newest": gettext_lazy("Newest first"),
    "title": gettext_lazy("By title"),
    "size": gettext_lazy("Largest first"),
}


class SearchForm(Form):
    """Words and an order; what else narrows the list are links."""

    q = forms.CharField(
        max_length=200,
        required=False,
        label=gettext_lazy("Words"),
        widget=forms.TextInput(attrs={"type": "search"}),
        help_text=gettext_lazy(
            "In titles, descriptions, keywords and names, with or without diacritics. Beginnings of "
            "words will do; “in quotation marks” finds whole words."
        ),
    )
    sort = forms.ChoiceField(
        required=False, label=gettext_lazy("Order"), choices=list(SORTS.items())
    )
