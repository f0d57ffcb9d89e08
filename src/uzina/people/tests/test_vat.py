"""VAT numbers and PIC: forms, and what the register says, from a real HTTP server of the test's."""

import contextlib
import json
import socket
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.conf import settings
from django.core import mail
from django.test import override_settings

from uzina.core.errors import Invalid
from uzina.core.models import LogEntry, Promise
from uzina.core.tests import NOW
from uzina.people import actions, queries, rules, tasks
from uzina.people.adapters import vat_register
from uzina.people.adapters.vies import Vies, read_answer
from uzina.people.models import Organisation
from uzina.people.ports import NotValid, Unknown, Valid
from uzina.people.rules import OrganisationKind, VatState
from uzina.people.tests import deliver

FACTS = actions.OrganisationFacts(
    name="Limbă Vie", kind=OrganisationKind.SME, country="RO", vat_number="RO18547290"
)
YES = {
    "countryCode": "RO",
    "vatNumber": "18547290",
    "valid": True,
    "name": "LIMBĂ VIE\nSRL",
    "address": "---",
    "requestIdentifier": "WAPIAAAAZ1",
}
NO = {"countryCode": "RO", "vatNumber": "18547290", "valid": False, "name": "---"}
OLD_YES = {"isValid": True, "userError": "VALID", "vatNumber": "18547290", "name": "LIMBĂ VIE SRL"}
OLD_NO = {"isValid": False, "userError": "INVALID", "vatNumber": "18547290"}


