"""Files sent and fetched so that whatever ends the sending, it goes on where it stopped.

A large file is read once: its parts are sent several at a time, each with its own checksum, while
the whole's SHA-256 is made on the way. A small one goes in one request.
"""

import hashlib
import os
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from urllib.parse import quote

import httpx

from uzina_client.files import PIECE, Blob, blob_of, place
from uzina_client.memory import Memory
from uzina_client.problems import Problem, Unreachable
from uzina_client.transport import Json, Transport

AT_ONCE = 3
"""Parts, or small files, on their way at a time. A portal takes four requests at once."""
IN_ONE_REQUEST = 8 << 20
"""Files up to so many bytes are sent whole; losing one costs little."""
HELD_PART = 32 << 20
"""Parts up to so many bytes are held while they are sent; larger ones are read twice."""
WRITE_BEHIND = 16 << 20
"""Bytes that came before the system is asked to begin writing them to the disk."""
TRIES = 12
"""A part is tried so often, each time as patiently as any request: two minutes and more."""
COME_AGAIN = frozenset({"upload.part.busy", "upload.part.cut_short"})
ASK_AGAIN_S = (0.1, 0.2, 0.5, 1.0, 2.0)
NOT_FOUND = 404


class Changed(OSError):
    """A file changed while it was sent: what was sent of it is thrown away."""


class Stopped(OSError):
    """The portal did not keep what was sent, and says why."""


class Progress(Protocol):
    """Who is told how far it has come."""

    def expect(self, size: int) -> None:
        """So many more bytes will move."""

    def move(self, size: int) -> None:
        """So many bytes have moved, or need not."""

    def say(self, text: str) -> None:
        """What is done now."""


class Silent:
    """Nobody."""

    def expect(self, size: int) -> None:
        """Nothing."""

    def move(self, size: int) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""


