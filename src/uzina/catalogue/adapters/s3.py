"""The store as a bucket of any S3: `objects/ab/abcd…`, one object a checksum.

S3 is never believed: what it gives back is hashed here before it is shown or laid into a run
directory, since not every S3 checks what it is sent. Files in parts go straight to S3 by signed
links, to `incoming/UPL-…`, and are copied inside S3 to their checksum when they are known.
"""

import errno
import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from django.utils.http import content_disposition_header

from uzina.catalogue.ports import (
    Incoming,
    Link,
    Part,
    StoreDown,
    cut_short,
    full,
    incomplete,
    no_room_to_stage,
    part_cut_short,
    upload_gone,
    wrong_checksum,
    wrong_part,
)
from uzina.catalogue.rules import AT_ONCE, SHA256, Checksum

PIECE = 1 << 20
LEAST_PART = 16 << 20
MOST_PARTS = 10_000
LARGEST_COPY = 5 * 10**9
"""S3 copies at most 5 GB in one request; larger objects part by part."""
COPY_PART = 1 << 30
LINK_LIFE = timedelta(minutes=15)
PART_LIFE = timedelta(hours=6)
"""A part of 16 MiB takes four and a half hours at 1 kB/s: slower than that nobody sends."""
GONE = {"404", "NoSuchKey", "NoSuchUpload", "NotFound"}
NO_ROOM = {"InsufficientStorage", "QuotaExceeded", "XMinioStorageFull", "507"}
DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class Bucket:
    """Where the bucket is and who may write to it."""

    endpoint: str
    bucket: str
    region: str
    access_key: str
    secret_key: str
    is_path_style: bool
    public_endpoint: str = ""


@lru_cache(maxsize=8)
def s3_store(bucket: Bucket) -> "S3Store":
    """Return the store of a bucket; one for the whole process, since its clients are costly."""
    return S3Store(bucket)


