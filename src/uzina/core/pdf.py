"""Pages as PDF: tagged (PDF/UA-1), in our own fonts, and reaching for nothing outside."""

import hashlib
import importlib
import threading
from pathlib import Path
from typing import Any

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from uzina.core.errors import Refused
from uzina.core.text import _

_STATIC = Path(__file__).parent / "static" / "core"
_FILES = {
    "portal:inter-latin.woff2": _STATIC / "vendor/inter/inter-latin.woff2",
    "portal:inter-latin-ext.woff2": _STATIC / "vendor/inter/inter-latin-ext.woff2",
}
"""All that a page may fetch while it is drawn."""

NEEDED_PACKAGES = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
"""What draws the text, as Debian and Ubuntu call it. The rest comes with the Python package."""

_one_at_a_time = threading.Lock()


def pdf_of(body: SafeString, *, title: str, language: str) -> bytes:
    """Return a page as PDF/UA-1. The same page gives the same identifier.

    Not the same bytes: the fonts inside carry the second in which they were cut to size.

    body      what a template rendered, from its first heading on; headings in order, one h1. It
              is taken only as a template gives it, so that what people typed is escaped
    title     what a reader's window and a screen reader say
    language  of the text, "en" or "ro"
    """
    if not isinstance(body, SafeString):
        raise TypeError("render the body by a template: what people typed has to be escaped")
    weasyprint = _weasyprint()
    html = render_to_string("pdf.html", {"title": title, "language": language, "body": body})
    fetcher = _only_ours()
    # The libraries below keep state of their own, and a server's threads share them.
    with _one_at_a_time:
        fonts = importlib.import_module("weasyprint.text.fonts").FontConfiguration()
        style = weasyprint.CSS(
            string=(_STATIC / "print.css").read_text(), url_fetcher=fetcher, font_config=fonts
        )
        made: bytes = weasyprint.HTML(string=html, url_fetcher=fetcher).write_pdf(
            stylesheets=[style],
            font_config=fonts,
            pdf_variant="pdf/ua-1",
            pdf_identifier=hashlib.sha256(html.encode()).digest()[:16],
        )
    return made


def _only_ours() -> Any:
    """Return what fetches our own files by name, and refuses every other address."""
    urls = importlib.import_module("weasyprint.urls")

    class OnlyOurs(urls.URLFetcher):  # type: ignore[misc, name-defined]
        def fetch(self, url: str, *_headers: Any) -> Any:
            if url not in _FILES:
                raise ValueError("a page that is printed fetches nothing")
            return urls.URLFetcherResponse(
                url, _FILES[url].read_bytes(), {"Content-Type": "font/woff2"}
            )

    return OnlyOurs()


def _weasyprint() -> Any:
    """Return the library, loaded when the first page is printed: it needs system libraries."""
    try:
        return importlib.import_module("weasyprint")
    except OSError as missing:
        raise Refused(
            "pdf.make.no_library",
            _(
                "A PDF cannot be made on this server: a system library is missing. Its operator "
                "installs the packages {packages}. Everything else works without them."
            ),
            packages=NEEDED_PACKAGES,
        ) from missing