@dataclass
class Transfer:
    """Files to and from one portal.

    place_of  what is sent is for: "" for a dataset, PROJECT:KIND for a space
    """

    transport: Transport
    memory: Memory = field(default_factory=Memory)
    progress: Progress = field(default_factory=Silent)
    at_once: int = AT_ONCE

    # --- what a file is ------------------------------------------------------------------------

    def blob(self, path: Path) -> Blob:
        """Return what a file is; an unchanged one is not read again."""
        before = path.stat()
        known = self.memory.checksum(path, before)
        if known:
            return Blob(before.st_size, known)
        found = blob_of(path)
        if _marks(path.stat()) == _marks(before):
            self.memory.remember_checksum(path, before, found.sha256, time.time_ns())
        return found

    # --- sending -------------------------------------------------------------------------------

    def send_all(
        self, files: Mapping[str, Path], *, space: str = "", known: Mapping[str, str] | None = None
    ) -> dict[str, Blob]:
        """Send files and return what each is, by name. What the portal has is not sent again.

        space  PROJECT:KIND they are put into; "" for files of a dataset
        known  SHA-256 by name of files that need not be sent when they are that
        """
        known = known or {}
        sizes = {name: path.stat().st_size for name, path in files.items()}
        self.progress.expect(sum(sizes.values()))
        small = [name for name, size in sizes.items() if size <= IN_ONE_REQUEST and not space]
        found: dict[str, Blob] = {}
        with _pool(self.at_once) as pool:
            jobs = {
                name: pool.submit(self._send_small, files[name], known.get(name, ""))
                for name in small
            }
            for name, job in jobs.items():
                found[name] = job.result()
        for name, path in files.items():
            if name not in found:
                found[name] = self._send_known(path, name, space, known.get(name, ""))
        return found

    def send(self, path: Path, *, name: str = "", space: str = "") -> Blob:
        """Send one file. Raises OSError when it cannot be read or changes while it is sent."""
        return self.send_all({name or path.name: path}, space=space)[name or path.name]

    def _send_small(self, path: Path, known: str) -> Blob:
        before = path.stat()
        blob = self.blob(path)
        if blob.sha256 != known and not self._has(blob):
            body = partial(_checked_pieces, path, blob)
            self.transport.send(
                "PUT",
                f"/catalogue/blobs/{blob.sha256}",
                body=body,
                headers={
                    "Content-Type": "application/octet-stream",
                    "Content-Length": str(blob.bytes),
                },
            )
        self.progress.move(before.st_size)
        return blob

    def _send_known(self, path: Path, name: str, space: str, known: str) -> Blob:
        """Send a large file, unless its checksum is remembered and the portal has it."""
        before = path.stat()
        sha256 = self.memory.checksum(path, before)
        if known and not sha256:
            sha256 = self.blob(path).sha256
        blob = Blob(before.st_size, sha256)
        if sha256 and (sha256 == known or (not space and self._has(blob))):
            self.progress.move(blob.bytes)
            return blob
        return self._send_parts(path, name, space)

    def _has(self, blob: Blob) -> bool:
        try:
            told = self.transport.get(f"/catalogue/blobs/{blob.sha256}")
        except Problem as problem:
            if problem.status == NOT_FOUND:
                return False
            raise
        return bool(told["bytes"] == blob.bytes)

    def _send_parts(self, path: Path, name: str, space: str) -> Blob:
        goal = f"{space}/{name}" if space else ""
        with path.open("rb") as file:
            before = os.fstat(file.fileno())
            upload = self._begun(path, before, goal) or self._begin(path, before, name, space, goal)
            sent = _Sending(self, upload, path, file)
            try:
                sha256 = sent.run()
                if _marks(os.fstat(file.fileno())) != _marks(before) or _marks(
                    path.stat()
                ) != _marks(before):
                    raise Changed(f"{path} changed while it was sent. Send it when it is at rest.")
                self._complete(sent, upload, sha256)
            except (Changed, Stopped):
                self._throw_away(upload, path, goal)
                raise
            self.memory.forget_upload(self.transport.url, goal, path)
            self.memory.remember_checksum(path, before, sha256, time.time_ns())
        return Blob(before.st_size, sha256)

    def _begun(self, path: Path, found: os.stat_result, goal: str) -> Json:
        code = self.memory.upload(self.transport.url, goal, path, found)
        if not code:
            return None
        try:
            upload = self.transport.get(f"/catalogue/uploads/{code}")
        except Problem as problem:
            if problem.status == NOT_FOUND:
                return None
            raise
        if upload["state"] not in {"receiving", "checking"} or upload["bytes"] != found.st_size:
            return None
        return upload

    def _begin(self, path: Path, found: os.stat_result, name: str, space: str, goal: str) -> Json:
        upload = self.transport.post_secret(
            "/catalogue/uploads",
            {
                "name": name,
                "bytes": found.st_size,
                "purpose": "space" if space else "dataset",
                "space": space,
            },
        )
        self.memory.remember_upload(self.transport.url, goal, path, found, upload["code"])
        return upload

    def _throw_away(self, upload: Json, path: Path, goal: str) -> None:
        self.memory.forget_upload(self.transport.url, goal, path)
        with suppress(Problem, Unreachable):
            self.transport.send("DELETE", f"/catalogue/uploads/{upload['code']}")

    def _complete(self, sent: "_Sending", upload: Json, sha256: str) -> None:
        """Say that all is there, and wait until the portal has looked. Damaged parts go again."""
        address = f"/catalogue/uploads/{upload['code']}"
        for _round in range(3):
            try:
                told = self.transport.post_secret(f"{address}/complete", {"sha256": sha256})
            except Problem as problem:
                missing = problem.params.get("first_missing")
                if problem.code == "upload.complete.parts_missing" and missing:
                    sent.again(missing)
                    continue
                raise
            told = self._checked(address, told)
            if told["state"] == "kept":
                return
            if told["state"] != "receiving":
                break
            there = {one["number"] for one in told["parts"]}
            sent.again([one for one in range(1, upload["part_count"] + 1) if one not in there])
        reason = told.get("reason") or {}
        raise Stopped(reason.get("detail") or f"The portal did not keep {upload['name']}.")

    def _checked(self, address: str, told: Json) -> Json:
        tries = 0
        while told["state"] == "checking":
            self.progress.say("the portal checks it")
            self.transport.sleep(ASK_AGAIN_S[min(tries, len(ASK_AGAIN_S) - 1)])
            told = self.transport.get(address)
            tries += 1
        return told

    # --- fetching ------------------------------------------------------------------------------

    def fetch_all(
        self, base: str, manifest: Iterable[Mapping[str, Any]], *, to: Path, below: str = ""
    ) -> list[Path]:
        """Fetch the files of a manifest into a folder and return where they are.

        base   address of the version or space; a file is at base/files/PATH
        below  what comes before each path there
        """
        entries = [(one, place(to, one["path"])) for one in manifest]
        self.progress.expect(sum(int(one["bytes"]) for one, _path in entries))
        with _pool(self.at_once) as pool:
            jobs = [
                pool.submit(self._fetch, f"{base}/files/{quote(below)}", one, path)
                for one, path in entries
            ]
            for job in jobs:
                job.result()
        return [path for _one, path in entries]

    def _fetch(self, base: str, entry: Mapping[str, Any], path: Path) -> None:
        blob = Blob(int(entry["bytes"]), entry["sha256"])
        if self.is_there(path, blob):
            self.progress.move(blob.bytes)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name[:200]}.{blob.sha256[:12]}.part")
        digest = hashlib.sha256()
        try:
            with part.open("a+b") as file:
                have = _read_into(digest, file, blob.bytes)
                self.progress.move(have)
                self._fetch_rest(base + quote(entry["path"]), file, digest, have, blob.bytes)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            if part.stat().st_size == 0:
                part.unlink()
            raise
        if digest.hexdigest() != blob.sha256 or part.stat().st_size != blob.bytes:
            part.unlink()
            msg = f"{path.name} came broken: its checksum does not match. Fetch it again."
            raise OSError(msg)
        part.replace(path)
        self.memory.remember_checksum(path, path.stat(), blob.sha256, time.time_ns())

    def _fetch_rest(self, address: str, file: BinaryIO, digest: Any, have: int, size: int) -> None:
        """Fetch what is missing; a connection that is lost after some bytes is made again."""
        tries, begun = 0, have
        while have < size or (size == 0 and tries == 0):
            before = have
            try:
                with self.transport.stream(address, first=have) as reply:
                    if have and reply.status_code != httpx.codes.PARTIAL_CONTENT:
                        raise OSError(f"{address} cannot be continued: fetch it again.")
                    for piece in reply.iter_bytes():
                        file.write(piece)
                        digest.update(piece)
                        have += len(piece)
                        self.progress.move(len(piece))
                        begun = _begin_writing(file, begun, have)
                if have < size:
                    raise Unreachable(self.transport.url, f"{have} of {size} bytes came")
            except Unreachable:
                tries = tries + 1 if have == before else 1
                if tries >= self.transport.tries:
                    raise
                self.transport.sleep(0.25 * 2**tries)
            else:
                return

    def is_there(self, path: Path, blob: Blob) -> bool:
        """Tell whether a file is already there, whole and right."""
        if not path.is_file() or path.stat().st_size != blob.bytes:
            return False
        return self.blob(path).sha256 == blob.sha256


