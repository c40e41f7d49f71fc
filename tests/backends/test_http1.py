"""One connection, fed by hand: however the bytes of a reply arrive it is the same reply, and nothing leaves it waiting."""

from __future__ import annotations

import asyncio
import gzip
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from harness.backends._http1 import Connection
from harness.backends._transport import LostError, Reply, TooLargeError

from ..support.wire import chunked, reply

BODY = b'{"choices": [{"message": {"content": "na\xc3\xafve"}}]}'
WHOLE = [
    reply(BODY, "X-Left: 1", "x-left: 2"),
    reply(chunked(BODY[:7], BODY[7:]), "transfer-encoding: chunked", "X-Left: 1", "x-left: 2"),
    b"HTTP/1.1 100 Continue\r\n\r\n" + reply(gzip.compress(BODY, mtime=0), "content-encoding: gzip", "x-left: 1, 2"),
    b"HTTP/1.1 200 OK\r\nx-left: 1, 2\r\n\r\n" + BODY,
]


class Line(asyncio.Transport):
    """A transport that goes nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False
        self.sent = b""

    def write(self, data: Any) -> None:
        self.sent += data

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def answer_to(*parts: bytes, end: bool) -> tuple[Reply | Exception | None, bool]:
    """What a request gets, and whether the connection can be used again; `None`: it still waits."""

    async def talk() -> tuple[Reply | Exception | None, bool]:
        connection, line = Connection(), Line()
        connection.connection_made(line)
        asked = asyncio.create_task(connection.ask(b"request"))
        await asyncio.sleep(0)
        for part in parts:
            if not line.closed:
                connection.data_received(part)
        usable = connection.usable()
        if end or line.closed:
            connection.connection_lost(None)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if not asked.done():
            asked.cancel()
            return None, usable
        return asked.exception() or asked.result(), usable  # type: ignore[return-value]

    return asyncio.run(talk())


@given(st.sampled_from(WHOLE), st.lists(st.integers(1, 200), max_size=8))
def test_a_reply_is_the_same_in_whatever_pieces_it_arrives(whole: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(cut for cut in cuts if cut < len(whole)), len(whole)]
    pieces = [whole[a:b] for a, b in pairwise(places) if a < b]
    found, _ = answer_to(*pieces, end=True)
    assert isinstance(found, Reply)
    assert (found.status, found.body, found.headers["x-left"]) == (200, BODY, "1, 2")


@given(st.sampled_from(WHOLE[:3]), st.integers(0, 400))
def test_a_reply_that_ends_early_is_lost_and_never_half_a_reply(whole: bytes, cut: int) -> None:
    found, _ = answer_to(whole[: min(cut, len(whole) - 1)], end=True)
    assert isinstance(found, LostError)


@given(st.lists(st.binary(min_size=1, max_size=40) | st.sampled_from([*WHOLE, b"HTTP/1.1 ", b"\r\n\r\n"]), max_size=6))
def test_whatever_arrives_nobody_is_left_waiting_once_it_has_ended(parts: list[bytes]) -> None:
    found, _ = answer_to(*parts, end=True)
    assert isinstance(found, Reply | LostError | TooLargeError)


LEFT = st.binary(min_size=1, max_size=40).filter(lambda rest: rest.strip(b"\r\n"))  # blank lines say nothing


@given(st.sampled_from(WHOLE[:3]), LEFT | st.sampled_from(WHOLE))
def test_a_connection_with_something_left_on_it_is_not_used_again(whole: bytes, rest: bytes) -> None:
    assert answer_to(whole, end=False)[1]
    for parts in ((whole + rest,), (whole, rest)):
        found, usable = answer_to(*parts, end=False)
        assert isinstance(found, Reply)
        assert (found.body, found.headers["x-left"], usable) == (BODY, "1, 2", False)


def test_a_request_that_is_given_up_hangs_up_so_that_the_server_can_stop_writing() -> None:
    async def talk() -> bool:
        connection, line = Connection(), Line()
        connection.connection_made(line)
        asked = asyncio.create_task(connection.ask(b"request"))
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.wait([asked])
        return line.closed

    assert asyncio.run(talk())


def test_a_connection_on_which_something_arrives_before_anything_was_asked_is_closed() -> None:
    async def talk() -> bool:
        connection, line = Connection(), Line()
        connection.connection_made(line)
        connection.data_received(WHOLE[0])
        return connection.usable()

    assert not asyncio.run(talk())
