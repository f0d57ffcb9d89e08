"""Files in parts, folders compared, and what is remembered between two commands."""

import hashlib
import os
import zlib
from pathlib import Path

import pytest

from uzina_client import Client, Problem, Unreachable, cli, folders, transfer
from uzina_client.memory import Memory
from uzina_client.tests.conftest import Reply, ScriptedPortal
from uzina_client.transfer import Changed, Stopped, Transfer

PART = 1000
BODY = os.urandom(2 * PART + 500)
SHA = hashlib.sha256(BODY).hexdigest()


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "IN_ONE_REQUEST", 100)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = tmp_path / "here" / "large.bin"
    place.parent.mkdir()
    place.write_bytes(BODY)
    os.utime(place, (1_000_000_000, 1_000_000_000))
    return place


def crc(number: int) -> str:
    return f"{zlib.crc32(BODY[(number - 1) * PART : number * PART]):08x}"


def upload(*numbers: int, state: str = "receiving", **more: object) -> dict[str, object]:
    parts = [
        {"number": one, "bytes": PART, "checksum": f"crc32:{crc(one)}", "tag": ""}
        for one in numbers
    ]
    told = {"code": "UPL-1", "name": "large.bin", "bytes": len(BODY), "part_bytes": PART}
    told |= {"part_count": 3, "is_direct": False, "state": state, "reason": None, "parts": parts}
    return told | more


def client(portal: ScriptedPortal) -> Client:
    uzina = Client(portal.url, "uz_secret")
    uzina.transport.sleep = lambda _s: None
    uzina.catalogue.transfer.at_once = 1
    return uzina


def asked(portal: ScriptedPortal) -> list[str]:
    return [f"{one.method} {one.path.removeprefix('/api/v1/catalogue/')}" for one in portal.asked]


PARTS = [f"PUT uploads/UPL-1/parts/{number}" for number in (1, 2, 3)]


def test_a_large_file_goes_in_parts_each_with_its_checksum(
    portal: ScriptedPortal, path: Path
) -> None:
    portal.will(Reply(201, upload()), *[Reply(body={})] * 3, Reply(body=upload(state="kept")))
    with client(portal) as uzina:
        blob = uzina.catalogue.upload(path)
    assert (blob.bytes, blob.sha256) == (len(BODY), SHA)
    assert asked(portal) == ["POST uploads", *PARTS, "POST uploads/UPL-1/complete"]
    assert b"".join(one.body for one in portal.asked[1:4]) == BODY
    assert [one.headers["X-Part-CRC32"] for one in portal.asked[1:4]] == [crc(1), crc(2), crc(3)]
    assert portal.asked[4].json() == {"sha256": SHA}
    assert "Idempotency-Key" not in portal.asked[0].headers


def test_a_push_that_was_cut_off_sends_only_what_did_not_arrive(
    portal: ScriptedPortal, path: Path
) -> None:
    portal.will(Reply(201, upload()), Reply(body={}), Reply(409, {"code": "x.y.z"}))
    with client(portal) as uzina, pytest.raises(Problem):
        uzina.catalogue.upload(path)
    portal.asked.clear()
    portal.will(Reply(body=upload(1, 3)), *[Reply(body={})], Reply(body=upload(state="kept")))
    with client(portal) as uzina:
        assert uzina.catalogue.upload(path).sha256 == SHA
    assert asked(portal) == ["GET uploads/UPL-1", PARTS[1], "POST uploads/UPL-1/complete"]


def test_a_part_that_arrived_as_something_else_is_sent_again(
    portal: ScriptedPortal, path: Path
) -> None:
    there = upload(1, 2, 3)
    there["parts"][1]["checksum"] = "crc32:00000000"  # type: ignore[index]
    portal.will(Reply(201, there), Reply(body={}), Reply(body=upload(state="kept")))
    with client(portal) as uzina:
        uzina.catalogue.upload(path)
    assert asked(portal)[1:2] == [PARTS[1]]


