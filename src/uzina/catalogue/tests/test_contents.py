"""What files are by their bytes, and archives that do harm. No database."""

import bz2
import contextlib
import gzip
import io
import lzma
import stat
import struct
import tarfile
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uzina.catalogue.rules import contents
from uzina.catalogue.rules.contents import EMPTY, UNKNOWN, check_type, found_type, is_told_rightly
from uzina.core.errors import Refused


@pytest.fixture(autouse=True)
def licences():
    """Nothing here touches the database."""


def made_zip(*members, compression=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, body in members:
            archive.writestr(name, body)
    return file.getvalue()


def made_tar(*members, mode="w"):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:
        for one, body in members:
            info = one if isinstance(one, tarfile.TarInfo) else tarfile.TarInfo(one)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return file.getvalue()


def look(body, name="data.bin"):
    file = io.BufferedReader(io.BytesIO(body))
    contents.check_archive(file, size=len(body), kind=found_type(body[:4096]), name=name)


def refusal(body):
    with pytest.raises(Refused) as refused:
        look(body)
    assert str(refused.value)
    assert all(one.isprintable() for one in str(refused.value))
    return refused.value.code


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"", EMPTY),
        (b"%PDF-1.7\n%\xe2\xe3", "application/pdf"),
        (made_zip(("a", b"x")), "application/zip"),
        (made_zip(), "application/zip"),
        (gzip.compress(b"x"), "application/gzip"),
        (lzma.compress(b"x"), "application/x-xz"),
        (bz2.compress(b"x"), "application/x-bzip2"),
        (made_tar(("a", b"x")), "application/x-tar"),
        (b"PAR1\x15\x04", "application/vnd.apache.parquet"),
        (b"\x93NUMPY\x01\x00", "application/x-npy"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\x7fELF\x02", "application/x-executable"),
        (b"MZ\x90\x00\x03" + bytes(80), "application/x-msdownload"),
        (b"<!DOCTYPE html><p>", "text/html"),
        (b"\xef\xbb\xbf \n<!-- x --> <HTML>", "text/html"),
        (b"<svg onload=alert(1)>", "text/html"),
        ("Bună ziua".encode(), "text/plain"),
        ("Bună ziua".encode("utf-16"), "text/plain"),
        ("știri".encode() + "ă".encode()[:1], "text/plain"),
        ("Bun\xe1".encode("latin-1") + b" ziua" * 9, UNKNOWN),
        (b"BZhard is a word", "text/plain"),
        (b"MZ is how some letters begin", "text/plain"),
        (b"RIFF, said the dog", "text/plain"),
        (b"ID3 of the appendix", "text/plain"),
        (b"abc\0def", "application/octet-stream"),
        (b'{"a": 1}\n', "text/plain"),
    ],
)
def test_a_file_is_known_by_its_first_bytes(head, kind):
    assert found_type(head[:4096]) == kind


@pytest.mark.parametrize(
    ("declared", "found", "is_right"),
    [
        ("text/plain", "text/plain", True),
        ("text/csv", "text/plain", True),
        ("text/csv", UNKNOWN, True),
        ("application/jsonl", "application/gzip", False),
        ("text/plain", "application/octet-stream", False),
        ("text/plain", "application/x-executable", False),
        ("text/html", "text/html", True),
        ("text/plain", "text/html", True),
        ("image/png", "text/html", False),
        ("image/png", "image/png", True),
        ("image/png", "image/jpeg", False),
        ("application/pdf", "text/plain", False),
        ("application/pdf", EMPTY, True),
        ("application/octet-stream", "application/x-executable", True),
        ("application/vnd.apache.parquet", "application/octet-stream", False),
        ("application/vnd.apache.parquet", "application/vnd.apache.parquet", True),
        ("application/zip", "application/zip", True),
        (
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "application/zip",
            True,
        ),
        ("audio/x-wav", "application/x-riff", True),
        ("model/stl", "application/octet-stream", True),
        ("model/stl", "application/x-executable", False),
        ("text/plain; charset=utf-8", "text/plain", True),
        ("text/plain", "", True),
    ],
)
def test_what_is_declared_must_fit_what_is_found(declared, found, is_right):
    assert is_told_rightly(declared, found) is is_right


def test_a_wrong_type_is_refused_with_both_types():
    with pytest.raises(Refused) as refused:
        check_type("photo.png", declared="image/png", found="text/html")
    assert refused.value.code == "file.type.mismatch"
    assert "image/png" in str(refused.value)
    assert "text/html" in str(refused.value)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_an_ordinary_tar_passes(mode):
    folder = tarfile.TarInfo("corpus")
    folder.type = tarfile.DIRTYPE
    look(made_tar((folder, b""), ("corpus/a.txt", b"x" * 9000), ("./b.jsonl", b"y"), mode=mode))


