"""Uploads in parts: what is kept, what is refused, and that a refusal leaves nothing."""

import base64
import errno
import hashlib
import io
import os
import tarfile
import zlib
from datetime import timedelta

import pytest
from django.utils import timezone

from uzina.catalogue import actions, rules
from uzina.catalogue.actions import spaces as rooms
from uzina.catalogue.adapters import folder_parts, store
from uzina.catalogue.models import Upload
from uzina.catalogue.models.spaces import Item, Reservation, Space
from uzina.catalogue.ports import StoreRefused, WrongBytes
from uzina.catalogue.rules import uploads as own
from uzina.core.errors import Invalid, NotAllowed, Refused
from uzina.core.models import LogEntry, Promise
from uzina.core.tests import NOW

pytestmark = pytest.mark.django_db
BASE = "/api/v1/catalogue"
PART = 65_536
BODY = ("Toate ființele umane se nasc libere. " * 6000).encode()[: 3 * PART + 100]
SHA = hashlib.sha256(BODY).hexdigest()


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(own, "LEAST_PART", PART)
    monkeypatch.setattr(own, "part_bytes", lambda _size: PART)


@pytest.fixture
def begin(ana, org):
    def begin(body=BODY, by=ana, **more):
        facts = {"name": "ro/a.txt", "size": len(body)} | more
        return actions.begin_upload(**facts, by=by, now=NOW)

    return begin


@pytest.fixture
def room(project):
    """Return Ana's project's space for results."""
    return {one.kind: one for one in rooms.follow_project(project, now=NOW)}["project"]


def crc(body):
    return f"{zlib.crc32(body):08x}"


def part(number, body=BODY):
    return body[(number - 1) * PART : number * PART]


def send(row, *numbers, body=BODY, by=None):
    for number in numbers or range(1, -(-len(body) // PART) + 1):
        piece = part(number, body)
        actions.put_part(
            row, number, iter([piece]), checksum=f"crc32:{crc(piece)}", by=by or row.person, now=NOW
        )


def left_in_store():
    return sorted(one.name for one in store().folder.rglob("*") if one.is_file())


def whole(row):
    send(row)
    return actions.complete(row, sha256=SHA, by=row.person, now=NOW)


# --- kept ---------------------------------------------------------------------------------------


def test_a_file_sent_in_parts_is_kept_and_goes_into_a_version(begin, ana, dataset):
    row = begin()
    assert (row.state, row.part_bytes, row.expires_at) == ("receiving", PART, NOW + own.LIFE)
    send(row, 3, 1, 4, 2)
    row = actions.complete(row, by=ana, now=NOW)
    assert (row.state, row.sha256, row.found_type) == ("kept", SHA, "text/plain")
    assert row.expires_at is None
    files = [{"path": "ro/a.txt", "bytes": len(BODY), "sha256": SHA}]
    version = actions.add_version(dataset, files=files, note="First.", by=ana, now=NOW)
    assert version.bytes == len(BODY)
    assert left_in_store() == [SHA]
    events = LogEntry.objects.filter(subject=row.code).order_by("seq")
    assert [one.event for one in events] == ["upload.begun", "upload.kept"]


def test_completing_twice_is_harmless(begin, ana):
    row = whole(begin())
    again = actions.complete(row, by=ana, now=NOW)
    assert again.state == "kept"
    assert LogEntry.objects.filter(event="upload.kept").count() == 1


def test_a_crash_after_the_bytes_were_kept_and_before_it_was_noted_loses_nothing(begin, ana):
    row = begin()
    send(row)
    row.sha256, row.found_type = SHA, "text/plain"
    row.save()
    store().keep(actions.uploads.queries.incoming(row), SHA)
    row.refresh_from_db()
    assert row.state == "receiving"
    actions.uploads.finish(row, by=ana, now=NOW)
    row.refresh_from_db()
    assert row.state == "kept"


def test_a_large_file_is_checked_by_the_worker(begin, ana, monkeypatch):
    monkeypatch.setattr(folder_parts, "AT_ONCE", 0)
    monkeypatch.setattr(folder_parts, "CATCH_UP", 0)
    row = begin()
    send(row)
    folder_parts._running.clear()
    row = actions.complete(row, sha256=SHA, by=ana, now=NOW)
    assert row.state == "checking"
    promised = Promise.objects.get(task="catalogue.check_upload")
    assert promised.args == {"code": row.code}
    with pytest.raises(Refused) as refused:
        send(row, 1)
    assert refused.value.code == "upload.send.not_now"
    actions.check_upload(row.code, now=NOW)
    actions.check_upload(row.code, now=NOW)
    row.refresh_from_db()
    assert (row.state, row.checked_bytes) == ("kept", len(BODY))
    actions.check_upload("UPL-NOBODY", now=NOW)


def test_parts_damaged_on_the_disk_are_asked_for_again(begin, ana, monkeypatch):
    monkeypatch.setattr(folder_parts, "AT_ONCE", 0)
    monkeypatch.setattr(folder_parts, "CATCH_UP", 0)
    row = begin()
    send(row)
    folder_parts._running.clear()
    with (store().uploads / row.code / "data").open("r+b") as data:
        data.seek(PART)
        data.write(b"damage")
    actions.complete(row, sha256=SHA, by=ana, now=NOW)
    actions.check_upload(row.code, now=NOW)
    row.refresh_from_db()
    assert row.state == "receiving"
    assert row.reason["code"] == "upload.complete.parts_missing"
    assert row.reason["facts"]["first_missing"] == [2]
    send(row, 2)
    assert actions.complete(row, sha256=SHA, by=ana, now=NOW).state == "checking"
    actions.check_upload(row.code, now=NOW)
    row.refresh_from_db()
    assert row.state == "kept"


def test_an_upload_for_a_space_is_put_there_when_it_is_whole(begin, ana, room):
    row = begin(purpose="space", space=room.reference, name="out/a.txt")
    room.refresh_from_db()
    assert (room.reserved_bytes, room.used_bytes) == (len(BODY), 0)
    assert not Item.objects.exists()
    whole(row)
    room.refresh_from_db()
    assert (room.reserved_bytes, room.used_bytes) == (0, len(BODY))
    item = Item.objects.get()
    assert (item.path, item.sha256, item.put_by) == ("out/a.txt", SHA, ana)


# --- refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"name": "../a"}, "version.path.unsafe"),
        ({"name": ""}, "version.path.unsafe"),
        ({"name": "a\u202eb"}, "version.path.unsafe"),
        ({"size": -1}, "version.bytes.range"),
        ({"size": rules.LARGEST_FILE + 1}, "version.bytes.range"),
        ({"sha256": "abc"}, "version.sha256.form"),
        ({"purpose": "fun"}, "upload.begin.purpose"),
        ({"purpose": "space"}, "upload.begin.no_space"),
    ],
)
def test_what_cannot_be_is_refused_before_a_byte_moves(begin, change, code):
    with pytest.raises(Invalid) as refused:
        begin(**change)
    assert code in [one.code for one in refused.value.problems]
    assert not Upload.objects.exists()
    assert left_in_store() == []


