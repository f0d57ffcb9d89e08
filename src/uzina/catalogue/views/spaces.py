"""Pages of a project's storage: how much, what is in it, and the trash."""

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.timezone import now
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_GET, require_POST

from uzina.catalogue import access, forms
from uzina.catalogue import queries as catalogue
from uzina.catalogue.actions import filing, keeping
from uzina.catalogue.actions import spaces as space_actions
from uzina.catalogue.adapters import store
from uzina.catalogue.models import Space
from uzina.catalogue.queries import folders
from uzina.catalogue.queries import spaces as queries
from uzina.catalogue.rules import spaces as rules
from uzina.core.attachments import attachment
from uzina.core.errors import Invalid, NotAllowed, Refused
from uzina.core.http import told
from uzina.core.text import _
from uzina.people.models import Project
from uzina.people.types import SignedIn

ON_A_PAGE = 100
FEW = 8
PIECE = 1 << 20


@login_required
@require_GET
def storage(request: SignedIn, code: str) -> HttpResponse:
    """Show what a project may keep, what it keeps, and when what goes."""
    visible = Project.objects.visible_to(request.user).select_related("organisation")
    project = get_object_or_404(visible, code=code)
    moment = now()
    spaces = queries.spaces_of(project) or space_actions.follow_project(project, now=moment)
    given = queries.keeping()
    context = {
        "project": project,
        "spaces": [_shown(one, request) for one in spaces],
        "biggest": folders.biggest(spaces, most=FEW),
        "leaving": folders.leaving_next(spaces, now=moment, most=FEW),
        "keeping": given,
    }
    return render(request, "catalogue/spaces.html", context)


def _shown(space: Space, request: SignedIn) -> dict[str, Any]:
    taken, whole = space.taken, max(space.byte_quota, space.taken.bytes, 1)
    parts, at = [], 0.0
    for style, label, size, files in (
        ("spent", gettext("Files"), taken.used_bytes, taken.used_files),
        ("held", gettext("In the trash"), taken.trash_bytes, taken.trash_files),
        ("coming", gettext("On its way"), taken.reserved_bytes, taken.reserved_files),
    ):
        width = size / whole * 100
        parts.append(
            {
                "style": style,
                "label": label,
                "bytes": size,
                "files": files,
                "from": f"{at:.2f}%",
                "width": f"{width:.2f}%",
            }
        )
        at += width
    return {
        "space": space,
        "parts": parts,
        "left_bytes": max(0, space.byte_quota - taken.bytes),
        "left_files": max(0, space.file_quota - taken.files),
        "gone_at": queries.gone_at(space),
        "may_manage": access.may_manage_space(request.user, space),
    }


@login_required
@require_GET
def folder(request: SignedIn, code: str, kind: str) -> HttpResponse:
    """Show what is in a folder of a space."""
    space = _readable(request, code, kind)
    return _folder_page(request, space, request.GET.get("path", "")[:1024].strip("/"))


def _folder_page(
    request: SignedIn, space: Space, path: str, *, status: int = 200, **more: Any
) -> HttpResponse:
    try:
        rules.check_path(path, may_be_whole=True)
    except Invalid:
        raise Http404 from None
    words = request.GET.get("q", "")[:200].replace("\0", "")
    sort = request.GET.get("sort", "name")
    entries: Any = _Entries(space, path, sort=sort, words=words)
    pages: Paginator[folders.Entry] = Paginator(entries, ON_A_PAGE)
    page = pages.get_page(request.GET.get("page"))
    context = {
        "space": space,
        "project": space.project,
        "path": path,
        "steps": _steps(path),
        "page": page,
        "words": words,
        "sort": sort,
        "sorts": (
            ("name", gettext("Name")),
            ("size", gettext("Size")),
            ("put", gettext("Newest")),
            ("ends", gettext("Goes first")),
        ),
        "is_scratch": space.kind is rules.SpaceKind.SCRATCH,
        "keeping": queries.keeping(),
        "may_write": access.may_write_space(request.user, space) and _takes_files(space),
        "left_bytes": max(0, space.byte_quota - space.taken.bytes),
        "left_files": max(0, space.file_quota - space.taken.files),
        "version_form": forms.FolderVersionForm(
            datasets=_datasets(space.project), initial={"path": path}
        ),
    } | more
    return render(request, "catalogue/space.html", context, status=status)


