"""Faults of the server: on the wire and in its replies, permanently or for a while."""

from __future__ import annotations

import gzip
import io
import time
from collections.abc import Callable

from _faulty_server import MODEL, Question, Serve, Wire, completion, healthy, http, said

Trouble = Callable[[Question, Wire], None]
BOMB_BYTES = 1_000_000_000


def some(trouble: Trouble, *, after: int = 0) -> Serve:
    """Apply a fault to one case in ten always, and to another one in ten at its first request."""

    def serve(question: Question, wire: Wire) -> None:
        always, at_first = question.number % 10 == 3, question.number % 10 == 7 and question.time == 1
        meets = question.place > after and (always or at_first)
        (trouble if meets else healthy)(question, wire)

    return serve


def for_a_while(trouble: Trouble, seconds: float, *, after: int) -> Serve:
    """Apply a fault to all requests for `seconds`, after the first `after` requests."""
    began: list[float] = []

    def serve(question: Question, wire: Wire) -> None:
        if question.place <= after:
            healthy(question, wire)
            return
        began.append(time.monotonic())
        (trouble if began[-1] < began[0] + seconds else healthy)(question, wire)

    return serve


def from_then_on(trouble: Trouble, *, after: int) -> Serve:
    """Apply a fault to all requests after the first `after`."""
    return for_a_while(trouble, float("inf"), after=after)


# On the wire


def before_answering(_: Question, wire: Wire) -> None:
    wire.reset()


def closes(_: Question, wire: Wire) -> None:
    wire.close()


def after_headers(question: Question, wire: Wire) -> None:
    wire.send(http(completion(said(question.number))).partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
    wire.close()


def mid_body(question: Question, wire: Wire) -> None:
    wire.send(http(completion(said(question.number)))[:-60])
    wire.reset()


def mid_chunk(question: Question, wire: Wire) -> None:
    body = completion(said(question.number))
    wire.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
    wire.send(b"%x\r\n%b" % (len(body), body))  # all of the JSON, and no end of the reply
    wire.close()


def after_each_reply(_: Question, wire: Wire) -> None:
    """Promise keep-alive and close the connection."""
    wire.answer()
    wire.close()


def idle_goodbye(_: Question, wire: Wire) -> None:
    """Reply, then send an unrequested 408 for the idle connection, as some proxies do."""
    wire.answer()
    wire.send(http(b"", "408 Request Timeout", connection="close"))
    wire.close()


def hangs(_: Question, wire: Wire) -> None:
    wire.wait(600)


def drips(question: Question, wire: Wire) -> None:
    """Send a byte now and then: never silent for long, never finished."""
    for byte in http(completion(said(question.number))):
        wire.send(bytes([byte]))
        wire.wait(0.15)


# Replies


def page(_: Question, wire: Wire) -> None:
    body = b"<html><body><h1>billing</h1>technical difficulties in general</body></html>"
    wire.send(http(body, content_type="text/html"))


def half_json(question: Question, wire: Wire) -> None:
    wire.send(http(completion(said(question.number))[:-90]))


def nothing(_: Question, wire: Wire) -> None:
    wire.send(http(b""))


def error_as_200(_: Question, wire: Wire) -> None:
    wire.send(http(b'{"error": {"message": "upstream failed", "code": 502}}'))


def wrong_encoding(_: Question, wire: Wire) -> None:
    wire.send(http(completion("billing?").replace(b"?", b"\xe9\xff"), content_type="application/json; charset=latin-1"))


def other_charset(_: Question, wire: Wire) -> None:
    wire.send(http(completion("billing").decode().encode("utf-16-le")))


def large(_: Question, wire: Wire) -> None:
    wire.send(http(completion("billing " * 6_250_000)))


def endless(_: Question, wire: Wire) -> None:
    """Send an endless reply without a length."""
    wire.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n")
    for _ in range(2_000):
        wire.send(b" " * 1_000_000)


def bomb() -> Trouble:
    """Return a reply of one megabyte that unpacks to a thousand."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb") as file:
        head, _, tail = completion("|").partition(b"|")
        file.write(head)
        for _ in range(BOMB_BYTES // 1_000_000):
            file.write(b"x" * 1_000_000)
        file.write(tail)
    reply = http(packed.getvalue(), content_encoding="gzip")
    return lambda _, wire: wire.send(reply)


def not_gzip(question: Question, wire: Wire) -> None:
    wire.send(http(completion(said(question.number)), content_encoding="gzip"))


def one_too_many(question: Question, wire: Wire) -> None:
    """Send a second, unrequested reply, which must not count as the answer to the next request."""
    stray = http(completion("general"))
    wire.wait(wire.server.latency_s)
    wire.counted(http(completion(said(question.number))) + stray, said(question.number))


def too_short_a_length(question: Question, wire: Wire) -> None:
    """Announce a length that is too short; the rest stays on the connection."""
    body = completion(said(question.number))
    wire.send(http(body, content_length=str(len(body) - 40)))


def too_long_a_length(question: Question, wire: Wire) -> None:
    body = completion(said(question.number))
    wire.send(http(body, content_length=str(len(body) + 40)))
    wire.wait(600)


def no_http(_: Question, wire: Wire) -> None:
    wire.send(b"\x15\x03\x01\x00\x02\x02\x28 billing")
    wire.close()


def another_model(question: Question, wire: Wire) -> None:
    """Reply as another model from case 60, with ids of other replies."""
    name = MODEL if question.number < 60 else "faulty-2"
    wire.answer(model=name, reply_id=f"faulty-{question.number % 2}")


# Refusals


def refuses(status: str, **headers: str) -> Trouble:
    body = b'{"error": {"message": "not now", "type": "overloaded"}}'
    return lambda _, wire: wire.send(http(body, status, **headers))
