"""What several pages need."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from babel import Locale
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils.translation import get_language, gettext

from uzina.catalogue import rules
from uzina.catalogue.models import Dataset

MOST_KEPT = 200_000
"""Characters of a form that are kept over a sign-in."""

TYPED = "typed_data"
"""Under this name a session keeps what was typed when an earlier one had ended."""


def keeps_what_is_typed(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Have who is not signed in sign in first; a form sent meanwhile waits in the session.

    The view asks `brought_back(request)` for it.
    """

    @wraps(view)
    def signed_in(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)
        if request.method == "POST":
            typed = request.POST.copy()
            typed.pop("csrfmiddlewaretoken", None)
            text = typed.urlencode()
            if len(text) <= MOST_KEPT:
                request.session[TYPED] = {"path": request.path, "text": text}
        return redirect_to_login(request.path)

    return signed_in


def brought_back(request: HttpRequest) -> QueryDict | None:
    """Return once what was typed on this page before the sign-in."""
    kept = request.session.get(TYPED)
    if request.method != "GET" or not kept or kept["path"] != request.path:
        return None
    del request.session[TYPED]
    return QueryDict(kept["text"])


def visible_datasets(request: HttpRequest) -> Any:
    """Return the data whoever asks may see."""
    return (
        Dataset.objects.visible_to(request.user)
        .filter(kind=rules.DatasetKind.DATA)
        .select_related("licence", "holder", "project")
    )


def shown_answers(dataset: Dataset, language: str) -> list[dict[str, str]]:
    """Return what the steward answered and everybody may read: question, answer and law."""
    asked = rules.questions()
    public = rules.public_answers(dataset.answers, dataset.access_right)
    return [
        {
            "question": asked[key].label(language),
            "answer": asked[key].shown(value, language),
            "law": asked[key].law(language),
        }
        for key, value in public.items()
    ]


def country_name(code: str) -> str:
    """Return a country of two letters, or a group of them, in the language at hand."""
    if code == "EEA":
        return gettext("the European Economic Area")
    return str(Locale(get_language() or "en").territories.get(code, code))