@pytest.mark.parametrize("told", [Reply(404, {"code": "a.b"}), Reply(body=upload(state="stopped"))])
def test_an_upload_that_ended_meanwhile_is_begun_anew(
    portal: ScriptedPortal, path: Path, told: Reply
) -> None:
    Memory().remember_upload(portal.url, "", path, path.stat(), "UPL-0")
    portal.will(told, Reply(201, upload(1, 2, 3)), Reply(body=upload(state="kept")))
    with client(portal) as uzina:
        uzina.catalogue.upload(path)
    assert asked(portal)[:2] == ["GET uploads/UPL-0", "POST uploads"]


def test_a_file_that_changes_while_it_is_sent_is_told_and_thrown_away(
    portal: ScriptedPortal, path: Path
) -> None:
    class Meddler(transfer.Silent):
        def move(self, size: int) -> None:
            del size
            path.write_bytes(b"x" * len(BODY))

    portal.will(Reply(201, upload()), *[Reply(body={})] * 3, Reply(204))
    with client(portal) as uzina:
        uzina.catalogue.transfer.progress = Meddler()
        with pytest.raises(Changed, match="changed while it was sent"):
            uzina.catalogue.upload(path)
    assert asked(portal)[-1] == "DELETE uploads/UPL-1"
    assert not any("complete" in one for one in asked(portal))


def test_a_file_that_became_shorter_is_told(portal: ScriptedPortal, path: Path) -> None:
    class Meddler(transfer.Silent):
        def expect(self, size: int) -> None:
            del size
            os.truncate(path, 100)

    portal.will(Reply(201, upload()), Reply(204))
    with client(portal) as uzina:
        uzina.catalogue.transfer.progress = Meddler()
        with pytest.raises((Changed, OSError)):
            uzina.catalogue.upload(path)


def test_who_waits_for_the_check_is_told_how_it_ended(portal: ScriptedPortal, path: Path) -> None:
    reason = {"code": "archive.look.bomb", "detail": "It would unpack to 9 TB."}
    portal.will(
        Reply(201, upload(1, 2, 3)),
        Reply(202, upload(state="checking")),
        Reply(body=upload(state="checking")),
        Reply(body=upload(state="stopped", reason=reason)),
        Reply(204),
    )
    with client(portal) as uzina, pytest.raises(Stopped, match="9 TB"):
        uzina.catalogue.upload(path)


def test_parts_the_portal_found_damaged_are_sent_again(portal: ScriptedPortal, path: Path) -> None:
    portal.will(
        Reply(201, upload(1, 2, 3)),
        Reply(202, upload(state="checking")),
        Reply(body=upload(1, 3)),
        Reply(body={}),
        Reply(body=upload(state="kept")),
    )
    with client(portal) as uzina:
        uzina.catalogue.upload(path)
    assert PARTS[1] in asked(portal)


def test_parts_the_portal_misses_at_the_end_are_sent_again(
    portal: ScriptedPortal, path: Path
) -> None:
    missing = {"code": "upload.complete.parts_missing", "params": {"first_missing": [3]}}
    portal.will(
        Reply(201, upload(1, 2, 3)),
        Reply(409, missing),
        Reply(body={}),
        Reply(body=upload(state="kept")),
    )
    with client(portal) as uzina:
        uzina.catalogue.upload(path)
    assert PARTS[2] in asked(portal)


def test_a_part_somebody_still_sends_is_waited_for(portal: ScriptedPortal, path: Path) -> None:
    portal.will(
        Reply(201, upload(1, 2)),
        Reply(409, {"code": "upload.part.busy"}),
        Reply(body={}),
        Reply(body=upload(state="kept")),
    )
    with client(portal) as uzina:
        uzina.catalogue.upload(path)
    assert asked(portal).count(PARTS[2]) == 2


