"""Pages of messages: what one got and wants to get; for operators, what leaves."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.utils.translation import get_language_info, gettext, ngettext
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from uzina.core.errors import Refused
from uzina.core.http import told
from uzina.core.paging import paged
from uzina.core.templatetags.ui import instant, said
from uzina.people import access, actions, forms, queries, rules
from uzina.people.models import Message, Person
from uzina.people.types import SignedIn

ON_A_PAGE = 50
FILTERS = {"state": 24, "kind": 60, "about": 40, "batch": 80}
"""What the list is filtered by, and the longest value of each."""


@login_required
def my_messages(request: SignedIn) -> HttpResponse:
    """List every message one has got, newest first."""
    own = Message.objects.filter(to=request.user, state__in=rules.DELIVERED)
    page = paged(own, limit=ON_A_PAGE, cursor=_cursor(request))
    return render(request, "people/my_messages.html", {"page": page, "rows": page["items"]})


@login_required
def my_message(request: SignedIn, code: str) -> HttpResponse:
    """Show one message one has got."""
    own = Message.objects.filter(to=request.user, state__in=rules.DELIVERED)
    found = get_object_or_404(own, code=code)
    return render(request, "people/my_message.html", {"message": found})


@login_required
@require_http_methods(["GET", "POST"])
def wishes(request: SignedIn) -> HttpResponse:
    """Choose when one wants messages of each kind."""
    kept = queries.wishes(request.user)
    form = forms.WishesForm(request.POST or None, kept=kept)
    if request.method == "POST" and form.is_valid():
        for kind, wish in form.wishes().items():
            if wish is not kept.get(kind, rules.Wish.AT_ONCE):
                actions.wish_for(request.user, kind=kind, wish=wish, by=request.user, now=now())
        messages.success(request, gettext("Saved."))
        return redirect("people:my_messages")
    context = {
        "form": form,
        "mandatory": [one.title for one in rules.message_kinds() if one.is_mandatory],
    }
    return render(request, "people/wishes.html", context, status=422 if form.errors else 200)


@csrf_exempt
@require_http_methods(["GET", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Stop messages of a kind by the link in a mail, without signing in (RFC 8058).

    Looking changes nothing, since mail scanners look; the button, and the POST that mail programs
    send, do. The token stands for the person, so no cookie and no form token is asked for.
    """
    found = queries.unsubscribing(token)
    if found is None:
        raise Http404
    person, kind = found
    if request.method == "POST":
        actions.wish_for(person, kind=kind.name, wish=rules.Wish.NEVER, by=person, now=now())
    context = {
        "kind": kind,
        "is_all": kind.name == rules.DIGEST,
        "is_done": request.method == "POST",
    }
    return render(request, "people/unsubscribe.html", context)


@login_required
def outbox(request: SignedIn) -> HttpResponse:
    """List all messages, those that wait too, and the batches that are held back."""
    _operators_only(request)
    wanted = {
        name: request.GET.get(name, "").replace("\x00", "").strip()[:longest]
        for name, longest in FILTERS.items()
    }
    if wanted["state"] not in list(rules.MessageState):
        wanted["state"] = ""
    seen = queries.messages_seen_by(request.user, wanted)
    page = paged(seen, limit=ON_A_PAGE, cursor=_cursor(request))
    context = {
        "page": page,
        "rows": page["items"],
        "wanted": wanted,
        "is_filtered": any(wanted.values()),
        "batches": queries.held_batches()[:ON_A_PAGE],
        "states": rules.MessageState,
        "kinds": rules.message_kinds(),
    }
    return render(request, "people/outbox.html", context)


@login_required
@require_POST
def release_batch(request: SignedIn) -> HttpResponse:
    """Let a whole batch leave."""
    _operators_only(request)
    count = actions.release_batch(
        request.POST.get("batch", "").replace("\x00", ""), by=request.user, now=now()
    )
    words = ngettext("{count} message leaves now.", "{count} messages leave now.", count)
    messages.success(request, words.format(count=count))
    return redirect("people:outbox")


@login_required
@require_http_methods(["GET", "POST"])
def message(request: SignedIn, code: str) -> HttpResponse:
    """Show a message as it leaves, with what can be done with it."""
    _operators_only(request)
    found = get_object_or_404(
        Message.objects.visible_to(request.user).select_related("to"), code=code
    )
    form = forms.WithdrawForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            actions.withdraw_message(
                found, reason=form.cleaned_data["reason"], by=request.user, now=now()
            )
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(request, gettext("The message is withdrawn."))
            return redirect("people:message", code=found.code)
    return _message_page(request, found, form)


@login_required
@require_POST
def message_release(request: SignedIn, code: str) -> HttpResponse:
    """Let a held message leave."""
    return _do(request, code, actions.release_message)


@login_required
@require_POST
def message_send_again(request: SignedIn, code: str) -> HttpResponse:
    """Try a message anew that could not be sent."""
    return _do(request, code, actions.send_again)


@login_required
def templates(request: SignedIn) -> HttpResponse:
    """Show every kind of message in both languages, with made-up facts."""
    _operators_only(request)
    shown = []
    for kind in rules.message_kinds():
        written = []
        for language in ("en", "ro"):
            reader = Person(name="Ana Pop", email="ana@example.org", language=language)
            subject, body = actions.render(kind, reader, kind.example)
            name = get_language_info(language)["name_local"]
            written.append({"language": language, "name": name, "subject": subject, "body": body})
        shown.append({"kind": kind, "written": written})
    return render(request, "people/message_templates.html", {"shown": shown})


def _do(request: SignedIn, code: str, verb: Any) -> HttpResponse:
    _operators_only(request)
    found = get_object_or_404(Message.objects.visible_to(request.user), code=code)
    try:
        verb(found, by=request.user, now=now())
    except Refused as refused:
        messages.error(request, told(refused))
    else:
        messages.success(request, gettext("The message leaves now."))
    return redirect("people:message", code=found.code)


def _message_page(request: SignedIn, found: Message, form: forms.WithdrawForm) -> HttpResponse:
    context = {
        "message": found,
        "kind": rules.title_of(found.kind),
        "form": form,
        "facts": [
            (gettext("To"), f"{found.to.name} <{found.to.email}>"),
            (gettext("About"), found.about),
            (gettext("Batch"), found.batch),
            (gettext("Written"), instant(found.made_at)),
            (gettext("Leaves"), instant(_leaves_at(found))),
            (gettext("Note"), said(found.note)),
        ],
        "allowed": rules.MESSAGE.verbs(found.state),
    }
    return render(request, "people/message.html", context, status=422 if form.errors else 200)


def _leaves_at(found: Message) -> datetime | None:
    """Return when a message left or is to leave; None while nobody can say."""
    return found.send_after if found.state is rules.MessageState.QUEUED else found.sent_at


def _operators_only(request: SignedIn) -> None:
    if not access.is_operator(request.user):
        raise Http404


def _cursor(request: HttpRequest) -> str:
    """Return a cursor that may be asked for; anything else begins at the beginning."""
    text = request.GET.get("cursor", "")
    return text if text.isascii() and text.isdigit() and len(text) <= 18 else ""
