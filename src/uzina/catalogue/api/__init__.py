"""The API of datasets, their versions and their bytes."""

from ninja import Router

from uzina.catalogue.api import (
    datasets,
    licences,
    links,
    participants,
    records,
    sources,
    spaces,
    terms,
    uploads,
    versions,
)

router = Router(tags=["catalogue"])
for part in (
    licences,
    datasets,
    records,
    uploads,
    links,
    versions,
    participants,
    terms,
    spaces,
    sources,
):
    router.add_router("", part.router)

__all__ = ["router"]
