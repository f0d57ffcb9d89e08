"""The text of a web page, in lines as a reader sees them.

Every block of the page is a line and everything that is shown is kept: what is navigation and what
is content is decided later, by how many documents a line occurs in, where it can be counted and
shown. A guess made here could not be. That is also why no extractor of "the article" is used.

The scanner looks at each character once. Python's own parser does not: 200 kB of opened comments
keep it busy for minutes, and pages come from strangers.
"""

from __future__ import annotations

import re
from html import unescape

BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "br",
        "caption",
        "center",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "li",
        "main",
        "nav",
        "ol",
        "option",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "title",
        "tr",
        "ul",
    ]
)
HIDDEN = frozenset({"script", "style", "template", "noscript"})
NAME = re.compile(r"/?([a-zA-Z][a-zA-Z0-9]{0,15})")
SPACE = re.compile(r"\s+")


def page_text(html: str) -> str:
    """The text of an HTML page, a block a line."""
    lines: list[str] = []
    parts: list[str] = []
    verbatim = 0
    at = 0
    while at < len(html):
        opening = html.find("<", at)
        text = html[at:opening] if opening >= 0 else html[at:]
        if text:
            add(lines, parts, unescape(text), is_verbatim=verbatim > 0)
        if opening < 0:
            break
        name = NAME.match(html, opening + 1)
        if name is None and html[opening + 1 : opening + 2] not in {"!", "?", "/"}:
            parts.append("<")
            at = opening + 1
            continue
        tag = name[1].lower() if name else ""
        is_end = html.startswith("</", opening)
        end, at = closing(html, opening, tag, is_hidden=tag in HIDDEN and not is_end)
        if tag == "pre":
            verbatim = max(0, verbatim - 1) if is_end else verbatim + 1
        if tag in BLOCKS:
            lines.append("".join(parts))
            parts.clear()
        if end < 0:
            break
    lines.append("".join(parts))
    return "\n".join(line.rstrip() for line in lines if line.strip())


def closing(html: str, opening: int, tag: str, *, is_hidden: bool) -> tuple[int, int]:
    """Where a tag ends, and where text goes on after it; -1 when it never ends."""
    if html.startswith("<!--", opening):
        end = html.find("-->", opening + 4)
        return end, end + 3
    end = html.find(">", opening)
    if end < 0 or not is_hidden or html[end - 1] == "/":
        return end, end + 1
    # What a script says is not shown: go on at its own closing tag.
    after = re.compile(f"</{tag}", re.IGNORECASE).search(html, end)
    return (after.start(), after.start()) if after else (-1, len(html))


def add(lines: list[str], parts: list[str], text: str, *, is_verbatim: bool) -> None:
    """Add to the current line; line breaks count only inside <pre>."""
    if not is_verbatim:
        parts.append(SPACE.sub(" ", text))
        return
    first, *rest = text.split("\n")
    parts.append(first)
    for line in rest:
        lines.append("".join(parts))
        parts[:] = [line]
