"""The Python client: what it sends, how it insists, and what it says when refused."""

import hashlib
import socket
from pathlib import Path

import pytest

from uzina_client import Client, Problem, Unreachable, files
from uzina_client.tests.conftest import Reply, ScriptedPortal
from uzina_client.transport import LONGEST_WAIT_S, Transport, wait_s

REFUSAL = {
    "type": "/problems/allocation.hold.too_big",
    "status": 409,
    "code": "allocation.hold.too_big",
    "detail": "This job needs 2 GPU-hours and the project has 1 left.",
    "params": {"needs_h": 2},
    "request_id": "abc123",
}


def test_a_token_is_sent_as_a_bearer_and_the_document_comes_back(portal: ScriptedPortal) -> None:
    portal.will(Reply(body={"code": "PER-1"}))
    with Client(portal.url + "/", "uz_secret") as uzina:
        assert uzina.people.me() == {"code": "PER-1"}
    assert portal.asked[0].path == "/api/v1/people/me"
    assert portal.asked[0].headers["Authorization"] == "Bearer uz_secret"


def test_without_a_token_no_authorization_is_sent(portal: ScriptedPortal) -> None:
    portal.will(Reply(body=[]))
    with Client(portal.url) as uzina:
        assert list(uzina.catalogue.licences()) == []
    assert "Authorization" not in portal.asked[0].headers


def test_a_refusal_carries_code_detail_facts_and_request_id(portal: ScriptedPortal) -> None:
    portal.will(Reply(409, REFUSAL))
    with Client(portal.url) as uzina, pytest.raises(Problem) as refused:
        uzina.compute.submit("PRJ-1", {"name": "a"})
    assert refused.value.status == 409
    assert refused.value.code == "allocation.hold.too_big"
    assert refused.value.params == {"needs_h": 2}
    assert refused.value.request_id == "abc123"
    assert str(refused.value) == REFUSAL["detail"]


def test_every_mistake_is_in_the_text_beside_its_place(portal: ScriptedPortal) -> None:
    errors = [
        {"pointer": "/spec/gpus", "code": "input.range", "detail": "Ask for 0 or more."},
        {"pointer": "/spec/name", "code": "input.missing", "detail": "Give the job a name."},
    ]
    portal.will(Reply(422, {"code": "input.invalid", "detail": "Two.", "errors": errors}))
    with Client(portal.url) as uzina, pytest.raises(Problem) as refused:
        uzina.compute.submit("PRJ-1", {})
    assert str(refused.value).splitlines() == [
        "Two.",
        "  /spec/gpus: Ask for 0 or more.",
        "  /spec/name: Give the job a name.",
    ]


@pytest.mark.parametrize("body", [b"<html>Bad gateway</html>", b"", b"[]", b'"text"'])
def test_a_refusal_that_is_no_problem_document_is_still_a_problem(
    portal: ScriptedPortal, body: bytes
) -> None:
    portal.will(Reply(404, body, {"X-Request-Id": "r1"}))
    with Client(portal.url) as uzina, pytest.raises(Problem) as refused:
        uzina.people.me()
    assert (refused.value.code, refused.value.request_id) == ("http.404", "r1")


@pytest.mark.parametrize(
    "fault",
    [
        Reply(is_lost=True),
        Reply(500),
        Reply(502),
        Reply(503, headers={"Retry-After": "0"}),
        Reply(429),
    ],
)
def test_a_post_is_repeated_with_the_same_key_until_it_is_answered(
    portal: ScriptedPortal, fault: Reply
) -> None:
    portal.will(fault, fault, Reply(201, {"code": "JOB-1"}))
    waits: list[float] = []
    with Transport(portal.url, sleep=waits.append) as transport:
        assert transport.post("/compute/jobs", {"a": 1}) == {"code": "JOB-1"}
    keys = {asked.headers["Idempotency-Key"] for asked in portal.asked}
    assert (len(portal.asked), len(keys), len(waits)) == (3, 1, 2)
    assert {asked.body for asked in portal.asked} == {b'{"a": 1}'}


def test_two_posts_have_two_keys(portal: ScriptedPortal) -> None:
    portal.will(Reply(body={}), Reply(body={}))
    with Transport(portal.url) as transport:
        transport.post("/x")
        transport.post("/x")
    assert len({asked.headers["Idempotency-Key"] for asked in portal.asked}) == 2


def test_a_password_is_never_sent_with_a_key_that_would_keep_the_reply(
    portal: ScriptedPortal,
) -> None:
    portal.will(Reply(201, {"secret": "uz_x", "code": "TOK-1"}))
    with Client(portal.url) as uzina:
        uzina.people.token(email="a@b.example", password="x", name="test")
    assert "Idempotency-Key" not in portal.asked[0].headers


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_a_refusal_is_not_asked_again(portal: ScriptedPortal, status: int) -> None:
    portal.will(Reply(status, {"code": "x", "detail": "No."}))
    with Client(portal.url) as uzina, pytest.raises(Problem):
        uzina.calls.accept("AWD-1")
    assert len(portal.asked) == 1


