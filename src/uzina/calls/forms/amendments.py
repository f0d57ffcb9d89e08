"""Changes of an award."""

from typing import Any

from django import forms as django_forms
from django.utils.translation import gettext, gettext_lazy

from uzina.calls.rules.amendments import LONGEST_REASON, MOST_HOURS, AmendmentKind
from uzina.core.forms import Form, IntegerField

K = AmendmentKind


class ReasonForm(Form):
    """Why."""

    reason = django_forms.CharField(
        label=gettext_lazy("Reason"),
        help_text=gettext_lazy("The people of the project read it."),
        widget=django_forms.Textarea(attrs={"rows": 4}),
        max_length=LONGEST_REASON,
    )


class AmendmentForm(ReasonForm):
    """What is to change, for one kind of change, and why."""

    def __init__(
        self,
        kind: AmendmentKind,
        *args: Any,
        members: list[tuple[str, str]],
        organisations: list[tuple[str, str]],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        field: django_forms.Field | None = None
        match kind:
            case K.EXTENSION:
                name = "months"
                field = IntegerField(label=gettext("Months"), min_value=1, max_value=60)
            case K.TOP_UP | K.REDUCTION:
                name = "gpu_hours"
                field = IntegerField(label=gettext("GPU-hours"), min_value=1, max_value=MOST_HOURS)
            case K.TRANSFER:
                name = "organisation"
                field = django_forms.ChoiceField(
                    label=gettext("Organisation"),
                    help_text=gettext("One that a member of the project belongs to."),
                    choices=organisations,
                )
            case K.CHANGE_OF_LEAD:
                name = "lead"
                field = django_forms.ChoiceField(
                    label=gettext("New lead"),
                    help_text=gettext("A member of the project."),
                    choices=members,
                )
        if field is not None:
            self.fields = {name: field, **self.fields}
            if not isinstance(field.widget, django_forms.Select):
                return
            field.widget.attrs.setdefault("class", "input")

    def facts(self) -> dict[str, Any]:
        """Return what is asked, as the action takes it."""
        return {name: value for name, value in self.cleaned_data.items() if name != "reason"}
