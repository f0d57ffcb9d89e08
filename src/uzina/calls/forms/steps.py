"""What people who judge say while an application is on its way, and what applicants answer."""

from collections.abc import Sequence
from typing import Any

from django import forms as django_forms
from django.utils.translation import gettext, gettext_lazy

from uzina.calls.forms.shared import choose
from uzina.calls.rules.checks import LONGEST_REASON, LONGEST_TEXT
from uzina.core.forms import Form


class QuestionForm(Form):
    """A question to the applicant."""

    text = django_forms.CharField(
        label=gettext_lazy("Your question to the applicant"),
        help_text=gettext_lazy("The clock stands still until there is an answer."),
        widget=django_forms.Textarea(attrs={"rows": 4}),
        max_length=LONGEST_TEXT,
    )


class AnswerForm(Form):
    """The applicant's answer."""

    text = django_forms.CharField(
        label=gettext_lazy("Your reply to the question"),
        widget=django_forms.Textarea(attrs={"rows": 8}),
        max_length=LONGEST_TEXT,
    )


class RejectForm(Form):
    """Why an application is declined in a check of form."""

    reason = django_forms.CharField(
        label=gettext_lazy("Why it is declined"),
        help_text=gettext_lazy("The applicant reads it."),
        widget=django_forms.Textarea(attrs={"rows": 3}),
        max_length=LONGEST_REASON,
    )


class ExemptForm(Form):
    """Which rule is let pass, and why."""

    rule = django_forms.ChoiceField(
        label=gettext_lazy("The rule that is let pass"), widget=django_forms.RadioSelect
    )
    reason = django_forms.CharField(
        label=gettext_lazy("Why it is let pass"),
        help_text=gettext_lazy("The applicant and auditors read it."),
        widget=django_forms.Textarea(attrs={"rows": 3}),
        max_length=LONGEST_REASON,
    )

    def __init__(self, *args: Any, rules: Sequence[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choose(self, "rule", rules)


class RedirectForm(Form):
    """Where an application fits better: another call here, or another factory."""

    to = django_forms.ChoiceField(
        label=gettext_lazy("Where it fits better"),
        help_text=gettext_lazy(
            "In a call here it becomes a draft that the applicant hands in. To another factory the "
            "applicant takes it as a file."
        ),
    )
    reason = django_forms.CharField(
        label=gettext_lazy("Why it fits better there"),
        help_text=gettext_lazy("The applicant reads it."),
        widget=django_forms.Textarea(attrs={"rows": 3}),
        max_length=LONGEST_TEXT,
    )

    def __init__(
        self,
        *args: Any,
        calls: Sequence[tuple[str, str]],
        factories: Sequence[tuple[str, str]],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        choose(
            self,
            "to",
            [
                ("", gettext("Choose")),
                *((f"call:{slug}", title) for slug, title in calls),
                *((f"factory:{name}", title) for name, title in factories),
            ],
        )

    def target(self) -> tuple[str, str]:
        """Return the slug of the call and the name of the factory; one of them is empty."""
        kind, _colon, name = self.cleaned_data["to"].partition(":")
        return (name, "") if kind == "call" else ("", name)
