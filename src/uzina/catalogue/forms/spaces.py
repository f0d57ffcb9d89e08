"""Forms of a project's storage."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy

from uzina.catalogue import rules
from uzina.core.forms import Form


class MoveForm(Form):
    """Where a file or folder goes."""

    path = forms.CharField(widget=forms.HiddenInput, max_length=rules.LONGEST_PATH)
    to = forms.CharField(
        label=gettext_lazy("New path"),
        help_text=gettext_lazy("With / between folders. Folders that are not there are made."),
        max_length=rules.LONGEST_PATH,
        error_messages={"required": gettext_lazy("Write the new path.")},
    )
    kind = forms.ChoiceField(label=gettext_lazy("Space"))

    def __init__(self, *args: Any, kinds: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["kind"].choices = kinds  # type: ignore[attr-defined]


class FolderVersionForm(Form):
    """Which dataset gets a version of a folder, and what changed."""

    path = forms.CharField(widget=forms.HiddenInput, required=False, max_length=rules.LONGEST_PATH)
    dataset = forms.ChoiceField(label=gettext_lazy("Dataset"))
    note = forms.CharField(
        label=gettext_lazy("What changed and why"),
        widget=forms.Textarea(attrs={"rows": 3}),
        max_length=rules.LONGEST_NOTE,
        required=False,
    )

    def __init__(self, *args: Any, datasets: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["dataset"].choices = datasets  # type: ignore[attr-defined]
