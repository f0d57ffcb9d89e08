"""The API of modes, calls, applications, how they are judged, and awards."""

from ninja import Router

from uzina.calls.api import (
    aid,
    amendments,
    applications,
    assessments,
    awards,
    calls,
    challenges,
    documents,
    drafts,
    interest,
    modes,
    public_awards,
    replies,
    reviewers,
    reviews,
)

router = Router(tags=["calls"])
for part in (
    drafts,
    documents,
    public_awards,
    amendments,
    aid,
    modes,
    calls,
    applications,
    assessments,
    awards,
    challenges,
    interest,
    reviews,
    replies,
    reviewers,
):
    router.add_router("", part.router)
