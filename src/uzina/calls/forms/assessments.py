"""The technical assessment."""

from collections.abc import Sequence
from typing import Any

from django import forms as django_forms
from django.utils.translation import gettext_lazy

from uzina.calls.forms.shared import YES_NO, choose
from uzina.core.forms import Form, IntegerField


class AssessmentForm(Form):
    """The three questions of a technical assessment."""

    is_fitting = django_forms.ChoiceField(
        label=gettext_lazy("Does the work fit the system?"),
        help_text=gettext_lazy("Memory, number of GPUs, run time, software."),
        choices=YES_NO,
        widget=django_forms.RadioSelect,
    )
    is_ready = django_forms.ChoiceField(
        label=gettext_lazy("Is the code ready to run?"),
        choices=YES_NO,
        widget=django_forms.RadioSelect,
    )
    is_justified = django_forms.ChoiceField(
        label=gettext_lazy("Is the ask justified?"), choices=YES_NO, widget=django_forms.RadioSelect
    )
    recommended_gpu_hours = IntegerField(
        label=gettext_lazy("Recommended GPU-hours"),
        help_text=gettext_lazy("Counts where all three answers are yes."),
        min_value=0,
        max_value=2_000_000_000,
    )
    recommended_partition = django_forms.ChoiceField(
        label=gettext_lazy("Recommended partition"),
        help_text=gettext_lazy("Another one than was asked, where the work fits better there."),
        required=False,
    )
    comment = django_forms.CharField(
        label=gettext_lazy("Comment to the applicant"),
        help_text=gettext_lazy("Needed where an answer is no: why, and what would have to change."),
        widget=django_forms.Textarea(attrs={"rows": 5}),
        max_length=4000,
        required=False,
    )
    note = django_forms.CharField(
        label=gettext_lazy("Note for the host"),
        help_text=gettext_lazy("The applicant does not see it."),
        widget=django_forms.Textarea(attrs={"rows": 3}),
        max_length=4000,
        required=False,
    )

    def __init__(self, *args: Any, partitions: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if len(partitions) > 1:
            choose(self, "recommended_partition", [(one, one) for one in partitions])
        else:
            del self.fields["recommended_partition"]

    def verdict(self) -> dict[str, Any]:
        """Return the answers as the action takes them."""
        answers = dict(self.cleaned_data)
        for name in ("is_fitting", "is_ready", "is_justified"):
            answers[name] = answers[name] == "yes"
        return answers
