"""What every page knows of the factory and of where the visitor is."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_lazy

from uzina.people.rules import RoleKind

FOR_ALL = [
    ("/calls/", gettext_lazy("Calls")),
    ("/datasets/", gettext_lazy("Datasets")),
    ("/models/", gettext_lazy("Models")),
]
FOR_VISITORS = [
    ("/calls/", gettext_lazy("Calls")),
    ("/qualify/", gettext_lazy("Do I qualify?")),
    ("/estimate/", gettext_lazy("Estimate")),
    ("/datasets/", gettext_lazy("Datasets")),
    ("/models/", gettext_lazy("Models")),
]
FOR_PEOPLE = [
    ("/", gettext_lazy("Home")),
    ("/projects/", gettext_lazy("Projects")),
    ("/applications/", gettext_lazy("Applications")),
    ("/jobs/", gettext_lazy("Jobs")),
]
FOR_ROLES = {
    "/clusters/": ({RoleKind.OPERATOR, RoleKind.AUDITOR}, gettext_lazy("Cluster")),
    "/queue/": ({RoleKind.OPERATOR, RoleKind.AUDITOR, RoleKind.ASSESSOR}, gettext_lazy("Queue")),
    "/assessments/": ({RoleKind.ASSESSOR, RoleKind.OPERATOR}, gettext_lazy("Assessments")),
    "/reviews/": ({RoleKind.REVIEWER}, gettext_lazy("Reviews")),
    "/reviewers/": ({RoleKind.OPERATOR}, gettext_lazy("Reviewers")),
    "/messages/": ({RoleKind.OPERATOR}, gettext_lazy("Messages")),
    "/changes/": ({RoleKind.OPERATOR, RoleKind.AUDITOR}, gettext_lazy("Changes")),
    "/reports/": ({RoleKind.OPERATOR, RoleKind.AUDITOR}, gettext_lazy("Reports")),
    "/panels/": (
        {RoleKind.PANEL, RoleKind.OPERATOR, RoleKind.AUDITOR},
        gettext_lazy("Panels"),
    ),
    "/rankings/": ({RoleKind.OPERATOR, RoleKind.AUDITOR}, gettext_lazy("Rankings")),
    "/appeals/": (
        {RoleKind.PANEL, RoleKind.OPERATOR, RoleKind.AUDITOR},
        gettext_lazy("Appeals"),
    ),
    "/catalogue/sources/": (
        {RoleKind.OPERATOR, RoleKind.AUDITOR},
        gettext_lazy("Data exchange"),
    ),
    "/promises/": ({RoleKind.OPERATOR}, gettext_lazy("Stopped work")),
    "/log/": ({RoleKind.OPERATOR, RoleKind.AUDITOR}, gettext_lazy("Log")),
}
"""Addresses, and the roles they are shown to. What an address refuses it refuses itself."""

WITHIN = {
    "/runs/": "/jobs/",
    "/allocations/": "/projects/",
    "/awards/": "/applications/",
    "/bids/": "/reviews/",
    "/reviewer/": "/reviews/",
    "/access/": "/datasets/",
    "/catalogue/participants/": "/catalogue/sources/",
}
"""Addresses that belong under another entry of the navigation."""


def factory(request: HttpRequest) -> dict[str, Any]:
    """Return the factory's name and address, and the navigation of the visitor."""
    return {
        "site": settings.UZINA.site,
        "navigation": SimpleLazyObject(lambda: _navigation(request)),
    }


def _navigation(request: HttpRequest) -> list[dict[str, Any]]:
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        entries = [
            *FOR_PEOPLE,
            *FOR_ALL,
            *((href, label) for href, (roles, label) in FOR_ROLES.items() if user.has_role(*roles)),
        ]
    else:
        entries = FOR_VISITORS
    path = next(
        (over for under, over in WITHIN.items() if request.path.startswith(under)), request.path
    )
    return [
        {
            "href": href,
            "label": label,
            "is_current": path == href or (href != "/" and path.startswith(href)),
        }
        for href, label in entries
    ]
