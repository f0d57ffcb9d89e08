"""Pages of letters: one's own, and the public one where anybody checks a letter."""

import hashlib

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.http.request import HttpRequest
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods

from uzina.calls import forms, queries
from uzina.calls.models import Letter
from uzina.calls.rules import letters as rules
from uzina.people.types import SignedIn


@login_required
@require_GET
def letter(request: SignedIn, code: str) -> HttpResponse:
    """Hand out a letter, byte for byte as it was issued."""
    found: Letter = get_object_or_404(queries.letters(request.user).defer(None), code=code)
    return HttpResponse(
        bytes(found.pdf),
        content_type="application/pdf",
        headers={"Content-Disposition": f'attachment; filename="{found.code}.pdf"'},
    )


@require_http_methods(["GET", "POST"])
def verify(request: HttpRequest, verifier: str = "") -> HttpResponse:
    """Say whether a letter is genuine: of which kind, when, on what. Open to everybody.

    A letter that is sent along is hashed and forgotten. Names are told only of those who agreed
    to be named.
    """
    sent = request.POST if request.method == "POST" else None
    form = forms.VerifyForm(sent, request.FILES if sent is not None else None)
    typed = verifier
    is_same: bool | None = None
    if sent is not None:
        if not form.is_valid():
            return render(request, "calls/verify.html", {"form": form}, status=422)
        typed = form.cleaned_data["code"]
        upload = form.cleaned_data["letter"]
        if upload is None:
            code = rules.typed_verifier(typed)
            if code:
                return redirect("calls:verify_code", code)
    if not typed:
        return render(request, "calls/verify.html", {"form": form})
    code = rules.typed_verifier(typed)
    found = queries.letter_by_verifier(code) if code else None
    if sent is not None and found is not None and form.cleaned_data["letter"] is not None:
        digest = hashlib.sha256()
        for chunk in form.cleaned_data["letter"].chunks():
            digest.update(chunk)
        is_same = digest.hexdigest() == found.sha256
    context = {"form": form, "typed": typed, "letter": found, "is_same": is_same}
    if found is not None:
        context |= {
            "kind": gettext(rules.KINDS[found.kind]),
            "may_name": queries.may_name(found),
        }
    return render(request, "calls/verify.html", context, status=200 if found else 404)
