"""A ranked call with applications that came as far as its panel, for the tests of what follows."""

from datetime import timedelta

from uzina.calls import actions
from uzina.calls.models import Application, Assessment, Review, Step
from uzina.calls.rules.clock import Window
from uzina.calls.rules.flows import ApplicationState, ReviewState
from uzina.calls.rules.steps import StepKind, StepState
from uzina.calls.tests.conftest import make_call
from uzina.core.tests import NOW
from uzina.people import actions as people
from uzina.people.rules import OrganisationKind
from uzina.people.tests import make_person

HOUR = 3_600_000
CLOSED = NOW + timedelta(days=1)
LATER = NOW + timedelta(days=10)
BEFORE_PANEL = (
    StepKind.COMPLETENESS,
    StepKind.ELIGIBILITY,
    StepKind.TECHNICAL_ASSESSMENT,
    StepKind.PEER_REVIEW,
    StepKind.RIGHT_TO_REPLY,
)
KEYS = ("excellence", "impact", "implementation")


def ranked_call(operator, *, hours=200_000, slug="large-scale", **facts):
    """Publish a call that compares applications at one cut-off."""
    return make_call(
        operator,
        **{
            "mode": "large-scale",
            "slug": slug,
            "title_en": "Large Scale 2026",
            "title_ro": "Large Scale 2026",
            "budget_gpu_hours": hours,
            "cut_offs": [Window(NOW - timedelta(days=1), CLOSED)],
            **facts,
        },
    )


def set_rules(call, **rules):
    """Change rules of a call, as a mode that differs in them would."""
    call.rules = {**call.rules, **rules}
    call.save()
    return type(call).objects.get(pk=call.pk)


def at_step(call, applicant, organisation, *, scores, hours, step=StepKind.PANEL, **fields):
    """Make an application that waits at a step. scores: of each reviewer, one number for all.

    Rows as submission, assessment and reviews leave them; those are tested elsewhere.
    """
    number = Application.objects.filter(call=call).count()
    submitted_at = NOW + timedelta(minutes=number)
    values = {
        "title": f"Model {number}",
        "gpu_ms": hours * HOUR,
        "months": 6,
        "partition": "",
    } | fields
    application = Application.objects.create(
        call=call,
        cut_off=call.cut_offs.first(),
        applicant=applicant,
        organisation=organisation,
        state=ApplicationState.ELIGIBLE,
        made_at=NOW,
        submitted_at=submitted_at,
        due_at=LATER,
        **values,
    )
    Assessment.objects.create(
        application=application,
        assessor=applicant,
        is_fitting=True,
        is_ready=True,
        is_justified=True,
        recommended_gpu_ms=hours * HOUR,
        made_at=submitted_at,
    )
    order = [one.kind for one in call.mode.steps]
    rows = []
    for position, kind in enumerate(order):
        is_done = position < order.index(step)
        is_open = kind is step
        rows.append(
            Step(
                application=application,
                kind=kind,
                position=position,
                state=StepState.DONE
                if is_done
                else StepState.OPEN
                if is_open
                else StepState.WAITING,
                opened_at=submitted_at if is_done or is_open else None,
                done_at=submitted_at if is_done else None,
            )
        )
    Step.objects.bulk_create(rows)
    for at, score in enumerate(scores):
        Review.objects.create(
            application=application,
            reviewer=reviewer(at),
            state=ReviewState.SUBMITTED,
            assigned_at=NOW,
            due_at=LATER,
            submitted_at=submitted_at,
            scores=dict.fromkeys(KEYS, score),
            score_milli=1000 * score,
            comment=f"For the applicant: {score}.",
            panel_comment=f"Between us: {score}.",
        )
    return application


def reviewer(number):
    """Return the reviewer of a number."""
    from uzina.people.models import Person

    email = f"reviewer{number}@elsewhere.example"
    return Person.objects.filter(email=email).first() or make_person(
        email, f"Reviewer {number}", "reviewer"
    )


def other_organisation(person, name="Alt Model SRL"):
    """Register another start-up."""
    return people.register_organisation(
        people.OrganisationFacts(
            name=name,
            kind=OrganisationKind.STARTUP,
            country="RO",
            city="Iași",
            headcount=5,
            turnover_eur=100_000,
            balance_eur=90_000,
        ),
        by=person,
        now=NOW,
    )


def agree(application, by, *, score, now=NOW, **words):
    """Have the panel agree on one score for all criteria."""
    return actions.agree(
        application,
        scores=dict.fromkeys(KEYS, int(score * 1000)),
        comment=words.get("comment", ""),
        note=words.get("note", ""),
        by=by,
        now=now,
    )


def adopted(call, operator, *, now=LATER):
    """Rank what waits, and adopt it."""
    ranking = actions.draft_ranking(
        call, cut_off=call.cut_offs.first(), held_back={}, by=operator, now=now
    )
    return actions.adopt(ranking, by=operator, now=now)


def released(call, operator, *, now=LATER):
    """Rank what waits, adopt and release it."""
    return actions.release(adopted(call, operator, now=now), by=operator, now=now)
