"""One connection without a socket: replies do not depend on their chunks, and no request waits forever."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.backends.http import connection as _http1
from harness.backends.http.connection import HTTPConnection
from harness.backends.http.transport import HTTPResponse, TooLargeError, TransportError

from ...support.wire import chunked, reply

BODY = b'{"choices": [{"message": {"content": "na\xc3\xafve"}}]}'
WHOLE = [
    reply(BODY, "X-Left: 1", "x-left: 2"),
    reply(chunked(BODY[:7], BODY[7:]), "transfer-encoding: chunked", "X-Left: 1", "x-left: 2"),
    b"HTTP/1.1 100 Continue\r\n\r\n" + reply(gzip.compress(BODY, mtime=0), "content-encoding: gzip", "x-left: 1, 2"),
    b"HTTP/1.1 200 OK\r\nx-left: 1, 2\r\n\r\n" + BODY,
]


class Line(asyncio.Transport):
    """A transport that discards its data."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = self.paused = False
        self.sent = b""

    def write(self, data: Any) -> None:
        self.sent += data

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


def answer_to(*parts: bytes, end: bool) -> tuple[HTTPResponse | Exception | None, bool]:
    """Return the result of a request (`None` while it waits), and whether the connection is reusable."""

    async def talk() -> tuple[HTTPResponse | Exception | None, bool]:
        connection, line = HTTPConnection(), Line()
        connection.connection_made(line)
        asked = asyncio.create_task(connection.request(b"request"))
        await asyncio.sleep(0)
        for part in parts:
            if not line.closed:
                connection.data_received(part)
        reusable = connection.is_reusable()
        if end or line.closed:
            connection.connection_lost(None)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if not asked.done():
            asked.cancel()
            return None, reusable
        return asked.exception() or asked.result(), reusable  # type: ignore[return-value]

    return asyncio.run(talk())


@given(st.sampled_from(WHOLE), st.lists(st.integers(1, 200), max_size=8))
def test_reply_is_independent_of_its_chunks(whole: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(cut for cut in cuts if cut < len(whole)), len(whole)]
    pieces = [whole[a:b] for a, b in pairwise(places) if a < b]
    found, _ = answer_to(*pieces, end=True)
    assert isinstance(found, HTTPResponse)
    assert (found.status, found.body, found.headers["x-left"]) == (200, BODY, "1, 2")


@given(st.sampled_from(WHOLE[:3]), st.integers(0, 400))
def test_truncated_reply_is_lost_and_never_partial(whole: bytes, cut: int) -> None:
    found, _ = answer_to(whole[: min(cut, len(whole) - 1)], end=True)
    assert isinstance(found, TransportError)


@given(st.lists(st.binary(min_size=1, max_size=40) | st.sampled_from([*WHOLE, b"HTTP/1.1 ", b"\r\n\r\n"]), max_size=6))
def test_no_request_waits_after_the_connection_ended(parts: list[bytes]) -> None:
    found, _ = answer_to(*parts, end=True)
    assert isinstance(found, HTTPResponse | TransportError | TooLargeError)


LEFT = st.binary(min_size=1, max_size=40).filter(lambda rest: rest.strip(b"\r\n"))  # blank lines are ignored


@given(st.sampled_from(WHOLE[:3]), LEFT | st.sampled_from(WHOLE))
def test_connection_with_leftover_data_is_not_reused(whole: bytes, rest: bytes) -> None:
    assert answer_to(whole, end=False)[1]
    for parts in ((whole + rest,), (whole, rest)):
        found, reusable = answer_to(*parts, end=False)
        assert isinstance(found, HTTPResponse)
        assert (found.body, found.headers["x-left"], reusable) == (BODY, "1, 2", False)


def test_cancelled_request_closes_its_connection() -> None:
    async def talk() -> bool:
        connection, line = HTTPConnection(), Line()
        connection.connection_made(line)
        asked = asyncio.create_task(connection.request(b"request"))
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.wait([asked])
        return line.closed

    assert asyncio.run(talk())


def test_data_before_a_request_closes_the_connection() -> None:
    async def talk() -> bool:
        connection, line = HTTPConnection(), Line()
        connection.connection_made(line)
        connection.data_received(WHOLE[0])
        return connection.is_reusable()

    assert not asyncio.run(talk())


# Event streams


def streamed(*parts: bytes, end: bool) -> tuple[bytes | Exception | None, bool]:
    """Return the data or the error of a stream (`None` before its end), and whether the connection is reusable."""

    async def talk() -> tuple[bytes | Exception | None, bool]:
        connection, line = HTTPConnection(), Line()
        connection.connection_made(line)
        asked = asyncio.create_task(connection.request(b"request", events=True))
        await asyncio.sleep(0)
        for part in parts:
            if not line.closed:
                connection.data_received(part)
        reusable = connection.is_reusable()
        if end or line.closed:
            connection.connection_lost(None)
        try:
            async with asyncio.timeout(0.05):
                assert (await asked).body == b""
                assert connection.streams
                return b"".join([chunk async for chunk in _chunks(connection)]), reusable
        except (TransportError, TooLargeError) as error:
            return error, reusable
        except TimeoutError:
            return None, reusable

    return asyncio.run(talk())


