"""The transport protocol: an HTTP response, its errors, and decompression.

`openai_sdk` is the transport to api.openai.com, `client` the transport to servers with a `base_url`. Backends parse the
bytes of a response, so that a reply means the same by either transport.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from harness.backends.http.errors import MAX_REPLY_CHARS, one_line
from harness.core.types import JSON

MAX_REPLY_BYTES = 4 * MAX_REPLY_CHARS
"""Reading stops here, so that no reply fills the memory. A character takes at most four bytes in UTF-8."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class HTTPResponse:
    """A response of any status: header names in lower case, the body decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class TransportError(Exception):
    """No reply: no server, unknown host, broken connection, or a reply that is not HTTP."""


class TooLargeError(Exception):
    """A reply longer than `MAX_REPLY_BYTES`."""

    def __init__(self) -> None:
        super().__init__(f"a reply of more than {MAX_REPLY_BYTES:,} bytes, which is the limit")


class Transport(Protocol):
    """A client of one server. Sends each call once; callers set timeouts and retry.

    Calls raise `TransportError` and `TooLargeError`, and `TimeoutError` if the transport has its own limit.
    """

    url: str
    """The server's address, without user and password."""
    host: str
    """The server's host name."""
    secrets: tuple[str, ...]
    """Keys and passwords of requests, which no message may contain."""

    async def get(self, path: str) -> HTTPResponse:
        """Fetch `path`, relative to the address, or to the server's root if it starts with `/`."""
        ...

    async def post(self, path: str, body: Mapping[str, JSON]) -> HTTPResponse:
        """Send `body` to `path`, `chat/completions` or `embeddings`; raises `ValueError` if it is not valid JSON."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


def encoded(body: Mapping[str, JSON]) -> bytes:
    """The body as JSON in UTF-8; raises `ValueError` for NaN and lone surrogates, which JSON cannot hold."""
    return _encode(body).encode()


class Decompressor:
    """Decompresses a body chunk by chunk; raises `TooLargeError` for a chunk that expands beyond the limit."""

    def __init__(self, encoding: str) -> None:
        """Raises `TransportError` for an encoding that was not requested."""
        if encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            msg = f"a reply in the encoding {one_line(encoding, 40)!r}, which was not requested"
            raise TransportError(msg)
        self._compressed = encoding not in ("", "identity")
        self._may_be_raw = encoding == "deflate"
        self._decompressor: Any = None

    def feed(self, chunk: bytes) -> bytes:
        """Decompress a chunk; raises `TransportError` for invalid data, and `TooLargeError`."""
        if not self._compressed or not chunk:
            return chunk
        if self._decompressor is None:
            # deflate means zlib's format, but some servers send the raw stream, which never starts like zlib's.
            is_raw = self._may_be_raw and chunk[0] & 0x0F != zlib.DEFLATED
            self._decompressor = zlib.decompressobj(-zlib.MAX_WBITS if is_raw else zlib.MAX_WBITS | 32)
        try:
            plain: bytes = self._decompressor.decompress(chunk, MAX_REPLY_BYTES + 1)
        except zlib.error as error:
            msg = f"a reply that cannot be decompressed: {error}"
            raise TransportError(msg) from None
        if len(plain) > MAX_REPLY_BYTES:
            raise TooLargeError
        return plain

    def end(self) -> None:
        """Mark the end of the body; raises `TransportError` if data is missing."""
        if self._compressed and (self._decompressor is None or not self._decompressor.eof):
            msg = "a reply that cannot be decompressed: it ends too early"
            raise TransportError(msg)
