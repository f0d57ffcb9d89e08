"""Django's handle on the module."""

from django.apps import AppConfig

from uzina.calls.rules.messages import declare_after, declare_kinds
from uzina.calls.rules.reviews_messages import declare_reviewing
from uzina.core.agenda import every, subscribe


class CallsConfig(AppConfig):
    """Calls."""

    name = "uzina.calls"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Have offers lapse, and the reserve looked at, within a minute; watch what is late."""
        declare_kinds()
        declare_after()
        declare_reviewing()
        every("calls.lapse_offers", seconds=60)
        every("calls.end_appeal_periods", seconds=600)
        every("calls.watch_obligations", seconds=3600)
        every("calls.watch_steps", seconds=300)
        every("calls.watch_reviews", seconds=60)
        subscribe("application.submitted", "calls.find_conflicts")
