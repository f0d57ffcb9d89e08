"""What to look for among the datasets."""

from typing import Any

from django import forms
from django.utils.translation import get_language, gettext_lazy

from uzina.catalogue import queries, rules
from uzina.core.forms import Form


class SearchForm(Form):
    """What to look for among the datasets."""

    q = forms.CharField(max_length=200, required=False, label=gettext_lazy("Words"))
    language = forms.ChoiceField(required=False, label=gettext_lazy("Language"))
    licence = forms.ChoiceField(required=False, label=gettext_lazy("Licence"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        here = get_language() or "en"
        names = zip(
            rules.LANGUAGES, queries.language_names(list(rules.LANGUAGES), here), strict=True
        )
        anything = ("", gettext_lazy("Any"))
        self.fields["language"].choices = [  # type: ignore[attr-defined]
            anything,
            *sorted(names, key=lambda one: rules.folded(one[1])),
        ]
        self.fields["licence"].choices = [  # type: ignore[attr-defined]
            anything,
            *((one.slug, one.title(here)) for one in queries.licences()),
        ]
