"""What the people in the story answer: a start-up that makes language tools for notaries."""

from typing import Any

MONTHS = 3

CALL: dict[str, Any] = {
    "mode": "playground",
    "slug": "playground",
    "title_en": "Playground access to the RO AI Factory",
    "title_ro": "Acces Playground la RO AI Factory",
    "budget_gpu_hours": 50_000,
}

ASSESSMENT: dict[str, Any] = {
    "is_fitting": True,
    "is_ready": True,
    "is_justified": True,
    "comment": "The code runs on a CPU and the plan is sound. Begin with the small model.",
    "note": "Known recipe, no special needs.",
}

CORPUS_LICENCE = "mixed-see-files"

CORPUS_DESCRIPTION = (
    "Handbooks, manuals, manual pages and interface texts of Debian and of free software, in "
    "Romanian and English, one document a line with its source and licence."
)

ORGANISATION: dict[str, Any] = {
    "name": "Graiul Digital SRL",
    "kind": "startup",
    "country": "RO",
    "city": "Cluj-Napoca",
    "website": "https://graiul.example",
    "vat_number": "RO18547290",
    "founded_on": "2024-03-11",
    "headcount": 7,
    "turnover_eur": 310_000,
    "balance_eur": 420_000,
    "related_enterprises": [
        {
            "name": "Seed Capital Transilvania SA",
            "relation": "partner",
            "share_percent": 26,
            "headcount": 19,
            "turnover_eur": 2_400_000,
            "balance_eur": 9_800_000,
        }
    ],
}

SECOND_ORGANISATION: dict[str, Any] = {
    "name": "Ogor Senzori SRL",
    "kind": "startup",
    "country": "RO",
    "city": "Iași",
    "website": "https://ogor.example",
    "vat_number": "RO14399840",
    "founded_on": "2023-09-04",
    "headcount": 4,
    "turnover_eur": 95_000,
    "balance_eur": 60_000,
    "related_enterprises": [],
}

ESTIMATE: dict[str, Any] = {
    "parameters": 1_300_000_000,
    "tokens": 26_000_000_000,
    "device": "h100",
    "devices": 4,
}

PROJECT: dict[str, Any] = {
    "title": "A small Romanian and English model for technical text",
    "summary": (
        "We train a compact language model on openly licensed technical documentation in "
        "Romanian and English, and measure what it gains over simpler methods."
    ),
    "problem": (
        "Assistants for technical text answer in Romanian that reads like a translation, because "
        "little Romanian went into the models they are built on."
    ),
    "goals": (
        "A documented model with its tokenizer, evaluated on held-out text in both languages, "
        "and a recipe that others can run again."
    ),
    "keywords": "language model, Romanian, technical documentation",
    "civilian_purpose": True,
    "is_confidential": False,
    "months": MONTHS,
}

WORK: dict[str, Any] = {
    "task": "pretraining",
    "parameters": ESTIMATE["parameters"],
    "tokens": ESTIMATE["tokens"],
    "code": "The factory's recipes prepare, train and evaluate; torch 2.13.0.",
    "readiness": "cpu",
    "hardware_reason": "On the processors we have, the training would take more than a year.",
}

DATA: dict[str, Any] = {
    "datasets": [
        {
            "title": "Debian and free software documentation, Romanian and English",
            "licence": "GPL, GFDL, CC BY-SA and MPL, by document",
            "origin": "Packages of Debian 12",
        }
    ],
    "storage_gb": 20,
    "has_personal_data": False,
}

ETHICS: dict[str, Any] = {
    "human_agency": "The model suggests text; a person decides what is used.",
    "privacy": "The corpus is published documentation, without data about private persons.",
    "fairness": "Results are given for each language, so that a weaker one is seen.",
    "wellbeing": "The model is small; the energy of its training is estimated and published.",
    "transparency": "Data, recipe, measurements and the model's card are published.",
    "accountability": "The project lead answers for the model and can withdraw it.",
}

DECLARATIONS: dict[str, Any] = {
    "is_correct": True,
    "accepts_terms": True,
    "may_publish": True,
}


def team(*, name: str, email: str) -> dict[str, Any]:
    """Return the answers about the people, for a lead without further members."""
    return {
        "lead_name": name,
        "lead_email": email,
        "lead_country": "RO",
        "contract_covers": True,
    }


def sections(*, name: str, email: str, gpu_hours: int) -> dict[str, dict[str, Any]]:
    """Return the answers of every section, in the order of the form."""
    return {
        "project": PROJECT,
        "team": team(name=name, email=email),
        "work": WORK | {"gpu_hours": gpu_hours},
        "data": DATA,
        "ethics": ETHICS,
        "declarations": DECLARATIONS,
    }


def qualify_facts(*, gpu_hours: int) -> dict[str, Any]:
    """Return what the start-up says of itself before it applies."""
    facts = ORGANISATION
    return {
        "organisation": {
            "kind": facts["kind"],
            "country": facts["country"],
            "headcount": facts["headcount"],
            "turnover_eur": facts["turnover_eur"],
            "balance_eur": facts["balance_eur"],
            "related": facts["related_enterprises"],
        },
        "civilian_purpose": True,
        "months": MONTHS,
        "gpu_hours": gpu_hours,
    }
