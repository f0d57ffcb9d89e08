"""Challenges, their entries, and the decision on an expression of interest."""

from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from django import forms as django_forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext, gettext_lazy

from uzina.calls.forms.shared import YES_NO, choose, language
from uzina.calls.rules.challenges import MOST_BYTES, MOST_ENTRIES_PER_DAY, Metric
from uzina.core.forms import DateField, Form, IntegerField, whole_number


class ChallengeForm(Form):
    """What the entries to a call are scored on, and what may be won."""

    truth = django_forms.FileField(
        label=gettext_lazy("Held-out answers"),
        help_text=gettext_lazy(
            "A CSV file that begins with id,answer or id,answer,part, where part is public or"
            " private. Nobody is ever shown it."
        ),
    )
    metric = django_forms.ChoiceField(label=gettext_lazy("Metric"))
    prizes = django_forms.CharField(
        label=gettext_lazy("Prizes, GPU-hours by rank"),
        help_text=gettext_lazy("One a line, the first rank first."),
        widget=django_forms.Textarea(attrs={"rows": 3}),
        max_length=2000,
    )
    entries_per_day = IntegerField(
        label=gettext_lazy("Entries that one entrant may have scored in a day"),
        min_value=1,
        max_value=MOST_ENTRIES_PER_DAY,
    )
    closes_on = DateField(
        label=gettext_lazy("Entries close on"),
        help_text=gettext_lazy("The first day on which entries are late, from midnight on."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choose(self, "metric", [(one.value, gettext(one.label)) for one in Metric])

    def clean_truth(self) -> bytes:
        """Return the bytes of the file."""
        return _content(self.cleaned_data["truth"])

    def clean_prizes(self) -> list[int]:
        """Return one number a line."""
        lines = [one for one in self.cleaned_data["prizes"].splitlines() if one.strip()]
        try:
            return [whole_number(one, language=language()) for one in lines]
        except ValueError:
            raise ValidationError(gettext("Write one whole number a line.")) from None

    def facts(self) -> dict[str, Any]:
        """Return the facts as the action takes them; the day begins at the factory's midnight."""
        zone = ZoneInfo(settings.UZINA.site.timezone)
        values = dict(self.cleaned_data)
        values.pop("truth")
        day = values.pop("closes_on")
        return values | {"closes_at": datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)}

    def _field_of(self, path: str) -> str | None:
        return super()._field_of(path.replace("_at", "_on"))


class EntryForm(Form):
    """A file of predictions."""

    file = django_forms.FileField(
        label=gettext_lazy("Your predictions"),
        help_text=gettext_lazy("A CSV file that begins with the line id,prediction."),
    )
    note = django_forms.CharField(
        label=gettext_lazy("Note for yourself"),
        help_text=gettext_lazy("For instance which model it was. Nobody else sees it."),
        max_length=200,
        required=False,
    )

    def clean_file(self) -> bytes:
        """Return the bytes of the file."""
        return _content(self.cleaned_data["file"])


def _content(file: Any) -> bytes:
    if file.size > MOST_BYTES:
        raise ValidationError(
            gettext("Send a file of at most {most} bytes.").format(most=MOST_BYTES)
        )
    content: bytes = file.read()
    return content


class InterestForm(Form):
    """The decision on an expression of interest."""

    is_admitted = django_forms.ChoiceField(
        label=gettext_lazy("Is the organisation admitted?"),
        choices=YES_NO,
        widget=django_forms.RadioSelect,
    )
    reason = django_forms.CharField(
        label=gettext_lazy("Reason"),
        help_text=gettext_lazy("The applicant reads it. Needed where the answer is no."),
        widget=django_forms.Textarea(attrs={"rows": 4}),
        max_length=4000,
        required=False,
    )
