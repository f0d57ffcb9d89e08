"""What an application's answers say to the rules of its mode."""

from collections.abc import Mapping
from typing import Any

from uzina.calls.rules.sections.asking import Offer
from uzina.calls.rules.sections.fields import AMOUNT


def asked_facts(
    answers: Mapping[str, Mapping[str, Any]], offer: Offer | None = None
) -> dict[str, Any]:
    """Return the facts for the mode's rules that the answers hold; None where they do not.

    offer  what the call lets people choose: turns node-hours into GPU-hours, and names the
           partition where there is only one
    """
    offer = offer or Offer()
    project, team, work, research = (
        answers.get(slug, {}) for slug in ("project", "team", "work", "research")
    )
    countries = [team.get("lead_country")]
    countries += [member.get("country") for member in team.get("members", [])]
    known = tuple(country for country in countries if country)
    partition = work.get("partition") or None
    if len(offer.partitions) == 1:
        partition = offer.partitions[0].name or None
    amount = work.get(AMOUNT)
    if amount is not None and offer.unit == "node_hour":
        amount *= next(
            (one.gpus_per_node for one in offer.partitions if one.name == (partition or "")), 1
        )
    return {
        "team_countries": known or None,
        "civilian_purpose": project.get("civilian_purpose"),
        "contract_covers": team.get("contract_covers"),
        "months": project.get("months"),
        "gpu_hours": amount,
        "partition": partition,
        "has_he_funding": research.get("has_he_funding"),
    }