def test_who_belongs_nowhere_sends_nothing(begin, stranger):
    with pytest.raises(NotAllowed) as refused:
        begin(by=stranger)
    assert refused.value.code == "blob.upload.not_allowed"


@pytest.mark.parametrize("space", ["PRJ-NOBODY:scratch", "x", "PRJ-NOBODY:attic"])
def test_a_space_that_is_not_there_is_refused(begin, space):
    with pytest.raises(Refused) as refused:
        begin(purpose="space", space=space)
    assert refused.value.code == "space.find.unknown"
    assert not Upload.objects.exists()


def test_a_quota_is_asked_before_bytes_move(begin, room):
    Space.objects.filter(pk=room.pk).update(byte_quota=len(BODY) - 1)
    with pytest.raises(Refused) as refused:
        begin(purpose="space", space=room.reference)
    assert refused.value.code == "space.reserve.no_room"
    assert not Upload.objects.exists()
    assert not Reservation.objects.exists()
    assert left_in_store() == []


def test_a_quota_is_asked_again_at_the_end_when_its_room_was_given_back(begin, ana, room):
    row = begin(purpose="space", space=room.reference)
    send(row)
    rooms.release(row.code, now=NOW)
    with pytest.raises(Refused) as refused:
        actions.complete(row, by=ana, now=NOW)
    row.refresh_from_db()
    assert (row.state, row.reason["code"]) == ("stopped", refused.value.code)
    assert not Item.objects.exists()


def test_too_many_open_uploads_are_refused(begin, monkeypatch):
    monkeypatch.setattr(own, "MOST_OPEN", 1)
    begin()
    with pytest.raises(Refused) as refused:
        begin()
    assert refused.value.code == "upload.begin.too_many"
    assert Upload.objects.count() == 1


