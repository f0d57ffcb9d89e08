"""Writing a version of an access mode."""

from django import forms as django_forms
from django.utils.translation import gettext_lazy

from uzina.core.errors import Invalid, Refused
from uzina.core.forms import Form
from uzina.core.http import told


class ModeForm(Form):
    """The text of a mode, and why it changes."""

    text = django_forms.CharField(
        label=gettext_lazy("The mode as TOML"),
        help_text=gettext_lazy(
            "Give it a version and a valid_from of its own. Each figure has its source under"
            " [sources]."
        ),
        widget=django_forms.Textarea(
            attrs={"rows": 40, "class": "input code", "spellcheck": "false"}
        ),
        strip=False,
    )
    reason = django_forms.CharField(
        label=gettext_lazy("Why it changes"),
        widget=django_forms.Textarea(attrs={"rows": 3}),
        max_length=500,
    )

    def add_refusal(self, refused: Refused) -> None:
        """Say each mistake of the text with its path, all of them beside the text."""
        if not isinstance(refused, Invalid):
            super().add_refusal(refused)
            return
        self.is_valid()
        for problem in refused.problems:
            if problem.field in self.fields:
                self.add_error(problem.field, told(problem))
            else:
                self.add_error("text", f"{problem.field}: {told(problem)}")
