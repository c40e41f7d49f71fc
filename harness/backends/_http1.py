"""One connection that speaks HTTP/1.1 as a client: a request out, a whole reply in.

Ours, because of what general clients do with a reply that nobody asked for: kept in a pooled connection, it becomes the
answer to the next request, and from there on every case gets the answer of the one before. Here a connection on which
anything unexpected arrives is closed. It also costs less than they do (docs/performance.md).
Parsing is httptools' (llhttp, as in Node.js).
"""

from __future__ import annotations

import asyncio
import select
from typing import cast

import httptools

from harness.backends._http import one_line
from harness.backends._transport import MAX_REPLY_BYTES, LostError, Reply, TooLargeError, decoded

HEAD_BYTES = 65_536
"""What status line, headers and the framing of chunks may take beside the body."""


class Connection(asyncio.Protocol):
    """Asks one thing at a time. Whatever goes wrong, or is cancelled, ends it: it is then not `usable`."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.lost = asyncio.get_running_loop().create_future()
        self._waiter: asyncio.Future[Reply] | None = None
        self._poll: select.poll | None = None
        self._begin()

    async def ask(self, request: bytes, *, head_only: bool = False) -> Reply:
        """Send a whole request and wait for its reply. `head_only`: the body belongs to somebody else (CONNECT)."""
        if self.transport is None or self.transport.is_closing():
            msg = "the server hung up"
            raise LostError(msg)
        self._begin(head_only=head_only)
        self._waiter = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        try:
            return await self._waiter
        except asyncio.CancelledError:
            self.abort()  # the reply is still to come, and must not become that of the next request
            raise
        finally:
            self._waiter = None

    def usable(self) -> bool:
        """Whether another request may go this way: nothing has arrived since the last reply, not even an end."""
        if self.transport is None or self.transport.is_closing():
            return False
        return self._poll is None or not self._poll.poll(0)

    def abort(self) -> None:
        """Close at once."""
        if self.transport is not None:
            self.transport.abort()

    def _begin(self, *, head_only: bool = False) -> None:
        """Forget the last reply."""
        self._parser = httptools.HttpResponseParser(self)
        self._head_only = head_only
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._received = 0
        self._keep = self._to_the_end = self._complete = False

    # What the event loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        socket = transport.get_extra_info("socket")
        # the loop may not have had the time to tell that the server hung up; Windows has no poll
        if hasattr(select, "poll") and socket is not None:
            self._poll = select.poll()
            self._poll.register(socket.fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        if self._waiter is None or self._waiter.done():
            self.abort()  # nobody asked
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(LostError(f"no HTTP reply: {one_line(error, 80)}"))
        if self._received > MAX_REPLY_BYTES + HEAD_BYTES:
            self._fail(TooLargeError())

    def connection_lost(self, exc: Exception | None) -> None:
        if self._to_the_end and exc is None and not self._complete:
            self._finish()
        begun = " in the middle of a reply" if self._received else ""
        self._fail(LostError(f"the server hung up{begun}" + (f" ({one_line(exc, 80)})" if exc else "")))
        self.transport = None
        if not self.lost.done():
            self.lost.set_result(None)

    # What the parser tells

    def on_message_begin(self) -> None:
        if self._complete:
            self.abort()  # a second reply to one request

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._complete:
            return
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        if self._complete or 100 <= (status := self._parser.get_status_code()) < 200:
            return
        self._keep = self._parser.should_keep_alive()
        length = self._headers.get("content-length")
        self._to_the_end = length is None and "transfer-encoding" not in self._headers
        if self._head_only:
            self._answer(Reply(status, self._headers, b""))
        elif length is not None and length.isdigit() and int(length) > MAX_REPLY_BYTES:
            self._fail(TooLargeError())

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if 100 <= self._parser.get_status_code() < 200:
            self._headers = {}  # the real one follows
        elif not self._complete:
            self._finish()
            if not self._keep:
                self.abort()

    def _finish(self) -> None:
        try:
            body = decoded(b"".join(self._body), self._headers.get("content-encoding", "").strip().lower())
        except (LostError, TooLargeError) as error:
            self._fail(error)
        else:
            self._answer(Reply(self._parser.get_status_code(), self._headers, body))

    def _answer(self, reply: Reply) -> None:
        self._complete = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(reply)

    def _fail(self, error: Exception) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)
        self.abort()
