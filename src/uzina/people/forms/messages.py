"""What people type about messages."""

from django import forms as django_forms
from django.utils.translation import gettext, gettext_lazy

from uzina.core.forms import Form
from uzina.people import rules


class WithdrawForm(Form):
    """Why a message is not to leave."""

    reason = django_forms.CharField(label=gettext_lazy("Why it is withdrawn"), max_length=500)


class WishesForm(Form):
    """When a person wants messages of each kind. One field a kind, named like it."""

    def __init__(self, data: dict[str, str] | None = None, *, kept: dict[str, rules.Wish]) -> None:
        super().__init__(data)
        for one in rules.optional_kinds():
            self.fields[one.name] = django_forms.ChoiceField(
                label=gettext(one.title),
                choices=[(wish.value, gettext(wish.label)) for wish in rules.Wish],
                initial=kept.get(one.name, rules.Wish.AT_ONCE).value,
                widget=django_forms.RadioSelect,
            )

    def wishes(self) -> dict[str, rules.Wish]:
        """Return what was chosen. Only after is_valid()."""
        return {name: rules.Wish(value) for name, value in self.cleaned_data.items()}
