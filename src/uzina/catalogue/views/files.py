"""Files by signed, short-lived addresses: for programs that have no token, such as curl."""

from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from django.views.decorators.http import require_safe

from uzina.catalogue import access, actions, queries
from uzina.catalogue.models import Version
from uzina.core.attachments import attachment
from uzina.core.errors import NotAllowed
from uzina.core.text import _
from uzina.people import queries as people


@require_safe
def file(request: HttpRequest, slug: str, number: int, path: str) -> HttpResponseBase:
    """Send one file of a version to who holds a link to it that has not ended."""
    person = request.GET.get("person", "")
    queries.check_link(
        slug,
        number,
        path,
        person=person,
        expires=request.GET.get("expires", ""),
        signature=request.GET.get("signature", ""),
        now=now(),
    )
    holder = people.person(person)
    version = get_object_or_404(Version.objects.whole(), dataset__slug=slug, number=number)
    found = version.file(path)
    if found is None or holder is None:
        raise Http404
    moment = now()
    if not holder.is_active or not access.may_read_bytes(holder, version, now=moment):
        raise NotAllowed(
            "file.link.revoked", _("Who asked for this link may no longer read the file.")
        )
    actions.begin_read(version, by=holder, now=moment)
    return attachment(
        request,
        path=found.path,
        size=found.bytes,
        sha256=found.sha256,
        media_type=found.media_type,
        pieces=lambda first, after: queries.contents(version, path, first=first, after=after),
    )
