"""What people type about their organisations."""

from typing import Any

from django import forms as django_forms
from django.conf import settings
from django.utils.translation import gettext, gettext_lazy

from uzina.core.errors import Invalid, Problem
from uzina.core.forms import DateField, Form, IntegerField
from uzina.people import actions, rules
from uzina.people.models import Organisation

LARGEST_COUNT = 2**31 - 1


LARGEST_AMOUNT = 2**63 - 1


COUNTRIES = {
    "AT": gettext_lazy("Austria"),
    "BE": gettext_lazy("Belgium"),
    "BG": gettext_lazy("Bulgaria"),
    "HR": gettext_lazy("Croatia"),
    "CY": gettext_lazy("Cyprus"),
    "CZ": gettext_lazy("Czechia"),
    "DK": gettext_lazy("Denmark"),
    "EE": gettext_lazy("Estonia"),
    "FI": gettext_lazy("Finland"),
    "FR": gettext_lazy("France"),
    "DE": gettext_lazy("Germany"),
    "GR": gettext_lazy("Greece"),
    "HU": gettext_lazy("Hungary"),
    "IE": gettext_lazy("Ireland"),
    "IT": gettext_lazy("Italy"),
    "LV": gettext_lazy("Latvia"),
    "LT": gettext_lazy("Lithuania"),
    "LU": gettext_lazy("Luxembourg"),
    "MT": gettext_lazy("Malta"),
    "NL": gettext_lazy("Netherlands"),
    "PL": gettext_lazy("Poland"),
    "PT": gettext_lazy("Portugal"),
    "RO": gettext_lazy("Romania"),
    "SK": gettext_lazy("Slovakia"),
    "SI": gettext_lazy("Slovenia"),
    "ES": gettext_lazy("Spain"),
    "SE": gettext_lazy("Sweden"),
    "AL": gettext_lazy("Albania"),
    "BA": gettext_lazy("Bosnia and Herzegovina"),
    "CH": gettext_lazy("Switzerland"),
    "GB": gettext_lazy("United Kingdom"),
    "IL": gettext_lazy("Israel"),
    "IS": gettext_lazy("Iceland"),
    "LI": gettext_lazy("Liechtenstein"),
    "MD": gettext_lazy("Moldova"),
    "ME": gettext_lazy("Montenegro"),
    "MK": gettext_lazy("North Macedonia"),
    "NO": gettext_lazy("Norway"),
    "RS": gettext_lazy("Serbia"),
    "TR": gettext_lazy("Türkiye"),
    "UA": gettext_lazy("Ukraine"),
    "US": gettext_lazy("United States"),
}
"""Countries an organisation may choose from. A call's rules decide which of them are eligible."""


def _countries() -> list[tuple[str, str]]:
    home = settings.UZINA.site.country
    named = sorted(
        ((code, str(name)) for code, name in COUNTRIES.items()),
        key=lambda one: (one[0] != home, _sorted_as(one[1])),
    )
    return [("", gettext("Choose a country")), *named]


def _sorted_as(name: str) -> str:
    return name.lower().translate(str.maketrans("ăâîșțü", "aaistu"))


def _named(kinds: Any) -> list[tuple[str, str]]:
    return [(kind.value, gettext(kind.label)) for kind in kinds]


