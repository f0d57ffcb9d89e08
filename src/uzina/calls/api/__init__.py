"""The API of modes, calls, applications, how they are judged, and awards."""

from ninja import Router

from uzina.calls.api import (
    aid,
    amendments,
    appeals,
    applications,
    assessments,
    awards,
    calls,
    challenges,
    documents,
    drafts,
    interest,
    letters,
    modes,
    panel,
    public_awards,
    rankings,
    replies,
    reviewers,
    reviews,
    steps,
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
    steps,
    panel,
    rankings,
    letters,
    appeals,
):
    router.add_router("", part.router)
