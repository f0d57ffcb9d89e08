"""What a panel sees: the applications before it, and how far the reviewers are apart."""

from dataclasses import dataclass

from django.db.models import Q, QuerySet

from uzina.calls.models import (
    Application,
    Call,
    CutOff,
    PanelSeat,
    Step,
    conflicted,
)
from uzina.calls.queries.rankings import means, reviewed, scores_of
from uzina.calls.rules import modes, ranking
from uzina.calls.rules.flows import ApplicationState
from uzina.calls.rules.steps import StepKind, StepState
from uzina.people.models import Person
from uzina.people.rules import RoleKind


@dataclass(frozen=True)
class Spread:
    """How the reviewers of one application scored, thousandths of a point.

    spread_milli  the highest less the lowest
    """

    scores_milli: tuple[int, ...]
    mean_milli: int
    spread_milli: int


def spread(application: Application, mode: modes.Mode) -> Spread:
    """Return how far the reviews of an application are apart. No query for a row of reviewed()."""
    reviews = application.submitted_reviews  # type: ignore[attr-defined]
    scores = tuple(sorted(one.score_milli for one in reviews))
    weights = {one.key: one.weight for one in mode.scoring.criteria} if mode.scoring else {}
    return Spread(
        scores_milli=scores,
        mean_milli=ranking.weighted_milli(means(application, mode), weights),
        spread_milli=scores[-1] - scores[0] if scores else 0,
    )


def panel_calls(person: Person) -> QuerySet[Call]:
    """Return the calls with a panel that the person sits on, or may look at, newest first."""
    rows = Call.objects.exclude(state="draft").prefetch_related("cut_offs").order_by("-pk")
    if person.has_role(RoleKind.OPERATOR, RoleKind.AUDITOR):
        return rows  # type: ignore[no-any-return]
    seats = PanelSeat.objects.filter(person=person, is_for_appeals=False)
    return rows.filter(pk__in=seats.values("call"))  # type: ignore[no-any-return]


def before_panel(call: Call, cut_off: CutOff | None, person: Person) -> QuerySet[Application]:
    """Return the applications of a cut-off that the person may discuss: none with an interest.

    All that came as far as the panel, and those the panel has dealt with.
    """
    reached = Step.objects.filter(
        kind__in=[StepKind.PANEL, StepKind.RANKING],
        state__in=[StepState.OPEN, StepState.PAUSED, StepState.DONE],
    )
    return (
        reviewed()
        .filter(call=call, cut_off=cut_off, pk__in=reached.values("application"))
        .exclude(state__in=[ApplicationState.DRAFT, ApplicationState.WITHDRAWN])
        .exclude(conflicted(person))
        .order_by("submitted_at", "pk")
    )


def disagreements_first(
    applications: list[Application], mode: modes.Mode
) -> list[tuple[Application, Spread]]:
    """Return the applications, those first whose reviewers are furthest apart, then by mean."""
    rows = [(one, spread(one, mode)) for one in applications]
    return sorted(rows, key=lambda row: (-row[1].spread_milli, -row[1].mean_milli, row[0].pk))


def ranks_by(application: Application, mode: modes.Mode) -> int:
    """Return the score that ranks an application. No query for a row of reviewed()."""
    weights = {one.key: one.weight for one in mode.scoring.criteria} if mode.scoring else {}
    return ranking.weighted_milli(scores_of(application, mode), weights)


def at_panel(call: Call, cut_off: CutOff | None) -> QuerySet[Application]:
    """Return the applications of a cut-off whose panel step is open."""
    return (
        reviewed()
        .filter(
            call=call,
            cut_off=cut_off,
            state=ApplicationState.ELIGIBLE,
            steps__kind=StepKind.PANEL,
            steps__state=StepState.OPEN,
        )
        .order_by("submitted_at", "pk")
    )


def seats(call: Call) -> QuerySet[PanelSeat]:
    """Return who sits on the panels of a call: the first, then the one for appeals."""
    return (  # type: ignore[no-any-return]
        PanelSeat.objects.filter(call=call)
        .select_related("person")
        .order_by("is_for_appeals", "-is_chair", "pk")
    )


def seat_of(person: Person, call: Call, *, is_for_appeals: bool) -> PanelSeat | None:
    """Return the person's seat on a panel of a call. One query."""
    return PanelSeat.objects.filter(  # type: ignore[no-any-return]
        call=call, person=person, is_for_appeals=is_for_appeals
    ).first()


def has_interest(person: Person, application: Application) -> bool:
    """Tell whether the person has a conflict of interest in an application. One query."""
    return Application.objects.filter(conflicted(person), Q(pk=application.pk)).exists()
