"""Letters: made once, kept byte for byte, and checked by anybody who holds one."""

import hashlib
import io
from datetime import timedelta

import pypdf
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from uzina.calls import actions, tasks
from uzina.calls.models import Award, Letter, SavedSection
from uzina.calls.rules import letters
from uzina.calls.rules.steps import StepKind
from uzina.calls.tests.ranked import LATER, at_step, ranked_call, released
from uzina.core.models import LogEntry, Promise
from uzina.core.tests import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def pair(operator, ana, org):
    """One that is awarded, one that is declined."""
    call = ranked_call(operator)
    rows = [
        at_step(call, ana, org, scores=[score], hours=60_000, step=StepKind.RANKING)
        for score in (5, 2)
    ]
    released(call, operator)
    return rows


def made(application, kind):
    tasks.write_letter(application=application.code, kind=kind, now=LATER)
    return Letter.objects.get(application=application, kind=kind)


def signed_in(person):
    client = Client()
    client.force_login(person)
    return client


def test_a_letter_is_a_tagged_pdf_in_the_language_of_the_applicant(pair, ana):
    type(ana).objects.filter(pk=ana.pk).update(language="ro")
    letter = made(pair[1], "decline")
    pdf = bytes(letter.pdf)
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    root = reader.trailer["/Root"]
    assert root["/Lang"] == "ro"
    assert root["/MarkInfo"]["/Marked"].value
    text = " ".join(page.extract_text() for page in reader.pages)
    assert "Punctajul este 2" in text
    assert letter.verifier in text
    assert letter.sha256 == hashlib.sha256(pdf).hexdigest()
    assert LogEntry.objects.get(event="letter.issued").facts["sha256"] == letter.sha256


def test_a_letter_is_made_once_and_its_bytes_stay(pair):
    first = made(pair[0], "award")
    tasks.write_letter(application=pair[0].code, kind="award", now=LATER + timedelta(days=9))
    again = Letter.objects.get(application=pair[0])
    assert (again.pk, bytes(again.pdf), again.issued_at) == (first.pk, bytes(first.pdf), LATER)


def test_the_applicant_and_the_factory_download_it_and_nobody_else(
    pair, ana, operator, auditor, stranger, assessor
):
    letter = made(pair[0], "award")
    for person in (ana, operator, auditor):
        answer = signed_in(person).get(f"/letters/{letter.code}/")
        assert answer.content == bytes(letter.pdf)
        assert answer["Content-Type"] == "application/pdf"
        assert answer["Content-Disposition"].startswith("attachment")
        pdf = signed_in(person).get(f"/api/v1/calls/letters/{letter.code}/pdf")
        assert pdf.content == bytes(letter.pdf)
    for person in (stranger, assessor):
        assert signed_in(person).get(f"/letters/{letter.code}/").status_code == 404
        assert signed_in(person).get(f"/api/v1/calls/letters/{letter.code}/pdf").status_code == 404
    page = signed_in(ana).get(f"/applications/{pair[0].code}/").content.decode()
    assert letter.verifier in page


def test_what_is_decided_first_in_first_out_gets_a_letter_too(call, draft, ana, assessor):
    from uzina.calls.tests.conftest import assess

    actions.submit(draft, by=ana, now=NOW)
    assess(draft, assessor)
    job = Promise.objects.get(task="calls.write_letter")
    tasks.write_letter(**job.args, now=NOW)
    assert Letter.objects.get(application=draft).kind == "award"
    assert Award.objects.filter(application=draft).exists()


# Is it genuine? ---------------------------------------------------------------------------------


def test_anybody_checks_a_code_and_reads_kind_date_and_application_but_no_name(pair, org, ana):
    letter = made(pair[0], "award")
    page = Client().get(f"/letters/verify/{letter.verifier}/").content.decode()
    assert "Genuine" in page
    assert pair[0].code in page
    assert org.name not in page
    assert ana.name not in page
    told = Client().get(f"/api/v1/calls/letters/verify/{letter.verifier}").json()
    assert (told["kind"], told["organisation"]) == ("award", "")


def test_who_agreed_to_be_named_is_named_with_an_award_and_never_with_a_refusal(pair, org, ana):
    for one in pair:
        SavedSection.objects.create(
            application=one, slug="declarations", answers={"may_publish": True}, saved_at=NOW
        )
    award, decline = made(pair[0], "award"), made(pair[1], "decline")
    assert org.name in Client().get(f"/letters/verify/{award.verifier}/").content.decode()
    assert org.name not in Client().get(f"/letters/verify/{decline.verifier}/").content.decode()


def test_a_code_of_no_letter_is_said_to_be_of_none(pair):
    made(pair[0], "award")
    for typed in (letters.new_verifier(), "hello", "<b>x</b>"):
        answer = Client().get(f"/letters/verify/{typed}/")
        if answer.status_code == 404 and b"No letter of ours" in answer.content:
            assert b"<b>x</b>" not in answer.content
        else:
            assert "/" in typed
    missing = Client().get(f"/api/v1/calls/letters/verify/{letters.new_verifier()}")
    assert missing.status_code == 404


def test_the_letter_itself_is_compared_byte_for_byte_and_not_kept(pair):
    letter = made(pair[0], "award")
    client = Client()

    def send(content):
        upload = SimpleUploadedFile("letter.pdf", content, content_type="application/pdf")
        typed = letter.verifier.lower().replace("-", " ")
        answer = client.post("/letters/verify/", {"code": typed, "letter": upload})
        return answer.content.decode()

    assert "byte for byte" in send(bytes(letter.pdf))
    assert "it was changed" in send(bytes(letter.pdf) + b" ")
    answer = client.post("/letters/verify/", {"code": letter.verifier})
    assert answer["Location"] == f"/letters/verify/{letter.verifier}/"
    assert client.post("/letters/verify/", {"code": ""}).status_code == 422
    assert client.get("/letters/verify/").status_code == 200


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("2ab3-cd4e-fg5h-jk6m", "2AB3-CD4E-FG5H-JK6M"),
        (" 2AB3CD4EFG5HJK6M ", "2AB3-CD4E-FG5H-JK6M"),
        ("2AB3-CD4E-FG5H-JK6", ""),
        ("2AB3-CD4E-FG5H-JK60", ""),
        ("2AB3-CD4E-FG5H-JK6O", ""),
        ("", ""),
    ],
)
def test_a_code_is_read_however_it_is_typed(typed, read):
    assert letters.typed_verifier(typed) == read


def test_codes_that_are_printed_are_read_as_they_are():
    for _number in range(50):
        code = letters.new_verifier()
        assert letters.typed_verifier(code) == code
