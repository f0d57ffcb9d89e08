"""What decides whether an organisation qualifies."""

from typing import Any

from django import forms as django_forms
from django.utils.translation import gettext, gettext_lazy

from uzina.calls import queries
from uzina.calls.forms.shared import LARGEST, YES_NO, choose, country_choices
from uzina.calls.rules import modes
from uzina.core.errors import Refused
from uzina.core.forms import Form, IntegerField
from uzina.people.rules import LINKED_ABOVE, OrganisationKind, Related, Relation
from uzina.people.rules.sizes import Year
from uzina.sizing import rules as sizing

PURPOSES = [
    ("first_steps", gettext_lazy("First steps on a supercomputer")),
    ("innovation", gettext_lazy("A product or service of our own")),
    ("research", gettext_lazy("Research that is published")),
    ("public_service", gettext_lazy("A public service")),
    ("testing", gettext_lazy("Testing how a code runs and scales")),
    ("development", gettext_lazy("Developing a code, an algorithm or an AI method")),
    ("challenge", gettext_lazy("Entering a challenge")),
    ("consortium", gettext_lazy("Joining a consortium")),
]

RELATED_ROWS = 3
FIGURES = ("headcount", "turnover_eur", "balance_eur")


def amount(label: Any, *, most: int = LARGEST, hint: Any = "") -> IntegerField:
    """Return a field for an amount that may be left open."""
    return IntegerField(label=label, help_text=hint, required=False, min_value=0, max_value=most)


