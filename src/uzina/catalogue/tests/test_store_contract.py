"""The contract of the store over both its adapters: a folder, and a real S3 server."""

import hashlib
import os
import random
import threading
import uuid
import zlib

import httpx
import pytest

from uzina.catalogue.adapters.folder import FolderStore
from uzina.catalogue.adapters.s3 import Bucket, S3Store
from uzina.catalogue.ports import Incoming, StoreDown, WrongBytes
from uzina.core.errors import Refused
from uzina.core.tests import NOW

BODY = random.Random(11).randbytes(11 << 20) + b"Toate oamenii se nasc liberi."
SHA = hashlib.sha256(BODY).hexdigest()
PART = 5 << 20
"""S3 takes no smaller part, but for the last."""


def s3_store():
    url = os.environ.get("UZINA_TEST_S3_URL", "")
    if not url:
        pytest.skip("UZINA_TEST_S3_URL is not set: tests/services/s3.py starts a real S3 server")
    name = f"t-{uuid.uuid4().hex[:16]}"
    store = S3Store(Bucket(url, name, "us-east-1", "key", "secret", is_path_style=True))
    store.client.create_bucket(Bucket=name)
    return store


@pytest.fixture(params=["folder", "s3"])
def store(request, tmp_path):
    if request.param == "folder":
        yield FolderStore(tmp_path / "store")
        return
    kept = s3_store()
    yield kept
    for one in everything(kept):
        kept.client.delete_object(Bucket=kept.bucket, Key=one)
    kept.client.close()
    kept.signer.close()


def everything(store):
    """Return all that the store holds, whole or on its way, by name."""
    if isinstance(store, FolderStore):
        return sorted(
            str(one.relative_to(store.folder)) for one in store.folder.rglob("*") if one.is_file()
        )
    pages = store.client.list_objects_v2(Bucket=store.bucket).get("Contents", [])
    on_way = store.client.list_multipart_uploads(Bucket=store.bucket).get("Uploads", [])
    return sorted(one["Key"] for one in (*pages, *on_way))


def pieces(body, size=65_536):
    return (body[at : at + size] for at in range(0, len(body), size))


def crc(body):
    return f"crc32:{zlib.crc32(body):08x}"


def part(number, body=BODY):
    return body[(number - 1) * PART : number * PART]


def begin(store, body=BODY):
    return store.begin(f"UPL-{uuid.uuid4().hex[:8].upper()}", size=len(body), part_bytes=PART)


def send(store, incoming, *numbers, body=BODY):
    for number in numbers:
        piece = part(number, body)
        store.put_part(incoming, number, pieces(piece), checksum=crc(piece))


def kept_name(sha256=SHA):
    return [f"objects/{sha256[:2]}/{sha256}"]


# --- whole blobs ------------------------------------------------------------------------------


def test_what_is_put_is_read_back_whole_and_in_ranges(store):
    store.put(SHA, pieces(BODY), size=len(BODY))
    assert store.size(SHA) == len(BODY)
    assert b"".join(store.open(SHA)) == BODY
    assert b"".join(store.open(SHA, first=5, after=11)) == BODY[5:11]
    assert b"".join(store.open(SHA, first=len(BODY) - 3)) == BODY[-3:]
    assert b"".join(store.open(SHA, first=3, after=3)) == b""
    assert everything(store) == kept_name()


def test_putting_the_same_twice_keeps_one(store):
    for _ in range(2):
        store.put(SHA, pieces(BODY), size=len(BODY))
    assert everything(store) == kept_name()


def test_an_empty_file_is_kept_like_any_other(store):
    empty = hashlib.sha256(b"").hexdigest()
    store.put(empty, iter(()), size=0)
    assert (store.size(empty), b"".join(store.open(empty))) == (0, b"")


def test_bytes_of_another_checksum_leave_nothing(store):
    with pytest.raises(WrongBytes) as refused:
        store.put("0" * 64, pieces(BODY), size=len(BODY))
    assert refused.value.code == "blob.upload.wrong_checksum"
    assert everything(store) == []


@pytest.mark.parametrize("announced", [len(BODY) - 1, len(BODY) + 1])
def test_a_body_shorter_or_longer_than_announced_leaves_nothing(store, announced):
    with pytest.raises(WrongBytes) as refused:
        store.put(SHA, pieces(BODY), size=announced)
    assert refused.value.code == "blob.upload.cut_short"
    assert everything(store) == []