def test_a_portal_that_stays_broken_ends_in_its_problem(portal: ScriptedPortal) -> None:
    portal.will(Reply(503), Reply(503), Reply(503, {"code": "disk.full", "detail": "Full."}))
    with (
        Transport(portal.url, tries=3, sleep=lambda _s: None) as transport,
        pytest.raises(Problem, match="Full"),
    ):
        transport.get("/people/me")


def test_a_portal_that_is_away_is_unreachable_after_every_try() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    waits: list[float] = []
    with (
        Transport(url, tries=4, sleep=waits.append) as transport,
        pytest.raises(Unreachable, match=url),
    ):
        transport.get("/people/me")
    assert len(waits) == 3


def test_waits_grow_obey_the_portal_and_have_an_end() -> None:
    assert [wait_s(n, "", 0.0) for n in range(4)] == [0.25, 0.5, 1.0, 2.0]
    assert wait_s(0, "", 1.0) == 0.5
    assert wait_s(0, "7", 0.5) == 7
    assert wait_s(0, "99999", 0.5) == LONGEST_WAIT_S
    assert wait_s(50, "", 1.0) == LONGEST_WAIT_S
    assert wait_s(0, "Wed, 21 Oct 2026 07:28:00 GMT", 0.0) == 0.25


def test_a_list_asks_for_pages_only_as_they_are_read(portal: ScriptedPortal) -> None:
    portal.will(
        Reply(body={"items": [{"code": "A"}, {"code": "B"}], "next": "7"}),
        Reply(body={"items": [{"code": "C"}], "next": None}),
    )
    with Client(portal.url) as uzina:
        rows = uzina.compute.jobs(project="PRJ-1")
        assert next(rows)["code"] == "A"
        assert len(portal.asked) == 1
        assert [row["code"] for row in rows] == ["B", "C"]
    assert [asked.path for asked in portal.asked] == [
        "/api/v1/compute/jobs?project=PRJ-1",
        "/api/v1/compute/jobs?project=PRJ-1&cursor=7",
    ]


def test_a_file_the_portal_has_is_not_sent_again(portal: ScriptedPortal, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"abc")
    sha256 = hashlib.sha256(b"abc").hexdigest()
    portal.will(Reply(body={"sha256": sha256, "bytes": 3}), Reply(201, {"number": 2}))
    with Client(portal.url) as uzina:
        uzina.catalogue.add_version("ro", paths={"a.txt": path}, note="again")
    assert [asked.method for asked in portal.asked] == ["GET", "POST"]
    assert portal.asked[1].json()["files"] == [
        {"path": "a.txt", "bytes": 3, "sha256": sha256, "media_type": ""}
    ]


def test_a_file_is_sent_whole_again_after_a_lost_connection(
    portal: ScriptedPortal, tmp_path: Path
) -> None:
    path = tmp_path / "big.bin"
    path.write_bytes(b"x" * (files.PIECE + 5))
    portal.will(Reply(404), Reply(502), Reply(201, {"sha256": "", "bytes": 0}))
    with Client(portal.url) as uzina:
        uzina.transport.sleep = lambda _s: None
        blob = uzina.catalogue.upload(path)
    sent = portal.asked[1:]
    assert [hashlib.sha256(asked.body).hexdigest() for asked in sent] == [blob.sha256] * 2
    assert sent[0].headers["Content-Length"] == str(blob.bytes)


def test_a_file_that_changes_while_it_is_sent_is_told(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one")
    blob = files.blob_of(path)
    path.write_bytes(b"two")
    with pytest.raises(OSError, match="changed while it was sent"):
        list(files.pieces_of(path, blob))


def test_a_download_that_does_not_match_its_checksum_leaves_nothing(
    portal: ScriptedPortal, tmp_path: Path
) -> None:
    entry = {"path": "d/a.txt", "bytes": 3, "sha256": hashlib.sha256(b"abc").hexdigest()}
    portal.will(Reply(body={"manifest": [entry]}), Reply(body=b"abX"))
    with Client(portal.url) as uzina, pytest.raises(OSError, match="came broken"):
        uzina.catalogue.download("ro", 1, to=tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_download_keeps_what_is_there_and_right(portal: ScriptedPortal, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"abc")
    entry = {"path": "a.txt", "bytes": 3, "sha256": hashlib.sha256(b"abc").hexdigest()}
    portal.will(Reply(body={"manifest": [entry]}))
    with Client(portal.url) as uzina:
        assert uzina.catalogue.download("ro", 1, to=tmp_path) == [tmp_path / "a.txt"]
    assert len(portal.asked) == 1


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "a/../../b", "", "C:/x", "a\\..\\b"])
def test_a_manifest_cannot_lead_out_of_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(OSError, match="outside"):
        files.place(tmp_path, name)