class _Sending:
    """One large file on its way in parts."""

    def __init__(self, transfer: Transfer, upload: Json, path: Path, file: BinaryIO) -> None:
        self.transfer, self.upload, self.path, self.file = transfer, upload, path, file
        self.transport = transfer.transport
        self.there = {one["number"]: one for one in upload["parts"]}
        self.links: dict[int, str] = {}

    def run(self) -> str:
        """Send every part that is not there and return the SHA-256 of the whole."""
        if self.upload["state"] == "checking":
            return self._read(None)
        with _pool(self.transfer.at_once) as pool:
            return self._read(pool)

    def again(self, numbers: Sequence[int]) -> None:
        """Send parts once more that did not reach the portal whole."""
        self.there = {
            number: one for number, one in self.there.items() if number not in set(numbers)
        }
        for number in numbers:
            first, size = self._span(number)
            self.file.seek(first)
            crc = 0
            for piece in _pieces(self.file, size):
                crc = zlib.crc32(piece, crc)
            self._send(number, f"{crc:08x}", None)

    def _span(self, number: int) -> tuple[int, int]:
        first = (number - 1) * self.upload["part_bytes"]
        return first, min(self.upload["part_bytes"], self.upload["bytes"] - first)

    def _read(self, pool: ThreadPoolExecutor | None) -> str:
        whole = hashlib.sha256()
        under_way: set[Future[None]] = set()
        for number in range(1, self.upload["part_count"] + 1):
            _first, size = self._span(number)
            crc, md5, held = 0, hashlib.md5(usedforsecurity=False), []
            has_tag = bool(self.there.get(number, {}).get("tag"))
            for piece in _pieces(self.file, size):
                whole.update(piece)
                crc = zlib.crc32(piece, crc)
                if has_tag:
                    md5.update(piece)
                if size <= HELD_PART:
                    held.append(piece)
            if pool is None or self._is_there(number, f"{crc:08x}", md5.hexdigest()):
                self.transfer.progress.move(size)
                continue
            body = held if size <= HELD_PART else None
            under_way.add(pool.submit(self._send, number, f"{crc:08x}", body))
            if len(under_way) >= self.transfer.at_once:
                under_way = _settled(under_way)
        for job in under_way:
            job.result()
        return whole.hexdigest()

    def _is_there(self, number: int, crc: str, md5: str) -> bool:
        one = self.there.get(number)
        if one is None:
            return False
        return bool(one["checksum"] == f"crc32:{crc}" or one["tag"].strip('"') == md5)

    def _send(self, number: int, crc: str, held: list[bytes] | None) -> None:
        _first, size = self._span(number)
        body = partial(iter, held) if held is not None else partial(self._reread, number)
        if self.upload["is_direct"]:
            self._send_direct(number, size, body)
        else:
            self._send_here(number, size, crc, body)
        self.transfer.progress.move(size)

    def _send_here(self, number: int, size: int, crc: str, body: Any) -> None:
        for tries in range(TRIES):
            try:
                self.transport.send(
                    "PUT",
                    f"/catalogue/uploads/{self.upload['code']}/parts/{number}",
                    body=body,
                    headers={
                        "Content-Type": "application/octet-stream",
                        "Content-Length": str(size),
                        "X-Part-CRC32": crc,
                    },
                )
            except Problem as problem:
                # The client before this one was killed, and the portal has not noticed yet; or
                # the portal was, when the part was on its way.
                if problem.code not in COME_AGAIN or tries == TRIES - 1:
                    raise
                self.transport.sleep(1.0)
            except Unreachable:
                if tries == TRIES - 1:
                    raise
                self.transport.sleep(1.0)
            else:
                return

    def _send_direct(self, number: int, size: int, body: Any) -> None:
        """Send a part straight to the store, by a link that carries its own permission."""
        for tries in range(TRIES):
            why = ""
            try:
                reply = httpx.put(
                    self._link(number),
                    content=body(),
                    headers={
                        "Content-Type": "application/octet-stream",
                        "Content-Length": str(size),
                    },
                    timeout=self.transport.http.timeout,
                )
                if reply.is_success:
                    return
                why = f"the store answered {reply.status_code}"
            except httpx.TransportError as lost:
                why = str(lost) or type(lost).__name__
            if tries == TRIES - 1:
                raise Unreachable(self.transport.url, why)
            self.links.pop(number, None)
            self.transport.sleep(min(0.25 * 2**tries, 10.0))

    def _link(self, number: int) -> str:
        if number not in self.links:
            told = self.transport.get(
                f"/catalogue/uploads/{self.upload['code']}/links", first=number, count=50
            )
            self.links |= {one["number"]: one["url"] for one in told}
        return self.links[number]

    def _reread(self, number: int) -> Iterator[bytes]:
        first, size = self._span(number)
        with self.path.open("rb") as file:
            file.seek(first)
            yield from _pieces(file, size)


