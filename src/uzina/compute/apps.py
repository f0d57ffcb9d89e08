"""Django's handle on the module."""

from django.apps import AppConfig

from uzina.core.agenda import at_once, every, subscribe

ACCOUNT_NEWS = (
    *("allocation.granted", "allocation.topped_up", "allocation.frozen", "allocation.thawed"),
    *("allocation.opened", "allocation.expired", "allocation.refunded", "allocation.overdrawn"),
    *("project.member_added", "site_user.mapped"),
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
