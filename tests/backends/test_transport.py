"""Both ways to a server, over raw sockets: what a server can do to a connection never becomes a wrong answer or a hang."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from harness import backends
from harness.backends import openai
from harness.backends._transport import MAX_REPLY_BYTES
from harness.errors import BackendUnavailable
from harness.types import CallError, Message, Response

from ..support.asking import ask, configured, identify, request
from ..support.servers import FakeOpenAI, Reply, closing, completion
from ..support.servers import error as refusal
from ..support.wire import Wire, chunked, reply, wire

pytestmark = pytest.mark.usefixtures("way")
BILLING = json.dumps(completion()).encode()


def asked(server: Wire, times: int = 1, **config: Any) -> list[Response]:
    return ask(configured("openai", server.base_url, **config), *[request()] * times)


def texts(responses: list[Response]) -> list[str]:
    assert [response.error for response in responses] == [None] * len(responses)
    return [response.text for response in responses]


def error_of(response: Response) -> CallError:
    assert response.error is not None
    assert response.text == ""
    return response.error


# How much is read


@pytest.mark.parametrize("framing", ["content-length: 50000000", "transfer-encoding: chunked", "connection: close"])
def test_of_50_mb_no_more_is_read_than_there_is_room_for(framing: str) -> None:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{framing}\r\n\r\n".encode()
    part = b" " * 1_000_000
    parts = [chunked(part).removesuffix(b"0\r\n\r\n")] * 50 if "chunked" in framing else [part] * 50
    with wire([head, *parts, None]) as server:
        found = error_of(asked(server)[0])
        assert (found.kind, found.retryable) == ("too_large", False)
        assert "16,000,000 bytes" in found.message
        assert server.sent < MAX_REPLY_BYTES + 12_000_000  # what was under way in the machine's buffers


def test_an_error_of_50_mb_is_not_read_either() -> None:
    with wire([reply(b" " * 50_000_000, status="500 Internal Server Error")]) as server:
        assert error_of(asked(server)[0]).kind == "too_large"


def test_headers_without_end_are_not_read_to_the_end() -> None:
    endless = [b"HTTP/1.1 200 OK\r\n", *[b"x-a: " + b"x" * 1_000_000 + b"\r\n"] * 50]
    with wire([*endless, None]) as server:
        assert error_of(asked(server)[0]).kind in ("too_large", "connection")
        assert server.sent < MAX_REPLY_BYTES + 12_000_000


PACKED: Mapping[str, bytes] = {
    "gzip": gzip.compress(BILLING, mtime=0),
    "deflate": zlib.compress(BILLING),
    "Deflate": zlib.compress(BILLING, wbits=-zlib.MAX_WBITS),  # as some servers understand the word
    "identity": BILLING,
}


@pytest.mark.parametrize("encoding", PACKED)
def test_a_packed_reply_is_unpacked(encoding: str) -> None:
    with wire([reply(PACKED[encoding], f"content-encoding: {encoding}")]) as server:
        assert texts(asked(server, 2)) == ["billing"] * 2


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_small_reply_that_unpacks_to_50_mb_is_not_unpacked_to_the_end(encoding: str) -> None:
    bomb = gzip.compress(b" " * 50_000_000) if encoding == "gzip" else zlib.compress(b" " * 50_000_000)
    with wire([reply(bomb, f"content-encoding: {encoding}")]) as server:
        assert error_of(asked(server)[0]).kind == "too_large"


@pytest.mark.parametrize(
    ("body", "encoding"),
    [(BILLING, "gzip"), (gzip.compress(BILLING, mtime=0)[:40], "gzip"), (BILLING, "br"), (b"", "gzip")],
)
def test_what_does_not_unpack_is_an_error_of_the_call(body: bytes, encoding: str) -> None:
    with wire([reply(body, f"content-encoding: {encoding}")]) as server:
        found = error_of(asked(server)[0])
        assert (found.kind, found.retryable) == ("connection", True)


def test_json_that_is_nested_without_end_is_no_reply() -> None:
    with wire([reply(b"[" * 500_000)]) as server:
        assert error_of(asked(server)[0]).kind == "bad_reply"


# Where a reply ends


def test_a_reply_in_chunks_and_one_that_ends_with_the_connection_are_whole() -> None:
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
def test_a_reply_that_breaks_off_is_an_error_and_the_request_is_not_sent_twice(broken: list[Any]) -> None:
    with wire([reply("first")], broken, [reply("third")]) as server:
        first, second, third = asked(server, 3)
        assert (first.text, third.text) == ("first", "third")
        assert (error_of(second).kind, error_of(second).retryable) == ("connection", True)
        assert len(server.requests) == 3


def test_a_reply_longer_than_it_says_is_cut_and_its_rest_is_nobody_s_answer() -> None:
    rest = reply("OUT OF NOWHERE")
    with wire([reply("first") + b'{"rest": 1}', 0.1], [reply("second")]) as server:
        first, second = asked(server, 2)
        assert (first.text, second.text) == ("first", "second")
    for answer in ([reply("first") + rest], [reply("first"), 0.05, rest]):
        with wire(answer, [reply("second")], [reply("third")]) as server:
            assert spaced(server, 3) == ["first", "second", "third"]


def spaced(server: Wire, times: int) -> list[str]:
    """The answers to requests with time between them, in which a server can do what it wants."""

    async def talk() -> list[str]:
        backend = backends.connect(configured("openai", server.base_url))
        said = []
        for _ in range(times):
            said.append((await backend.complete(request())).text)
            await asyncio.sleep(0.12)
        await backend.close()
        return said

    return asyncio.run(talk())


# Connections


def test_one_connection_serves_one_request_after_the_other() -> None:
    with wire([reply()]) as server:
        asked(server, 5)
        assert (server.connections, len(server.requests)) == (1, 5)


@pytest.mark.parametrize("header", ["connection: close", "x-says: nothing"])
def test_a_server_that_hangs_up_between_requests_costs_a_connection_and_no_error(header: str) -> None:
    with wire([reply("billing", header), None]) as server:
        assert spaced(server, 3) == ["billing"] * 3
        assert (server.connections, len(server.requests)) == (3, 3)


def test_a_hanging_up_that_the_loop_has_not_heard_of_yet_is_noticed() -> None:
    async def talk(server: Wire) -> list[str]:
        backend = backends.connect(configured("openai", server.base_url))
        said = []
        for _ in range(3):
            said.append((await backend.complete(request())).text)
            time.sleep(0.1)  # noqa: ASYNC251  the loop is busy while the server hangs up
        await backend.close()
        return said

    with wire([reply(), None]) as server:
        assert asyncio.run(talk(server)) == ["billing"] * 3
        assert len(server.requests) == 3


def test_a_connection_that_was_idle_for_long_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.backends._connections.IDLE_S", 0.05)
    with wire([reply()]) as server:
        assert spaced(server, 2) == ["billing"] * 2
        assert server.connections == 2


def test_there_are_as_many_connections_as_calls_at_once() -> None:
    async def talk(base_url: str) -> list[Response]:
        backend = backends.connect(configured("openai", base_url))
        try:
            return await asyncio.gather(*(backend.complete(request()) for _ in range(130)))
        finally:
            await backend.close()

    with closing(FakeOpenAI()) as server:
        server.answer = lambda _: Reply(delay_s=0.6)
        assert texts(asyncio.run(talk(server.base_url))) == ["billing"] * 130
        assert server.most_at_once > 100


def test_a_call_that_is_given_up_leaves_its_reply_to_nobody() -> None:
    async def talk(base_url: str) -> list[str]:
        backend = backends.connect(configured("openai", base_url))
        said = []
        for number in range(4):
            slow = asyncio.create_task(backend.complete(request(f"slow {number}")))
            await asyncio.sleep(0.05)
            slow.cancel()
            said.append((await backend.complete(request(f"quick {number}"))).text)
        await asyncio.sleep(0.2)
        said.append((await backend.complete(request("quick at last"))).text)
        await backend.close()
        return said

    with closing(FakeOpenAI()) as server:
        server.answer = lambda a: Reply(a.prompt, delay_s=0.1 if a.prompt.startswith("slow") else 0.0)
        assert asyncio.run(talk(server.base_url)) == [*(f"quick {n}" for n in range(4)), "quick at last"]


def test_a_call_that_is_given_up_in_the_middle_of_its_reply_does_so_too() -> None:
    whole = reply("first")
    with wire([whole[:-20], 0.3, whole[-20:]], [reply("second")]) as server:
        first, second = asked(server, 2, timeout_s=0.15)
        assert (error_of(first).kind, second.text) == ("timeout", "second")
        assert server.connections == 2


# Time


@pytest.mark.parametrize(
    "slow",
    [
        [2.0],
        [reply()[:20], 2.0],
        [reply()[:-20], 2.0],
        [part for byte in reply()[:60] for part in (bytes([byte]), 0.03)],  # never quiet, never done
    ],
)
def test_a_server_that_hangs_is_a_time_out_wherever_it_does(slow: list[Any]) -> None:
    with wire(slow) as server:
        found = error_of(asked(server, timeout_s=0.3)[0])
        assert (found.kind, found.message, found.retryable) == ("timeout", "no answer within 0.3 s", True)


def test_a_list_of_models_that_does_not_come_is_no_server() -> None:
    with wire([2.0]) as server, pytest.raises(BackendUnavailable, match="is the server"):
        identify(configured("openai", server.base_url, timeout_s=0.2))


def test_a_name_that_nobody_knows_is_an_error_of_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    found = error_of(ask(configured("openai", "http://vllm.example/v1"))[0])
    assert (found.kind, found.retryable) == ("connection", True)
    assert "Name or service not known" in found.message


# Where it is sent on to


@pytest.mark.parametrize(("status", "method"), [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")])
def test_a_redirect_is_followed_as_by_the_sdk(status: int, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "mine-123456")
    sent_on = reply(b"", "location: /elsewhere?a=b%20c", status=f"{status} Sent On")
    with wire([sent_on], [reply()]) as server:
        assert texts(asked(server, api_key_env="MY_KEY")) == ["billing"]
        assert server.requests[1].startswith(f"{method} /elsewhere?a=b%20c HTTP/1.1\r\n")
        assert server.head(1)["authorization"] == "Bearer mine-123456"
        assert ("I was charged twice" in server.requests[1]) == (method == "POST")


def test_the_key_is_not_sent_on_to_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "mine-123456")
    with wire([reply()]) as other, wire([reply(b"", f"location: {other.root}/v1", status="308 There")]) as server:
        assert texts(asked(server, 2, api_key_env="MY_KEY")) == ["billing"] * 2
        assert "mine-123456" in server.requests[1]
        assert "mine-123456" not in "".join(other.requests)


@pytest.mark.parametrize("location", ["/v1/chat/completions", "ftp://127.0.0.1/", "http://", "http://[::1", "//"])
def test_a_redirect_that_leads_nowhere_is_an_error_of_the_call(location: str) -> None:
    with wire([reply(b"", f"location: {location}", status="307 Round And Round")]) as server:
        assert error_of(asked(server)[0]).kind == "connection"


# Who it is


def test_a_user_and_a_password_in_the_address_are_sent_and_never_shown() -> None:
    with wire(
        [reply()], [reply(b'{"error": "Basic bWU6czNjcmV0IQ== is wrong, me:s3cret! is"}', status="500 No")]
    ) as server:
        base_url = server.base_url.replace("://", "://me:s3cret%21@")
        first, second = ask(configured("openai", base_url), request(), request())
        assert first.text == "billing"
        assert server.head(0)["authorization"] == "Basic bWU6czNjcmV0IQ=="
        assert error_of(second).message == "Error code: 500 - Basic *** is wrong, me:*** is"


def test_an_address_of_ipv6_is_one() -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        with wire([reply()], host="::1") as server:
            assert texts(asked(server)) == ["billing"]
            assert server.head(0)["host"] == server.root.removeprefix("http://")
    except OSError:
        pytest.skip("this machine has no IPv6")


def test_half_a_character_in_a_prompt_is_told_and_not_sent() -> None:
    with wire([reply()]) as server:
        half = replace(request(), messages=(Message("user", "half \ud83d of it"),))
        found = error_of(ask(configured("openai", server.base_url), half)[0])
        assert (found.kind, found.retryable) == ("bad_request", False)
        assert server.requests == []


def test_the_headers_of_every_reply_are_told() -> None:
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


def test_a_server_of_ones_own_does_not_cost_the_import_of_the_sdk(way: str) -> None:
    if way == "sdk":
        pytest.skip("it is the SDK")
    code = (
        "import sys; from harness import backends; from harness.config import BackendConfig as B;"
        "[backends.connect(B(name='m', provider=p, model='m', variant='v', base_url='http://h/v1')) for p in"
        " ('vllm', 'openai')]; print([m for m in ('openai', 'httpx', 'httpx2', 'aiohttp') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
