"""What people type about themselves."""

from django import forms as django_forms
from django.utils.translation import get_language, gettext_lazy

from uzina.core.forms import Form, IntegerField
from uzina.people import actions


class SignInForm(Form):
    """Address and password."""

    email = django_forms.EmailField(
        label=gettext_lazy("E-mail address"),
        max_length=254,
        widget=django_forms.EmailInput(attrs={"autocomplete": "username", "data-width": "20"}),
    )
    password = django_forms.CharField(
        label=gettext_lazy("Password"),
        max_length=1000,
        strip=False,
        widget=django_forms.PasswordInput(
            attrs={"autocomplete": "current-password", "data-width": "20"}
        ),
    )


class PersonForm(Form):
    """Somebody new."""

    name = django_forms.CharField(
        label=gettext_lazy("Your name"),
        max_length=150,
        widget=django_forms.TextInput(attrs={"autocomplete": "name"}),
    )
    email = django_forms.EmailField(
        label=gettext_lazy("E-mail address"),
        help_text=gettext_lazy("You sign in with it, and decisions are sent there."),
        max_length=254,
        widget=django_forms.EmailInput(attrs={"autocomplete": "username"}),
    )
    password = django_forms.CharField(
        label=gettext_lazy("Password"),
        help_text=gettext_lazy("At least 10 characters. Three unrelated words do well."),
        max_length=1000,
        strip=False,
        widget=django_forms.PasswordInput(
            attrs={"autocomplete": "new-password", "data-width": "20"}
        ),
    )


class NameForm(Form):
    """What a person may change about themselves."""

    language = django_forms.ChoiceField(
        label=gettext_lazy("Language of pages and mail"),
        widget=django_forms.RadioSelect,
        choices=[("en", "English"), ("ro", "Română")],
    )


class TokenForm(Form):
    """A key for a program."""

    name = django_forms.CharField(
        label=gettext_lazy("What the token is for"),
        help_text=gettext_lazy("A name you will know again, such as “laptop” or “nightly jobs”."),
        max_length=100,
    )
    days = IntegerField(
        label=gettext_lazy("Valid for how many days"),
        help_text=gettext_lazy("From 1 to 366."),
        min_value=1,
        max_value=actions.TOKEN_LONGEST.days,
        initial=30,
        widget=django_forms.TextInput(attrs={"inputmode": "numeric", "data-width": "4"}),
    )


def current_language() -> str:
    """Return the language of the page, for somebody new."""
    return (get_language() or "en").partition("-")[0]
