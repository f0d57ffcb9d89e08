"""What a reviewer knows and whom they know, as people type it."""

import re
from collections.abc import Iterable
from datetime import date
from typing import Any

from django import forms as django_forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext, gettext_lazy

from uzina.calls import actions, queries
from uzina.calls.forms.shared import language
from uzina.calls.models import Reviewer
from uzina.calls.rules import modes
from uzina.calls.rules.topics import LANGUAGES
from uzina.core.forms import Form, IntegerField

NAMES = {
    "en": gettext_lazy("English"),
    "ro": gettext_lazy("Romanian"),
    "de": gettext_lazy("German"),
    "fr": gettext_lazy("French"),
    "it": gettext_lazy("Italian"),
    "es": gettext_lazy("Spanish"),
    "pt": gettext_lazy("Portuguese"),
    "pl": gettext_lazy("Polish"),
    "hu": gettext_lazy("Hungarian"),
    "bg": gettext_lazy("Bulgarian"),
    "el": gettext_lazy("Greek"),
    "nl": gettext_lazy("Dutch"),
    "cs": gettext_lazy("Czech"),
    "sv": gettext_lazy("Swedish"),
}


class ProfileForm(Form):
    """Topics, languages, load, and everybody one must not judge."""

    topics = django_forms.MultipleChoiceField(
        label=gettext_lazy("Topics you know well"), widget=django_forms.CheckboxSelectMultiple
    )
    languages = django_forms.MultipleChoiceField(
        label=gettext_lazy("Languages in which you read applications"),
        choices=[(code, NAMES[code]) for code in LANGUAGES],
        widget=django_forms.CheckboxSelectMultiple,
    )
    most = IntegerField(
        label=gettext_lazy("Reviews you take at a time"),
        min_value=1,
        max_value=100,
        initial=10,
    )
    orcid = django_forms.CharField(
        label=gettext_lazy("Your ORCID iD"),
        help_text=gettext_lazy("For instance, 0000-0002-1825-0097"),
        max_length=60,
        required=False,
    )
    past = django_forms.CharField(
        label=gettext_lazy("Organisations you belong to or belonged to in the last years"),
        help_text=gettext_lazy(
            "One a line; after a semicolon the last day there, as 2025-06-30. Without a day: you "
            "are still there."
        ),
        widget=django_forms.Textarea(attrs={"rows": 4}),
        max_length=20_000,
        required=False,
    )
    co_authors = django_forms.CharField(
        label=gettext_lazy("People you published or worked with in the last years"),
        help_text=gettext_lazy("One a line; after a semicolon the ORCID iD, if you know it."),
        widget=django_forms.Textarea(attrs={"rows": 6}),
        max_length=20_000,
        required=False,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["topics"]
        if isinstance(field, django_forms.MultipleChoiceField):
            field.choices = [
                (slug, modes.in_language(topic.title, language()))
                for slug, topic in queries.topics().items()
            ]

    def clean_past(self) -> list[actions.Past]:
        """Return the organisations, line by line."""
        return [_past(parts) for parts in _lines(self.cleaned_data["past"])]

    def clean_co_authors(self) -> list[actions.CoAuthor]:
        """Return the people, line by line."""
        return [
            actions.CoAuthor(name=parts[0], orcid=parts[1] if len(parts) > 1 else "")
            for parts in _lines(self.cleaned_data["co_authors"])
        ]

    def profile(self) -> actions.Profile:
        """Return what was typed, as the action takes it."""
        return actions.Profile(**self.cleaned_data)


class NewReviewerForm(ProfileForm):
    """Whom to make a reviewer, by their address."""

    email = django_forms.EmailField(
        label=gettext_lazy("E-mail address"),
        help_text=gettext_lazy("Of somebody who has registered on this portal."),
    )
    field_order = ("email",)

    def profile(self) -> actions.Profile:
        """Return what was typed besides the address."""
        given = {name: value for name, value in self.cleaned_data.items() if name != "email"}
        return actions.Profile(**given)


def profile_initial(reviewer: Reviewer) -> dict[str, Any]:
    """Return a kept profile as the form shows it."""
    return {
        "topics": reviewer.topics,
        "languages": reviewer.languages,
        "most": reviewer.most,
        "orcid": reviewer.orcid,
        "past": _typed(reviewer.past_organisations, ("name", "code", "until")),
        "co_authors": _typed(reviewer.co_authors, ("name", "orcid")),
    }


def _typed(rows: Iterable[dict[str, str]], names: tuple[str, ...]) -> str:
    return "\n".join("; ".join(row[name] for name in names if row.get(name)) for row in rows)


def _lines(text: str) -> Iterable[list[str]]:
    for line in text.splitlines():
        parts = [part.strip()[:200] for part in line.split(";") if part.strip()]
        if parts:
            yield parts


def _past(parts: list[str]) -> actions.Past:
    name, code, until = parts[0], "", None
    for part in parts[1:]:
        if re.fullmatch(r"ORG-[0-9A-Z]+", part):
            code = part
            continue
        try:
            until = date.fromisoformat(part)
        except ValueError:
            raise ValidationError(
                gettext("“{text}” is no day. Write it as 2025-06-30.").format(text=part)
            ) from None
    return actions.Past(name=name, code=code, until=until)
