"""What is said of a dataset."""

from django import forms
from django.utils.translation import gettext_lazy

from uzina.catalogue import rules
from uzina.core.forms import Form


class WithdrawForm(Form):
    """Why a dataset is withdrawn."""

    reason = forms.CharField(
        max_length=rules.LONGEST_NOTE,
        widget=forms.Textarea(attrs={"rows": 3}),
        label=gettext_lazy("Why is it withdrawn?"),
        help_text=gettext_lazy("Kept in the log. What was made of the data keeps its lineage."),
    )
