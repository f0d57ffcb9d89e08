"""The API of modes, calls, applications, how they are judged, and awards."""

from ninja import Router

from uzina.calls.api import (
    applications,
    assessments,
    awards,
    calls,
    challenges,
    interest,
    modes,
)

router = Router(tags=["calls"])
for part in (
    modes,
    calls,
    applications,
    assessments,
    awards,
    challenges,
    interest,
):
    router.add_router("", part.router)
