"""Making a call."""

from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from django import forms as django_forms
from django.conf import settings
from django.utils.translation import gettext_lazy

from uzina.calls import queries
from uzina.calls.forms.shared import choose, language
from uzina.core.forms import DateField, Form, IntegerField


class CallForm(Form):
    """A new call, made from a mode."""

    mode = django_forms.ChoiceField(label=gettext_lazy("Access mode"))
    title_en = django_forms.CharField(label=gettext_lazy("Title in English"), max_length=200)
    title_ro = django_forms.CharField(label=gettext_lazy("Title in Romanian"), max_length=200)
    slug = django_forms.CharField(
        label=gettext_lazy("Name in addresses"),
        help_text=gettext_lazy("Small letters, figures and hyphens, for instance playground-2026"),
        max_length=60,
    )
    budget_gpu_hours = IntegerField(
        label=gettext_lazy("Budget, GPU-hours"),
        help_text=gettext_lazy("What the call can grant in all."),
        min_value=1,
        max_value=2_000_000_000,
    )
    package_gpu_hours = IntegerField(
        label=gettext_lazy("Package of one award, GPU-hours"),
        help_text=gettext_lazy("Leave empty for the figure of the mode."),
        min_value=1,
        max_value=10_000_000,
        required=False,
    )
    opens_on = DateField(
        label=gettext_lazy("Opens on"), help_text=gettext_lazy("For example, 27 3 2027.")
    )
    closes_on = DateField(
        label=gettext_lazy("Closes on"),
        help_text=gettext_lazy(
            "The first day on which it takes nothing. Leave empty to keep it open."
        ),
        required=False,
    )
    partition = django_forms.CharField(
        label=gettext_lazy("Partition"), max_length=60, required=False
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        modes = queries.shipped_modes().values()
        choose(
            self,
            "mode",
            [(mode.slug, mode.title.get(language(), mode.title["en"])) for mode in modes],
        )

    def facts(self) -> dict[str, Any]:
        """Return the facts as the action takes them; days begin at midnight of the factory."""
        facts = dict(self.cleaned_data)
        zone = ZoneInfo(settings.UZINA.site.timezone)
        for name in ("opens", "closes"):
            day = facts.pop(f"{name}_on")
            facts[f"{name}_at"] = (
                datetime.combine(day, time(), tzinfo=zone).astimezone(UTC) if day else None
            )
        return facts

    def _field_of(self, path: str) -> str | None:
        return super()._field_of(path.replace("_at", "_on"))
