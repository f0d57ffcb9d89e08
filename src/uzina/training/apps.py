"""Django's handle on the module."""

from django.apps import AppConfig

from uzina.core.agenda import subscribe


class TrainingConfig(AppConfig):
    """Training."""

    name = "uzina.training"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Have what a job leaves behind collected when it has ended."""
        subscribe("job.ended", "training.collect_run")
