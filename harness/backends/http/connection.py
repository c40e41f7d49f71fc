"""One HTTP/1.1 client connection: sends a request, returns its reply, whole or as a stream.

General clients keep an unexpected reply in a pooled connection and return it for the next request. Each case would then
get the reply of the case before. This connection closes on any unexpected data. It is faster too
(docs/evidence/performance.md). The parser is httptools (llhttp, as in Node.js).
"""

from __future__ import annotations

import asyncio
import select
from collections import deque
from typing import cast

import httptools

from harness.backends.http.errors import one_line
from harness.backends.http.transport import MAX_REPLY_BYTES, Decompressor, HTTPResponse, TooLargeError, TransportError

HEAD_BYTES = 65_536
"""Limit of the bytes beside the body: status line, headers, chunk framing."""
EVENTS = "text/event-stream"
MAX_STREAM_BYTES = 64_000_000
"""Limit of a decompressed stream. A token takes about 300 bytes, so no model writes that much."""
MAX_LINE_BYTES = 4_000_000
"""Limit of a line of a stream: parsers of event streams buffer whole lines."""
AHEAD_BYTES = 262_144
"""Limit of the unread bytes of a stream; beyond it the server has to wait."""


class HTTPConnection(asyncio.Protocol):
    """Sends one request at a time. A failure or a cancellation closes it; `is_reusable` is then false."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.lost = asyncio.get_running_loop().create_future()
        self._waiter: asyncio.Future[HTTPResponse] | None = None
        self._more: asyncio.Future[None] | None = None
        self._poll: select.poll | None = None
        self._begin()
        self._is_waiting = False

    async def request(self, data: bytes, *, head_only: bool = False, events: bool = False) -> HTTPResponse:
        """Send a whole request and wait for its reply.

        `head_only`: the data after the head is not HTTP (CONNECT). `events`: return an event stream at its head;
        `read_chunk` then reads its body. Raises `TransportError` and `TooLargeError`.
        """
        if self.transport is None or self.transport.is_closing():
            msg = "the server closed the connection"
            raise TransportError(msg)
        self._begin(head_only=head_only, events=events)
        self._waiter = asyncio.get_running_loop().create_future()
        self.transport.write(data)
        try:
            return await self._waiter
        except asyncio.CancelledError:
            self.abort()  # otherwise the next request would get this reply
            raise
        finally:
            self._waiter = None

    async def read_chunk(self) -> bytes:
        """The next bytes of a stream, `b""` at its end. Call from one task, and not after a failure."""
        if not self._body and self._is_waiting:
            self._more = more = asyncio.get_running_loop().create_future()
            try:
                await more
            except asyncio.CancelledError:
                self.abort()
                raise
        if self._body:
            plain = self._body.popleft()
            self._ahead -= len(plain)
            if self.transport is not None and self._ahead < AHEAD_BYTES:
                self.transport.resume_reading()
            return plain
        if self._failure is not None:
            raise self._failure
        return b""

    @property
    def streams(self) -> bool:
        """Whether the last reply is a stream, read by `read_chunk`."""
        return self._streams

    def is_reusable(self) -> bool:
        """Whether another request can be sent: no data and no end has arrived since the last reply."""
        if self.transport is None or self.transport.is_closing() or self._is_waiting:
            return False
        return self._poll is None or not self._poll.poll(0)

    def abort(self) -> None:
        """Close at once."""
        if self.transport is not None:
            self.transport.abort()

    def _begin(self, *, head_only: bool = False, events: bool = False) -> None:
        """Reset the state of the last reply."""
        self._parser = httptools.HttpResponseParser(self)
        self._head_only = head_only
        self._events = events
        self._headers: dict[str, str] = {}
        self._body: deque[bytes] = deque()
        self._received = self._plain = self._line = self._ahead = 0
        self._most = MAX_REPLY_BYTES
        self._failure: Exception | None = None
        self._decompressor = Decompressor("")
        self._keep_alive = self._ends_with_connection = self._streams = False
        self._is_waiting = True

    # Callbacks of the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of `asyncio.Protocol`."""
        self.transport = cast("asyncio.Transport", transport)
        socket = transport.get_extra_info("socket")
        # The loop may not have reported yet that the server closed the connection. Windows has no poll.
        if hasattr(select, "poll") and socket is not None:
            self._poll = select.poll()
            self._poll.register(socket.fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        """Part of `asyncio.Protocol`."""
        if not self._is_waiting:
            self.abort()  # no request is open
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(TransportError(f"not an HTTP reply: {one_line(error, 80)}"))
        if self._received > self._most + HEAD_BYTES:
            self._fail(TooLargeError())

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of `asyncio.Protocol`."""
        if self._ends_with_connection and exc is None and self._is_waiting:
            self._finish()
        begun = " in the middle of a reply" if self._received else ""
        self._fail(
            TransportError(f"the server closed the connection{begun}" + (f" ({one_line(exc, 80)})" if exc else ""))
        )
        self.transport = None
        if not self.lost.done():
            self.lost.set_result(None)

    # Callbacks of the parser

    def on_message_begin(self) -> None:
        """Callback of httptools."""
        if not self._is_waiting:
            self.abort()  # a second reply to one request

    def on_header(self, name: bytes, value: bytes) -> None:
        """Callback of httptools."""
        if self._streams or not self._is_waiting:
            return  # trailers after the last chunk
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        """Callback of httptools."""
        if not self._is_waiting or 100 <= (status := self._parser.get_status_code()) < 200:
            return
        self._keep_alive = self._parser.should_keep_alive()
        length = self._headers.get("content-length")
        self._ends_with_connection = length is None and "transfer-encoding" not in self._headers
        try:
            self._decompressor = Decompressor(self._headers.get("content-encoding", "").strip().lower())
        except TransportError as error:
            self._fail(error)
            return
        if self._head_only:
            self._is_waiting = False
            self._resolve(HTTPResponse(status, self._headers, b""))
        elif self._events and status == 200 and self._headers.get("content-type", "").lower().startswith(EVENTS):
            self._streams, self._most = True, MAX_STREAM_BYTES
            self._resolve(HTTPResponse(status, self._headers, b""))
        elif length is not None and length.isdigit() and int(length) > MAX_REPLY_BYTES:
            self._fail(TooLargeError())

    def on_body(self, body: bytes) -> None:
        """Callback of httptools."""
        if not self._is_waiting:
            return  # belongs to a second reply
        if not self._streams:
            self._body.append(body)
            return
        try:
            plain = self._decompressor.feed(body)
        except (TransportError, TooLargeError) as error:
            self._fail(error)
            return
        if plain:
            self._body.append(plain)
            self._ahead += len(plain)
            self._plain += len(plain)
            last = plain.rfind(b"\n")
            self._line = len(plain) - 1 - last if last >= 0 else self._line + len(plain)
            if self._plain > MAX_STREAM_BYTES or self._line > MAX_LINE_BYTES:
                self._fail(TooLargeError())
                return
            if self._ahead > AHEAD_BYTES and self.transport is not None:
                self.transport.pause_reading()
            self._wake()

    def on_message_complete(self) -> None:
        """Callback of httptools."""
        if 100 <= self._parser.get_status_code() < 200:
            self._headers = {}  # the final response follows
        elif self._is_waiting:
            self._finish()
            if not self._keep_alive:
                self.abort()

    def _finish(self) -> None:
        try:
            body = b"" if self._streams else self._decompressor.feed(b"".join(self._body))
            self._decompressor.end()
        except (TransportError, TooLargeError) as error:
            self._fail(error)
            return
        self._is_waiting = False
        if self._streams:
            self._wake()
        else:
            self._resolve(HTTPResponse(self._parser.get_status_code(), self._headers, body))

    def _resolve(self, reply: HTTPResponse) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(reply)

    def _fail(self, error: Exception) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)
        elif self._is_waiting and self._failure is None:
            self._failure = error
            self._wake()
        self._is_waiting = False
        self.abort()

    def _wake(self) -> None:
        """Wake the reader of the stream."""
        if self._more is not None and not self._more.done():
            self._more.set_result(None)
