"""What the two ways to a server of the OpenAI protocol have in common: a reply, and what can go wrong on the way to it.

`_sdk` is the way to api.openai.com, `_lean` the way to a server of one's own. What a reply means is read from its bytes
by the backend, so that it is the same whichever way it came.
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
"""UTF-8 takes at most four bytes for a character. Reading stops here, so that no reply fills the memory."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class HTTPResponse:
    """What a server sent: any status, the headers by their names in lower case, the body without its compression."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class TransportError(Exception):
    """No reply: nobody listens, no such host, the connection broke off, or what came is no HTTP."""


class TooLargeError(Exception):
    """A reply of more bytes than are read."""

    def __init__(self) -> None:
        super().__init__(f"a reply of more than {MAX_REPLY_BYTES:,} bytes: no more are read")


class Transport(Protocol):
    """A way to one server. Every call is made once: to repeat one is the engine's business.

    Raises `TransportError`, `TooLargeError`, and `TimeoutError` where it has its own limit. How long to wait is the
    caller's business too.
    """

    url: str
    """The address of the server as it may be shown."""
    host: str
    """Its name, to tell whose it is."""
    secrets: tuple[str, ...]
    """What is sent and must stand in no message."""

    async def get(self, path: str) -> HTTPResponse:
        """Fetch `path`, below the address; one that starts with `/` is below the server's root."""
        ...

    async def post(self, path: str, body: Mapping[str, JSON]) -> HTTPResponse:
        """Send `body` to `path`, `chat/completions` or `embeddings`; `ValueError` where no JSON can hold it."""
        ...

    async def close(self) -> None:
        """Hang up."""
        ...


def encoded(body: Mapping[str, JSON]) -> bytes:
    """The body of a request; raises `ValueError` for NaN and for half a character, which no JSON in UTF-8 can hold."""
    return _encode(body).encode()


class Decompressor:
    """Undoes a `content-encoding`, piece by piece; no piece becomes more than is read, however small it was."""

    def __init__(self, encoding: str) -> None:
        """Raises `TransportError` for an encoding that was not asked for."""
        if encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            msg = f"a reply in the encoding {one_line(encoding, 40)!r}, which was not asked for"
            raise TransportError(msg)
        self._packed = encoding not in ("", "identity")
        self._may_be_bare = encoding == "deflate"
        self._unpacking: Any = None

    def feed(self, piece: bytes) -> bytes:
        """What a piece says; raises `TransportError` where it does not unpack, and `TooLargeError`."""
        if not self._packed or not piece:
            return piece
        if self._unpacking is None:
            # deflate means zlib's format, but some servers send the bare stream, which never starts like zlib's
            bare = self._may_be_bare and piece[0] & 0x0F != zlib.DEFLATED
            self._unpacking = zlib.decompressobj(-zlib.MAX_WBITS if bare else zlib.MAX_WBITS | 32)
        try:
            plain: bytes = self._unpacking.decompress(piece, MAX_REPLY_BYTES + 1)
        except zlib.error as error:
            msg = f"a reply that does not unpack: {error}"
            raise TransportError(msg) from None
        if len(plain) > MAX_REPLY_BYTES:
            raise TooLargeError
        return plain

    def end(self) -> None:
        """Say that there is no more; raises `TransportError` where there should be."""
        if self._packed and (self._unpacking is None or not self._unpacking.eof):
            msg = "a reply that does not unpack: it ends too early"
            raise TransportError(msg)
