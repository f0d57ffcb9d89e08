"""Usage policies, and access asked for and answered, as people type it."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.utils.translation import get_language, gettext_lazy

from uzina.catalogue import rules
from uzina.catalogue.rules import odrl
from uzina.core.errors import Invalid, Refused
from uzina.core.forms import DateField, Form, IntegerField
from uzina.people.models import Project
from uzina.people.rules import OrganisationKind

ACTIONS = {
    "distribute": gettext_lazy("Passing the data on"),
    "sell": gettext_lazy("Selling the data"),
    "derive": gettext_lazy("Making new works of the data, models among them"),
}


def end_of(day: date) -> datetime:
    """Return the instant a day ends, on the factory's clock."""
    zone = ZoneInfo(settings.UZINA.site.timezone)
    return datetime.combine(day + timedelta(days=1), time(), tzinfo=zone)


def last_day(until: datetime) -> date:
    """Return the last day that ends no later than an instant, on the factory's clock."""
    local = until.astimezone(ZoneInfo(settings.UZINA.site.timezone))
    return local.date() if local.time() > time() else local.date() - timedelta(days=1)


def purposes() -> list[tuple[str, str]]:
    """Return the purposes as choices, in the language at hand."""
    here = get_language() or "en"
    return [(code, f"{one.label(here)}. {one.plain(here)}") for code, one in rules.PURPOSES.items()]