def test_nobody_else_goes_on_with_an_upload(begin, stranger):
    row = begin()
    for verb, call in {
        "send": lambda: send(row, 1, by=stranger),
        "complete": lambda: actions.complete(row, by=stranger, now=NOW),
        "abort": lambda: actions.abort(row, by=stranger, now=NOW),
    }.items():
        with pytest.raises(NotAllowed) as refused:
            call()
        assert refused.value.code == f"upload.{verb}.not_yours"
    row.refresh_from_db()
    assert row.state == "receiving"


@pytest.mark.parametrize("number", [0, 5])
def test_there_are_only_the_parts_there_are(begin, ana, number):
    row = begin()
    with pytest.raises(Invalid) as refused:
        actions.put_part(row, number, iter([b""]), checksum="crc32:00000000", by=ana, now=NOW)
    assert refused.value.problems[0].code == "upload.part.number"


def test_an_upload_with_parts_missing_is_not_complete_and_goes_on(begin, ana):
    row = begin()
    send(row, 1, 3)
    with pytest.raises(Refused) as refused:
        actions.complete(row, sha256=SHA, by=ana, now=NOW)
    assert refused.value.code == "upload.complete.parts_missing"
    assert refused.value.facts["first_missing"] == [2, 4]
    row.refresh_from_db()
    assert row.state == "receiving"
    send(row, 2, 4)
    assert actions.complete(row, sha256=SHA, by=ana, now=NOW).state == "kept"


def test_a_file_that_changed_while_it_was_sent_is_refused_and_leaves_nothing(begin, ana):
    row = begin()
    send(row, 1, 2)
    send(row, 3, 4, body=BODY.replace(b"libere", b"egale!"))
    with pytest.raises(WrongBytes) as refused:
        actions.complete(row, sha256=SHA, by=ana, now=NOW)
    assert refused.value.code == "upload.complete.wrong_checksum"
    row.refresh_from_db()
    assert (row.state, row.reason["code"]) == ("stopped", "upload.complete.wrong_checksum")
    assert left_in_store() == []
    with pytest.raises(Refused) as ended:
        send(row, 1)
    assert ended.value.code == "upload.send.not_now"


def test_the_checksum_announced_at_the_start_is_held_at_the_end(begin, ana):
    row = begin(sha256=SHA)
    send(row)
    with pytest.raises(WrongBytes) as refused:
        actions.complete(row, sha256="0" * 64, by=ana, now=NOW)
    assert refused.value.code == "upload.complete.other_checksum"
    with pytest.raises(Invalid):
        actions.complete(row, sha256="abc", by=ana, now=NOW)
    assert actions.complete(row, by=ana, now=NOW).state == "kept"


def evil_tar():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        one = tarfile.TarInfo("../../x")
        one.size = 1
        archive.addfile(one, io.BytesIO(b"x"))
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "body", "code"),
    [
        ("a.tar", evil_tar(), "archive.look.member"),
        ("a.txt", b"\x7fELF" + bytes(100), "file.type.mismatch"),
        ("a.parquet", b"just text", "file.type.mismatch"),
    ],
)
def test_what_does_harm_or_is_something_else_is_refused_and_leaves_nothing(
    begin, ana, name, body, code
):
    row = begin(body, name=name)
    send(row, body=body)
    with pytest.raises(Refused) as refused:
        actions.complete(row, by=ana, now=NOW)
    assert refused.value.code == code
    row.refresh_from_db()
    assert (row.state, row.reason["code"]) == ("stopped", code)
    assert left_in_store() == []


def test_a_hostile_archive_sent_in_one_request_cannot_be_used(ana, org):
    body = evil_tar()
    sha256 = hashlib.sha256(body).hexdigest()
    with pytest.raises(Refused) as refused:
        actions.upload(sha256, iter([body]), size=len(body), by=ana, now=NOW)
    assert refused.value.code == "archive.look.member"
    assert not Upload.objects.exists()


def test_a_version_does_not_take_a_file_for_something_it_is_not(ana, dataset, send):
    row = send(ana, "a.bin", b"\x7fELF" + bytes(100)) | {"media_type": "image/png"}
    with pytest.raises(Invalid) as refused:
        actions.add_version(dataset, files=[row], note="First.", by=ana, now=NOW)
    assert [one.code for one in refused.value.problems] == ["file.type.mismatch"]
    assert not dataset.versions.exists()


