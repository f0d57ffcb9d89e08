"""Pages of one dataset."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.utils.translation import get_language, gettext
from django.views.decorators.http import require_GET, require_POST

from uzina.catalogue import access, actions, forms, queries, rules
from uzina.catalogue.models import Dataset, Staging, Version
from uzina.catalogue.views.shared import visible_datasets
from uzina.core.attachments import attachment
from uzina.core.errors import Refused
from uzina.people.models import Person
from uzina.people.types import SignedIn

FILES_SHOWN = 50


@require_GET
def dataset(request: HttpRequest, slug: str) -> HttpResponse:
    """Show what a dataset holds, under which terms, where it came from and what used it."""
    found = get_object_or_404(visible_datasets(request), slug=slug)
    return _dataset_page(request, found, forms.WithdrawForm(), status=200)


def _dataset_page(
    request: HttpRequest, found: Dataset, form: forms.WithdrawForm, *, status: int
) -> HttpResponse:
    here = get_language() or "en"
    versions = list(found.versions.order_by("-number").prefetch_related("stagings"))
    newest = versions[0] if versions else None
    is_mine = isinstance(request.user, Person) and access.may_publish(request.user, found)
    verbs = rules.DATASET.verbs(found.state) if is_mine else []
    context = {
        "dataset": found,
        "licence_title": found.licence.title(here),
        "licence_plain": found.licence.plain(here),
        "languages": queries.language_names(found.language_codes, here),
        "versions": versions,
        "newest": newest,
        "files": newest.files[:FILES_SHOWN] if newest else (),
        "files_left": max(0, newest.file_count - FILES_SHOWN) if newest else 0,
        "facts": _facts(newest),
        "sources": _sources(versions, request),
        "uses": list(queries.uses(found, seen_by=request.user)[:100]),
        "jobs": _jobs(versions),
        "verbs": verbs,
        "form": form,
        "url": settings.UZINA.site.url,
    }
    return render(request, "catalogue/dataset.html", context, status=status)


def _facts(version: Version | None) -> list[tuple[str, Any]]:
    """Return the plain numbers and words a recipe noted of the version."""
    facts = version.facts if version else {}
    return [
        (name.replace("_", " "), value)
        for name, value in facts.items()
        if isinstance(value, int | float | str) and not isinstance(value, bool)
    ]


def _sources(versions: list[Version], request: HttpRequest) -> list[Version]:
    found = {
        source.pk: source
        for source in Version.objects.visible_to(request.user)
        .filter(derived__in=[one.pk for one in versions])
        .whole()
        .distinct()
    }
    return sorted(found.values(), key=lambda one: (one.dataset.slug, one.number))


def _jobs(versions: list[Version]) -> list[Staging]:
    """Return the uses of the versions by jobs, newest first."""
    rows = [staging for version in versions for staging in version.stagings.all()]
    return sorted(rows, key=lambda one: one.at, reverse=True)[:50]


@require_GET
def download(request: HttpRequest, slug: str, number: int, path: str) -> HttpResponseBase:
    """Send one file of a version, to be kept and never to be shown."""
    version = get_object_or_404(
        Version.objects.visible_to(request.user)
        .filter(dataset__kind=rules.DatasetKind.DATA)
        .whole(),
        dataset__slug=slug,
        number=number,
    )
    file = version.file(path)
    if file is None:
        raise Http404
    return attachment(
        request,
        path=file.path,
        size=file.bytes,
        sha256=file.sha256,
        media_type=file.media_type,
        pieces=lambda first, after: queries.contents(version, path, first=first, after=after),
    )


@login_required
@require_POST
def publish(request: SignedIn, slug: str) -> HttpResponse:
    """Let everybody see the dataset."""
    found = get_object_or_404(visible_datasets(request), slug=slug)
    actions.publish(found, by=request.user, now=now())
    messages.success(request, gettext("Everybody can see this dataset now."))
    return redirect("catalogue:dataset", slug=slug)


@login_required
@require_POST
def withdraw(request: SignedIn, slug: str) -> HttpResponse:
    """Take the dataset out of sight and out of new jobs."""
    found = get_object_or_404(visible_datasets(request), slug=slug)
    form = forms.WithdrawForm(request.POST)
    if form.is_valid():
        try:
            actions.withdraw(found, reason=form.cleaned_data["reason"], by=request.user, now=now())
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(request, gettext("The dataset is withdrawn."))
            return redirect("catalogue:datasets")
    return _dataset_page(request, found, form, status=422)
