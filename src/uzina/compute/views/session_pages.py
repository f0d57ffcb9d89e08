"""Pages of notebooks."""

import secrets

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST

from uzina.compute import actions, forms, queries
from uzina.compute.models import Job
from uzina.core.errors import Refused
from uzina.core.http import told
from uzina.people.types import SignedIn


@login_required
@require_http_methods(["GET", "POST"])
def session_new(request: SignedIn) -> HttpResponse:
    """Describe a notebook, see what it would hold, start it."""
    if not settings.UZINA.session.port:
        raise Http404
    if request.method == "GET" or "change" in request.POST:
        first = request.POST.dict() or {"project": request.GET.get("project", "")[:16]}
        return _form_page(request, forms.SessionForm(person=request.user, initial=first))
    form = forms.SessionForm(request.POST, person=request.user)
    if not form.is_valid():
        return _form_page(request, form, status=422)
    project = form.cleaned_data["project"]
    try:
        spec = form.spec()
        price = queries.price(project, spec=spec, by=request.user, now=now())
        if "confirm" not in request.POST:
            return render(
                request,
                "compute/session_check.html",
                {
                    "form": form,
                    "spec": spec,
                    "price": price,
                    "project": project,
                    "idle_minutes": form.cleaned_data["idle_minutes"],
                    "typed": [(name, request.POST.get(name, "")) for name in form.fields],
                    "key": secrets.token_urlsafe(16),
                },
            )
        key = f"{request.user.code}:session:{request.POST.get('key', '')[:64]}"
        job = actions.submit(project, spec=spec, by=request.user, now=now(), key=key)
    except Refused as refused:
        form.add_refusal(refused)
        return _form_page(request, form, status=422)
    messages.success(request, gettext("The notebook will open as soon as its machine is free."))
    return redirect("compute:job", job.code)


def _form_page(request: SignedIn, form: forms.SessionForm, *, status: int = 200) -> HttpResponse:
    has_project = form.fields["project"].queryset.exists()  # type: ignore[attr-defined]
    context = {"form": form, "has_project": has_project}
    return render(request, "compute/session_new.html", context, status=status)


@login_required
@require_POST
def session_open(request: SignedIn, code: str) -> HttpResponse:
    """Go to the notebook of a running session, by an address that works once."""
    visible = Job.objects.visible_to(request.user).select_related("project")
    job = get_object_or_404(visible, code=code[:16])
    try:
        ticket = actions.issue_ticket(job, by=request.user, now=now())
    except Refused as refused:
        messages.error(request, told(refused))
        return redirect("compute:job", job.code)
    return HttpResponseRedirect(f"{settings.UZINA.session.url}/open/{ticket}")