def test_an_aborted_upload_leaves_nothing_and_gives_its_room_back(begin, ana, room):
    row = begin(purpose="space", space=room.reference)
    send(row, 1)
    for _ in range(2):
        assert actions.abort(row, by=ana, now=NOW).state == "stopped"
        row.refresh_from_db()
    room.refresh_from_db()
    assert room.reserved_bytes == 0
    assert left_in_store() == []


def test_what_is_kept_cannot_be_aborted(begin, ana):
    row = whole(begin())
    with pytest.raises(Refused) as refused:
        actions.abort(row, by=ana, now=NOW)
    assert refused.value.code == "upload.abort.not_now"
    assert store().size(SHA) == len(BODY)


# --- time ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("later", "state"),
    [(own.LIFE - timedelta(microseconds=1), "receiving"), (own.LIFE, "stopped")],
)
def test_an_upload_nobody_came_back_to_ends_on_the_tick(begin, room, later, state):
    row = begin(purpose="space", space=room.reference)
    actions.sweep(now=NOW + later)
    row.refresh_from_db()
    room.refresh_from_db()
    assert row.state == state
    assert (room.reserved_bytes == 0) is (state == "stopped")
    if state == "stopped":
        assert row.reason["code"] == "upload.sweep.expired"
        assert left_in_store() == []


def test_parts_that_come_put_the_end_off_but_not_for_ever(begin, ana):
    row = begin()
    for days, until in ((0, 7), (0.5, 7), (2, 9), (6, 13), (12, 14)):
        piece = part(1)
        moment = NOW + timedelta(days=days)
        actions.put_part(row, 1, iter([piece]), checksum=f"crc32:{crc(piece)}", by=ana, now=moment)
        row.refresh_from_db()
        assert row.expires_at == NOW + timedelta(days=until)


# --- a full disk --------------------------------------------------------------------------------


def test_a_file_larger_than_the_disk_is_refused_before_a_byte_moves(begin):
    with pytest.raises(StoreRefused) as refused:
        begin(size=1 << 42)
    assert refused.value.code == "blob.upload.store_full"
    assert [one.state for one in Upload.objects.all()] == ["stopped"]
    assert left_in_store() == []


def test_a_disk_that_fills_while_a_part_arrives_is_told_and_the_upload_goes_on_with_room(
    begun, monkeypatch
):
    client, code = begun
    assert put_part(client, code, 1).status_code == 200
    real, written = os.pwrite, []

    def full(data, piece, at):
        if written:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(at)
        return real(data, piece[: PART // 2], at)

    with monkeypatch.context() as patched:
        patched.setattr(folder_parts.os, "pwrite", full)
        told = put_part(client, code, 2)
    assert (told.status_code, told.json()["code"]) == (507, "upload.part.store_full")
    assert "Part 2 was not kept" in told.json()["detail"]
    assert written == [PART]
    seen = client.get(f"{BASE}/uploads/{code}").json()
    assert (seen["state"], [one["number"] for one in seen["parts"]]) == ("receiving", [1])

    for number in (2, 3, 4):
        assert put_part(client, code, number).status_code == 200
    kept = post(client, f"uploads/{code}/complete", {"sha256": SHA})
    assert (kept.status_code, kept.json()["state"]) == (200, "kept")
    assert b"".join(store().open(SHA)) == BODY


def test_an_upload_given_up_on_a_full_disk_gives_its_room_back(begun, monkeypatch):
    client, code = begun

    def full(*_args):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    with monkeypatch.context() as patched:
        patched.setattr(folder_parts.os, "pwrite", full)
        assert put_part(client, code, 1).status_code == 507
    assert client.delete(f"{BASE}/uploads/{code}").status_code == 204
    assert left_in_store() == []


# --- doors --------------------------------------------------------------------------------------


def put_part(client, code, number, body=BODY, **headers):
    piece = part(number, body)
    return client.put(
        f"{BASE}/uploads/{code}/parts/{number}",
        piece,
        content_type="application/octet-stream",
        headers=headers or {"X-Part-CRC32": crc(piece)},
    )


def post(client, address, body=None):
    return client.post(f"{BASE}/{address}", body or {}, content_type="application/json")


@pytest.fixture
def begun(api, ana, org):
    """Return Ana's client and the code of an upload she began over HTTP."""
    client = api(ana)
    made = post(client, "uploads", {"name": "ro/a.txt", "bytes": len(BODY)})
    assert made.status_code == 201
    return client, made.json()["code"]


def test_an_upload_goes_from_its_beginning_to_its_end_over_http(begun):
    client, code = begun
    sha256 = base64.b64encode(hashlib.sha256(part(2)).digest()).decode()
    assert put_part(client, code, 2, **{"Content-Digest": f"sha-256=:{sha256}:"}).status_code == 200
    assert put_part(client, code, 1).json() == {
        "number": 1,
        "bytes": PART,
        "checksum": f"crc32:{crc(part(1))}",
        "tag": "",
    }
    seen = client.get(f"{BASE}/uploads/{code}").json()
    assert [one["number"] for one in seen["parts"]] == [1, 2]
    assert (seen["part_count"], seen["is_direct"], seen["state"]) == (4, False, "receiving")
    assert [one["code"] for one in client.get(f"{BASE}/uploads").json()] == [code]
    missing = post(client, f"uploads/{code}/complete", {"sha256": SHA})
    assert (missing.status_code, missing.json()["code"]) == (409, "upload.complete.parts_missing")
    assert missing.json()["params"]["first_missing"] == [3, 4]
    for number in (3, 4):
        assert put_part(client, code, number).status_code == 200
    kept = post(client, f"uploads/{code}/complete", {"sha256": SHA})
    assert (kept.status_code, kept.json()["state"], kept.json()["sha256"]) == (200, "kept", SHA)
    assert client.get(f"{BASE}/blobs/{SHA}").json()["bytes"] == len(BODY)
    assert client.get(f"{BASE}/uploads").json() == []


def test_links_of_parts_lead_back_to_the_api_where_the_store_is_a_folder(begun):
    client, code = begun
    links = client.get(f"{BASE}/uploads/{code}/links?first=3&count=10").json()
    assert [one["number"] for one in links] == [3, 4]
    assert links[0]["url"].endswith(f"{BASE}/uploads/{code}/parts/3")


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Nothing": "1"},
        {"X-Part-CRC32": "xyz"},
        {"X-Part-CRC32": "ABCDEF01"},
        {"Content-Digest": "md5=:abc=:"},
        {"Content-Digest": "sha-256=:abc:"},
    ],
)
def test_a_part_without_its_checksum_is_refused(begun, headers):
    client, code = begun
    told = put_part(client, code, 1, **headers)
    assert told.status_code == 422
    assert told.json()["errors"][0]["code"] == "upload.part.no_checksum"
    assert client.get(f"{BASE}/uploads/{code}").json()["parts"] == []