def test_parts_go_straight_to_the_store_without_the_token(
    portal: ScriptedPortal, path: Path
) -> None:
    links = [
        {"number": one, "url": f"{portal.url}/bucket/{one}?signed", "expires_at": ""}
        for one in (3,)
    ]
    portal.will(
        Reply(201, upload(1, 2, is_direct=True)),
        Reply(body=links),
        Reply(403),
        Reply(body=links),
        Reply(),
        Reply(body=upload(state="kept")),
    )
    with client(portal) as uzina:
        uzina.catalogue.upload(path)
    sent = [one for one in portal.asked if one.path.startswith("/bucket")]
    assert [one.body for one in sent] == [BODY[2 * PART :]] * 2
    assert all("Authorization" not in one.headers for one in sent)
    assert all(one.headers["Content-Type"] == "application/octet-stream" for one in sent)


# --- memory -------------------------------------------------------------------------------------


def test_an_unchanged_file_is_not_read_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Client("http://127.0.0.1:9") as uzina:
        work = Transfer(uzina.transport)
        assert work.blob(path).sha256 == SHA

        def never(_path: Path) -> None:
            raise AssertionError

        monkeypatch.setattr(transfer, "blob_of", never)
        assert Transfer(uzina.transport).blob(path).sha256 == SHA
        path.write_bytes(BODY)  # the same bytes, another time
        with pytest.raises(AssertionError):
            work.blob(path)


def test_a_file_that_has_just_changed_is_not_remembered(tmp_path: Path) -> None:
    path = tmp_path / "young"
    path.write_bytes(b"a")
    memory = Memory()
    born = path.stat().st_mtime_ns
    memory.remember_checksum(path, path.stat(), "a" * 64, born + 1_999_999_999)
    assert memory.checksum(path, path.stat()) == ""
    memory.remember_checksum(path, path.stat(), "a" * 64, born + 2_000_000_000)
    assert memory.checksum(path, path.stat()) == "a" * 64


def test_a_memory_that_cannot_be_opened_costs_time_only(tmp_path: Path) -> None:
    (tmp_path / "files.sqlite3").write_bytes(b"not a database" * 100)
    memory = Memory(tmp_path)
    found = tmp_path.stat()
    memory.remember_upload("p", "", tmp_path, found, "UPL-1")
    assert memory.upload("p", "", tmp_path, found) == "UPL-1"
    memory.forget_upload("p", "", tmp_path)
    assert memory.upload("p", "", tmp_path, found) == ""


# --- fetching -----------------------------------------------------------------------------------