class Stub(ThreadingHTTPServer):
    """A register that says what the test wants said.

    reply  status, bytes and seconds between single bytes
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked = []
        self.reply = (200, b"{}", 0.0)
        self.is_over = threading.Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/rest-api"

    def says(self, data, *, status=200, drip_s=0.0):
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.reply = (status, body, drip_s)


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, json.loads(body)))
        status, reply, drip_s = self.server.reply
        self.send_response(status)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        with contextlib.suppress(OSError):
            if not drip_s:
                self.wfile.write(reply)
                return
            for index in range(len(reply)):
                if self.server.is_over.wait(drip_s):
                    return
                self.wfile.write(reply[index : index + 1])
                self.wfile.flush()

    def log_message(self, *_args):
        pass


@pytest.fixture
def register():
    server = Stub()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    config = settings.UZINA
    vat = replace(config.vat, is_asked=True, url=server.url, timeout_s=20)
    with override_settings(UZINA=replace(config, vat=vat)):
        yield server
    server.is_over.set()
    server.shutdown()
    thread.join()
    server.server_close()


# Forms ----------------------------------------------------------------------------------------

RIGHT = {
    "AT": "ATU13585627",
    "BE": "BE0403019261",
    "BG": "BG175074752",
    "CY": "CY10259033P",
    "CZ": "CZ25123891",
    "DE": "DE136695976",
    "DK": "DK13585628",
    "EE": "EE100931558",
    "ES": "ESM1234567L",
    "FI": "FI20774740",
    "FR": "FR40303265045",
    "GR": "EL094259216",
    "HR": "HR33392005961",
    "HU": "HU12892312",
    "IE": "IE6433435F",
    "IT": "IT00743110157",
    "LT": "LT119511515",
    "LU": "LU15027442",
    "LV": "LV40003521600",
    "MT": "MT11679112",
    "NL": "NL004495445B01",
    "PL": "PL8567346215",
    "PT": "PT501964843",
    "RO": "RO18547290",
    "SE": "SE123456789701",
    "SI": "SI50223054",
    "SK": "SK2022749619",
}


def code_of(number, country):
    found = rules.vat_problem(rules.normal_vat(number), country)
    return found.code.rpartition(".")[2] if found else None


def test_every_member_state_is_here():
    assert len(RIGHT) == 27


@pytest.mark.parametrize(("country", "number"), RIGHT.items())
def test_a_right_number_passes_and_one_wrong_digit_or_another_country_does_not(country, number):
    assert code_of(number, country) is None
    assert code_of(number.lower()[:2] + " " + number[2:], country) is None
    last = max(index for index, letter in enumerate(number) if letter.isdigit())
    changed = {
        number[:last] + str(digit) + number[last + 1 :]
        for digit in range(10)
        if str(digit) != number[last]
    }
    assert "malformed" in {code_of(one, country) for one in changed}
    assert code_of(number, "RO" if country != "RO" else "IT") == "other_country"
    assert code_of(number[2:], country) == "other_country"


@pytest.mark.parametrize(
    ("number", "country", "code"),
    [
        ("GR094259216", "GR", None),
        ("XI434031494", "GB", None),
        ("XI000000001", "GB", "malformed"),
        ("GB434031494", "GB", None),
        ("CHE107787577", "CH", None),
        ("", "RO", None),
        ("RO1", "RO", "malformed"),
    ],
)
def test_what_is_outside_the_register_is_not_judged(number, country, code):
    assert code_of(number, country) == code


@pytest.mark.parametrize(
    ("pic", "is_right"),
    [
        ("", True),
        ("999999999", True),
        ("99999999", False),
        ("9999999999", False),
        ("99999999a", False),
    ],
)
def test_a_pic_has_nine_digits(pic, is_right):
    assert (rules.pic_problem(pic) is None) is is_right


@pytest.mark.django_db
def test_numbers_are_kept_as_registers_write_them_and_wrong_ones_not_at_all(ana):
    typed = replace(FACTS, vat_number="ro 185.472-90", pic="999 999 999")
    made = actions.register_organisation(typed, by=ana, now=NOW)
    assert (made.vat_number, made.pic) == ("RO18547290", "999999999")

    with pytest.raises(Invalid) as invalid:
        actions.register_organisation(
            replace(FACTS, vat_number="IT00743110157", pic="1"), by=ana, now=NOW
        )
    assert [one.code for one in invalid.value.problems] == [
        "organisation.vat_number.other_country",
        "organisation.pic.malformed",
    ]
    assert Organisation.objects.count() == 1


# What the register says -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (YES, Valid("LIMBĂ VIE SRL", "", "WAPIAAAAZ1")),
        (OLD_YES, Valid("LIMBĂ VIE SRL", "", "")),
        (NO, NotValid()),
        (OLD_NO, NotValid()),
        ({"isValid": False, "userError": "MS_MAX_CONCURRENT_REQ"}, "MS_MAX_CONCURRENT_REQ"),
        ({"valid": False, "userError": "MS_UNAVAILABLE"}, "MS_UNAVAILABLE"),
        ({"isValid": False, "userError": "IP_BLOCKED"}, "IP_BLOCKED"),
        ({"isValid": False, "userError": "SOMETHING_NEW"}, "SOMETHING_NEW"),
        ({"isValid": True, "userError": "TIMEOUT"}, "TIMEOUT"),
        ({"actionSucceed": False, "errorWrappers": [{"error": "TIMEOUT"}]}, "TIMEOUT"),
        ({"actionSucceed": False, "valid": False}, "refused without a reason"),
        ({"isValid": True, "userError": "INVALID"}, "neither yes nor no"),
        ({"isValid": False, "userError": "VALID"}, "neither yes nor no"),
        ({"valid": "true"}, "neither yes nor no"),
        ({"valid": 1}, "neither yes nor no"),
        ({}, "neither yes nor no"),
        ([], "nothing that can be read"),
        (None, "nothing that can be read"),
        (YES | {"vatNumber": "1"}, "about 1"),
        (NO | {"errorWrappers": ["odd"]}, "odd"),
    ],
)
def test_only_a_no_without_a_reason_is_a_no(said, answer):
    found = read_answer("RO18547290", 200, json.dumps(said).encode())
    if isinstance(answer, str):
        assert isinstance(found, Unknown)
        assert answer in found.reason
    else:
        assert found == answer


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
@pytest.mark.parametrize("said", [YES, NO])
def test_an_answer_with_an_error_status_is_no_answer(status, said):
    assert isinstance(read_answer("RO18547290", status, json.dumps(said).encode()), Unknown)


def test_the_register_is_asked_over_http_with_our_own_number_where_we_have_one(register):
    register.says(YES)
    assert isinstance(Vies(register.url, 20, "").ask("RO18547290"), Valid)
    Vies(register.url, 20, "RO16054368").ask("RO18547290")
    plain = {"countryCode": "RO", "vatNumber": "18547290"}
    assert register.asked == [
        ("/rest-api/check-vat-number", plain),
        (
            "/rest-api/check-vat-number",
            plain | {"requesterMemberStateCode": "RO", "requesterNumber": "16054368"},
        ),
    ]


@pytest.mark.parametrize("body", [b"<html>busy</html>", b"", b"\xff\xfe", b"[" * 50_000])
def test_garbage_is_no_answer(register, body):
    register.says(body)
    assert isinstance(Vies(register.url, 20, "").ask("RO18547290"), Unknown)


def test_an_answer_without_end_is_cut_off(register):
    register.says(b" " * 5_000_000)
    assert isinstance(Vies(register.url, 20, "").ask("RO18547290"), Unknown)


def test_a_register_that_drips_or_is_silent_is_left_after_the_time_out(register):
    register.says(YES, drip_s=0.2)
    found = Vies(register.url, 0.5, "").ask("RO18547290")
    assert isinstance(found, Unknown)
    register.says(YES, drip_s=3600)
    assert isinstance(Vies(register.url, 0.2, "").ask("RO18547290"), Unknown)


def test_a_register_that_is_not_there_is_no_answer():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        assert isinstance(Vies(url, 20, "").ask("RO18547290"), Unknown)


# What is kept ---------------------------------------------------------------------------------


def ask(now=NOW):
    """Do what was promised last, as the worker does."""
    row = Promise.objects.filter(task="people.ask_vat").order_by("-pk").first()
    tasks.ask_vat(**row.args, now=now)
    return Organisation.objects.get(code=row.args["organisation"])


@pytest.mark.django_db
def test_a_laptop_asks_nobody(ana):
    made = actions.register_organisation(FACTS, by=ana, now=NOW)
    assert vat_register() is None
    assert not Promise.objects.exists()
    assert made.vat_state is VatState.UNKNOWN


@pytest.mark.django_db
@pytest.mark.parametrize(
    "changes", [{"vat_number": ""}, {"country": "CH", "vat_number": "CHE107787577"}]
)
def test_what_the_register_cannot_know_is_not_asked(ana, register, changes):
    actions.register_organisation(replace(FACTS, **changes), by=ana, now=NOW)
    assert not Promise.objects.exists()


@pytest.mark.django_db
def test_a_yes_is_kept_with_its_instant_and_not_asked_again(ana, register):
    register.says(YES)
    made = actions.register_organisation(FACTS, by=ana, now=NOW)
    assert register.asked == []

    found = ask()

    assert (found.vat_state, found.vat_checked_at) == ("valid", NOW)
    assert (found.vat_name, found.vat_consultation) == ("LIMBĂ VIE SRL", "WAPIAAAAZ1")
    (entry,) = LogEntry.objects.filter(event="organisation.vat_checked")
    assert entry.facts == {"state": "valid", "consultation": "WAPIAAAAZ1", "reason": ""}
    actions.change_organisation(made, replace(FACTS, city="Cluj"), by=ana, now=NOW)
    assert Promise.objects.filter(task="people.ask_vat").count() == 1
    assert Organisation.objects.get().vat_state is VatState.VALID


@pytest.mark.django_db
def test_another_number_is_asked_about_anew(ana, register):
    register.says(YES)
    made = actions.register_organisation(FACTS, by=ana, now=NOW)
    ask()
    changed = actions.change_organisation(
        made, replace(FACTS, vat_number="RO16054368"), by=ana, now=NOW
    )
    assert (changed.vat_state, changed.vat_checked_at, changed.vat_name) == ("unknown", None, "")
    back = actions.change_organisation(made, FACTS, by=ana, now=NOW)
    assert Promise.objects.filter(task="people.ask_vat").count() == 3
    assert back.vat_state is VatState.UNKNOWN


@pytest.mark.django_db
def test_a_no_refuses_nobody_and_asks_the_representatives_to_mend_it(ana, register):
    register.says(NO)
    made = actions.register_organisation(FACTS, by=ana, now=NOW)

    found = ask()
    deliver()

    assert found.vat_state is VatState.NOT_VALID
    (sent,) = mail.outbox
    assert sent.to == [ana.email]
    assert "does not have the number RO18547290" in sent.body
    assert f"/organisations/{made.code}/change/" in sent.body
    actions.change_organisation(made, replace(FACTS, city="Cluj"), by=ana, now=NOW)
    assert queries.represents(ana, made)


@pytest.mark.django_db
def test_while_the_answer_is_none_it_is_asked_again_later_and_later_and_then_no_more(ana, register):
    register.says({"isValid": False, "userError": "MS_MAX_CONCURRENT_REQ"})
    actions.register_organisation(FACTS, by=ana, now=NOW)

    waits = []
    for _failure in range(len(rules.vat.ASK_AGAIN) + 1):
        found = ask()
        newest = Promise.objects.filter(task="people.ask_vat").order_by("-pk").first()
        waits.append(newest.run_at - NOW)
        assert (found.vat_state, found.vat_reason) == ("unknown", "MS_MAX_CONCURRENT_REQ")

    assert waits[:-1] == list(rules.vat.ASK_AGAIN)
    assert Promise.objects.filter(task="people.ask_vat").count() == len(rules.vat.ASK_AGAIN) + 1
    assert mail.outbox == []


@pytest.mark.django_db
def test_an_answer_about_a_number_that_was_changed_meanwhile_is_not_kept(ana, register):
    register.says(NO)
    made = actions.register_organisation(FACTS, by=ana, now=NOW)
    late = Promise.objects.get(task="people.ask_vat").args
    actions.change_organisation(made, replace(FACTS, vat_number="RO16054368"), by=ana, now=NOW)

    tasks.ask_vat(**late, now=NOW)

    assert Organisation.objects.get().vat_state is VatState.UNKNOWN
    assert not LogEntry.objects.filter(event="organisation.vat_checked").exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("said", "words"),
    [
        (YES, "Registered as LIMBĂ VIE SRL."),
        (NO, "does not have it"),
        ({"userError": "TIMEOUT"}, "has not answered yet"),
    ],
)
def test_the_page_says_in_words_what_the_register_said(client, ana, register, said, words):
    register.says(said)
    made = actions.register_organisation(FACTS, by=ana, now=NOW)
    ask()
    client.force_login(ana)
    assert words in client.get(f"/organisations/{made.code}/").content.decode()
