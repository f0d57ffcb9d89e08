"""Pages that span modules."""

from django.http import HttpRequest, HttpResponse


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Say that the form was too old, and that nothing was lost."""
    return HttpResponse("The form is too old: go back, reload it and send it again.", status=403)