def _settled(under_way: set[Future[None]]) -> set[Future[None]]:
    """Wait for one to end; raise what it raised."""
    ended, left = wait(under_way, return_when=FIRST_COMPLETED)
    for job in ended:
        job.result()
    return left


class _pool(ThreadPoolExecutor):  # noqa: N801 - used as a block
    """Threads that stop taking work when the block ends badly."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.shutdown(wait=True, cancel_futures=kind is not None)


def _pieces(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield the next bytes of an open file. Raises Changed when it has fewer."""
    while size > 0:
        piece = file.read(min(PIECE, size))
        if not piece:
            raise Changed("The file became shorter while it was sent. Send it when it is at rest.")
        size -= len(piece)
        yield piece


def _begin_writing(file: BinaryIO, begun: int, have: int) -> int:
    """Have the system write what came to the disk by and by, so that little is left at the end."""
    if have - begun < WRITE_BEHIND or not hasattr(os, "posix_fadvise"):
        return begun
    file.flush()
    os.posix_fadvise(file.fileno(), begun, have - begun, os.POSIX_FADV_DONTNEED)
    return have


def _checked_pieces(path: Path, blob: Blob) -> Iterator[bytes]:
    from uzina_client.files import pieces_of

    return pieces_of(path, blob)


def _read_into(digest: Any, file: BinaryIO, most: int) -> int:
    """Take in what came before; one that is longer than the whole is thrown away."""
    have = os.fstat(file.fileno()).st_size
    if have > most:
        file.truncate(0)
        return 0
    file.seek(0)
    while piece := file.read(PIECE):
        digest.update(piece)
    return have


def _marks(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_size, found.st_mtime_ns, found.st_ino
