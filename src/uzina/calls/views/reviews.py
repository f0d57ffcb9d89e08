"""The reviewer's pages: reviews in hand, and one beside its application."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from uzina.calls import actions, forms, queries
from uzina.calls.models import Application, Document, Review
from uzina.calls.rules import modes, reviews
from uzina.calls.rules.flows import ReviewState
from uzina.calls.views.shared import answer_shown
from uzina.core.attachments import attachment
from uzina.core.errors import Refused
from uzina.core.http import told
from uzina.people.types import SignedIn

PIECE = 256 * 1024


def given_review(request: SignedIn, code: str) -> Review:
    """Return one of the reader's reviews by its code; 404 for anybody else's, or with a conflict."""
    found: Review = get_object_or_404(queries.reviews_of(request.user), code=code)
    return found


def sections_judged(application: Application, names: list[str]) -> list[dict[str, Any]]:
    """Return the answers that a reviewer reads, in words and without the names."""
    answers = queries.answers_of(application)
    return [
        {
            "title": gettext(section.title),
            "rows": [
                {
                    "key": gettext(field.label),
                    "value": reviews.blinded(
                        answer_shown(field, answers[section.slug][field.name]), names
                    ),
                }
                for field in fields
            ],
        }
        for section, fields in queries.fields_judged(application)
        if fields
    ]


def documents_judged(application: Application) -> list[dict[str, str]]:
    """Return the documents a reviewer may read; in a double-blind call under neutral names."""
    is_blind = queries.is_double_blind(application)
    titles = {one.slug: one.title for one in application.call.mode.documents}
    return [
        {
            "code": one.code,
            "title": modes.in_language(titles[one.slug], forms.language())
            if one.slug in titles
            else one.slug,
            "name": "" if is_blind else one.name,
        }
        for one in queries.attached(application)
    ]


@login_required
@require_GET
def my_reviews(request: SignedIn) -> HttpResponse:
    """List the reviews one was asked for, what is due first on top, with how far one is."""
    moment = now()
    page = Paginator(queries.reviews_of(request.user), 50).get_page(request.GET.get("page"))
    names = queries.names_covered([one.application for one in page])
    rows = [
        {
            "review": one,
            "title": reviews.blinded(one.application.title, names[one.application.code]),
            "is_late": one.state != ReviewState.SUBMITTED
            and one.is_changeable  # type: ignore[attr-defined]
            and moment >= one.due_at,
        }
        for one in page
    ]
    return render(
        request,
        "calls/reviews.html",
        {
            "rows": rows,
            "page": page,
            "progress": queries.progress(request.user),
            "reviewer": queries.reviewer_of(request.user),
        },
    )


@login_required
@require_http_methods(["GET", "POST"])
def review(request: SignedIn, code: str) -> HttpResponse:
    """Write a review beside its application: saved as one types, handed in when complete."""
    found = given_review(request, code)
    scoring = found.application.call.mode.scoring
    if scoring is None:
        raise Http404
    if request.method == "POST":
        return _save(request, found, scoring)
    form = forms.ReviewForm(initial=_initial(found), scoring=scoring)
    return _review_page(request, found, form, version=found.version)


def _initial(found: Review) -> dict[str, str]:
    return forms.review_initial(
        found.scores,
        comment=found.comment,
        panel_comment=found.panel_comment,
        notes=found.notes,
    )


def _save(request: SignedIn, found: Review, scoring: modes.Scoring) -> HttpResponse:
    form = forms.ReviewForm(request.POST, scoring=scoring)
    sent = request.POST.get("version", "")
    version = int(sent) if sent.isascii() and sent.isdigit() and len(sent) < 9 else 0
    is_submit, by_script = "submit" in request.POST, "autosave" in request.POST
    if not form.is_valid():
        return _not_saved(request, found, form, version, gettext("Not saved yet."))
    act = actions.submit_review if is_submit else actions.save_review
    try:
        saved = act(found, **form.given(), version=version, by=request.user, now=now())
    except Refused as refused:
        form.add_refusal(refused)
        if refused.code.endswith(".changed_meanwhile"):
            elsewhere = given_review(request, found.code)
            shown = _kept_shown(elsewhere, scoring)
            version = elsewhere.version
            return _not_saved(request, found, form, version, told(refused), elsewhere=shown)
        return _not_saved(request, found, form, version, told(refused))
    if by_script:
        return JsonResponse({"version": saved.version, "text": gettext("Saved.")})
    if is_submit:
        messages.success(
            request, gettext("{code} is handed in. Thank you.").format(code=found.code)
        )
    else:
        messages.success(request, gettext("Saved. Come back whenever you like."))
    following = queries.progress(request.user, after=found.code).next_code
    if "next" in request.POST and following:
        return redirect("calls:review", code=following)
    return redirect("calls:review", code=found.code)


def _not_saved(
    request: SignedIn,
    found: Review,
    form: forms.ReviewForm,
    version: int,
    text: str,
    **more: Any,
) -> HttpResponse:
    if "autosave" in request.POST:
        return JsonResponse({"text": text}, status=409)
    return _review_page(request, found, form, version=version, status=422, **more)


def _kept_shown(found: Review, scoring: modes.Scoring) -> list[tuple[str, str]]:
    """Return a kept review in words, to compare with what was typed."""
    titles = {one.key: modes.in_language(one.title, forms.language()) for one in scoring.criteria}
    return [
        *((titles[key], str(score)) for key, score in found.scores.items() if key in titles),
        (gettext("Comment to the applicant"), found.comment),
        (gettext("Comment to the panel"), found.panel_comment),
        (gettext("Your own notes"), found.notes),
    ]


def _review_page(
    request: SignedIn,
    found: Review,
    form: forms.ReviewForm,
    *,
    version: int,
    status: int = 200,
    **more: Any,
) -> HttpResponse:
    application, scoring = found.application, found.application.call.mode.scoring
    names = queries.names_covered([application])[application.code]
    is_named = scoring is not None and scoring.blind == "none"
    is_asked = found.state is ReviewState.ASSIGNED
    return render(
        request,
        "calls/review.html",
        {
            "review": found,
            "title": reviews.blinded(application.title, names),
            "summary": queries.summary_of(application, names),
            "topics": queries.topic_titles(queries.about(application), forms.language()),
            "answers": [] if is_asked else sections_judged(application, names),
            "documents": [] if is_asked else documents_judged(application),
            "whose": "" if queries.is_double_blind(application) else application.organisation.name,
            "form": form,
            "version": version,
            "is_writable": found.is_changeable and not is_asked,  # type: ignore[attr-defined]
            "may_answer": found.is_changeable and found.state != ReviewState.SUBMITTED,  # type: ignore[attr-defined]
            "others": [
                {"review": one, "who": one.reviewer.name if is_named else ""}
                for one in queries.others_of(found, request.user)
            ],
            "progress": queries.progress(request.user, after=found.code),
            **more,
        },
        status=status,
    )


@login_required
@require_POST
def review_accept(request: SignedIn, code: str) -> HttpResponse:
    """Agree to write a review."""
    found = given_review(request, code)
    actions.accept_review(found, by=request.user, now=now())
    return redirect("calls:review", code=code)


@login_required
@require_http_methods(["GET", "POST"])
def review_decline(request: SignedIn, code: str) -> HttpResponse:
    """Decline a review, with a reason."""
    found = given_review(request, code)
    form = forms.WhyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            actions.refuse_review(
                found, reason=form.cleaned_data["reason"], by=request.user, now=now()
            )
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(request, gettext("You declined. Somebody else is asked."))
            return redirect("calls:my_reviews")
    context = {"review": found, "form": form, "is_conflict": False}
    return render(request, "calls/review_decline.html", context, status=422 if form.errors else 200)


@login_required
@require_http_methods(["GET", "POST"])
def review_conflict(request: SignedIn, code: str) -> HttpResponse:
    """Declare a conflict of interest with the application of a review."""
    found = given_review(request, code)
    form = forms.WhyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            actions.declare_conflict(
                found.application, reason=form.cleaned_data["reason"], by=request.user, now=now()
            )
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(request, gettext("Thank you for saying so. Somebody else is asked."))
            return redirect("calls:my_reviews")
    context = {"review": found, "form": form, "is_conflict": True}
    return render(request, "calls/review_decline.html", context, status=422 if form.errors else 200)


@login_required
@require_GET
def review_document(request: SignedIn, code: str, document: str) -> HttpResponseBase:
    """Send a document of the application that one reviews, once the review was accepted."""
    found = given_review(request, code)
    if found.state is ReviewState.ASSIGNED:
        raise Http404
    sent = get_object_or_404(queries.attached(found.application), code=document)
    return send_document(request, sent, is_blind=queries.is_double_blind(found.application))


def send_document(request: SignedIn, document: Document, *, is_blind: bool) -> HttpResponseBase:
    """Send a document as a file, under a neutral name where the review is blind."""
    ending = document.name.rpartition(".")[2].lower()

    def pieces(first: int, after: int) -> Any:
        with document.file.open("rb") as file:
            file.seek(first)
            left = after - first
            while left > 0 and (piece := file.read(min(PIECE, left))):
                left -= len(piece)
                yield piece

    return attachment(
        request,
        path=f"{document.slug}-{document.code}.{ending}" if is_blind else document.name,
        size=document.size,
        sha256=document.sha256,
        media_type=document.media_type,
        pieces=pieces,
    )
