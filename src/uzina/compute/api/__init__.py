"""The API of clusters and jobs."""

from ninja import Router

from uzina.compute.api import accounts, agent, clusters, jobs, sessions, usage

router = Router(tags=["compute"])
router.add_router("", accounts.router)
router.add_router("", agent.router)
router.add_router("", clusters.router)
router.add_router("", jobs.router)
router.add_router("", sessions.router)
router.add_router("", usage.router)

__all__ = ["router"]
