"""Django's handle on the module."""

from datetime import UTC, datetime

from django.apps import AppConfig

from uzina.core.agenda import at_once, every, subscribe
from uzina.core.text import _
from uzina.people.rules import declare

ACCOUNT_NEWS = (
    *("allocation.granted", "allocation.topped_up", "allocation.frozen", "allocation.thawed"),
    *("allocation.reduced", "allocation.prolonged"),
    *("allocation.opened", "allocation.expired", "allocation.refunded", "allocation.overdrawn"),
    *("project.member_added", "project.lead_changed", "project.wound_up", "site_user.mapped"),
)
"""What changes accounts, users or limits on the cluster."""


class ComputeConfig(AppConfig):
    """Compute."""

    name = "uzina.compute"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Have the cluster watched, its machines counted and old history dropped."""
        every("compute.watch", seconds=1)
        at_once("compute.hand_over", most=50)
        subscribe("job.ended", "compute.follow_up")
        every("compute.sweep", seconds=86_400)
        every("compute.count", seconds=60)
        every("compute.forget_samples", seconds=86_400)
        every("compute.reconcile", seconds=60)
        every("compute.compare_totals", seconds=86_400)
        every("compute.examine", seconds=600)
        for event in ACCOUNT_NEWS:
            subscribe(event, "compute.accounts_changed")
        subscribe("allocation.exhausted", "compute.stop_exhausted")
        for event in ("access.revoked", "access.ended"):
            subscribe(event, "compute.access_over")
        declare(
            "compute.data_lost",
            title=_("A job's data may no longer be used"),
            is_mandatory=True,
            example={
                "job": {"code": "JOB-7Q3K2M", "name": "prepare"},
                "dataset": "health-texts@3",
                "is_running": True,
                "path": "/jobs/JOB-7Q3K2M/",
            },
        )
        declare(
            "compute.maintenance",
            title=_("Maintenance of machines"),
            is_mandatory=False,
            example={
                "what": "announced",
                "window": {"partition": "gpu", "reason": "…"},
                "starts_at": datetime(2026, 11, 29, 6, 0, tzinfo=UTC),
                "ends_at": datetime(2026, 11, 29, 14, 0, tzinfo=UTC),
                "path": "/clusters/",
            },
        )