class _Entries:
    """What a paginator asks of a folder: how many entries, and a slice of them."""

    def __init__(self, space: Space, path: str, *, sort: str, words: str) -> None:
        self.listing = partial(folders.listing, space, path, sort=sort, words=words)

    def __len__(self) -> int:
        return self.listing(first=0, most=0).count

    def __getitem__(self, part: slice) -> list[folders.Entry]:
        first = part.start or 0
        return self.listing(first=first, most=part.stop - first).entries


def _steps(path: str) -> list[dict[str, str]]:
    names = path.split("/") if path else []
    return [{"name": name, "path": "/".join(names[: at + 1])} for at, name in enumerate(names)]


def _takes_files(space: Space) -> bool:
    is_open = space.state is rules.SpaceState.OPEN
    return is_open and space.project.state == "active" and now() < space.project.ends_at


def _datasets(project: Project) -> list[tuple[str, str]]:
    return [(one.slug, one.title) for one in catalogue.datasets_of(project)]


@login_required
@require_GET
def trash_of(request: SignedIn, code: str, kind: str) -> HttpResponse:
    """Show what lies in the trash of a space, and until when."""
    space = _readable(request, code, kind)
    given = queries.keeping()
    page = Paginator(folders.trash_of(space), ON_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "space": space,
        "project": space.project,
        "page": page,
        "rows": [
            {"item": one, "gone_at": rules.purges(one.trashed_at or now(), keeping=given)}
            for one in page
        ],
        "words": {
            "deleted": gettext("deleted"),
            "replaced": gettext("replaced"),
            "unused": gettext("not used for long"),
        },
        "keeping": given,
        "may_write": access.may_write_space(request.user, space),
        "may_manage": access.may_manage_space(request.user, space),
    }
    return render(request, "catalogue/space_trash.html", context)


@login_required
@require_GET
def download_item(request: SignedIn, code: str, kind: str, path: str) -> HttpResponseBase:
    """Send a file, so that no browser shows it as a page of ours."""
    space = _readable(request, code, kind)
    item = queries.item(space, path)
    if item is None:
        raise Http404
    filing.note_use(space, [path], now=now())
    return attachment(
        request,
        path=item.path,
        size=item.bytes,
        sha256=item.sha256,
        media_type=item.media_type,
        pieces=lambda first, after: store().open(item.sha256, first=first, after=after),
    )


@login_required
@require_POST
def put_item(request: SignedIn, code: str, kind: str) -> HttpResponse:
    """Put files sent by a plain form: what is there without our script."""
    space = _readable(request, code, kind)
    path = request.POST.get("path", "")[:1024].strip("/")

    def put() -> int:
        sent = request.FILES.getlist("files")
        for one in sent:
            name = f"{path}/{one.name}" if path else str(one.name)
            hasher = hashlib.sha256()
            for piece in one.chunks(PIECE):
                hasher.update(piece)
            filing.put_sent(
                space,
                rules.file(name, size=one.size or 0, sha256=hasher.hexdigest()),
                one.chunks(PIECE),
                by=request.user,
                now=now(),
            )
        return len(sent)

    return _done(request, space, path, put, _sent_words)


def _sent_words(count: int) -> str:
    return ngettext("{count} file is there.", "{count} files are there.", count).format(count=count)


@login_required
@require_POST
def trash_items(request: SignedIn, code: str, kind: str) -> HttpResponse:
    """Move what was chosen to the trash."""
    space = _readable(request, code, kind)
    path = request.POST.get("path", "")[:1024]
    paths = request.POST.getlist("paths")[: rules.MOST_AT_ONCE]
    return _done(
        request,
        space,
        path,
        lambda: filing.trash(space, paths, by=request.user, now=now()),
        lambda count: ngettext(
            "{count} file is in the trash.", "{count} files are in the trash.", count
        ).format(count=count),
    )


@login_required
def move_item(request: SignedIn, code: str, kind: str) -> HttpResponse:
    """Ask for a new place of a file or folder, and move it there."""
    space = _readable(request, code, kind)
    kinds = [(str(one.kind), gettext(one.kind.label)) for one in queries.spaces_of(space.project)]
    given = request.POST if request.method == "POST" else None
    path = (given or request.GET).get("path", "")[:1024]
    form = forms.MoveForm(
        given, kinds=kinds, initial={"path": path, "to": path, "kind": str(space.kind)}
    )
    if given is not None and form.is_valid():
        into = _space(request, code, form.cleaned_data["kind"])
        to = form.cleaned_data["to"].strip().strip("/")
        try:
            filing.move(space, path, to=to, into=into, by=request.user, now=now())
        except Refused as refused:
            form.add_error("to", _words(request, refused))
        else:
            messages.success(request, gettext("Moved to {path}.").format(path=to))
            return redirect(_address(into, rules.folder_of(to)))
    context = {"space": space, "project": space.project, "path": path, "form": form}
    status = 422 if form.errors else 200
    return render(request, "catalogue/space_move.html", context, status=status)