class S3Store:
    """Keeps each blob as one object."""

    is_direct = True

    def __init__(self, bucket: Bucket) -> None:
        self.place = bucket
        self.bucket = bucket.bucket

    @cached_property
    def client(self) -> Any:
        """The client that acts."""
        return self._client(self.place.endpoint)

    @cached_property
    def signer(self) -> Any:
        """The client that signs links, for the address that people reach S3 at."""
        return self._client(self.place.public_endpoint or self.place.endpoint)

    def _client(self, endpoint: str) -> Any:
        import boto3
        from botocore.config import Config

        return boto3.session.Session().client(
            "s3",
            endpoint_url=endpoint or None,
            region_name=self.place.region,
            aws_access_key_id=self.place.access_key,
            aws_secret_access_key=self.place.secret_key,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path" if self.place.is_path_style else "virtual"},
                retries={"max_attempts": 4, "mode": "standard"},
                connect_timeout=10,
                read_timeout=60,
                max_pool_connections=16,
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    # --- whole blobs ---------------------------------------------------------------------------

    def put(self, sha256: str, chunks: Iterable[bytes], *, size: int) -> None:
        key = _key(sha256)
        part_bytes = max(LEAST_PART, -(-size // MOST_PARTS))
        hasher, count = hashlib.sha256(), 0
        with self._sending(key) as sent:
            for block in _blocks(chunks, part_bytes):
                count += len(block)
                if count > size:
                    break
                hasher.update(block)
                sent.add(block)
            if count != size:
                raise cut_short(announced=size, found=count)
            if hasher.hexdigest() != sha256:
                raise wrong_checksum(announced=sha256, found=hasher.hexdigest())
            sent.finish()

    def size(self, sha256: str) -> int | None:
        return self._size(_key(sha256))

    def _size(self, key: str) -> int | None:
        try:
            with told():
                return int(self.client.head_object(Bucket=self.bucket, Key=key)["ContentLength"])
        except Missing:
            return None

    def open(self, sha256: str, *, first: int = 0, after: int | None = None) -> Iterator[bytes]:
        size = self.size(sha256)
        if size is None:
            msg = f"the store has lost {sha256}"
            raise StoreDown(msg)
        return self._pieces(_key(sha256), first, size if after is None else min(after, size))

    def _pieces(self, key: str, first: int, after: int) -> Iterator[bytes]:
        if first >= after:
            return
        try:
            with told():
                body = self.client.get_object(
                    Bucket=self.bucket, Key=key, Range=f"bytes={first}-{after - 1}"
                )["Body"]
                with body:
                    yield from body.iter_chunks(PIECE)
        except Missing as missing:
            msg = f"the store has lost {key}"
            raise StoreDown(msg) from missing

    def copy_to(self, sha256: str, target: Path) -> None:
        pieces = self.open(sha256)
        partial = target.with_name(f".{target.name}.partial")
        hasher = hashlib.sha256()
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as copy:
                for piece in pieces:
                    hasher.update(piece)
                    copy.write(piece)
                os.fchmod(copy.fileno(), 0o444)
            if hasher.hexdigest() != sha256:
                msg = f"the store gave other bytes for {sha256}"
                raise StoreDown(msg)
            partial.replace(target)
        except OSError as broken:
            if broken.errno in DISK_FULL:
                raise no_room_to_stage() from broken
            raise
        finally:
            partial.unlink(missing_ok=True)

    def remove(self, sha256: str) -> bool:
        is_there = self.size(sha256) is not None
        with told():
            self.client.delete_object(Bucket=self.bucket, Key=_key(sha256))
        return is_there

    def sweep(self, *, older_than_s: float, spare: Collection[str] = ()) -> int:
        """End uploads and delete what was put together but never kept."""
        spared = {_incoming(code) for code in spare}
        before = datetime.now(UTC) - timedelta(seconds=older_than_s)
        removed = 0
        with told():
            pages = self.client.get_paginator("list_multipart_uploads")
            for page in pages.paginate(Bucket=self.bucket):
                for one in page.get("Uploads", ()):
                    if one["Initiated"] <= before and one["Key"] not in spared:
                        self._abort(one["Key"], one["UploadId"])
                        removed += 1
            pages = self.client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix="incoming/"):
                for one in page.get("Contents", ()):
                    if one["LastModified"] <= before and one["Key"] not in spared:
                        self.client.delete_object(Bucket=self.bucket, Key=one["Key"])
                        removed += 1
        return removed

    # --- files in parts ------------------------------------------------------------------------

    def begin(self, code: str, *, size: int, part_bytes: int) -> Incoming:
        with told():
            made = self.client.create_multipart_upload(Bucket=self.bucket, Key=_incoming(code))
        return Incoming(code, made["UploadId"], size, part_bytes)

    def put_part(
        self, incoming: Incoming, number: int, chunks: Iterable[bytes], *, checksum: str
    ) -> Part:
        """Take a part by way of the portal: for who cannot reach S3. Held whole in memory."""
        size, found = incoming.part_size(number), Checksum(checksum)
        body = bytearray()
        for chunk in chunks:
            body += chunk
            found.update(chunk)
            if len(body) > size:
                break
        if len(body) != size:
            raise part_cut_short(number, announced=size, found=len(body))
        if str(found) != checksum:
            raise wrong_part(number, announced=checksum, found=str(found))
        with gone(incoming), told():
            tag = self.client.upload_part(
                Bucket=self.bucket,
                Key=_incoming(incoming.code),
                UploadId=incoming.handle,
                PartNumber=number,
                Body=bytes(body),
            )["ETag"]
        return Part(number, size, checksum, tag)

    def part_link(self, incoming: Incoming, number: int, *, now: datetime) -> Link | None:
        url = self.signer.generate_presigned_url(
            "upload_part",
            Params={
                "Bucket": self.bucket,
                "Key": _incoming(incoming.code),
                "UploadId": incoming.handle,
                "PartNumber": number,
            },
            ExpiresIn=int(PART_LIFE.total_seconds()),
        )
        return Link(url, now + PART_LIFE)

    def list_parts(self, incoming: Incoming) -> list[Part]:
        """Return the parts there; one of a wrong size counts as missing."""
        with gone(incoming), told():
            pages = self.client.get_paginator("list_parts").paginate(
                Bucket=self.bucket, Key=_incoming(incoming.code), UploadId=incoming.handle
            )
            found = [
                Part(int(one["PartNumber"]), int(one["Size"]), tag=one["ETag"])
                for page in pages
                for one in page.get("Parts", ())
            ]
        return [
            one
            for one in found
            if one.number <= incoming.part_count and one.bytes == incoming.part_size(one.number)
        ]

    def digest(self, incoming: Incoming, *, progress: Callable[[int], None] | None = None) -> str:
        """Put the parts together, still apart from what is kept, and read the whole back."""
        key = _incoming(incoming.code)
        if self._size(key) is None:
            self._join(incoming)
        hasher, count = hashlib.sha256(), 0
        for piece in self._pieces(key, 0, incoming.size):
            hasher.update(piece)
            count += len(piece)
            if progress and count % (64 << 20) < len(piece):
                progress(count)
        if count != incoming.size:
            msg = f"the store gave {count} of {incoming.size} bytes of {incoming.code}"
            raise StoreDown(msg)
        return hasher.hexdigest()

    def _join(self, incoming: Incoming) -> None:
        parts = self.list_parts(incoming)
        there = {one.number for one in parts}
        missing = [one for one in range(1, incoming.part_count + 1) if one not in there]
        if missing:
            raise incomplete(missing, incoming.part_count)
        with gone(incoming), told():
            self.client.complete_multipart_upload(
                Bucket=self.bucket,
                Key=_incoming(incoming.code),
                UploadId=incoming.handle,
                MultipartUpload={
                    "Parts": [{"PartNumber": one.number, "ETag": one.tag} for one in parts]
                },
            )

    def is_quick(self, incoming: Incoming) -> bool:
        return incoming.size <= AT_ONCE

    def read(self, incoming: Incoming, *, first: int = 0, after: int | None = None) -> bytes:
        end = incoming.size if after is None else min(after, incoming.size)
        return b"".join(self._pieces(_incoming(incoming.code), first, end))

    def keep(self, incoming: Incoming, sha256: str) -> None:
        source = _incoming(incoming.code)
        if self._size(source) != incoming.size:
            if self.size(sha256) != incoming.size:
                raise upload_gone(incoming.code)
            return
        if self.size(sha256) != incoming.size:
            self._copy(source, _key(sha256), incoming.size)
        with told():
            self.client.delete_object(Bucket=self.bucket, Key=source)

    def _copy(self, source: str, target: str, size: int) -> None:
        origin = {"Bucket": self.bucket, "Key": source}
        with told():
            if size <= LARGEST_COPY:
                self.client.copy_object(Bucket=self.bucket, Key=target, CopySource=origin)
                return
            with self._sending(target) as sent:
                for first in range(0, size, COPY_PART):
                    sent.add_copy(origin, first, min(first + COPY_PART, size))
                sent.finish()

    def abort(self, incoming: Incoming) -> None:
        self._abort(_incoming(incoming.code), incoming.handle)
        with told():
            self.client.delete_object(Bucket=self.bucket, Key=_incoming(incoming.code))

    def _abort(self, key: str, handle: str) -> None:
        with suppress(Missing), told():
            self.client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=handle)

    def link(self, sha256: str, *, name: str, media_type: str, now: datetime) -> Link | None:
        url = self.signer.generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self.bucket,
                "Key": _key(sha256),
                "ResponseContentDisposition": content_disposition_header(
                    as_attachment=True, filename=name
                )
                or "attachment",
                "ResponseContentType": media_type,
                "ResponseCacheControl": "private, no-store",
            },
            ExpiresIn=int(LINK_LIFE.total_seconds()),
        )
        return Link(url, now + LINK_LIFE)

    @contextmanager
    def _sending(self, key: str) -> Iterator["_Sending"]:
        """Send an object in parts; whatever goes wrong, nothing of it stays."""
        with told():
            handle = self.client.create_multipart_upload(Bucket=self.bucket, Key=key)["UploadId"]
            sent = _Sending(self, key, handle)
            try:
                yield sent
            except BaseException:
                with suppress(StoreDown):
                    self._abort(key, handle)
                raise


