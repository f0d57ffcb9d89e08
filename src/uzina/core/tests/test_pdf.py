"""Pages as PDF."""

import importlib
import io

import pypdf
import pytest
from django.template import Context, Template

from uzina.core import pdf
from uzina.core.errors import Refused
from uzina.core.pdf import pdf_of

HOSTILE = '"><script>alert(1)</script><img src="http://127.0.0.1:9/x.png">{{ secret }}'
PAGE = Template(
    "<h1>{{ title }}</h1><p class=typed>{{ text }}</p><h2>Ă î Ș ț</h2>"
    "<table><thead><tr><th scope=col>A<th scope=col>B</tr></thead>"
    "<tbody><tr><td>1<td>2</tr></tbody></table>"
)


def page(title="Cerere", text="Text"):
    return PAGE.render(Context({"title": title, "text": text}))


def read(made):
    return pypdf.PdfReader(io.BytesIO(made))


def fonts_of(reader):
    for one in reader.pages:
        for font in one["/Resources"]["/Font"].values():
            inner = font.get_object()["/DescendantFonts"][0].get_object()
            yield inner["/FontDescriptor"].get_object()


def test_a_page_is_tagged_titled_in_its_language_and_says_so():
    reader = read(pdf_of(page(), title="Cererea mea", language="ro"))
    root = reader.trailer["/Root"]
    assert root["/Lang"] == "ro"
    assert root["/MarkInfo"]["/Marked"].value
    assert root["/ViewerPreferences"]["/DisplayDocTitle"].value
    assert reader.metadata["/Title"] == "Cererea mea"
    assert b"pdfuaid" in root["/Metadata"].get_object().get_data()
    kinds = str(_kinds(root["/StructTreeRoot"]))
    for kind in ("/H1", "/H2", "/P", "/Table", "/TH"):
        assert f"'{kind}'" in kinds


def _kinds(node):
    node = node.get_object() if hasattr(node, "get_object") else node
    if isinstance(node, list):
        return [_kinds(one) for one in node]
    if not isinstance(node, dict):
        return []
    return [str(node.get("/S", "")), _kinds(node.get("/K", []))]


def test_every_font_is_ours_and_inside_the_file():
    made = list(fonts_of(read(pdf_of(page(), title="T", language="ro"))))
    assert made
    for font in made:
        assert "Inter" in font["/FontName"]
        assert {"/FontFile", "/FontFile2", "/FontFile3"} & set(font)


def test_the_same_page_gives_the_same_identifier_and_another_page_another():
    first, again = (read(pdf_of(page(), title="T", language="en")) for _ in range(2))
    other = read(pdf_of(page("Else"), title="T", language="en"))
    assert first.trailer["/ID"][0] == again.trailer["/ID"][0]
    assert first.trailer["/ID"][0] != other.trailer["/ID"][0]


def test_markup_that_people_typed_is_printed_as_text():
    text = "".join(
        one.extract_text()
        for one in read(pdf_of(page(HOSTILE, HOSTILE), title=HOSTILE, language="en")).pages
    )
    flat = "".join(text.split())
    assert flat.count("<script>alert(1)</script>") >= 2
    assert "{{secret}}" in flat


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd",
        "http://127.0.0.1:9/x.png",
        "data:image/png;base64,iVBORw0KGgo=",
        "portal:../../pdf.py",
        "PORTAL:inter-latin.woff2",
    ],
)
def test_a_page_fetches_nothing_but_our_fonts(address):
    with pytest.raises(ValueError, match="fetches nothing"):
        pdf._only_ours().fetch(address)


def test_text_that_no_template_rendered_is_not_printed():
    with pytest.raises(TypeError, match="by a template"):
        pdf_of("<h1>typed</h1>", title="T", language="en")


def test_without_the_system_library_the_refusal_names_the_packages(monkeypatch):
    def missing(name):
        raise OSError("cannot load library 'libpango-1.0-0'")

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(Refused, match="libpango-1.0-0") as refused:
        pdf_of(page(), title="T", language="en")
    assert refused.value.code == "pdf.make.no_library"