def test_a_source_that_breaks_leaves_nothing(store):
    def breaks():
        yield BODY[:1000]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        store.put(SHA, breaks(), size=len(BODY))
    assert everything(store) == []


def test_missing_bytes_are_an_outage_not_an_empty_file(store, tmp_path):
    assert store.size(SHA) is None
    with pytest.raises(StoreDown):
        store.open(SHA)
    with pytest.raises(StoreDown):
        store.copy_to(SHA, tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "A" * 64, SHA + "/..", "0" * 63])
def test_a_name_that_is_no_checksum_never_becomes_a_place(store, name):
    with pytest.raises(ValueError, match="not a SHA-256"):
        store.size(name)


def test_a_copy_is_whole_read_only_and_alone(store, tmp_path):
    store.put(SHA, pieces(BODY), size=len(BODY))
    target = tmp_path / "run" / "inputs" / "text"
    store.copy_to(SHA, target)
    assert target.read_bytes() == BODY
    assert target.stat().st_mode & 0o777 == 0o444
    assert [one.name for one in target.parent.iterdir()] == ["text"]


def test_what_is_removed_is_gone_and_removing_it_again_says_so(store):
    store.put(SHA, pieces(BODY), size=len(BODY))
    assert store.remove(SHA)
    assert store.size(SHA) is None
    assert not store.remove(SHA)
    assert everything(store) == []


# --- files in parts ---------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2), (2, 3, 1)])
def test_parts_in_any_order_become_one_file_when_it_is_kept_and_not_before(store, order):
    incoming = begin(store)
    assert incoming.part_count == 3
    assert store.list_parts(incoming) == []
    for number in order:
        send(store, incoming, number)
        assert store.size(SHA) is None
    assert [one.number for one in store.list_parts(incoming)] == [1, 2, 3]
    assert [one.bytes for one in store.list_parts(incoming)] == [PART, PART, len(BODY) - 2 * PART]
    assert store.digest(incoming) == SHA
    assert store.size(SHA) is None
    assert store.read(incoming, first=PART - 2, after=PART + 2) == BODY[PART - 2 : PART + 2]
    store.keep(incoming, SHA)
    assert b"".join(store.open(SHA)) == BODY
    assert everything(store) == kept_name()


def test_keeping_twice_changes_nothing(store):
    incoming = begin(store)
    send(store, incoming, 1, 2, 3)
    assert store.digest(incoming) == SHA
    for _ in range(2):
        store.keep(incoming, SHA)
    assert everything(store) == kept_name()


def test_a_file_kept_already_is_kept_once(store):
    store.put(SHA, pieces(BODY), size=len(BODY))
    incoming = begin(store)
    send(store, incoming, 1, 2, 3)
    store.keep(incoming, store.digest(incoming))
    assert everything(store) == kept_name()


def test_an_empty_file_has_one_part_of_no_bytes(store):
    incoming = begin(store, b"")
    assert incoming.part_count == 1
    store.put_part(incoming, 1, iter(()), checksum=crc(b""))
    empty = hashlib.sha256(b"").hexdigest()
    assert store.digest(incoming) == empty
    store.keep(incoming, empty)
    assert store.size(empty) == 0


def test_a_part_sent_again_takes_the_place_of_the_first(store):
    incoming = begin(store)
    other = b"\1" * PART
    store.put_part(incoming, 1, pieces(other), checksum=crc(other))
    send(store, incoming, 2, 3, 1, 1)
    assert store.digest(incoming) == SHA


def test_a_wrong_checksum_and_a_wrong_length_leave_the_part_missing(store):
    incoming = begin(store)
    send(store, incoming, 1)
    with pytest.raises(WrongBytes) as refused:
        store.put_part(incoming, 2, pieces(part(2)), checksum="crc32:00000000")
    assert refused.value.code == "upload.part.wrong_checksum"
    for body in (part(2)[:-1], part(2) + b"x"):
        with pytest.raises(WrongBytes) as refused:
            store.put_part(incoming, 2, pieces(body), checksum=crc(body))
        assert refused.value.code == "upload.part.cut_short"
    assert [one.number for one in store.list_parts(incoming)] == [1]
    with pytest.raises(Refused) as missing:
        store.digest(incoming)
    assert missing.value.code == "upload.complete.parts_missing"
    assert missing.value.facts["first_missing"] == [2, 3]
    send(store, incoming, 2, 3)
    assert store.digest(incoming) == SHA


