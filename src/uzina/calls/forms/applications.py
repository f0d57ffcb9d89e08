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