class OrganisationForm(Form):
    """The facts of an organisation, with those that decide its size."""

    name = django_forms.CharField(
        label=gettext_lazy("Name of the organisation"),
        help_text=gettext_lazy("As it is registered."),
        max_length=200,
        widget=django_forms.TextInput(attrs={"autocomplete": "organization"}),
    )
    kind = django_forms.ChoiceField(
        label=gettext_lazy("What it is"), widget=django_forms.RadioSelect
    )
    country = django_forms.ChoiceField(label=gettext_lazy("Country of its registered office"))
    city = django_forms.CharField(label=gettext_lazy("City"), max_length=100, required=False)
    vat_number = django_forms.CharField(
        label=gettext_lazy("VAT number"),
        help_text=gettext_lazy("With the country in front, such as RO18547290."),
        max_length=20,
        required=False,
        widget=django_forms.TextInput(attrs={"data-width": "10"}),
    )
    pic = django_forms.CharField(
        label=gettext_lazy("PIC"),
        help_text=gettext_lazy(
            "The nine digits of your organisation in the Funding and Tenders Portal."
        ),
        max_length=20,
        required=False,
        widget=django_forms.TextInput(attrs={"data-width": "10", "inputmode": "numeric"}),
    )
    website = django_forms.URLField(
        label=gettext_lazy("Website"), max_length=200, required=False, assume_scheme="https"
    )
    founded_on = DateField(
        label=gettext_lazy("Founded on"),
        help_text=gettext_lazy("For example, 27 3 2021."),
        required=False,
    )
    year = IntegerField(
        label=gettext_lazy("Year of the figures"),
        help_text=gettext_lazy(
            "The year in which the last accounts closed, such as 2025; for an estimate, this year."
        ),
        min_value=0,
        max_value=9999,
        required=False,
        widget=django_forms.TextInput(attrs={"inputmode": "numeric", "data-width": "4"}),
    )
    is_estimate = django_forms.BooleanField(
        label=gettext_lazy("No accounts are closed yet: the figures are our estimate"),
        required=False,
    )
    headcount = IntegerField(
        label=gettext_lazy("People employed"),
        help_text=gettext_lazy(
            "In full-time years, in the last closed year. Owners who work there count."
        ),
        min_value=0,
        max_value=LARGEST_COUNT,
    )
    turnover_eur = IntegerField(
        label=gettext_lazy("Turnover of the last closed year, EUR"),
        help_text=gettext_lazy("Whole euros, without VAT. Zero if it has none yet."),
        min_value=0,
        max_value=LARGEST_AMOUNT,
        widget=django_forms.TextInput(attrs={"inputmode": "numeric", "data-width": "20"}),
    )
    balance_eur = IntegerField(
        label=gettext_lazy("Balance sheet total of the last closed year, EUR"),
        min_value=0,
        max_value=LARGEST_AMOUNT,
        widget=django_forms.TextInput(attrs={"inputmode": "numeric", "data-width": "20"}),
    )

    public_share_percent = IntegerField(
        label=gettext_lazy("Share that public bodies hold, per cent"),
        help_text=gettext_lazy(
            "Capital or votes, together. Leave out public investors, universities, research"
            " centres, and local authorities with less than EUR 10 million a year and fewer than"
            " 5,000 inhabitants, where they hold 50 per cent or less (Article 3(2))."
        ),
        min_value=0,
        max_value=100,
        required=False,
        widget=django_forms.TextInput(attrs={"inputmode": "numeric", "data-width": "4"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._choose("kind", _named(rules.OrganisationKind))
        self._choose("country", _countries())

    def _choose(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, django_forms.ChoiceField)  # noqa: S101 - tells mypy
        field.choices = choices


class RelatedForm(Form):
    """A partner or linked enterprise."""

    name = django_forms.CharField(label=gettext_lazy("Name"), max_length=200)
    relation = django_forms.ChoiceField(
        label=gettext_lazy("Relation"),
        help_text=gettext_lazy("Partner: 25 to 50 per cent. Linked: more than 50 per cent."),
        widget=django_forms.RadioSelect,
    )
    share_percent = IntegerField(
        label=gettext_lazy("Share of capital or votes, per cent"),
        help_text=gettext_lazy("The higher of the two, in either direction."),
        min_value=0,
        max_value=100,
        widget=django_forms.TextInput(attrs={"inputmode": "numeric", "data-width": "4"}),
    )
    headcount = IntegerField(
        label=gettext_lazy("People employed"), min_value=0, max_value=LARGEST_COUNT
    )
    turnover_eur = IntegerField(
        label=gettext_lazy("Turnover, EUR"), min_value=0, max_value=LARGEST_AMOUNT
    )
    balance_eur = IntegerField(
        label=gettext_lazy("Balance sheet total, EUR"), min_value=0, max_value=LARGEST_AMOUNT
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["relation"]
        assert isinstance(field, django_forms.ChoiceField)  # noqa: S101 - tells mypy
        field.choices = _named(rules.Relation)


class YearForm(Form):
    """The figures of an earlier closed year."""

    year = IntegerField(
        label=gettext_lazy("Year"),
        min_value=0,
        max_value=9999,
        widget=django_forms.TextInput(attrs={"inputmode": "numeric", "data-width": "4"}),
    )
    headcount = IntegerField(
        label=gettext_lazy("People employed"), min_value=0, max_value=LARGEST_COUNT
    )
    turnover_eur = IntegerField(
        label=gettext_lazy("Turnover, EUR"), min_value=0, max_value=LARGEST_AMOUNT
    )
    balance_eur = IntegerField(
        label=gettext_lazy("Balance sheet total, EUR"), min_value=0, max_value=LARGEST_AMOUNT
    )


MOST_RELATED = 100


class Rows:
    """Forms of one kind, as many as a person adds.

    Added and removed by the buttons `add` and `remove` (with the name of the rows behind, but for
    the related enterprises), so it works without script; what was typed in the others is kept.
    """

    def __init__(
        self,
        kind: type[Form],
        name: str,
        data: Any,
        *,
        kept: list[dict[str, Any]],
        most: int,
        buttons: tuple[str, str],
    ) -> None:
        self.name, (self.add, self.remove) = name, buttons
        if data is None:
            self.forms = [
                kind(prefix=f"{name}-{index}", initial=row) for index, row in enumerate(kept)
            ]
            return
        removed = data.get(self.remove, "")
        left = [one for one in range(_row_count(data, name, most)) if str(one) != removed]
        self.forms = [
            kind(_moved(data, kind, name, old, new), prefix=f"{name}-{new}")
            for new, old in enumerate(left)
        ]
        if self.add in data and len(self.forms) < most:
            self.forms.append(kind(prefix=f"{name}-{len(self.forms)}"))

    def is_changing(self, data: Any) -> bool:
        """Tell whether a row was added or removed."""
        return self.add in data or self.remove in data


class OrganisationForms:
    """An organisation, its earlier years and its related enterprises as one page of fields."""

    def __init__(self, data: Any = None, *, organisation: Organisation | None = None) -> None:
        self.data = data
        initial, years, related = _initial(organisation)
        self.facts = (
            OrganisationForm(data) if data is not None else OrganisationForm(initial=initial)
        )
        self._years = Rows(
            YearForm,
            "years",
            data,
            kept=years,
            most=rules.MOST_YEARS - 1,
            buttons=("add_year", "remove_year"),
        )
        self._related = Rows(
            RelatedForm,
            "related",
            data,
            kept=related,
            most=MOST_RELATED,
            buttons=("add", "remove"),
        )
        if self.is_changing_rows:
            self._show_without_mistakes()

    @property
    def years(self) -> list[Form]:
        """The rows of earlier years."""
        return self._years.forms

    @property
    def related(self) -> list[Form]:
        """The rows of related enterprises."""
        return self._related.forms

    @property
    def is_changing_rows(self) -> bool:
        """Tell whether a row was added or removed, so that nothing is to be saved yet."""
        return bool(self.data) and any(
            rows.is_changing(self.data) for rows in (self._years, self._related)
        )

    @property
    def forms(self) -> list[Form]:
        """The forms whose mistakes the summary lists."""
        return [self.facts, *self.years, *self.related]

    @property
    def errors(self) -> bool:
        """Tell whether anything is wrong, for the title of the page."""
        return any(form.is_bound and form.errors for form in self.forms)

    def is_valid(self) -> bool:
        """Check all forms, so that all mistakes show at once."""
        answers = [form.is_valid() for form in self.forms]
        return all(answers)

    def facts_typed(self) -> actions.OrganisationFacts:
        """Return what was typed, the last closed year first. Only after is_valid()."""
        cleaned = dict(self.facts.cleaned_data)
        cleaned["kind"] = rules.OrganisationKind(cleaned["kind"])
        cleaned["public_share_percent"] = cleaned["public_share_percent"] or 0
        year, is_estimate = cleaned.pop("year"), cleaned.pop("is_estimate")
        years = [rules.Year(**form.cleaned_data) for form in self.years]
        if year or years or is_estimate:
            figures = {name: cleaned[name] for name in ("headcount", "turnover_eur", "balance_eur")}
            years.insert(0, rules.Year(year or 0, **figures, is_estimate=is_estimate))
        related = [
            rules.Related(**form.cleaned_data | {"relation": rules.Relation(row["relation"])})
            for form in self.related
            for row in [form.cleaned_data]
        ]
        return actions.OrganisationFacts(
            **cleaned, years=tuple(years), related_enterprises=tuple(related)
        )

    def add_refusal(self, refused: Any) -> None:
        """Put each problem at its field: "related_enterprises.0.share_percent" in the first row."""
        if not isinstance(refused, Invalid):
            self.facts.add_refusal(refused)
            return
        for problem in refused.problems:
            form, name = self._place(problem.field)
            moved = Problem(name, problem.code, problem.message, problem.facts)
            form.add_refusal(Invalid([moved]))

    def _place(self, field: str) -> tuple[Form, str]:
        """Return the form and the field of a problem; the first of the years is among the facts."""
        head, _dot, rest = field.partition(".")
        index, _dot, name = rest.partition(".")
        if head == "related_enterprises":
            return self.related[int(index)], name
        if head == "years":
            number = int(index or 0)
            return (self.years[number - 1] if number else self.facts), name or "year"
        return self.facts, field

    def _show_without_mistakes(self) -> None:
        for form in self.forms:
            form._errors = {}  # type: ignore[attr-defined]  # noqa: SLF001 - typed, not judged yet


def _row_count(data: Any, name: str, most: int) -> int:
    text = str(data.get(f"{name}_count", "0"))
    return min(int(text), most) if text.isascii() and text.isdigit() and len(text) < 5 else 0


def _moved(data: Any, kind: type[Form], name: str, old: int, new: int) -> dict[str, Any]:
    return {
        f"{name}-{new}-{field}": data.get(f"{name}-{old}-{field}", "") for field in kind.base_fields
    }


def _initial(
    organisation: Organisation | None,
) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    """Return what the fields begin with: facts, earlier years, related enterprises."""
    if organisation is None:
        return {"country": settings.UZINA.site.country}, [], []
    columns = set(OrganisationForm.base_fields) - {"year", "is_estimate"}
    initial = {name: getattr(organisation, name) for name in columns}
    years = list(organisation.years.all())
    if years:
        initial |= {"year": years[0].year, "is_estimate": years[0].is_estimate}
    return (
        initial,
        [{name: getattr(row, name) for name in YearForm.base_fields} for row in years[1:]],
        [
            {name: getattr(row, name) for name in RelatedForm.base_fields}
            for row in organisation.related_enterprises.all()
        ],
    )
