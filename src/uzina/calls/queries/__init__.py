"""Reads worth a name."""

from uzina.calls.queries.applications import (
    answers_of,
    application,
    applications,
    assessable_by,
    may_apply_for,
    oldest_first,
    organisation_facts,
    organisation_ids,
    story,
    to_be_assessed,
    verbs,
    verdict_now,
    working_days_left,
)
from uzina.calls.queries.awards import (
    award,
    lapsed,
)
from uzina.calls.queries.calls import (
    calls,
    calls_with_reserve,
    capacity_of,
    free_gpu_ms,
    left_gpu_ms,
    open_calls,
    queue,
    to_be_given_gpu_ms,
)
from uzina.calls.queries.modes import (
    MODES,
    country_groups,
    country_names,
    mode_data,
    shipped_modes,
)

__all__ = [
    "MODES",
    "answers_of",
    "application",
    "applications",
    "assessable_by",
    "award",
    "calls",
    "calls_with_reserve",
    "capacity_of",
    "country_groups",
    "country_names",
    "free_gpu_ms",
    "lapsed",
    "left_gpu_ms",
    "may_apply_for",
    "mode_data",
    "oldest_first",
    "open_calls",
    "organisation_facts",
    "organisation_ids",
    "queue",
    "shipped_modes",
    "story",
    "to_be_assessed",
    "to_be_given_gpu_ms",
    "verbs",
    "verdict_now",
    "working_days_left",
]