async def _chunks(connection: HTTPConnection) -> AsyncIterator[bytes]:
    while chunk := await connection.read_chunk():
        yield chunk


EVENT = b'data: {"choices": [{"delta": {"content": "na\xc3\xafve"}}]}\n\n'
TYPE = "content-type: text/event-stream; charset=utf-8"


def events(body: bytes, *headers: str) -> bytes:
    return reply(body, *headers).replace(b"content-type: application/json", TYPE.encode())


PACKED = gzip.compress(EVENT * 2, mtime=0)
STREAMS = [
    events(chunked(EVENT, EVENT), "transfer-encoding: chunked"),
    events(chunked(PACKED[:9], PACKED[9:]), "transfer-encoding: chunked", "content-encoding: gzip"),
    events(EVENT * 2),
]


@given(st.sampled_from(STREAMS), st.lists(st.integers(1, 300), max_size=8))
def test_stream_is_independent_of_its_chunks(whole: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(cut for cut in cuts if cut < len(whole)), len(whole)]
    pieces = [whole[a:b] for a, b in pairwise(places) if a < b]
    assert streamed(*pieces, end=False) == (EVENT * 2, True)


@given(st.sampled_from(STREAMS), st.integers(0, 400))
def test_truncated_stream_raises_an_error(whole: bytes, cut: int) -> None:
    found, reusable = streamed(whole[: min(cut, len(whole) - 1)], end=True)
    assert isinstance(found, TransportError)
    assert not reusable


@given(st.sampled_from(STREAMS), LEFT | st.sampled_from(WHOLE))
def test_data_left_after_a_stream_closes_the_connection(whole: bytes, rest: bytes) -> None:
    for parts in ((whole + rest,), (whole, rest)):
        assert streamed(*parts, end=False) == (EVENT * 2, False)


def test_stream_without_length_ends_with_the_connection() -> None:
    head = f"HTTP/1.1 200 OK\r\n{TYPE}\r\n\r\n".encode()
    assert streamed(head, EVENT, EVENT, end=True)[0] == EVENT * 2
    assert streamed(head, EVENT, EVENT, end=False)[0] is None


def test_gzip_bomb_ends_a_stream() -> None:
    bomb = gzip.compress(b" " * 20_000_000, mtime=0)
    found, _ = streamed(events(bomb, "content-encoding: gzip"), end=False)
    assert isinstance(found, TooLargeError)


def test_event_stream_is_buffered_without_stream_option() -> None:
    for whole in STREAMS:
        found, reusable = answer_to(whole, end=False)
        assert isinstance(found, HTTPResponse)
        assert (found.body, reusable) == (EVENT * 2, True)


def test_stream_read_ahead_is_bounded() -> None:
    async def talk() -> list[bool]:
        connection, line = HTTPConnection(), Line()
        connection.connection_made(line)
        asked = asyncio.create_task(connection.request(b"request", events=True))
        await asyncio.sleep(0)
        connection.data_received(f"HTTP/1.1 200 OK\r\n{TYPE}\r\n\r\n".encode())
        await asked
        states = [line.paused]
        for _ in range(3):
            connection.data_received(b" " * 100_000)
        states.append(line.paused)
        await connection.read_chunk()
        return [*states, line.paused]

    assert asyncio.run(talk()) == [False, True, False]


def test_abandoned_stream_closes_its_connection() -> None:
    async def talk() -> bool:
        connection, line = HTTPConnection(), Line()
        connection.connection_made(line)
        asked = asyncio.create_task(connection.request(b"request", events=True))
        await asyncio.sleep(0)
        connection.data_received(f"HTTP/1.1 200 OK\r\n{TYPE}\r\n\r\n".encode())
        await asked
        waiting = asyncio.create_task(connection.read_chunk())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        return line.closed

    assert asyncio.run(talk())


@pytest.mark.parametrize(("name", "event"), [("MAX_STREAM_BYTES", EVENT), ("MAX_LINE_BYTES", b" " * 64)])
def test_endless_stream_or_line_is_too_large(monkeypatch: pytest.MonkeyPatch, name: str, event: bytes) -> None:
    monkeypatch.setattr(_http1, name, 200)
    head = f"HTTP/1.1 200 OK\r\n{TYPE}\r\n\r\n".encode()
    assert streamed(head, *[event] * 3, end=True)[0] == event * 3
    found, reusable = streamed(head, *[event] * 4, end=True)
    assert isinstance(found, TooLargeError)
    assert not reusable
