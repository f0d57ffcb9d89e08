"""Django's handle on the module."""

from django.apps import AppConfig

from uzina.core.agenda import every, subscribe


class ComputeConfig(AppConfig):
    """Compute."""

    name = "uzina.compute"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Have the cluster watched, its machines counted and old history dropped."""
        every("compute.watch", seconds=1)
        subscribe("job.ended", "compute.follow_up")
        every("compute.count", seconds=60)
        every("compute.forget_samples", seconds=86_400)
