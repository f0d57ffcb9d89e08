"""Starting an application."""

from collections.abc import Sequence
from typing import Any

from django import forms as django_forms
from django.utils.translation import gettext_lazy

from uzina.calls.forms.shared import choose
from uzina.core.forms import Form


class StartForm(Form):
    """For which organisation one applies."""

    organisation = django_forms.ChoiceField(
        label=gettext_lazy("For which organisation do you apply?"),
        widget=django_forms.RadioSelect,
    )

    def __init__(self, *args: Any, organisations: Sequence[Any], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choose(self, "organisation", [(one.code, one.name) for one in organisations])
        if len(organisations) == 1:
            self.fields["organisation"].initial = organisations[0].code


class ShareForm(Form):
    """Who else fills in the draft."""

    email = django_forms.EmailField(
        label=gettext_lazy("E-mail address of a colleague"),
        help_text=gettext_lazy("The address with which they signed up here."),
        max_length=254,
    )


class CloneForm(Form):
    """To which call the text goes."""

    call = django_forms.ChoiceField(
        label=gettext_lazy("To which call do you want to apply?"),
        widget=django_forms.RadioSelect,
    )

    def __init__(self, *args: Any, calls: Sequence[Any], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choose(self, "call", [(one.slug, one.title) for one in calls])
