"""A published call, and applications to it in each stage."""

from datetime import timedelta

import pytest

from uzina.calls import actions, queries
from uzina.calls.models import Application, Award
from uzina.core.tests import NOW

MINUTE = timedelta(minutes=1)

ANSWERS = {
    "project": {
        "title": "A language model for Romanian",
        "summary": "A small model that writes clear Romanian.",
        "problem": "Public texts are hard to read.",
        "goals": "An open model with a card.",
        "keywords": "language model, Romanian",
        "civilian_purpose": True,
        "is_confidential": False,
        "months": 3,
    },
    "team": {
        "lead_name": "Ana Pop",
        "lead_email": "ana@startup.example",
        "lead_country": "RO",
        "contract_covers": True,
        "members": [{"name": "Jānis Bērziņš", "country": "LV"}],
    },
    "work": {
        "task": "pretraining",
        "parameters": 7_000_000,
        "tokens": 100_000_000,
        "gpu_hours": 1200,
        "code": "Our recipe, on PyTorch 2.13.",
        "readiness": "cpu",
        "hardware_reason": "Training on a laptop would take months.",
    },
    "data": {
        "datasets": [
            {"title": "Public texts", "licence": "CC BY 4.0", "origin": "Our own collection"}
        ],
        "storage_gb": 50,
        "has_personal_data": False,
    },
    "ethics": dict.fromkeys(
        ("human_agency", "privacy", "fairness", "wellbeing", "transparency", "accountability"),
        "We thought about it and wrote it down.",
    ),
    "declarations": {"is_correct": True, "accepts_terms": True, "may_publish": True},
}


LONG_ANSWERS = {
    "research": {
        "fields": [{"panel": "PE6", "topic": "PE6_7", "share": 80}, {"panel": "SH4", "share": 20}],
        "application_type": "industrial",
        "state_of_the_art": "Models for small languages lag behind.",
        "has_he_funding": False,
    },
    "principal_investigator": {"job_title": "Head of research", "nationality": "RO"},
    "date_of_birth": {"born_on": "1985-03-27"},
    "work": {
        "ask_reason": "A measured pilot, scaled by tokens.",
        "jobs": 40,
        "largest_job": 64,
        "has_pilot": True,
        "pilot": "410 TFLOP/s on 8 GPUs.",
    },
    "code": {
        "description": "Trains language models.",
        "version": "uzina recipes 1.0",
        "repository": "https://example.org/recipes",
        "licence": "EUPL-1.2",
        "connection": "developer",
        "algorithms": "Data parallel training.",
        "bottlenecks": "The network between nodes.",
        "reusability": "Anybody may use it.",
        "support": ["epicure", "course"],
        "support_may_read": True,
    },
    "impact": {
        "innovation": "A tokenizer made for Romanian.",
        "beneficiaries": "Public offices and their readers.",
        "european_value": "A language that large models neglect.",
        "outputs": "Weights, recipe and card.",
    },
    "plan": {
        "stages": [
            {"title": "Pilot", "from_month": 1, "to_month": 1, "share": 10},
            {"title": "Training", "from_month": 2, "to_month": 3, "share": 90},
        ],
        "people": "Two engineers.",
        "risks": "Data may come late; then we train on less.",
        "milestones": "The loss after a tenth of the tokens.",
    },
    "interest": {
        "role": "partner",
        "brings": "Texts under open licences.",
        "experience": "Ten years of corpora.",
        "person_months": 12,
        "co_funding_eur": 0,
        "may_contact": True,
    },
}
"""What longer forms ask beside it."""


def answers_for(application, **replaced):
    """Return answers to all that the application's call asks, some sections replaced."""
    answers = {}
    for section in queries.asked_sections(application):
        slug = section.slug
        given = {**ANSWERS.get(slug, {}), **LONG_ANSWERS.get(slug, {})}
        for field in section.fields:
            if field.name == "partition":
                given |= {"partition": field.choices[0][0]}
            if field.name == "fallback_partition":
                given |= {"fallback_partition": field.choices[1][0]}
            if field.allowed and given.get(field.name) not in field.allowed:
                given |= {field.name: field.allowed[0]}
        limit = next((one for one in section.limits), None)
        if limit is not None and "gpu_hours" in given:
            given["gpu_hours"] = min(max(given["gpu_hours"], limit.least), limit.most)
        names = {field.name for field in section.fields}
        answers[slug] = replaced.get(slug, {k: v for k, v in given.items() if k in names})
    return answers


def changed(section, **answers):
    """Return the answers of a section with some changed."""
    return {**ANSWERS[section], **answers}


def fill(application, *, by, now=NOW, **sections):
    """Save every section of a draft, with some sections replaced."""
    for slug, answers in answers_for(application, **sections).items():
        saved = application.sections.filter(slug=slug).first()
        actions.save_section(
            application,
            section=slug,
            answers=answers,
            version=saved.version if saved else 0,
            by=by,
            now=now,
        )


def submitted(call, org, by, *, now=NOW, **sections):
    """Start, fill and submit an application."""
    application = actions.start(call, organisation=org, by=by, now=now)
    fill(application, by=by, now=now, **sections)
    return actions.submit(application, by=by, now=now)


def assess(application, by, *, now=NOW + MINUTE, hours=5000, **answers):
    """Assess an application, positively unless said otherwise."""
    values = {"is_fitting": True, "is_ready": True, "is_justified": True} | answers
    return actions.assess(
        Application.objects.get(pk=application.pk),
        **values,
        recommended_gpu_hours=hours,
        comment="Make the code run on one GPU first.",
        note="",
        by=by,
        now=now,
    )


def make_call(operator, **facts):
    """Make and publish a call with a budget of 10,000 GPU-hours."""
    values = {
        "mode": "playground",
        "slug": "playground",
        "title_en": "Playground 2026",
        "title_ro": "Playground 2026",
        "budget_gpu_hours": 10_000,
        "opens_at": NOW - timedelta(days=1),
    } | facts
    call = actions.create_call(actions.CallFacts(**values), by=operator, now=NOW)
    return actions.publish(call, by=operator, now=NOW)


@pytest.fixture
def call(operator):
    return make_call(operator)


@pytest.fixture
def draft(call, org, ana):
    application = actions.start(call, organisation=org, by=ana, now=NOW)
    fill(application, by=ana)
    return application


@pytest.fixture
def eligible(draft, ana):
    return actions.submit(draft, by=ana, now=NOW)


@pytest.fixture
def award(eligible, assessor):
    assess(eligible, assessor)
    return Award.objects.get(application=eligible)
