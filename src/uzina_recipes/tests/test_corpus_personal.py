"""Personal data is found and replaced; what only looks like it stays."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from uzina_recipes.corpus import personal
from uzina_recipes.corpus.batch import Batch


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("email", "ana.pop+listă@exemplu.ro"),
        ("email", "a@b.co"),
        ("email", "ioan_ionescu@mail.firma-mea.com.ro"),
        ("iban", "RO49AAAA1B31007593840000"),
        ("iban", "RO49 AAAA 1B31 0075 9384 0000"),
        ("iban", "DE89370400440532013000"),
        ("iban", "NO9386011117947"),
        ("cnp", "1800101221144"),
        ("mac", "00:1A:2b:3c:4D:5e"),
        ("mac", "00-1A-2B-3C-4D-5E"),
        ("ipv6", "2001:4860:4860::8888"),
        ("ipv6", "2a02:2f01:0:0:0:0:0:1"),
        ("ipv4", "8.8.8.8"),
        ("ipv4", "86.120.45.7"),
        ("telephone", "+40 721 123 456"),
        ("telephone", "+40721123456"),
        ("telephone", "0040 21 312 34 56"),
        ("telephone", "+49 (30) 901820"),
        ("telephone", "0721123456"),
        ("telephone", "0721 123 456"),
        ("telephone", "0721.123.456"),
        ("telephone", "(021) 312 34 56"),
        ("telephone", "021-312-3456"),
    ],
)
@pytest.mark.parametrize("frame", ["{}", "Scrie la {}, azi.", "({})", "x\n{}\ny", "Nr.: {}."])
def test_personal_data_is_replaced_by_its_kind(kind, found, frame):
    text, counts = personal.scrub(frame.format(found))
    assert text == frame.format(f"<{kind}>")
    assert counts == {kind: 1}


@pytest.mark.parametrize(
    "text",
    [
        "RO49AAAA1B31007593840001",  # a wrong check digit
        "RO49AAAA1B3100759384000",  # one character short
        "XX49AAAA1B31007593840000",  # no such country
        "1800101221145",  # a wrong check digit
        "1801301221144",  # month 13
        "180010122114",  # one digit short
        "18001012211440",  # one digit more
        "ISBN 9780306406157",
        "ISBN 0306406152",
        "978-0-306-40615-7",
        "version 5.15.0.101",
        "v4.8.15.16",
        "libfoo-1.2.3.4",
        "5.15.0",
        "1.2.3.4.5",
        "256.1.1.1",
        "127.0.0.1",
        "192.168.1.10",
        "10.0.0.1/8",
        "255.255.255.0",
        "::1",
        "fe80::1",
        "2001:db8::1",
        "std::vector a::b",
        "12:30:45",
        "2024:01:02 10:11:12",
        "00:00:00:00:00:00",
        "ff:ff:ff:ff:ff:ff",
        "00:1A:2B:3C:4D",
        "user@localhost",
        "@ana",
        "a@b",
        "x @ y.ro",
        "2023-11-22 10:15:30",
        "1 000 000 000 lei",
        "3.1415926535",
        "0.7211234567",
        "072112345",
        "07211234567",
        "+40 721",
        "12345678",
        "pag. 100-120, 130-145, 150-160",
    ],
)
def test_what_only_looks_like_personal_data_stays(text):
    assert personal.scrub(text) == (text, {})


def test_each_kind_is_counted_and_the_rest_of_the_text_stays():
    text = "a@b.co și c@d.ro, 8.8.8.8; RO49AAAA1B31007593840000 BANCA MEA\n+40 721 123 456"
    scrubbed, counts = personal.scrub(text)
    assert scrubbed == "<email> și <email>, <ipv4>; <iban> BANCA MEA\n<telephone>"
    assert counts == {"email": 2, "ipv4": 1, "iban": 1, "telephone": 1}


def test_scrubbing_a_batch_is_scrubbing_each_text():
    texts = ["a@b.co", "", "nimic", "8.8.8.8"]
    found, counts = personal.scrub_all(texts)
    assert list(zip(found, counts, strict=True)) == [personal.scrub(text) for text in texts]


ALPHABET = st.text("0123456789abfAF:.-+()@ RO/", max_size=40)


@given(ALPHABET)
@example("12 0721123456")
@example("0 0721123456")
@example("7+40721123456")
@example("1.+40721123456")
@example("RO49AAAA1B31007593840000")
@example("ABRO49 AAAA1B31007593840000")
@example("00-1A-2B-3C-4D-5E")
@settings(max_examples=150, deadline=None)
def test_no_text_that_holds_personal_data_is_passed_over(text):
    maybe = np.zeros(1, np.uint8)
    batch = Batch.of([text])
    personal.suspect(batch.points, batch.starts, maybe)
    for name, bit, pattern, size in personal.KINDS:
        met = pattern.search(text)
        if met and (size is None or size(text, *met.span())):
            assert maybe[0] & bit, name
