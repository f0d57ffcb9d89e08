"""What every page knows of the factory."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def factory(_request: HttpRequest) -> dict[str, Any]:
    """Return the factory's name and address for templates."""
    return {"site": settings.UZINA.site}
