"""Both HTTP clients over raw sockets: size limits, decompression, and the end of a reply."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Mapping
from typing import Any

import pytest

from harness.backends.http.transport import MAX_REPLY_BYTES
from harness.backends.providers import openai

from ...support.backend_calls import configured, request
from ...support.protocol import error_of, texts
from ...support.servers import FakeOpenAI, Reply, closing
from ...support.servers import error as refusal
from ...support.wire import chunked, reply, wire
from .conftest import BILLING, asked, spaced

pytestmark = pytest.mark.usefixtures("way")


# Size limits


@pytest.mark.parametrize("framing", ["content-length: 50000000", "transfer-encoding: chunked", "connection: close"])
def test_reply_of_50_mb_is_read_up_to_the_limit(framing: str) -> None:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{framing}\r\n\r\n".encode()
    part = b" " * 1_000_000
    parts = [chunked(part).removesuffix(b"0\r\n\r\n")] * 50 if "chunked" in framing else [part] * 50
    with wire([head, *parts, None]) as server:
        found = error_of(asked(server)[0])
        assert (found.kind, found.retryable) == ("too_large", False)
        assert "16,000,000 bytes" in found.message
        assert server.sent < MAX_REPLY_BYTES + 12_000_000  # data in the system's socket buffers


def test_error_of_50_mb_is_read_up_to_the_limit() -> None:
    with wire([reply(b" " * 50_000_000, status="500 Internal Server Error")]) as server:
        assert error_of(asked(server)[0]).kind == "too_large"


def test_endless_headers_are_cut_off() -> None:
    endless = [b"HTTP/1.1 200 OK\r\n", *[b"x-a: " + b"x" * 1_000_000 + b"\r\n"] * 50]
    with wire([*endless, None]) as server:
        assert error_of(asked(server)[0]).kind in ("too_large", "connection")
        assert server.sent < MAX_REPLY_BYTES + 12_000_000


PACKED: Mapping[str, bytes] = {
    "gzip": gzip.compress(BILLING, mtime=0),
    "deflate": zlib.compress(BILLING),
    "Deflate": zlib.compress(BILLING, wbits=-zlib.MAX_WBITS),  # as some servers implement `deflate`
    "identity": BILLING,
}


@pytest.mark.parametrize("encoding", PACKED)
def test_compressed_reply_is_decompressed(encoding: str) -> None:
    with wire([reply(PACKED[encoding], f"content-encoding: {encoding}")]) as server:
        assert texts(asked(server, 2)) == ["billing"] * 2


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_decompression_stops_at_the_size_limit(encoding: str) -> None:
    bomb = gzip.compress(b" " * 50_000_000) if encoding == "gzip" else zlib.compress(b" " * 50_000_000)
    with wire([reply(bomb, f"content-encoding: {encoding}")]) as server:
        assert error_of(asked(server)[0]).kind == "too_large"


@pytest.mark.parametrize(
    ("body", "encoding"),
    [(BILLING, "gzip"), (gzip.compress(BILLING, mtime=0)[:40], "gzip"), (BILLING, "br"), (b"", "gzip")],
)
def test_invalid_compression_is_a_call_error(body: bytes, encoding: str) -> None:
    with wire([reply(body, f"content-encoding: {encoding}")]) as server:
        found = error_of(asked(server)[0])
        assert (found.kind, found.retryable) == ("connection", True)


def test_deeply_nested_json_is_a_call_error() -> None:
    with wire([reply(b"[" * 500_000)]) as server:
        assert error_of(asked(server)[0]).kind == "bad_reply"


# The end of a reply


def test_chunked_and_connection_ended_replies_are_whole() -> None:
    whole = BILLING
    in_chunks = reply(chunked(whole[:10], whole[10:11], whole[11:]), "transfer-encoding: chunked")
    to_the_end = b"HTTP/1.1 200 OK\r\n\r\n" + whole
    with wire([in_chunks], [to_the_end, None], [b"HTTP/1.1 100 Continue\r\n\r\n", 0.02, reply()]) as server:
        assert texts(asked(server, 3)) == ["billing"] * 3
        assert server.connections == 2


@pytest.mark.parametrize(
    "broken",
    [
        [reply(BILLING, length=len(BILLING) + 9), None],
        [reply(chunked(BILLING)[:-5], "transfer-encoding: chunked"), None],
        [b"HTTP/1.1 200 OK\r\ncontent-le", None],
        [None],
        [b"220 mail.example.org ESMTP\r\n", None],
        [reply(b"zz\r\n{}", "transfer-encoding: chunked"), None],
        [b"\x15\x03\x01\x00\x02\x02\x46", None],  # TLS where none is expected
    ],
)
def test_broken_reply_is_an_error_and_not_sent_again(broken: list[Any]) -> None:
    with wire([reply("first")], broken, [reply("third")]) as server:
        first, second, third = asked(server, 3)
        assert (first.text, third.text) == ("first", "third")
        assert (error_of(second).kind, error_of(second).retryable) == ("connection", True)
        assert len(server.requests) == 3


def test_data_beyond_content_length_is_never_a_reply() -> None:
    rest = reply("OUT OF NOWHERE")
    with wire([reply("first") + b'{"rest": 1}', 0.1], [reply("second")]) as server:
        first, second = asked(server, 2)
        assert (first.text, second.text) == ("first", "second")
    for answer in ([reply("first") + rest], [reply("first"), 0.05, rest]):
        with wire(answer, [reply("second")], [reply("third")]) as server:
            assert spaced(server, 3) == ["first", "second", "third"]


def test_headers_of_each_reply_are_reported() -> None:
    async def talk(base_url: str) -> list[Mapping[str, str]]:
        heard: list[Mapping[str, str]] = []
        backend = openai.OpenAIBackend(configured("openai", base_url))
        backend.on_headers = heard.append
        for _ in range(2):
            await backend.complete(request())
        await backend.close()
        return heard

    with closing(FakeOpenAI()) as server:
        left = {"X-RateLimit-Remaining-Requests": "7"}
        server.next(Reply(headers=left), refusal(429, X_RateLimit_Remaining_Requests="0"))
        heard = asyncio.run(talk(server.base_url))
    assert [headers["x-ratelimit-remaining-requests"] for headers in heard] == ["7", "0"]
