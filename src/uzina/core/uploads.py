"""How much a form may bring along: judged before anything is written to disk."""

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import FileUploadHandler, StopUpload

MOST = 64 * 2**20
"""Bytes of one request: the largest document that a call may ask for, and its form."""


class CappedUploadHandler(FileUploadHandler):
    """Refuses a request that says it is too large, and cuts off one that turns out to be."""

    seen = 0

    def handle_raw_input(
        self,
        input_data: Any,
        META: Any,  # noqa: N803 - Django's name
        content_length: int,
        boundary: Any,
        encoding: Any = None,
    ) -> None:
        del input_data, META, boundary, encoding
        if content_length > MOST:
            raise RequestDataTooBig("the form and its files have more than 64 MiB")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        del start
        self.seen += len(raw_data)
        if self.seen > MOST:
            raise StopUpload(connection_reset=True)
        return raw_data

    def file_complete(self, file_size: int) -> None:
        """Leave the file to the handlers that keep it."""
        del file_size
