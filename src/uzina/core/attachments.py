"""Files sent to be kept, never to be shown: whole, or the range that was asked for."""

import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.http import content_disposition_header

from uzina.core.errors import Refused
from uzina.core.http import problem_response
from uzina.core.text import _

SHOWN_BY_NO_BROWSER = frozenset(
    {
        "application/gzip",
        "application/json",
        "application/jsonl",
        "application/octet-stream",
        "application/vnd.apache.parquet",
        "application/x-xz",
        "application/zip",
        "application/zstd",
        "text/csv",
        "text/plain",
        "text/tab-separated-values",
    }
)
"""Types a browser never runs. Whatever else a file claims to be, it is sent as octets."""


def attachment(
    request: HttpRequest,
    *,
    path: str,
    size: int,
    sha256: str,
    media_type: str,
    pieces: Callable[[int, int], Iterator[bytes]],
) -> HttpResponseBase:
    """Return a file that somebody uploaded, so that no browser takes it for a page of ours.

    pieces  called with [first, after), gives those bytes
    """
    headers = {
        "Content-Type": media_type
        if media_type in SHOWN_BY_NO_BROWSER
        else "application/octet-stream",
        "Content-Disposition": content_disposition_header(
            as_attachment=True, filename=PurePosixPath(path).name
        )
        or "attachment",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "X-Content-Type-Options": "nosniff",
        "Accept-Ranges": "bytes",
        "ETag": f'"{sha256}"',
        "Cache-Control": "private, max-age=0, must-revalidate",
    }
    if request.headers.get("If-None-Match", "") == headers["ETag"]:
        return HttpResponse(status=304, headers={"ETag": headers["ETag"]})
    # Never packed on the way: ranges and the tag are of these bytes.
    headers["Content-Encoding"] = "identity"
    asked = request.headers.get("Range", "")
    if request.headers.get("If-Range", headers["ETag"]) != headers["ETag"]:
        asked = ""
    try:
        part = byte_range(asked, size)
    except Refused as refused:
        answer = problem_response(request, refused, status=416)
        answer["Content-Range"] = f"bytes */{size}"
        return answer
    first, after = part or (0, size)
    headers["Content-Length"] = str(after - first)
    if part:
        headers["Content-Range"] = f"bytes {first}-{after - 1}/{size}"
    status = 206 if part else 200
    if request.method == "HEAD":
        return HttpResponse(status=status, headers=headers)
    return StreamingHttpResponse(pieces(first, after), status=status, headers=headers)


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """Return [first, after last) of a single-range `Range` header; None to send the whole.

    A header we do not understand is ignored, as RFC 9110 section 14.2 allows.
    Raises Refused file.range.outside when the range holds no byte of the file.
    """
    match = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", header.strip())
    if not match or match[1] == match[2] == "":
        return None
    if match[1] == "":
        first, after = max(0, size - int(match[2])), size
    else:
        first, after = int(match[1]), min(size, int(match[2]) + 1 if match[2] else size)
        if match[2] and int(match[2]) < first:
            return None
    if first >= after:
        raise Refused(
            "file.range.outside",
            _("The file has {size} bytes; the range asked for is outside."),
            size=size,
        )
    return first, after
