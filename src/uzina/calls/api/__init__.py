"""The API of modes, calls, applications, assessments and awards."""

from ninja import Router

from uzina.calls.api import applications, assessments, awards, calls, modes

router = Router(tags=["calls"])
for part in (modes, calls, applications, assessments, awards):
    router.add_router("", part.router)
