"""What is said of a version."""

from django import forms
from django.utils.translation import gettext, gettext_lazy

from uzina.catalogue.rules.spaces import PurgeBasis
from uzina.core.forms import Form

LONGEST_REASON = 2000


class PurgeForm(Form):
    """On which basis the files of a version are given up, and why."""

    basis = forms.ChoiceField(
        label=gettext_lazy("On which basis are the files deleted?"), widget=forms.RadioSelect
    )
    reason = forms.CharField(
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 3}),
        label=gettext_lazy("Why?"),
        help_text=gettext_lazy("Kept with the version for good, in place of its files."),
    )
    is_sure = forms.BooleanField(
        label=gettext_lazy("I know that nobody can bring these files back"),
        error_messages={"required": gettext_lazy("Tick this to delete the files.")},
    )

    def __init__(self, data: object = None) -> None:
        super().__init__(data)
        self.fields["basis"].choices = [  # type: ignore[attr-defined]
            (str(one), gettext(one.label)) for one in PurgeBasis
        ]
