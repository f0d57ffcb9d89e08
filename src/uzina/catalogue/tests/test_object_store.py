"""The contract of the store, and what disasters leave in the folder."""

import hashlib
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from uzina.catalogue.adapters.folder import FolderStore
from uzina.catalogue.ports import StoreDown, StoreRefused, WrongBytes

BODY = b"Toate oamenii se nasc liberi." * 100_000
SHA = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path / "store")


def files_in(store):
    return sorted(one.name for one in store.folder.rglob("*") if one.is_file())


def pieces(body, size=65_536):
    return (body[at : at + size] for at in range(0, len(body), size))


def test_what_is_put_is_read_back_whole_and_in_ranges(store):
    store.put(SHA, pieces(BODY), size=len(BODY))
    assert store.size(SHA) == len(BODY)
    assert b"".join(store.open(SHA)) == BODY
    assert b"".join(store.open(SHA, first=5, after=11)) == BODY[5:11]
    assert b"".join(store.open(SHA, first=len(BODY) - 3)) == BODY[-3:]
    assert b"".join(store.open(SHA, first=1_048_570, after=2_097_160)) == BODY[1_048_570:2_097_160]


def test_putting_the_same_twice_keeps_one(store):
    for _ in range(2):
        store.put(SHA, pieces(BODY), size=len(BODY))
    assert files_in(store) == [SHA]


def test_an_empty_file_is_kept_like_any_other(store):
    empty = hashlib.sha256(b"").hexdigest()
    store.put(empty, iter(()), size=0)
    assert (store.size(empty), b"".join(store.open(empty))) == (0, b"")


def test_bytes_of_another_checksum_leave_nothing(store):
    with pytest.raises(WrongBytes) as refused:
        store.put("0" * 64, pieces(BODY), size=len(BODY))
    assert refused.value.code == "blob.upload.wrong_checksum"
    assert SHA in str(refused.value)
    assert files_in(store) == []


@pytest.mark.parametrize("announced", [len(BODY) - 1, len(BODY) + 1])
def test_a_body_shorter_or_longer_than_announced_leaves_nothing(store, announced):
    with pytest.raises(WrongBytes) as refused:
        store.put(SHA, pieces(BODY), size=announced)
    assert refused.value.code == "blob.upload.cut_short"
    assert files_in(store) == []


def test_a_source_that_breaks_leaves_nothing(store):
    def breaks():
        yield BODY[:1000]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        store.put(SHA, breaks(), size=len(BODY))
    assert files_in(store) == []


def test_what_is_kept_cannot_be_written_by_accident(store):
    store.put(SHA, pieces(BODY), size=len(BODY))
    assert next(store.objects.rglob(SHA)).stat().st_mode & 0o222 == 0


def test_missing_bytes_are_an_outage_not_an_empty_file(store):
    assert store.size(SHA) is None
    with pytest.raises(StoreDown):
        store.open(SHA)
    with pytest.raises(StoreDown):
        store.copy_to(SHA, store.folder / "x")


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "A" * 64, SHA + "/..", "0" * 63])
def test_a_name_that_is_no_checksum_never_becomes_a_path(store, name):
    with pytest.raises(ValueError, match="not a SHA-256"):
        store.size(name)
    with pytest.raises(ValueError, match="not a SHA-256"):
        store.put(name, iter([b"x"]), size=1)