class _Sending:
    """One object on its way in parts."""

    def __init__(self, store: S3Store, key: str, handle: str) -> None:
        self.client = store.client
        self.target = {"Bucket": store.bucket, "Key": key, "UploadId": handle}
        self.parts: list[dict[str, Any]] = []

    def add(self, block: bytes) -> None:
        number = len(self.parts) + 1
        made = self.client.upload_part(**self.target, PartNumber=number, Body=block)
        self.parts.append({"PartNumber": number, "ETag": made["ETag"]})

    def add_copy(self, origin: dict[str, str], first: int, after: int) -> None:
        number = len(self.parts) + 1
        made = self.client.upload_part_copy(
            **self.target,
            PartNumber=number,
            CopySource=origin,
            CopySourceRange=f"bytes={first}-{after - 1}",
        )
        self.parts.append({"PartNumber": number, "ETag": made["CopyPartResult"]["ETag"]})

    def finish(self) -> None:
        self.client.complete_multipart_upload(**self.target, MultipartUpload={"Parts": self.parts})


class Missing(Exception):
    """S3 says there is no such object or upload."""


@contextmanager
def told() -> Iterator[None]:
    """Tell S3's errors as the port's: missing, full, or down."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = str(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
        if code in GONE or status == "404":
            raise Missing(str(error)) from error
        if code in NO_ROOM or status == "507":
            raise full() from error
        raise StoreDown(str(error)) from error
    except BotoCoreError as error:
        raise StoreDown(str(error)) from error


@contextmanager
def gone(incoming: Incoming) -> Iterator[None]:
    """Tell an upload that S3 does not know as one that has ended."""
    try:
        yield
    except Missing as missing:
        raise upload_gone(incoming.code) from missing


def _key(sha256: str) -> str:
    if not SHA256.fullmatch(sha256):
        msg = f"not a SHA-256: {sha256[:80]!r}"
        raise ValueError(msg)
    return f"objects/{sha256[:2]}/{sha256}"


def _incoming(code: str) -> str:
    return f"incoming/{code}"


def _blocks(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Return the bytes in blocks of one size; the last is shorter. One, empty, of no bytes."""
    kept, is_first = bytearray(), True
    for chunk in chunks:
        kept += chunk
        while len(kept) >= size:
            yield bytes(kept[:size])
            del kept[:size]
            is_first = False
    if kept or is_first:
        yield bytes(kept)