class AskForm(Form):
    """A project asks for restricted data."""

    project = forms.ChoiceField(
        label=gettext_lazy("For which project?"),
        help_text=gettext_lazy("Every member of the project can use the data once it is granted."),
    )
    purpose = forms.ChoiceField(
        label=gettext_lazy("What will the data be used for?"),
        widget=forms.RadioSelect(),
        help_text=gettext_lazy("The permission covers this purpose and no other."),
    )
    why = forms.CharField(
        max_length=rules.LONGEST_WHY,
        widget=forms.Textarea(attrs={"rows": 5}),
        label=gettext_lazy("Why do you need the data, and what will come of it?"),
        help_text=gettext_lazy("The holder reads this to decide. Two or three sentences will do."),
    )
    legal_basis = forms.CharField(
        max_length=rules.LONGEST_LEGAL_BASIS,
        required=False,
        label=gettext_lazy("On which legal basis do you process personal data?"),
        help_text=gettext_lazy(
            "Needed when the data speak of people: the article of the GDPR, and the law or consent."
        ),
    )
    place = forms.CharField(
        max_length=2,
        label=gettext_lazy("In which country will the data be processed?"),
        help_text=gettext_lazy("Two letters. Jobs on this factory's machines run here."),
    )
    until = DateField(
        label=gettext_lazy("Until when do you need it?"),
        help_text=gettext_lazy(
            "The last day of use, within five years. The permission ends by itself."
        ),
    )

    def __init__(self, *args: Any, projects: Sequence[Project], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.projects = {one.code: one for one in projects}
        self.fields["project"].choices = [  # type: ignore[attr-defined]
            (one.code, f"{one.title} ({one.code})") for one in projects
        ]
        self.fields["purpose"].choices = purposes()  # type: ignore[attr-defined]

    def facts(self) -> dict[str, Any]:
        """Return what the action takes."""
        data = self.cleaned_data
        return {
            "project": self.projects[data["project"]],
            "purpose": data["purpose"],
            "why": data["why"],
            "legal_basis": data["legal_basis"],
            "place": data["place"].strip().upper(),
            "until": end_of(data["until"]),
        }


class GrantForm(Form):
    """A request is granted, for as long as asked or for less."""

    prefix = "grant"
    until = DateField(
        label=gettext_lazy("Until when?"), help_text=gettext_lazy("The last day of use.")
    )
    reason = forms.CharField(
        max_length=rules.LONGEST_WHY,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        label=gettext_lazy("A word to who asked"),
    )


class ReasonForm(Form):
    """A refusal or a revocation, with its reason."""

    reason = forms.CharField(
        max_length=rules.LONGEST_WHY,
        widget=forms.Textarea(attrs={"rows": 3}),
        label=gettext_lazy("Why?"),
        help_text=gettext_lazy("Who asked reads this."),
    )


class RefuseForm(ReasonForm):
    """A request is refused."""

    prefix = "refuse"


class RevokeForm(ReasonForm):
    """A permission is taken back."""

    prefix = "revoke"


class PolicyForm(Form):
    """What a holder allows with restricted data."""

    purposes = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple(),
        label=gettext_lazy("What may the data be used for?"),
        help_text=gettext_lazy("Choose none to allow every purpose."),
    )
    forbidden_purposes = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple(),
        label=gettext_lazy("What may the data never be used for?"),
    )
    until = DateField(
        required=False,
        label=gettext_lazy("The last day anybody may use the data"),
        help_text=gettext_lazy("Leave it empty where there is no end."),
    )
    places = forms.CharField(
        required=False,
        max_length=200,
        label=gettext_lazy("Where may the data be processed?"),
        help_text=gettext_lazy(
            "EU, EEA, or countries by two letters, with spaces between. Empty: anywhere."
        ),
    )
    kinds = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple(),
        choices=[(str(one), gettext_lazy(one.label)) for one in OrganisationKind],
        label=gettext_lazy("Which organisations may use the data?"),
        help_text=gettext_lazy("Choose none to allow every kind."),
    )
    countries = forms.CharField(
        required=False,
        max_length=200,
        label=gettext_lazy("From which countries may these organisations be?"),
        help_text=gettext_lazy(
            "EU, EEA, or countries by two letters, with spaces between. Empty: any."
        ),
    )
    prohibited = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple(),
        choices=list(ACTIONS.items()),
        label=gettext_lazy("What else is not allowed?"),
    )
    attribute = forms.BooleanField(
        required=False, label=gettext_lazy("Who uses the data names its holder")
    )
    delete_days = IntegerField(
        required=False,
        min_value=0,
        max_value=odrl.LONGEST_DELETE_DAYS,
        label=gettext_lazy("Days after the end within which copies are deleted"),
    )
    is_automatic = forms.BooleanField(
        required=False,
        label=gettext_lazy("Let in at once whoever fits all of this, without my answer"),
    )
    shows_sample = forms.BooleanField(
        required=False,
        label=gettext_lazy("Show everybody a sample and statistics"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("purposes", "forbidden_purposes"):
            self.fields[name].choices = purposes()  # type: ignore[attr-defined]

    @staticmethod
    def shown(terms: odrl.Terms, *, is_automatic: bool, shows_sample: bool) -> dict[str, Any]:
        """Return terms as what the fields begin with."""
        return vars(terms) | {
            "until": last_day(terms.until) if terms.until else None,
            "places": " ".join(terms.places),
            "countries": " ".join(terms.countries),
            "is_automatic": is_automatic,
            "shows_sample": shows_sample,
        }

    def terms(self) -> odrl.Terms:
        """Return what was typed as terms."""
        data = self.cleaned_data
        return odrl.Terms(
            purposes=tuple(data["purposes"]),
            forbidden_purposes=tuple(data["forbidden_purposes"]),
            until=end_of(data["until"]) if data["until"] else None,
            places=_codes(data["places"]),
            kinds=tuple(data["kinds"]),
            countries=_codes(data["countries"]),
            attribute=data["attribute"],
            delete_days=data["delete_days"],
            prohibited=tuple(data["prohibited"]),
        )

    def add_refusal(self, refused: Refused) -> None:
        """Put what is wrong with one of a list beside the list."""
        if isinstance(refused, Invalid):
            for problem in refused.problems:
                name = problem.field.partition(".")[0]
                super().add_refusal(
                    Refused(problem.code, problem.message, **problem.facts)
                    if name not in self.fields
                    else Invalid(
                        [type(problem)(name, problem.code, problem.message, problem.facts)]
                    )
                )
            return
        super().add_refusal(refused)


def _codes(text: str) -> tuple[str, ...]:
    words = text.replace(",", " ").upper().split()
    return tuple(dict.fromkeys(words))