def test_a_sha256_is_a_parts_checksum_too(store):
    incoming = begin(store)
    sha256 = hashlib.sha256(part(1)).hexdigest()
    store.put_part(incoming, 1, pieces(part(1)), checksum=f"sha256:{sha256}")
    with pytest.raises(WrongBytes):
        store.put_part(incoming, 2, pieces(part(2)), checksum=f"sha256:{sha256}")
    assert [one.number for one in store.list_parts(incoming)] == [1]


def test_an_aborted_upload_leaves_nothing_and_takes_nothing(store):
    incoming = begin(store)
    send(store, incoming, 1)
    store.abort(incoming)
    store.abort(incoming)
    assert everything(store) == []
    if isinstance(store, FolderStore):  # the S3 of the tests answers 500 where S3 says 404
        with pytest.raises(Refused) as refused:
            send(store, incoming, 2)
        assert refused.value.code == "upload.part.gone"
    with pytest.raises(Refused) as refused:
        store.digest(incoming)
    assert refused.value.code == "upload.part.gone"


def test_the_sweep_takes_old_uploads_and_leaves_those_that_are_open(store):
    incoming = begin(store)
    send(store, incoming, 1)
    assert store.sweep(older_than_s=-3600, spare=[incoming.code]) == 0
    if isinstance(store, FolderStore):  # the S3 of the tests says of all that they began in 2010
        assert store.sweep(older_than_s=3600) == 0
    assert [one.number for one in store.list_parts(incoming)] == [1]
    assert store.sweep(older_than_s=-3600) == 1
    assert everything(store) == []


def test_the_sweep_of_a_store_never_used_finds_nothing(store):
    assert store.sweep(older_than_s=0) == 0


def test_progress_counts_up_to_the_size(store):
    incoming = begin(store)
    send(store, incoming, 3, 2, 1)
    seen = []
    fresh = FolderStore(store.folder) if isinstance(store, FolderStore) else store
    assert fresh.digest(incoming, progress=seen.append) == SHA
    assert seen == sorted(seen)
    assert all(0 < one <= len(BODY) for one in seen)


# --- only S3 ----------------------------------------------------------------------------------


@pytest.fixture
def s3():
    kept = s3_store()
    yield kept
    kept.client.close()
    kept.signer.close()


def test_parts_go_straight_to_s3_by_signed_links_and_come_back_as_attachments(s3):
    incoming = begin(s3)
    for number in (1, 2, 3):
        link = s3.part_link(incoming, number, now=NOW)
        assert link.expires_at > NOW
        sent = httpx.put(
            link.url, content=part(number), headers={"Content-Type": "application/octet-stream"}
        )
        assert sent.status_code == 200
    s3.keep(incoming, s3.digest(incoming))
    link = s3.link(SHA, name="știri.html", media_type="application/octet-stream", now=NOW)
    fetched = httpx.get(link.url, headers={"Range": "bytes=5-9"})
    assert (fetched.status_code, fetched.content) == (206, BODY[5:10])
    assert fetched.headers["Content-Disposition"].startswith("attachment")
    assert fetched.headers["Content-Type"] == "application/octet-stream"


def test_links_lead_to_the_address_people_reach(s3):
    from dataclasses import replace

    outside = S3Store(replace(s3.place, public_endpoint="https://data.factory.example"))
    assert outside.link(SHA, name="a", media_type="text/plain", now=NOW).url.startswith(
        "https://data.factory.example/"
    )
    incoming = Incoming("UPL-X", "handle", 1, PART)
    assert outside.part_link(incoming, 1, now=NOW).url.startswith("https://data.factory.example/")


def test_other_bytes_under_a_checksum_never_reach_a_run_directory(s3, tmp_path):
    """The S3 of the tests believes any checksum it is told, so this can be shown."""
    s3.put(SHA, pieces(BODY), size=len(BODY))
    s3.client.put_object(Bucket=s3.bucket, Key=kept_name()[0], Body=b"x" * len(BODY))
    with pytest.raises(StoreDown, match="other bytes"):
        s3.copy_to(SHA, tmp_path / "inputs" / "text")
    assert list((tmp_path / "inputs").iterdir()) == []


def test_an_s3_that_does_not_answer_is_down(tmp_path):
    away = S3Store(Bucket("http://127.0.0.1:9", "b", "us-east-1", "k", "s", is_path_style=True))
    with pytest.raises(StoreDown):
        away.size(SHA)
    with pytest.raises(StoreDown):
        away.put(SHA, pieces(BODY), size=len(BODY))
    with pytest.raises(StoreDown):
        away.begin("UPL-X", size=1, part_bytes=PART)
    away.client.close()


