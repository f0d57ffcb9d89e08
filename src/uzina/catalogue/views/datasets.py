"""Pages of one dataset."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.utils.translation import get_language, gettext
from django.views.decorators.http import require_GET, require_POST
from django.views.decorators.vary import vary_on_headers

from uzina.catalogue import access, actions, forms, queries, rules
from uzina.catalogue.models import Dataset, Version
from uzina.catalogue.views import contents, feeds, terms
from uzina.catalogue.views.shared import shown_answers, visible_datasets
from uzina.core.attachments import attachment
from uzina.core.errors import Invalid, Refused
from uzina.people.models import Person
from uzina.people.types import SignedIn

FILES_SHOWN = 50
VERSIONS_SHOWN = 30
JOBS_SHOWN = 30
SOURCES_SHOWN = 100


@require_GET
@vary_on_headers("Accept")
def dataset(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Show what a dataset holds, under which terms, where it came from and what used it; to a
    program that prefers a document, give that.
    """
    document = feeds.negotiated(request, slug)
    if document is not None:
        return document
    found = get_object_or_404(visible_datasets(request), slug=slug)
    return _dataset_page(request, found, forms.WithdrawForm(), status=200)


def _dataset_page(
    request: HttpRequest, found: Dataset, form: forms.WithdrawForm, *, status: int
) -> HttpResponse:
    here = get_language() or "en"
    versions = list(found.versions.order_by("-number").defer("manifest", "facts")[:VERSIONS_SHOWN])
    newest = found.versions.order_by("-number").select_related("dataset").first()
    may_see_jobs = access.may_see_jobs(request.user, found)
    is_mine = isinstance(request.user, Person) and access.may_publish(request.user, found)
    verbs = rules.DATASET.verbs(found.state) if is_mine else []
    said = found.translations.get(here) or {}
    may_read = newest is not None and access.may_read_bytes(request.user, newest, now=now())
    context = {
        "dataset": found,
        "title": said.get("title") or found.title,
        "description": said.get("description") or found.description,
        "licence_title": found.licence.title(here) if found.licence else "",
        "licence_plain": found.licence.plain(here) if found.licence else "",
        "languages": queries.language_names(found.language_codes, here),
        "themes": [_term("data-theme", code, here) for code in found.themes],
        "places": [_term("country", code, here) for code in found.places],
        "versions": versions,
        "newest": newest,
        "files": newest.files[:FILES_SHOWN] if newest else (),
        "files_left": max(0, newest.file_count - FILES_SHOWN) if newest else 0,
        "may_read": may_read,
        "sources": _sources(found, request),
        "uses": list(queries.uses(found, seen_by=request.user)[:100]),
        "jobs": queries.job_uses(
            found, seen_by=request.user, may_see_all=may_see_jobs, most=JOBS_SHOWN
        ),
        "may_see_jobs": may_see_jobs,
        "verbs": verbs,
        "form": form,
        "url": settings.UZINA.site.url,
        "here": here,
        "citation": queries.citation(found, newest) if newest else None,
        "answers": shown_answers(found, here),
        "may_describe": isinstance(request.user, Person) and access.may_add_to(request.user, found),
        "embedded": queries.embedded(found.slug, base=settings.UZINA.site.url),
        "parts": {
            name: [f"catalogue/_{name}.html", "catalogue/_nothing.html"]
            for name in ("answers", "terms", "citation", "jsonld")
        },
    } | _contents(newest, request, here)
    context |= terms.on_page(request, found)
    return render(request, "catalogue/dataset.html", context, status=status)


def _contents(newest: Version | None, request: HttpRequest, here: str) -> dict[str, Any]:
    """Return the sample and the statistics, for those who may see them."""
    if newest is None:
        return {"may_see_sample": True}
    if not actions.begin_look(newest, by=request.user, now=now()):
        return {"may_see_sample": False}
    return {
        "may_see_sample": True,
        "sample": contents.sample(newest),
        "charts": contents.charts(newest, here),
        "facts": contents.facts(newest),
    }


def _term(table: str, code: str, here: str) -> str:
    term = rules.terms(table).get(code)
    return term.label(here) if term else code


def _sources(found: Dataset, request: HttpRequest) -> list[Version]:
    rows = (
        Version.objects.visible_to(request.user)
        .filter(derived__in=found.versions.values("pk"))
        .whole()
        .distinct()
        .order_by("dataset__slug", "number")
    )
    return list(rows[:SOURCES_SHOWN])


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
    actions.begin_read(version, by=request.user, now=now())
    if away := queries.away_link(file, now=now()):
        return HttpResponseRedirect(away.url)
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
    try:
        actions.publish(found, by=request.user, now=now())
    except Invalid:
        messages.error(request, gettext("Before it is published, the pages below need answers."))
        return redirect("catalogue:record", slug=slug)
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
