"""A call with peer review, reviewers for it, and applications in it: for the tests of reviews."""

from datetime import UTC, datetime, timedelta

from uzina.calls import actions
from uzina.calls.models import Application, Call, Step
from uzina.calls.tests.conftest import fill, make_call
from uzina.core.tests import NOW
from uzina.people import actions as people
from uzina.people.rules import OrganisationKind
from uzina.people.tests import make_person

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)

CRITERIA = [
    {"key": "excellence", "title": {"en": "Excellence", "ro": "Excelență"}, "weight": 2},
    {"key": "impact", "title": {"en": "Impact", "ro": "Impact"}, "weight": 1, "threshold": 3},
]
FULL = {
    "scores": {"excellence": 4, "impact": 5},
    "comment": "A clear plan; say more about the data.",
    "panel_comment": "Between us: the budget is generous.",
    "notes": "Ask about the corpus.",
}


def judged_call(operator, *, slug="large", reviewers=2, blind="single", opens_at=LONG_AGO, **steps):
    """Return a published call whose applications go to peer review at once."""
    call = make_call(operator, slug=slug, opens_at=opens_at, budget_gpu_hours=1_000_000)
    kinds = ["completeness", "eligibility", "peer_review", "right_to_reply", "panel", "decision"]
    owners = ["rule", "rule", "reviewer", "applicant", "panel", "panel"]
    days = {"peer_review": 10, "right_to_reply": 3} | steps
    call.rules = call.rules | {
        "order": "ranked",
        "steps": [
            {"kind": kind, "owner": owner, "working_days": days.get(kind, 0)}
            for kind, owner in zip(kinds, owners, strict=True)
            if days.get(kind, 0) >= 0
        ],
        "scoring": {
            "least": 1,
            "most": 5,
            "threshold_milli": 3000,
            "reviewers": reviewers,
            "blind": blind,
            "conflict_years": 3,
            "criteria": CRITERIA,
        },
    }
    call.rules["sources"] = call.rules["sources"] | {"scoring": "A test", "steps": "A test"}
    call.save()
    return Call.objects.get(pk=call.pk)


def profile(**facts):
    """Return a reviewer's profile, of somebody who knows language models."""
    return actions.Profile(
        **{"topics": ["language-models"], "languages": ["en", "ro"], "most": 10} | facts
    )


def make_reviewer(operator, name, *, now=NOW, **facts):
    """Return a person who is a reviewer."""
    person = make_person(f"{name.split()[0].lower()}@review.example", name)
    actions.make_reviewer(person, profile(**facts), by=operator, now=now)
    return type(person).objects.get(pk=person.pk)


def make_organisation(by, name, *, now=NOW):
    return people.register_organisation(
        people.OrganisationFacts(
            name=name,
            kind=OrganisationKind.STARTUP,
            country="RO",
            city="Iași",
            headcount=5,
            turnover_eur=300_000,
            balance_eur=200_000,
        ),
        by=by,
        now=now,
    )


def make_applicant(number, *, name=None, organisation=None):
    """Return a person and an organisation of theirs."""
    person = make_person(f"applicant{number}@firm.example", name or f"Vasile Ursu{number}")
    return person, make_organisation(person, organisation or f"Firma {number} SRL")


def hand_in(call, person, organisation, *, now=NOW, screened=True, **sections):
    """Return an application that is in peer review."""
    application = actions.start(call, organisation=organisation, by=person, now=now)
    fill(application, by=person, now=now, **sections)
    actions.submit(application, by=person, now=now)
    found = Application.objects.get(pk=application.pk)
    assert Step.objects.get(application=found, kind="peer_review").state == "open"
    if screened:
        actions.screen(found, now=now)
    return Application.objects.get(pk=application.pk)


def assigned(operator, application, *people, now=NOW):
    """Ask people for reviews of an application, by hand; return the reviews."""
    return [actions.assign_review(application, person, by=operator, now=now) for person in people]


def written(review, *, now=NOW, **changed):
    """Accept a review and hand it in."""
    actions.accept_review(review, by=review.reviewer, now=now)
    return actions.submit_review(
        review, **{**FULL, **changed}, version=0, by=review.reviewer, now=now
    )
