"""The controls of what a steward says of a dataset, and what is typed in them."""

import re
from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import get_language, gettext, gettext_lazy

from uzina.catalogue import queries, rules
from uzina.catalogue.rules.stewardship import Question
from uzina.core.forms import DateField

YES_NO = (("yes", gettext_lazy("Yes")), ("no", gettext_lazy("No")))


def here() -> str:
    """Return the language at hand, two letters."""
    return (get_language() or "en").partition("-")[0]


def labels(table: str, *, is_sorted: bool = True) -> list[tuple[str, str]]:
    """Return the terms of a table to choose from."""
    found = [(one.code, one.label(here())) for one in rules.terms(table).values()]
    return sorted(found, key=lambda one: rules.folded(one[1])) if is_sorted else found


def coded(text: str, table: str) -> list[str]:
    """Return the codes of what was typed, commas or lines between; what is unknown as it is.

    Codes and the names in every language of the portal are understood, in any case.
    """
    known = {
        rules.folded(name): one.code
        for one in rules.terms(table).values()
        for name in (one.code, one.en, one.ro)
    }
    return [known.get(rules.folded(one), one) for one in listed(text)]


def listed(text: str) -> list[str]:
    """Return what stands between commas, semicolons or line ends."""
    return [one.strip() for one in re.split(r"[,;\n]", text) if one.strip()]


def named(codes: Iterable[str], table: str) -> str:
    """Return codes as the names a person reads, commas between."""
    known = rules.terms(table)
    return ", ".join(known[code].label(here()) if code in known else code for code in codes)


def area(rows: int) -> forms.Textarea:
    """Return a control for a text of several lines."""
    return forms.Textarea(attrs={"rows": rows})


def language_field() -> forms.Field:
    """Ask for the main language."""
    return forms.ChoiceField(
        label=gettext("Main language"),
        help_text=gettext("The language most of the data are in. The title is in it, too."),
        choices=[("", ""), *labels("language")],
    )


def more_languages_field() -> forms.Field:
    """Ask for the other languages."""
    return forms.CharField(
        label=gettext("Other languages"),
        help_text=gettext("Names or codes, with commas between: English, German, uk."),
        required=False,
    )


def licence_field() -> forms.Field:
    """Ask for the licence."""
    return forms.ChoiceField(
        label=gettext("Licence"),
        help_text=gettext(
            "Under which terms others may use the data. Each is told in plain words in the list "
            "of licences."
        ),
        choices=[("", ""), *((one.slug, one.title(here())) for one in queries.licences())],
    )


def text_fields() -> dict[str, forms.Field]:
    """Ask for title and description."""
    return {
        "title": forms.CharField(
            label=gettext("Title"),
            help_text=gettext("What the data are, in one line: “Court decisions of 2020 to 2025”."),
        ),
        "description": forms.CharField(
            label=gettext("Description"),
            help_text=gettext(
                "What is in it, how much, for what it was made, and what one should know first."
            ),
            widget=area(8),
        ),
    }


def contact_fields() -> dict[str, forms.Field]:
    """Ask whom to ask about the data."""
    return {
        "contact_name": forms.CharField(
            label=gettext("Whom to ask"),
            help_text=gettext("An office rather than a person: it stays when people change."),
            required=False,
        ),
        "contact_email": forms.CharField(
            label=gettext("E-mail address for questions"),
            help_text=gettext("Everybody sees it once the data are published."),
            widget=forms.EmailInput(),
        ),
    }


def coverage_fields() -> dict[str, forms.Field]:
    """Ask for places, period, renewal and a page elsewhere."""
    return {
        "places": forms.CharField(
            label=gettext("Countries the data speak of"),
            help_text=gettext("Names or codes, with commas between: Romania, MDA."),
            required=False,
        ),
        "begins_on": DateField(label=gettext("First day the data speak of"), required=False),
        "ends_on": DateField(label=gettext("Last day the data speak of"), required=False),
        "frequency": forms.ChoiceField(
            label=gettext("How often they are renewed"),
            choices=[("", ""), *labels("frequency", is_sorted=False)],
            required=False,
        ),
        "landing_url": forms.CharField(
            label=gettext("Page about the data elsewhere"),
            help_text=gettext("A web address, where the holder has one."),
            widget=forms.URLInput(),
            required=False,
        ),
    }


def question_field(question: Question) -> forms.Field:
    """Ask one of the steward's questions."""
    common: dict[str, Any] = {
        "label": question.label(here()),
        "help_text": question.hint(here()),
        "required": question.is_needed,
    }
    options = [(one.code, one.label(here())) for one in question.options]
    match question.kind:
        case "choice":
            return forms.ChoiceField(choices=options, widget=forms.RadioSelect, **common)
        case "choices":
            return forms.MultipleChoiceField(
                choices=options, widget=forms.CheckboxSelectMultiple, **common
            )
        case "yes_no":
            return forms.ChoiceField(choices=YES_NO, widget=forms.RadioSelect, **common)
        case "date":
            return DateField(**common)
        case _:
            is_short = question.longest <= rules.LONGEST_TITLE
            return forms.CharField(widget=forms.TextInput() if is_short else area(4), **common)


def theme_fields() -> dict[str, forms.Field]:
    """Ask for themes and keywords."""
    return {
        "themes": forms.MultipleChoiceField(
            label=gettext("Themes"),
            help_text=gettext("What they are about, in the words all portals of the Union share."),
            choices=labels("data-theme"),
            widget=forms.CheckboxSelectMultiple,
            required=False,
        ),
        "keywords": forms.CharField(
            label=gettext("Keywords"),
            help_text=gettext("Words people would search for, with commas between."),
            required=False,
        ),
    }


def translation_row() -> dict[str, forms.Field]:
    """Ask for title and description in another language."""
    return {
        "language": forms.ChoiceField(
            label=gettext("Language"), choices=[("", ""), *labels("language")], required=False
        ),
        "title": forms.CharField(label=gettext("Title in this language"), required=False),
        "description": forms.CharField(
            label=gettext("Description in this language"), widget=area(6), required=False
        ),
    }


def creator_row() -> dict[str, forms.Field]:
    """Ask for one creator."""
    return {
        "name": forms.CharField(
            label=gettext("Name of a person or an organisation"), required=False
        ),
        "url": forms.CharField(
            label=gettext("Web address, such as an ORCID"),
            widget=forms.URLInput(),
            required=False,
        ),
    }


def access_fields() -> dict[str, forms.Field]:
    """Ask who may have the files."""
    words = {
        "public": gettext("Public: everybody may have the files"),
        "restricted": gettext(
            "Restricted: everybody reads what they are, who is granted access has the files"
        ),
        "non_public": gettext(
            "Not public: everybody reads what they are, nobody is given the files"
        ),
    }
    return {
        "access_right": forms.ChoiceField(
            label=gettext("Who may have the files?"),
            choices=[(one.value, words[one.value]) for one in rules.AccessRight],
            widget=forms.RadioSelect,
        )
    }
