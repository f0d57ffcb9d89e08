"""Reads worth a name."""

from uzina.catalogue.queries.datasets import (
    dataset,
    datasets_of,
    language_names,
)
from uzina.catalogue.queries.feeds import (
    catalog_dump,
    catalog_ntriples,
    catalog_page,
    fragment,
)
from uzina.catalogue.queries.licences import (
    licence,
    licences,
    shipped_licences,
)
from uzina.catalogue.queries.records import (
    record_of,
)
from uzina.catalogue.queries.search import (
    holder_names,
    search,
    stagings_of,
    words_nobody_has,
)
from uzina.catalogue.queries.terms import (
    check_use,
    deciders,
    ending,
    evidence_of,
    failed_constraints,
    failures,
    grant_for,
    grant_in_use,
    has_personal_data,
    of_closed_projects,
    other_grants,
    policy_of,
    readable_versions,
    request_of,
    use_of,
    uses_by_day,
    waiting,
    with_all,
)
from uzina.catalogue.queries.uploads import (
    has_blob,
)
from uzina.catalogue.queries.versions import (
    check_versions,
    contents,
    data_for,
    same_content,
    sources,
    text,
    usable_version,
    uses,
    version,
    versions_made_by,
)

__all__ = [
    "catalog_dump",
    "catalog_ntriples",
    "catalog_page",
    "check_use",
    "check_versions",
    "contents",
    "data_for",
    "dataset",
    "datasets_of",
    "deciders",
    "ending",
    "evidence_of",
    "failed_constraints",
    "failures",
    "fragment",
    "grant_for",
    "grant_in_use",
    "has_blob",
    "has_personal_data",
    "holder_names",
    "language_names",
    "licence",
    "licences",
    "of_closed_projects",
    "other_grants",
    "policy_of",
    "readable_versions",
    "record_of",
    "request_of",
    "same_content",
    "search",
    "shipped_licences",
    "sources",
    "stagings_of",
    "text",
    "usable_version",
    "use_of",
    "uses",
    "uses_by_day",
    "version",
    "versions_made_by",
    "waiting",
    "with_all",
    "words_nobody_has",
]