def test_an_ordinary_zip_and_single_packed_files_pass():
    look(made_zip(("a/", b""), ("a/b.txt", b"x" * 9000), ("știri.txt", b"y")))
    look(made_zip())
    look(gzip.compress(b"x" * 10_000_000, 1))
    look(lzma.compress(b"\0" * 10))
    look(b"plain text")


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "a/../../x",
        "/etc/passwd",
        "C:/x",
        "a\\..\\b",
        "a\nb",
        "a\u202egpj.exe",
        "a\u200bb",
        "CON",
        "a/aux.txt",
        "lpt1.",
        "end ",
        "x" * 256,
        "y/" * 600 + "z",
        "s\u0327tiri",
    ],
)
@pytest.mark.parametrize("make", [made_zip, made_tar])
def test_hostile_names_are_refused(make, name):
    assert refusal(make((name, b"x"))) == "archive.look.member"


def test_a_nul_in_a_name_of_a_zip_is_seen():
    body = made_zip(("aXb.txt", b"x")).replace(b"aXb.txt", b"a\0b.txt")
    assert refusal(body) == "archive.look.member"


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE],
)
def test_links_and_devices_in_a_tar_are_refused(kind):
    link = tarfile.TarInfo("x")
    link.type, link.linkname = kind, "/etc/passwd"
    assert refusal(made_tar((link, b""))) == "archive.look.link"


def test_a_link_in_a_zip_is_refused():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        link = zipfile.ZipInfo("x")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert refusal(file.getvalue()) == "archive.look.link"


@pytest.mark.parametrize("make", [made_zip, made_tar])
def test_an_archive_in_an_archive_and_a_name_twice_are_refused(make):
    assert refusal(make(("inner.zip", b"x"))) == "archive.look.nested"
    assert refusal(make(("inner.tar.gz", b"x"))) == "archive.look.nested"
    assert refusal(make(("a.txt", b"x"), ("A.TXT", b"y"))) == "archive.look.twice"


def test_a_bomb_is_known_by_its_ratio_just_above_and_not_just_below():
    size = contents.RATIO_FROM + 1
    zeros = b"\0" * size
    assert refusal(made_zip(("zeros", zeros))) == "archive.look.bomb"
    look(made_zip(("zeros", zeros[:-1])))
    assert refusal(made_tar(("zeros", zeros), mode="w:xz")) == "archive.look.bomb"
    stored = made_zip(("zeros", zeros), compression=zipfile.ZIP_STORED)
    look(stored)


def test_a_bomb_of_shared_bytes_is_refused():
    """Many entries of a zip's directory that lead to the same packed bytes."""
    body = bytearray(made_zip(("a", b"x" * 100), ("b", b"y" * 100)))
    second = body.rindex(b"PK\x01\x02")
    body[second + 42 : second + 46] = struct.pack("<I", 0)
    first_name = body.index(b"PK\x03\x04") + 30
    assert body[first_name : first_name + 1] == b"a"
    assert refusal(bytes(body)) == "archive.look.overlap"


def test_a_directory_that_says_it_is_huge_is_not_read_into_memory():
    """A tar whose extended header claims two gigabytes: the claim is not believed."""
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 2 << 30
    body = header.tobuf(tarfile.USTAR_FORMAT) + bytes(contents.LARGEST_READ + 4096)
    assert refusal(body) == "archive.look.broken"


def test_more_files_than_can_be_counted_are_refused(monkeypatch):
    monkeypatch.setattr(contents, "MOST_MEMBERS", 3)
    look(made_zip(*((f"{one}", b"") for one in range(3))))
    assert refusal(made_zip(*((f"{one}", b"") for one in range(4)))) == "archive.look.too_many"


def test_a_packed_tar_too_large_to_look_into_is_refused(monkeypatch):
    monkeypatch.setattr(contents, "LARGEST_LOOK", 100_000)
    members = [(f"{one}", bytes(40_000)) for one in range(4)]
    assert refusal(made_tar(*members, mode="w:gz")) == "archive.look.too_large"


@pytest.mark.parametrize("make", [made_zip, made_tar])
def test_a_damaged_archive_is_refused(make):
    body = make(("a" * 50, b"x" * 5000), ("b" * 50, b"y" * 5000))
    assert refusal(body[: len(body) // 2]) == "archive.look.broken"


@given(
    st.binary(max_size=600), st.sampled_from([b"", b"PK\x03\x04", b"\x1f\x8b\x08", b"\xfd7zXZ\x00"])
)
def test_whatever_the_bytes_are_looking_ends_in_an_answer_or_a_refusal(body, mark):
    for whole in (mark + body, made_tar(("a", b"x"))[:300] + body):
        with contextlib.suppress(Refused):  # any other error fails the test
            look(whole)
