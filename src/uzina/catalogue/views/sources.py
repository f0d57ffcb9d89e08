"""Pages of the portals that are harvested. For operators; auditors read."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from uzina.catalogue import access, actions, forms, queries
from uzina.catalogue.models import Source
from uzina.core.errors import Refused
from uzina.core.http import told
from uzina.core.paging import paged
from uzina.people.models import Organisation
from uzina.people.types import SignedIn


@login_required
@require_GET
def sources(request: SignedIn) -> HttpResponse:
    """List the portals with what their last harvest brought."""
    _check_may_see(request)
    shown = queries.sources_with_last(Source.objects.visible_to(request.user))
    may_manage = access.may_manage_sources(request.user)
    return render(request, "catalogue/sources.html", {"sources": shown, "may_manage": may_manage})


def _check_may_see(request: SignedIn) -> None:
    if not access.may_see_sources(request.user):
        raise Http404


@login_required
@require_http_methods(["GET", "POST"])
def new_source(request: SignedIn) -> HttpResponse:
    """Have another portal harvested."""
    if not access.may_manage_sources(request.user):
        raise Http404
    form = forms.SourceForm(request.POST or None, initial={"every_hours": 24, "kind": "ckan"})
    if request.method == "POST" and form.is_valid():
        given = dict(form.cleaned_data)
        owner = (
            Organisation.objects.visible_to(request.user).filter(code=given.pop("owner")).first()
        )
        if owner is None:
            form.add_error("owner", gettext("There is no organisation with this code."))
        else:
            try:
                source = actions.add_source(**given, owner=owner, by=request.user, now=now())
            except Refused as refused:
                form.add_refusal(refused)
            else:
                messages.success(request, gettext("The first harvest begins in a moment."))
                return redirect("catalogue:source", code=source.code)
    status = 422 if form.errors else 200
    return render(request, "catalogue/source_new.html", {"form": form}, status=status)


@login_required
@require_GET
def source(request: SignedIn, code: str) -> HttpResponse:
    """Show a portal, its harvests, and what the last ones had to say."""
    found = get_object_or_404(
        Source.objects.visible_to(request.user).select_related("owner"), code=code
    )
    cursor = request.GET.get("cursor", "")
    page = paged(found.harvests.all(), limit=10, cursor=cursor if cursor.isdigit() else "")
    context = {
        "source": found,
        "page": page,
        "listed": queries.listed(found),
        "licences": [
            one["title_en"] for one in queries.licence_rows() if one["slug"] in found.licences
        ],
        "is_running": found.harvests.filter(ended_at=None).exists(),
        "may_manage": access.may_manage_sources(request.user),
    }
    return render(request, "catalogue/source.html", context)


@login_required
@require_POST
def harvest_source(request: SignedIn, code: str) -> HttpResponse:
    """Harvest a portal now."""
    found = get_object_or_404(Source.objects.visible_to(request.user), code=code)
    try:
        actions.harvest_now(found, by=request.user, now=now())
    except Refused as refused:
        messages.error(request, told(refused))
    else:
        messages.success(request, gettext("The harvest begins in a moment."))
    return redirect("catalogue:source", code=code)


@login_required
@require_POST
def pause_source(request: SignedIn, code: str) -> HttpResponse:
    """Harvest a portal no more by the clock, or again."""
    found = get_object_or_404(Source.objects.visible_to(request.user), code=code)
    act = actions.pause_source if found.is_active else actions.resume_source
    act(found, by=request.user, now=now())
    return redirect("catalogue:source", code=code)