def test_sixteen_writers_of_one_blob_keep_it_whole(store):
    threads = [
        threading.Thread(target=store.put, args=(SHA, pieces(BODY)), kwargs={"size": len(BODY)})
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert files_in(store) == [SHA]
    assert hashlib.sha256(b"".join(store.open(SHA))).hexdigest() == SHA


def test_a_copy_is_read_only_and_changing_it_does_not_change_the_store(store, tmp_path):
    store.put(SHA, pieces(BODY), size=len(BODY))
    target = tmp_path / "run" / "inputs" / "a" / "text"
    store.copy_to(SHA, target)
    assert target.read_bytes() == BODY
    assert target.stat().st_mode & 0o777 == 0o444
    target.chmod(0o644)
    target.write_bytes(b"changed")
    assert b"".join(store.open(SHA)) == BODY
    assert [one.name for one in target.parent.iterdir()] == ["text"]


def test_a_killed_upload_leaves_nothing_visible_and_is_swept(store):
    writer = textwrap.dedent(
        f"""
        import sys, time
        from pathlib import Path
        from uzina.catalogue.adapters.folder import FolderStore
        def slow():
            while True:
                yield b"x" * 65536
                print("wrote", flush=True)
                time.sleep(0.01)
        FolderStore(Path({str(store.folder)!r})).put("0" * 64, slow(), size=10**9)
        """
    )
    child = subprocess.Popen([sys.executable, "-c", writer], stdout=subprocess.PIPE)
    try:
        for _ in range(5):
            child.stdout.readline()
        assert store.size("0" * 64) is None
        assert store.sweep(older_than_s=-1) == 0, "an upload that lives is left alone"
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
    assert store.size("0" * 64) is None
    assert len(files_in(store)) == 1
    assert store.sweep(older_than_s=3600) == 0, "it may be young"
    assert store.sweep(older_than_s=-1) == 1
    assert files_in(store) == []


def test_a_file_size_limit_in_the_middle_of_an_upload_is_told_as_a_full_store(tmp_path):
    """The kernel's own refusal (EFBIG), raised by write() as a full disk's ENOSPC is."""
    script = textwrap.dedent(
        f"""
        import resource, signal
        from pathlib import Path
        from uzina.catalogue.adapters.folder import FolderStore
        from uzina.catalogue.ports import StoreRefused
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        store = FolderStore(Path({str(tmp_path / "store")!r}))
        try:
            store.put("0" * 64, (b"x" * 65536 for _ in range(100)), size=6553600)
        except StoreRefused as refused:
            print(refused.code, store.size("0" * 64), len(list(store.incoming.iterdir())))
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["blob.upload.store_full", "None", "0"], done.stderr


@pytest.fixture
def tiny_disk(tmp_path):
    """A real file system of one mebibyte."""
    place = tmp_path / "tiny"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small disk; the size limit above stands in for it")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_refused_before_and_during_and_leaves_nothing(tiny_disk, tmp_path):
    store = FolderStore(tiny_disk)
    with pytest.raises(StoreRefused) as before:
        store.put(SHA, pieces(BODY), size=len(BODY))
    (tiny_disk / "ballast").write_bytes(b"x" * 700_000)
    half = BODY[:500_000]
    with pytest.raises(StoreRefused) as during:
        store.put(hashlib.sha256(half).hexdigest(), pieces(half), size=len(half))
    assert before.value.code == during.value.code == "blob.upload.store_full"
    assert files_in(store) == ["ballast"]

    other = FolderStore(tmp_path / "roomy")
    other.put(SHA, pieces(BODY), size=len(BODY))
    with pytest.raises(StoreRefused) as staged:
        other.copy_to(SHA, tiny_disk / "inputs" / "text")
    assert staged.value.code == "blob.stage.disk_full"
    assert list((tiny_disk / "inputs").iterdir()) == []


def test_an_upload_is_read_in_bounded_memory(store):
    """64 MiB pass through while the peak of this process grows by less than 16 MiB."""
    chunk = b"\0" * 1_048_576
    sha256 = hashlib.sha256(chunk * 64).hexdigest()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = peak_kb()
    store.put(sha256, (chunk for _ in range(64)), size=64 * len(chunk))
    assert (peak_kb() - before) / 1024 < 16


def peak_kb():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))


def test_the_sweep_of_a_store_never_used_finds_nothing(store):
    assert store.sweep(older_than_s=0) == 0