# --- only a folder ----------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    return FolderStore(tmp_path / "store")


def test_what_arrived_is_still_there_for_another_process(folder):
    """A store opened anew knows nothing but the folder, as after kill -9 of the server."""
    incoming = begin(folder)
    send(folder, incoming, 2)
    from uzina.catalogue.adapters import folder_parts

    folder_parts._running.clear()
    again = FolderStore(folder.folder)
    assert [one.number for one in again.list_parts(incoming)] == [2]
    send(again, incoming, 1, 3)
    assert again.digest(incoming) == SHA


def test_a_part_that_broke_off_is_missing_also_when_it_was_whole_before(folder):
    incoming = begin(folder)
    send(folder, incoming, 1, 2)

    def breaks():
        yield b"\7" * 1000
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        folder.put_part(incoming, 2, breaks(), checksum="crc32:12345678")
    assert [one.number for one in folder.list_parts(incoming)] == [1]
    send(folder, incoming, 2, 3)
    assert folder.digest(incoming) == SHA


def test_one_part_is_sent_by_one_client_at_a_time_and_two_parts_by_two(folder):
    incoming = begin(folder)
    begun, go_on = threading.Event(), threading.Event()

    def slow():
        yield part(1)[:1000]
        begun.set()
        assert go_on.wait(60)
        yield part(1)[1000:]

    first = threading.Thread(
        target=folder.put_part, args=(incoming, 1, slow()), kwargs={"checksum": crc(part(1))}
    )
    first.start()
    assert begun.wait(60)
    try:
        send(folder, incoming, 2)
        with pytest.raises(Refused) as busy:
            send(folder, incoming, 1)
        assert busy.value.code == "upload.part.busy"
        send(folder, incoming, 3)
        with pytest.raises(Refused) as ended:
            folder.digest(incoming)
        assert ended.value.code == "upload.complete.busy"
        with pytest.raises(Refused) as kept:
            folder.keep(incoming, SHA)
        assert kept.value.code == "upload.complete.busy"
    finally:
        go_on.set()
        first.join()
    assert folder.digest(incoming) == SHA


def test_a_client_that_was_late_cannot_write_into_what_is_kept(folder):
    """It opened the file before, and gets its lock after, the file was moved to its place."""
    incoming = begin(folder)
    send(folder, incoming, 1, 2, 3)
    with folder._data(incoming, os.O_RDWR) as opened:
        folder.keep(incoming, folder.digest(incoming))
        with pytest.raises(Refused) as refused:
            folder._is_still(incoming, opened)
    assert refused.value.code == "upload.part.gone"
    assert b"".join(folder.open(SHA)) == BODY


def test_parts_damaged_on_the_disk_are_found_by_number_and_asked_for_again(folder):
    from uzina.catalogue.adapters import folder_parts

    incoming = begin(folder)
    send(folder, incoming, 1, 2, 3)
    with (folder._place(incoming) / "data").open("r+b") as data:
        data.seek(PART + 7)
        data.write(b"\0\0\0\0damaged")
    folder_parts._running.clear()
    with pytest.raises(Refused) as damaged:
        folder.digest(incoming)
    assert damaged.value.facts["first_missing"] == [2]
    send(folder, incoming, 2)
    assert folder.digest(incoming) == SHA


def test_a_part_taken_again_elsewhere_is_not_taken_for_the_first(folder):
    """The checksum that runs along in one process is not believed when the journal moved on."""
    from uzina.catalogue.adapters import folder_parts

    incoming = begin(folder)
    other = b"\1" * PART
    folder.put_part(incoming, 1, pieces(other), checksum=crc(other))
    send(folder, incoming, 2, 3)
    mine = dict(folder_parts._running)
    folder_parts._running.clear()
    send(folder, incoming, 1)
    folder_parts._running.clear()
    folder_parts._running.update(mine)
    assert folder.digest(incoming) == SHA


def test_a_torn_line_at_the_end_of_the_journal_is_no_part(folder):
    incoming = begin(folder)
    send(folder, incoming, 1)
    with (folder._place(incoming) / "parts").open("a") as journal:
        journal.write(f"2 {PART} crc32:0000")
    assert [one.number for one in folder.list_parts(incoming)] == [1]


def test_a_code_that_is_a_path_is_never_a_place(folder):
    with pytest.raises(ValueError, match="not the code"):
        folder.begin("../../x", size=1, part_bytes=PART)