@login_required
@require_POST
def make_version(request: SignedIn, code: str, kind: str) -> HttpResponse:
    """Make a dataset version of a folder."""
    space = _readable(request, code, kind)
    form = forms.FolderVersionForm(request.POST, datasets=_datasets(space.project))
    path = request.POST.get("path", "")[:1024]
    if form.is_valid():
        dataset = catalogue.dataset(form.cleaned_data["dataset"])
        if dataset is None:
            raise Http404
        try:
            version = filing.add_version_of_folder(
                space,
                path,
                dataset=dataset,
                note=form.cleaned_data["note"],
                by=request.user,
                now=now(),
            )
        except Refused as refused:
            form.add_error(None, _words(request, refused))
        else:
            messages.success(
                request, gettext("{version} was made.").format(version=version.reference)
            )
            return redirect("catalogue:dataset", dataset.slug)
    return _folder_page(request, space, path, status=422, version_form=form)


@login_required
@require_POST
def restore_items(request: SignedIn, code: str, kind: str) -> HttpResponse:
    """Take what was chosen out of the trash."""
    space = _readable(request, code, kind)
    asked = request.POST.getlist("ids")[: rules.MOST_AT_ONCE]
    ids = [int(one) for one in asked if one.isascii() and one.isdigit() and len(one) < 19]
    return _done(
        request,
        space,
        "",
        lambda: len(filing.restore(space, ids, by=request.user, now=now())),
        lambda count: ngettext("{count} file is back.", "{count} files are back.", count).format(
            count=count
        ),
        to="catalogue:space_trash",
    )


@login_required
@require_POST
def empty_trash(request: SignedIn, code: str, kind: str) -> HttpResponse:
    """Delete for good what is in the trash."""
    space = _readable(request, code, kind)
    return _done(
        request,
        space,
        "",
        lambda: keeping.empty_trash(space, by=request.user, now=now()),
        lambda count: ngettext(
            "{count} file was deleted for good.", "{count} files were deleted for good.", count
        ).format(count=count),
        to="catalogue:space_trash",
    )


@login_required
@require_POST
def trash_space(request: SignedIn, code: str, kind: str) -> HttpResponse:
    """Put a whole space into the trash."""
    return _whole(request, code, kind, keeping.trash_space, gettext("The space is in the trash."))


@login_required
@require_POST
def restore_space(request: SignedIn, code: str, kind: str) -> HttpResponse:
    """Take a whole space out of the trash."""
    return _whole(request, code, kind, keeping.restore_space, gettext("The space is back."))


def _whole(
    request: SignedIn, code: str, kind: str, verb: Callable[..., Any], words: str
) -> HttpResponse:
    space = _space(request, code, kind)
    try:
        verb(space, by=request.user, now=now())
    except Refused as refused:
        if isinstance(refused, NotAllowed):
            raise
        messages.error(request, _words(request, refused))
    else:
        messages.success(request, words)
    return redirect("catalogue:storage", code)


def _done(
    request: SignedIn,
    space: Space,
    path: str,
    verb: Callable[[], int],
    words: Callable[[int], str],
    *,
    to: str = "",
) -> HttpResponse:
    """Do it, say what was done or why not, and show the page again."""
    try:
        messages.success(request, words(verb()))
    except Refused as refused:
        if isinstance(refused, NotAllowed):
            raise
        messages.error(request, _words(request, refused))
    if to:
        return redirect(to, space.project.code, str(space.kind))
    return redirect(_address(space, path))


def _words(request: SignedIn, refused: Refused) -> str:
    problems = refused.problems if isinstance(refused, Invalid) else ()
    return " ".join(told(one) for one in problems) or told(refused)


def _address(space: Space, path: str) -> str:
    page = reverse("catalogue:space", args=[space.project.code, str(space.kind)])
    return f"{page}?{urlencode({'path': path})}" if path else page


def _space(request: SignedIn, code: str, kind: str) -> Space:
    rows = Space.objects.visible_to(request.user).select_related("project__organisation")
    return get_object_or_404(rows, project__code=code, kind=kind)  # type: ignore[no-any-return]


def _readable(request: SignedIn, code: str, kind: str) -> Space:
    space = _space(request, code, kind)
    if not access.may_read_space(request.user, space):
        raise NotAllowed(
            "space.read.not_yours",
            _("Only members of {project} can read its files."),
            project=space.project.code,
        )
    return space