def test_a_part_with_another_checksum_is_refused_and_not_kept(begun):
    client, code = begun
    told = put_part(client, code, 1, **{"X-Part-CRC32": "00000000"})
    assert (told.status_code, told.json()["code"]) == (422, "upload.part.wrong_checksum")
    assert client.get(f"{BASE}/uploads/{code}").json()["parts"] == []


def test_a_part_that_ends_early_is_refused_and_not_kept(begun):
    client, code = begun
    told = client.put(
        f"{BASE}/uploads/{code}/parts/1",
        part(1),
        content_type="application/octet-stream",
        headers={"X-Part-CRC32": crc(part(1))},
        CONTENT_LENGTH=str(PART),
        **{"wsgi.input": io.BytesIO(part(1)[:-1])},
    )
    assert (told.status_code, told.json()["code"]) == (422, "upload.part.cut_short")
    assert client.get(f"{BASE}/uploads/{code}").json()["parts"] == []


def test_an_upload_is_404_for_everybody_else_and_401_for_nobody(begun, api, stranger, operator):
    _client, code = begun
    for who, status in ((stranger, 404), (operator, 404), (None, 401)):
        client = api(who)
        assert client.get(f"{BASE}/uploads/{code}").status_code == status
        assert client.get(f"{BASE}/uploads/{code}/links").status_code == status
        assert put_part(client, code, 1).status_code == status
        assert post(client, f"uploads/{code}/complete").status_code == status
        assert client.delete(f"{BASE}/uploads/{code}").status_code == status
    assert Upload.objects.get().state == "receiving"


def test_an_upload_is_aborted_over_http(begun):
    client, code = begun
    put_part(client, code, 1)
    assert client.delete(f"{BASE}/uploads/{code}").status_code == 204
    seen = client.get(f"{BASE}/uploads/{code}").json()
    assert (seen["state"], seen["parts"]) == ("stopped", [])
    assert left_in_store() == []