def entry(body: bytes = BODY) -> dict[str, object]:
    return {"path": "d/a #1.bin", "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def test_a_download_goes_on_where_it_was_cut_off(portal: ScriptedPortal, tmp_path: Path) -> None:
    part = tmp_path / "d" / f".a #1.bin.{SHA[:12]}.part"
    part.parent.mkdir()
    part.write_bytes(BODY[:700])
    portal.will(Reply(206, BODY[700:]))
    with client(portal) as uzina:
        uzina.catalogue.transfer.fetch_all("/base", [entry()], to=tmp_path)
    assert portal.asked[0].headers["Range"] == "bytes=700-"
    assert portal.asked[0].headers["Accept-Encoding"] == "identity"
    assert portal.asked[0].path == "/api/v1/base/files/d/a%20%231.bin"
    assert (tmp_path / "d" / "a #1.bin").read_bytes() == BODY
    assert not part.exists()


def test_a_connection_lost_in_the_middle_is_made_again_from_there(
    portal: ScriptedPortal, tmp_path: Path
) -> None:
    portal.will(Reply(200, BODY[:900]), Reply(206, BODY[900:]))
    with client(portal) as uzina:
        uzina.catalogue.transfer.fetch_all("/base", [entry()], to=tmp_path)
    assert portal.asked[1].headers["Range"] == "bytes=900-"
    assert (tmp_path / "d" / "a #1.bin").read_bytes() == BODY


def test_a_download_that_never_goes_on_stops_and_keeps_what_came(
    portal: ScriptedPortal, tmp_path: Path
) -> None:
    portal.will(Reply(200, BODY[:900]), *[Reply(is_lost=True)] * 10)
    with client(portal) as uzina, pytest.raises(Unreachable):
        uzina.catalogue.transfer.fetch_all("/base", [entry()], to=tmp_path)
    (kept,) = (tmp_path / "d").iterdir()
    assert kept.read_bytes() == BODY[:900]


def test_a_download_that_is_refused_leaves_no_empty_file(
    portal: ScriptedPortal, tmp_path: Path
) -> None:
    portal.will(Reply(403, {"code": "access.read.refused"}))
    with client(portal) as uzina, pytest.raises(Problem):
        uzina.catalogue.transfer.fetch_all("/base", [entry()], to=tmp_path)
    assert list((tmp_path / "d").iterdir()) == []


# --- folders ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("ro", ("ro", 0, "", "")),
        ("ro@3", ("ro", 3, "", "")),
        ("PRJ-7Q3K2M:scratch", ("", 0, "PRJ-7Q3K2M:scratch", "")),
        ("PRJ-7Q3K2M:scratch/a/b/", ("", 0, "PRJ-7Q3K2M:scratch", "a/b")),
    ],
)
def test_a_dataset_a_version_and_a_space_are_named(
    reference: str, found: tuple[str, int, str, str]
) -> None:
    goal = folders.target(reference)
    assert (goal.slug, goal.number, goal.space, goal.path) == found


def test_a_version_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="names no version"):
        folders.target("ro@x")


def test_what_differs_is_told_by_name(tmp_path: Path) -> None:
    for name, body in {"same": b"1", "other": b"2", "size": b"333", "new": b"4"}.items():
        (tmp_path / name).write_bytes(body)
    (tmp_path / f".x.{'a' * 12}.part").write_bytes(b"left by a download")
    there = [
        {"path": name, "bytes": size, "sha256": hashlib.sha256(body).hexdigest()}
        for name, size, body in (
            ("same", 1, b"1"),
            ("other", 1, b"x"),
            ("size", 1, b"3"),
            ("gone", 1, b"5"),
        )
    ]
    with Client("http://127.0.0.1:9") as uzina:
        plan = folders.compare(uzina.catalogue.transfer, tmp_path, there)
    assert (plan.new, plan.other, plan.same, plan.gone) == (
        ["new"],
        ["other", "size"],
        ["same"],
        ["gone"],
    )
    assert plan.size() == 5


def test_names_are_sent_with_their_letters_composed(tmp_path: Path) -> None:
    (tmp_path / "s\u0326tiri").write_bytes(b"")
    assert list(folders.here(tmp_path)) == ["știri"]


def test_a_rehearsal_moves_nothing(
    portal: ScriptedPortal,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("UZINA_TOKEN", "uz_secret")
    monkeypatch.setenv("UZINA_URL", portal.url)
    gone = {"path": "gone", "bytes": 1, "sha256": "0" * 64}
    for words, lines in (
        ([], ["gone\tkeep", "large.bin\tsend"]),
        (["--delete"], ["gone\ttrash or leave out", "large.bin\tsend"]),
    ):
        portal.will(
            Reply(body={"version_list": [{"number": 2}, {"number": 1}]}),
            Reply(body={"manifest": [gone]}),
        )
        assert cli.run(["data", "sync", "ro", str(path.parent), "--dry-run", *words]) == 0
        assert capsys.readouterr().out.splitlines() == lines
    portal.will(Reply(body={"version_list": [{"number": 1}]}), Reply(body={"manifest": [gone]}))
    assert cli.run(["data", "pull", "ro", str(path.parent), "--dry-run", "--delete"]) == 0
    assert capsys.readouterr().out.splitlines() == ["gone\tfetch", "large.bin\tremove"]
    assert {one.method for one in portal.asked} == {"GET"}
    assert path.exists()
