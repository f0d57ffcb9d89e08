"""The API of clusters and jobs."""

from ninja import Router

from uzina.compute.api import jobs

router = Router(tags=["compute"])
router.add_router("", jobs.router)

__all__ = ["router"]
