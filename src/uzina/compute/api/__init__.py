"""The API of clusters and jobs."""

from ninja import Router

from uzina.compute.api import clusters, jobs, sessions

router = Router(tags=["compute"])
router.add_router("", clusters.router)
router.add_router("", jobs.router)
router.add_router("", sessions.router)

__all__ = ["router"]
