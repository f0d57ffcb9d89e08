"""What a decision says, in words for the applicant."""

from collections.abc import Mapping
from typing import Any

from uzina.core.text import _

WHY = {
    "full": _("All the hours that the host recommends."),
    "full_fallback": _("All the hours that the host recommends, in the fallback partition."),
    "partial": _("As many hours as were left: {gpu_hours} of {ceiling_gpu_hours}."),
    "partial_fallback": _(
        "As many hours as were left in the fallback partition: {gpu_hours} of {ceiling_gpu_hours}."
    ),
    "threshold": _("The score is {score}, and at least {threshold} is needed."),
    "criterion": _("For “{criterion}” the score is {score}, and at least {threshold} is needed."),
    "capacity": _(
        "Good enough, but {left_gpu_hours} GPU-hours are left where at least {least_gpu_hours} are "
        "needed: {short_gpu_hours} are missing."
    ),
    "money": _(
        "Good enough, but the money of the call pays {left_gpu_hours} more GPU-hours where at "
        "least {least_gpu_hours} are needed: {short_gpu_hours} are missing."
    ),
    "behind": _("Good enough, and behind {code}, for which too little was left."),
    "no_capacity": _("Good enough, but the call has no hours of the partition it asks."),
}
"""By the kind of reason that rules.ranking gives."""

VERSUS = {
    "score": _("{one} ranks before {other}: its score is {one_score}, the other's {other_score}."),
    "criterion": _(
        "Their scores are equal. {one} ranks before {other} by “{criterion}”: {one_score} against "
        "{other_score}."
    ),
    "submitted": _("Their scores are equal in everything. {one} was submitted earlier."),
    "fits": _(
        "{other} ranks before {one}. {one} needed at least {least_gpu_hours} GPU-hours and they "
        "were left; by the rule of this call, what those before cannot use is filled."
    ),
    "elsewhere": _("{one} and {other} do not compete: they ask for different partitions."),
}
"""Why this one and not that one, by kind."""


def facts_of(
    row: Mapping[str, Any], ask: Mapping[str, Any], titles: Mapping[str, str]
) -> dict[str, Any]:
    """Return the facts that the sentence on a row of a ranking needs.

    titles  the names of the criteria in the reader's language
    """
    why = dict(row["why"])
    if "score_milli" in why:
        why["score"] = in_points(why["score_milli"])
        why["threshold"] = in_points(why["threshold_milli"])
    if "criterion" in why:
        why["criterion"] = titles.get(why["criterion"], why["criterion"])
    return {
        "gpu_hours": row["gpu_hours"],
        "least_gpu_hours": row["least_gpu_hours"],
        "ceiling_gpu_hours": ask["ceiling_gpu_hours"],
        **why,
    }


def in_points(milli: int) -> str:
    """Return thousandths of a point as people write them: 4.25, 4.333."""
    return f"{milli / 1000:.3f}".rstrip("0").rstrip(".")


def versus(
    inputs: Mapping[str, Any], result: Mapping[str, Any], one: str, other: str
) -> dict[str, Any]:
    """Return why `one` got an award and `other` did not: a kind of VERSUS and its facts."""
    rows = {row["code"]: row for row in result["applications"]}
    asks = {ask["code"]: ask for ask in inputs["applications"]}
    mine, theirs = rows[one], rows[other]
    facts: dict[str, Any] = {"one": one, "other": other}
    if not set(asks[one]["capacities"]) & set(asks[other]["capacities"]):
        return {"kind": "elsewhere", **facts}
    if mine["rank"] > theirs["rank"]:
        return {"kind": "fits", **facts, "least_gpu_hours": mine["least_gpu_hours"]}
    if mine["score_milli"] != theirs["score_milli"]:
        return {
            "kind": "score",
            **facts,
            "one_score": in_points(mine["score_milli"]),
            "other_score": in_points(theirs["score_milli"]),
        }
    for criterion in inputs["criteria"]:
        key = criterion["key"]
        if asks[one]["scores"][key] != asks[other]["scores"][key]:
            return {
                "kind": "criterion",
                **facts,
                "criterion": key,
                "one_score": in_points(asks[one]["scores"][key]),
                "other_score": in_points(asks[other]["scores"][key]),
            }
    return {"kind": "submitted", **facts}