def test_why_an_upload_was_stopped_is_told_in_the_language_of_who_asks(begun, ana):
    client, code = begun
    row = Upload.objects.get()
    actions.sweep(now=timezone.now() + own.LIFE + timedelta(minutes=1))
    told = client.get(f"{BASE}/uploads/{code}").json()["reason"]
    assert told["code"] == "upload.sweep.expired"
    assert "7 days" in told["detail"]
    told = client.get(f"{BASE}/uploads/{row.code}", headers={"Accept-Language": "ro"}).json()
    assert "7 zile" in told["reason"]["detail"]


# --- links to files -----------------------------------------------------------------------------


@pytest.fixture
def link(api, ana, version):
    """Return the address of ro/a.txt for Ana, without the portal's own."""
    made = post(api(ana), "datasets/ro-corpus/versions/1/links", {"paths": ["ro/a.txt"]})
    assert made.status_code == 200
    return made.json()[0]["url"].removeprefix("http://127.0.0.1:8000")


def test_a_link_gives_the_file_without_a_token_in_ranges_and_as_an_attachment(link, api):
    body = b"Bun\xc4\x83 ziua\n" * 10
    anyone = api()
    sent = anyone.get(link)
    assert (sent.status_code, sent.getvalue()) == (200, body)
    assert sent["Content-Disposition"].startswith("attachment")
    assert sent["Content-Security-Policy"].startswith("sandbox")
    assert sent["Content-Encoding"] == "identity"
    ranged = anyone.get(link, headers={"Range": "bytes=-4", "If-Range": sent["ETag"]})
    assert (ranged.status_code, ranged.getvalue()) == (206, body[-4:])
    other = anyone.get(link, headers={"Range": "bytes=-4", "If-Range": '"other"'})
    assert (other.status_code, other.getvalue()) == (200, body)
    outside = anyone.get(link, headers={"Range": f"bytes={len(body)}-"})
    assert (outside.status_code, outside["Content-Range"]) == (416, f"bytes */{len(body)}")
    head = anyone.head(link)
    assert (head.status_code, head.content, head["Content-Length"]) == (200, b"", str(len(body)))
    assert anyone.post(link).status_code == 405


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a.txt", "b.txt"),
        ("/1/", "/2/"),
        ("expires=", "expires=9"),
        ("person=", "person=x"),
        ("signature=", "signature=x"),
        ("&signature=", "&nothing="),
        ("ro-corpus", "other"),
    ],
)
def test_a_link_that_was_changed_opens_nothing(link, api, old, new):
    told = api().get(link.replace(old, new, 1))
    assert (told.status_code, b"file.link.wrong" in told.content) == (403, True)


def test_a_link_ends_on_the_tick(version, ana):
    from urllib.parse import parse_qsl, urlsplit

    from uzina.catalogue import queries

    file = version.file("ro/a.txt")
    made = queries.link(version, file, person=ana, base="", now=NOW)
    assert made.expires_at == NOW + timedelta(minutes=15)
    given = dict(parse_qsl(urlsplit(made.url).query))
    tick = timedelta(microseconds=1)
    queries.check_link("ro-corpus", 1, "ro/a.txt", **given, now=made.expires_at - tick)
    with pytest.raises(NotAllowed) as refused:
        queries.check_link("ro-corpus", 1, "ro/a.txt", **given, now=made.expires_at)
    assert refused.value.code == "file.link.expired"


def test_a_link_ends_with_the_permission_of_who_asked(link, api, ana, dataset):
    ana.memberships.all().delete()
    ana.affiliations.all().delete()
    told = api().get(link)
    assert (told.status_code, b"file.link.revoked" in told.content) == (403, True)


def test_links_are_given_for_files_that_are_there_to_who_may_read(api, ana, stranger, version):
    address = "datasets/ro-corpus/versions/1/links"
    assert post(api(ana), address, {"paths": ["nothing"]}).status_code == 404
    assert post(api(ana), address, {"paths": []}).status_code == 422
    assert post(api(stranger), address, {"paths": ["ro/a.txt"]}).status_code == 404
    assert post(api(), address, {"paths": ["ro/a.txt"]}).status_code == 401


def test_a_store_that_does_not_answer_is_told_to_programs(api, ana, org, settings):
    from dataclasses import replace

    config = settings.UZINA
    settings.UZINA = replace(
        config,
        store=replace(
            config.store,
            kind="s3",
            endpoint="http://127.0.0.1:9",
            bucket="b",
            access_key="k",
            secret_key="s",
        ),
    )
    told = post(api(ana), "uploads", {"name": "a", "bytes": 5})
    assert (told.status_code, told.json()["code"]) == (503, "store.down")
    assert told["Retry-After"]
    assert [one.state for one in Upload.objects.all()] == ["stopped"]
