"""Pages of usage policies and of access: offered, asked for, answered, used."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.utils.translation import get_language, gettext, ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from uzina.catalogue import access, actions, forms, queries, rules
from uzina.catalogue.models import AccessRequest, Dataset
from uzina.catalogue.rules import odrl
from uzina.catalogue.views.shared import (
    brought_back,
    country_name,
    keeps_what_is_typed,
    visible_datasets,
)
from uzina.core.charts import day_words
from uzina.core.errors import Refused
from uzina.core.http import told
from uzina.people import queries as people
from uzina.people.models import Person
from uzina.people.rules import OrganisationKind
from uzina.people.types import SignedIn

PAGE = 25


def on_page(request: HttpRequest, dataset: Dataset) -> dict[str, Any]:
    """Return what the page of a dataset says of its terms: for catalogue/_terms.html."""
    policy = queries.policy_of(dataset)
    person = request.user if isinstance(request.user, Person) else None
    mine = []
    if person is not None:
        rows = AccessRequest.objects.filter(
            dataset=dataset, project__in=person.memberships.values("project")
        )
        mine = list(rows.select_related("project").order_by("-pk")[:5])
    return {
        "policy": policy,
        "policy_words": in_words(odrl.parse(policy.offer)) if policy else [],
        "my_requests": mine,
        "is_restricted": dataset.access_right is not rules.AccessRight.PUBLIC,
        "may_decide": person is not None and access.may_decide_access(person, dataset),
        "may_see_uses": person is not None and access.may_see_evidence(person, dataset),
    }


def in_words(terms: odrl.Terms) -> list[str]:
    """Return a policy in sentences, in the language at hand."""
    here = get_language() or "en"

    def countries(codes: Iterable[str]) -> str:
        return ", ".join(country_name(one) for one in codes)

    label = {code: one.label(here) for code, one in rules.PURPOSES.items()}
    found = []
    if terms.purposes:
        names = "; ".join(label[code] for code in terms.purposes)
        found.append(gettext("It may be used for: {names}.").format(names=names))
    else:
        found.append(gettext("It may be used for any purpose."))
    if terms.forbidden_purposes:
        names = "; ".join(label[code] for code in terms.forbidden_purposes)
        found.append(gettext("It may never be used for: {names}.").format(names=names))
    if terms.until is not None:
        last = day_words(forms.last_day(terms.until), "j F Y")
        found.append(gettext("Its last day of use is {day}.").format(day=last))
    if terms.places:
        found.append(
            gettext("It may be processed only in: {places}.").format(places=countries(terms.places))
        )
    if terms.kinds:
        names = "; ".join(gettext(OrganisationKind(one).label) for one in terms.kinds)
        found.append(gettext("Only these organisations may use it: {names}.").format(names=names))
    if terms.countries:
        found.append(
            gettext("Only organisations of these countries may use it: {places}.").format(
                places=countries(terms.countries)
            )
        )
    found += [
        gettext("Not allowed: {name}.").format(name=forms.ACTIONS[one]) for one in terms.prohibited
    ]
    if terms.attribute:
        found.append(gettext("Who uses it names its holder."))
    if terms.delete_days is not None:
        found.append(
            ngettext(
                "Copies are deleted within {days} day of the end.",
                "Copies are deleted within {days} days of the end.",
                terms.delete_days,
            ).format(days=terms.delete_days)
        )
    return found


@keeps_what_is_typed
@require_http_methods(["GET", "POST"])
def ask(request: SignedIn, slug: str) -> HttpResponse:
    """Ask the holder of a dataset to let a project in."""
    dataset = get_object_or_404(visible_datasets(request), slug=slug)
    projects = [one for one in people.projects_of(request.user) if one.state == "active"]
    kept = brought_back(request)
    form = forms.AskForm(
        request.POST or kept,
        projects=projects,
        initial={"place": settings.UZINA.site.country},
    )
    if request.method == "POST" and form.is_valid():
        try:
            made = actions.ask_access(dataset, **form.facts(), by=request.user, now=now())
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(request, _asked(made))
            return redirect("catalogue:access_request", made.code)
    context = on_page(request, dataset) | {
        "dataset": dataset,
        "form": form,
        "projects": projects,
        "has_personal_data": queries.has_personal_data(dataset),
        "is_brought_back": kept is not None,
    }
    status = 422 if form.errors and kept is None else 200
    return render(request, "catalogue/access_ask.html", context, status=status)


def _asked(made: AccessRequest) -> str:
    if made.state is rules.AccessState.GRANTED:
        return gettext("Granted: your project fits the holder's policy.")
    return gettext("Asked. The holder was told, and you will get the answer as a message.")


@login_required
@require_GET
def requests(request: SignedIn) -> HttpResponse:
    """Show what one asked for, and what is one's to answer."""
    rows = queries.with_all(AccessRequest.objects.visible_to(request.user))
    to_decide = queries.with_all(AccessRequest.objects.to_decide_by(request.user))
    waiting = list(to_decide.filter(state=rules.AccessState.ASKED).order_by("pk")[:100])
    page = Paginator(rows.order_by("-pk"), PAGE).get_page(request.GET.get("page"))
    return render(
        request,
        "catalogue/access_requests.html",
        {"waiting": waiting, "page": page, "now": now()},
    )


@login_required
@require_GET
def access_request(request: SignedIn, code: str) -> HttpResponse:
    """Show a request, what speaks for and against it, and what was used under it."""
    return _request_page(request, _visible(request, code), {}, status=200)


def _visible(request: SignedIn, code: str) -> AccessRequest:
    rows = queries.with_all(AccessRequest.objects.visible_to(request.user))
    found: AccessRequest = get_object_or_404(rows, code=code)
    return found