class QualifyForm(Form):
    """What decides whether an organisation qualifies, before any sign-in."""

    kind = django_forms.ChoiceField(
        label=gettext_lazy("What is your organisation?"), widget=django_forms.RadioSelect
    )
    country = django_forms.ChoiceField(
        label=gettext_lazy("In which country is it?"),
        help_text=gettext_lazy("Type the first letters to find it."),
    )
    headcount = amount(
        gettext_lazy("How many people work there?"),
        hint=gettext_lazy("In your organisation itself; others it belongs to come below."),
        most=2**31 - 1,
    )
    turnover_eur = amount(
        gettext_lazy("Turnover of the last closed year, euro"),
        hint=gettext_lazy("0 if there is none yet."),
    )
    balance_eur = amount(gettext_lazy("Balance sheet of the last closed year, euro"))
    before_headcount = amount(
        gettext_lazy("How many people worked there the year before?"), most=2**31 - 1
    )
    before_turnover_eur = amount(gettext_lazy("Turnover of the year before, euro"))
    before_balance_eur = amount(gettext_lazy("Balance sheet of the year before, euro"))
    public_share_percent = amount(gettext_lazy("Share that public bodies hold, per cent"), most=100)
    civilian_purpose = django_forms.ChoiceField(
        label=gettext_lazy("Does the work serve civilian purposes only?"),
        widget=django_forms.RadioSelect,
        choices=YES_NO,
    )
    purpose = django_forms.ChoiceField(
        label=gettext_lazy("What is it for?"),
        widget=django_forms.RadioSelect,
        required=False,
        choices=PURPOSES,
    )
    has_he_funding = django_forms.ChoiceField(
        label=gettext_lazy("Is the work part of a project of Horizon Europe or Digital Europe?"),
        widget=django_forms.RadioSelect,
        required=False,
        choices=YES_NO,
    )
    months = IntegerField(
        label=gettext_lazy("For how many months?"), required=False, min_value=1, max_value=60
    )
    gpu_hours = IntegerField(
        label=gettext_lazy("How many GPU-hours do you need?"),
        help_text=gettext_lazy("If you do not know, leave it empty and fill in the next three."),
        required=False,
        min_value=1,
        max_value=2_000_000_000,
    )
    method = django_forms.ChoiceField(
        label=gettext_lazy("What do you do with the model?"), required=False
    )
    parameters = IntegerField(
        label=gettext_lazy("Size of the model, parameters"),
        help_text=gettext_lazy("In figures, for instance 7 000 000 000."),
        required=False,
        min_value=1,
        max_value=sizing.LARGEST_PARAMETERS,
    )
    tokens = IntegerField(
        label=gettext_lazy("Training tokens, all epochs together"),
        help_text=gettext_lazy("In figures, for instance 20 000 000 000."),
        required=False,
        min_value=1,
        max_value=sizing.LARGEST_TOKENS,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.need: queries.Need | None = None
        choose(self, "kind", [(one.value, gettext(one.label)) for one in OrganisationKind])
        choose(self, "country", country_choices())
        methods = [(one.value, gettext(label)) for one, label in sizing.METHOD_LABELS.items()]
        choose(self, "method", methods)

    @staticmethod
    def related_fields() -> dict[str, IntegerField]:
        """Return the fields of the firms it belongs to, row by row."""
        return {
            f"related_{number}_{name}": amount(label, most=most)
            for number in range(1, RELATED_ROWS + 1)
            for name, label, most in (
                ("share", gettext_lazy("Share in capital or votes, per cent"), 100),
                ("headcount", gettext_lazy("People who work there"), 2**31 - 1),
                ("turnover_eur", gettext_lazy("Its turnover, euro"), LARGEST),
                ("balance_eur", gettext_lazy("Its balance sheet, euro"), LARGEST),
            )
        }

    @property
    def related_rows(self) -> list[list[Any]]:
        """The fields of each firm it belongs to."""
        names = ("share", *FIGURES)
        return [
            [self[f"related_{number}_{name}"] for name in names]
            for number in range(1, RELATED_ROWS + 1)
        ]

    @property
    def has_more_figures(self) -> bool:
        """Whether the figures that most leave out are in use, so that they are shown."""
        names = [name for name in self.fields if name.startswith(("before_", "related_"))]
        return any(self.data.get(name) for name in [*names, "public_share_percent"])

    def clean(self) -> dict[str, Any]:
        """Estimate the GPU-hours where only the model is known; ask for what is half given."""
        super().clean()
        given = self.cleaned_data
        self._need_all([f"before_{name}" for name in FIGURES])
        for number in range(1, RELATED_ROWS + 1):
            self._need_all([f"related_{number}_{name}" for name in ("share", *FIGURES)])
        if given.get("gpu_hours") is None and not {"parameters", "tokens"} & set(self.errors):
            self._estimate(given.get("parameters"), given.get("tokens"))
        return given

    def _need_all(self, names: list[str]) -> None:
        given = [self.cleaned_data.get(name) is not None for name in names]
        if any(given) and not all(given):
            for name, is_given in zip(names, given, strict=True):
                if not is_given and name not in self.errors:
                    self.add_error(name, gettext("Fill in this figure too, or leave all empty."))

    def _estimate(self, parameters: int | None, tokens: int | None) -> None:
        if parameters is None and tokens is None:
            return
        if parameters is None or tokens is None:
            name = "parameters" if parameters is None else "tokens"
            self.add_error(name, gettext("The estimate needs this figure too."))
            return
        method = self.cleaned_data.get("method") or sizing.Method.PRETRAINING
        try:
            self.need = queries.need(parameters, tokens, method)
        except Refused as refused:
            self.add_refusal_to("method", refused)

    def add_refusal_to(self, name: str, refused: Refused) -> None:
        """Put what the rules said beside one field."""
        self.add_error(name, gettext(refused.message).format(**refused.facts))

    def said(self) -> dict[str, Any]:
        """Return what was said of the work; None where it was not."""
        given = self.cleaned_data
        yes = {"yes": True, "no": False}
        hours = given.get("gpu_hours")
        if hours is None and self.need is not None:
            hours = self.need.gpu_hours
        return {
            "civilian_purpose": yes.get(given.get("civilian_purpose", "")),
            "has_he_funding": yes.get(given.get("has_he_funding", "")),
            "purpose": given.get("purpose") or None,
            "months": given.get("months"),
            "gpu_hours": hours,
            "parameters": given.get("parameters"),
            "tokens": given.get("tokens"),
        }

    def facts(self) -> dict[str, Any]:
        """Return the facts that rules ask."""
        given = self.cleaned_data
        facts = modes.organisation_facts(
            kind=given["kind"],
            country=given["country"],
            **{name: given.get(name) for name in FIGURES},
            related=self._related(),
            before=self._before(),
            public_share_percent=given.get("public_share_percent") or 0,
        )
        return facts | self.said()

    def _figures(self, *names: str) -> list[int]:
        """Return the figures of these names; none where one is missing."""
        given = [self.cleaned_data.get(name) for name in names]
        return [] if None in given else [int(one or 0) for one in given]

    def _before(self) -> Year | None:
        figures = self._figures(*(f"before_{name}" for name in FIGURES))
        return Year(0, figures[0], figures[1], figures[2]) if figures else None

    def _related(self) -> list[Related]:
        found = []
        for number in range(1, RELATED_ROWS + 1):
            figures = self._figures(*(f"related_{number}_{name}" for name in ("share", *FIGURES)))
            if figures:
                is_linked = figures[0] > LINKED_ABOVE
                relation = Relation.LINKED if is_linked else Relation.PARTNER
                found.append(Related("", relation, *figures))
        return found


for _name, _field in QualifyForm.related_fields().items():
    QualifyForm.base_fields[_name] = _field
