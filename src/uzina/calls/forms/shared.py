"""What several forms need."""

from collections.abc import Iterable

from django import forms as django_forms
from django.utils.translation import get_language, gettext, gettext_lazy

from uzina.calls import queries
from uzina.calls.rules.sections import ELSEWHERE
from uzina.core.forms import Form

YES_NO = (("yes", gettext_lazy("Yes")), ("no", gettext_lazy("No")))

LARGEST = 2**63 - 1


def language() -> str:
    """Return the language of the reader, two letters."""
    return (get_language() or "en")[:2]


def country_choices() -> list[tuple[str, str]]:
    """Return the countries to choose from, the last one for those not in the list."""
    return [
        ("", gettext("Choose a country")),
        *queries.country_names(language()).items(),
        (ELSEWHERE, gettext("A country that is not in this list")),
    ]


def choose(form: Form, name: str, choices: Iterable[tuple[str, str]]) -> None:
    """Give a field its choices."""
    field = form.fields[name]
    if isinstance(field, django_forms.ChoiceField):
        field.choices = list(choices)