def _request_page(
    request: SignedIn, found: AccessRequest, failed: dict[str, Any], *, status: int
) -> HttpResponse:
    at = now()
    decides = access.may_decide_access(request.user, found.dataset)
    policy = queries.policy_of(found.dataset)
    terms = odrl.parse(policy.offer) if policy else odrl.Terms()
    most = min(found.until, terms.until) if terms.until else found.until
    here = get_language() or "en"
    context = {
        "found": found,
        "purpose": _purpose(found, here),
        "kind": _kind(found.asker.kind),
        "country": country_name(found.asker.country),
        "place": country_name(found.place),
        "verbs": access.verbs(request.user, found),
        "decides": decides,
        "policy": policy,
        "policy_words": in_words(terms) if policy else [],
        "failed": [told(one) for one in queries.failed_constraints(found, now=at)],
        "others": list(queries.other_grants(found)[:10]) if decides else [],
        "uses": list(queries.uses_of(found)[:100]),
        "days": (at - found.asked_at).days,
        "grant": forms.GrantForm(initial={"until": forms.last_day(most)}),
        "refuse": forms.RefuseForm(),
        "revoke": forms.RevokeForm(),
    } | failed
    return render(request, "catalogue/access_request.html", context, status=status)


def _purpose(found: AccessRequest, here: str) -> str:
    known = rules.PURPOSES.get(found.purpose)
    return known.label(here) if known else gettext("What the policy allows")


def _kind(kind: str) -> str:
    known = {str(one): one for one in OrganisationKind}
    return gettext(known[kind].label) if kind in known else kind


@login_required
@require_POST
def grant(request: SignedIn, code: str) -> HttpResponse:
    """Let the project in."""
    found = _visible(request, code)
    form = forms.GrantForm(request.POST)
    if form.is_valid():
        until = min(forms.end_of(form.cleaned_data["until"]), found.until)
        reason = form.cleaned_data["reason"]
        try:
            actions.grant_access(found, until=until, reason=reason, by=request.user, now=now())
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(request, gettext("Granted. Who asked was told."))
            return redirect("catalogue:access_request", code)
    return _request_page(request, found, {"grant": form}, status=422)


@login_required
@require_POST
def refuse(request: SignedIn, code: str) -> HttpResponse:
    """Do not let the project in."""
    found = _visible(request, code)
    form = forms.RefuseForm(request.POST)
    if form.is_valid():
        reason = form.cleaned_data["reason"]
        try:
            actions.refuse_access(found, reason=reason, by=request.user, now=now())
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(request, gettext("Refused. Who asked was told why."))
            return redirect("catalogue:access_request", code)
    return _request_page(request, found, {"refuse": form}, status=422)


@login_required
@require_POST
def revoke(request: SignedIn, code: str) -> HttpResponse:
    """Take the permission back."""
    found = _visible(request, code)
    form = forms.RevokeForm(request.POST)
    if form.is_valid():
        reason = form.cleaned_data["reason"]
        try:
            actions.revoke_access(found, reason=reason, by=request.user, now=now())
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(request, gettext("Revoked. No new job can use the data."))
            return redirect("catalogue:access_request", code)
    return _request_page(request, found, {"revoke": form}, status=422)


@login_required
@require_POST
def withdraw_request(request: SignedIn, code: str) -> HttpResponse:
    """Take a question back."""
    actions.withdraw_access(_visible(request, code), by=request.user, now=now())
    messages.success(request, gettext("The request is withdrawn."))
    return redirect("catalogue:access_request", code)


@login_required
@require_POST
def end(request: SignedIn, code: str) -> HttpResponse:
    """Give a permission back."""
    actions.end_access(_visible(request, code), by=request.user, now=now())
    messages.success(request, gettext("Ended. No new job can use the data."))
    return redirect("catalogue:access_request", code)


@keeps_what_is_typed
@require_http_methods(["GET", "POST"])
def policy(request: SignedIn, slug: str) -> HttpResponse:
    """Say who may use a dataset for what until when."""
    dataset = get_object_or_404(visible_datasets(request), slug=slug)
    if not access.may_decide_access(request.user, dataset):
        raise Http404
    newest = queries.policy_of(dataset)
    initial = (
        forms.PolicyForm.shown(
            odrl.parse(newest.offer),
            is_automatic=newest.is_automatic,
            shows_sample=newest.shows_sample,
        )
        if newest
        else {}
    )
    kept = brought_back(request)
    form = forms.PolicyForm(request.POST if request.method == "POST" else kept, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            actions.offer_policy(
                dataset,
                terms=form.terms(),
                is_automatic=form.cleaned_data["is_automatic"],
                shows_sample=form.cleaned_data["shows_sample"],
                by=request.user,
                now=now(),
            )
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(request, gettext("The policy holds for requests from now on."))
            return redirect("catalogue:dataset", slug)
    context = {
        "dataset": dataset,
        "form": form,
        "earlier": list(dataset.policies.order_by("-number")[:20]),
        "is_brought_back": kept is not None,
    }
    status = 422 if form.errors and kept is None else 200
    return render(request, "catalogue/policy.html", context, status=status)


@login_required
@require_GET
def uses(request: SignedIn, slug: str) -> HttpResponse:
    """Show who used the restricted files of a dataset, when and in which job."""
    dataset = get_object_or_404(visible_datasets(request), slug=slug)
    if not access.may_see_evidence(request.user, dataset):
        raise Http404
    page = Paginator(queries.evidence_of(dataset), PAGE).get_page(request.GET.get("page"))
    return render(request, "catalogue/uses.html", {"dataset": dataset, "page": page})
