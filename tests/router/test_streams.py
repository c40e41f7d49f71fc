"""`create(stream=True)`: chunks, truncated streams, and connections that are reused for the next call."""

from __future__ import annotations

import asyncio
import gzip
import json
import resource
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from harness.core.errors import BackendError
from harness.router import ModelRouter
from harness.router._chat_completions import _StreamedChatRequest
from harness.router._fallback import FallbackCall

from ..support.lean import WARM_UP, Act
from ..support.wire import Part, Wire, chunked, reply
from .conftest import MESSAGES, Desk
from .test_failures import create
from .test_router import within


async def streamed(router: ModelRouter) -> str:
    stream = await router.chat.completions.create(task="triage", messages=MESSAGES, stream=True)
    return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])


def test_the_usage_chunk_is_passed_on_if_the_caller_requests_it(desk: Desk) -> None:
    async def work(router: ModelRouter) -> list[bool]:
        options = {"include_usage": True}
        stream = await router.chat.completions.create(
            task="triage", messages=MESSAGES, stream=True, stream_options=options
        )
        return [bool(chunk.usage) for chunk in [chunk async for chunk in stream]]

    assert within(desk, work) == [False, False, False, False, True]


def test_a_stream_closed_early_is_logged_once(desk: Desk) -> None:
    async def work(router: ModelRouter) -> None:
        async with await router.chat.completions.create(task="triage", messages=MESSAGES, stream=True) as stream:
            async for chunk in stream:
                assert chunk.choices[0].delta.content == "bi"
                break
        async with await router.chat.completions.create(task="triage", messages=MESSAGES, stream=True) as stream:
            assert [chunk.choices[0].delta.content async for chunk in stream] == ["bi", "ll", "ing", None]

    within(desk, work)
    assert [(c.reply_chars, c.error, c.compliant) for c in desk.calls()] == [(2, "", None), (7, "", None)]


def test_fallback_before_the_first_chunk_of_a_stream(desk: Desk) -> None:
    async def main() -> str:
        async with desk.router() as router:
            desk.local.answer = lambda _: Act(body=b"{}", drop=True)
            return await streamed(router)

    assert asyncio.run(main()) == "billing"
    (call,) = desk.calls()
    assert (call.backend, call.reply_chars, call.prompt_tokens, call.completion_tokens) == ("api", 7, 11, 3)
    assert call.usd == pytest.approx(0.014)


@pytest.mark.parametrize("act", [Act(drop=True), Act(silent=True)])
def test_a_stream_that_breaks_off_raises_backend_error(desk: Desk, act: Act) -> None:
    async def main() -> None:
        async with desk.router() as router:
            desk.local.answer = lambda _: act
            with pytest.raises(BackendError, match=r"backend home: the stream broke off after . characters"):
                await streamed(router)

    asyncio.run(main())
    (call,) = desk.calls()
    assert (call.backend, call.error) == ("home", "connection")


# Servers that send more or less than one reply


def event(text: str | None, **more: Any) -> bytes:
    """Return a chunk of a stream as bytes on the wire."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None if text else "stop"}
    known = {"id": "fake-1", "object": "chat.completion.chunk", "created": 1, "model": "fake-model"}
    return f"data: {json.dumps({**known, 'choices': [choice], **more})}\n\n".encode()


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
WHOLE_STREAM = HEAD + chunked(event("bill"), event("ing"), event(None), b"data: [DONE]\n\n")
UP = [reply(json.dumps({"object": "list", "data": [{"id": "fake-model", "object": "model"}]}).encode())]


@pytest.fixture
def home(desk: Desk) -> Iterator[Wire]:
    """A fake first backend whose bytes the test controls."""
    desk.local.kill()
    server = Wire(lambda _: UP)
    text = (desk.project.root / "harness.toml").read_text()
    desk.project.config(text.replace(desk.local.base_url, server.base_url))
    yield server
    server.close()


def slow(desk: Desk) -> None:
    """Set `timeout_s = 0.5` for the first backend."""
    text = (desk.project.root / "harness.toml").read_text()
    desk.project.config(text.replace("[backends.api]", "timeout_s = 0.5\n\n[backends.api]"))


def plays(home: Wire, *answers: Sequence[Part]) -> None:
    """Script one answer per call; the last one repeats."""

    def answer(number: int) -> Sequence[Part]:
        if home.requests[number].startswith("GET"):
            return UP
        if WARM_UP in home.requests[number]:
            return [reply("OK")]
        calls = sum("POST" in request and WARM_UP not in request for request in home.requests[:number])
        return answers[min(calls, len(answers) - 1)]

    home.answer = answer


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("stream", [False, True])
def test_a_surplus_reply_is_not_taken_for_the_next_answer(desk: Desk, home: Wire, *, stream: bool, later: bool) -> None:
    first, surplus = WHOLE_STREAM if stream else reply("billing"), reply("technical")
    plays(home, [first, surplus] if later else [first + surplus], [reply("general")])

    async def work(router: ModelRouter) -> list[str]:
        first_reply = await (streamed(router) if stream else create(router))
        await asyncio.sleep(0.05)  # until the surplus reply has arrived
        return [first_reply, await create(router)]

    assert within(desk, work) == ["billing", "general"]


def test_a_finished_stream_leaves_its_connection_reusable(desk: Desk, home: Wire) -> None:
    plays(home, [WHOLE_STREAM])

    async def work(router: ModelRouter) -> list[str]:
        return [await streamed(router) for _ in range(4)]

    assert within(desk, work) == ["billing"] * 4
    assert home.connections <= 2, "one for the probe, one for all streams"


def test_a_silent_stream_times_out_after_timeout_s(desk: Desk, home: Wire) -> None:
    plays(home, [HEAD + chunked(event("bill")).removesuffix(b"0\r\n\r\n"), 5.0])
    slow(desk)

    async def work(router: ModelRouter) -> None:
        with pytest.raises(BackendError, match="broke off after 4 characters"):
            await streamed(router)

    within(desk, work)
    assert [(call.backend, call.error, call.reply_chars) for call in desk.calls()] == [("home", "timeout", 4)]


def test_an_unread_stream_makes_the_server_wait(desk: Desk, home: Wire) -> None:
    """Of 100 MB only as much as the system's buffers hold is read."""
    piece = event("x" * 100_000)
    plays(home, [HEAD, *[b"%x\r\n%s\r\n" % (len(piece), piece)] * 1000])

    async def work(router: ModelRouter) -> int:
        async with await router.chat.completions.create(task="triage", messages=MESSAGES, stream=True):
            await asyncio.sleep(0.5)
            return home.sent

    assert within(desk, work) < 30_000_000


def test_keep_alive_comments_do_not_prevent_the_time_out(desk: Desk, home: Wire) -> None:
    ping = b"c\r\n: still on\n\n\r\n"
    plays(home, [HEAD + chunked(event("bill")).removesuffix(b"0\r\n\r\n"), *[ping, 0.1] * 50])
    slow(desk)

    async def work(router: ModelRouter) -> None:
        with pytest.raises(BackendError, match="broke off after 4 characters"):
            await streamed(router)

    within(desk, work)
    assert [call.error for call in desk.calls()] == ["timeout"]


STRANGE = [b"5", b'{"choices": [null]}', b'{"choices": [{"delta": {"content": 5}}]}', b"[" * 5000, b"{}x"]


@pytest.mark.parametrize("data", STRANGE)
def test_a_malformed_chunk_ends_the_stream_or_falls_back(desk: Desk, home: Wire, data: bytes) -> None:
    strange = b"data: " + data + b"\n\n"
    plays(home, [HEAD + chunked(strange)], [HEAD + chunked(event("bill"), strange)])

    async def work(router: ModelRouter) -> None:
        assert await streamed(router) == "billing"
        with pytest.raises(BackendError, match="broke off after 4 characters: "):
            await streamed(router)

    within(desk, work)
    assert [(c.backend, c.fallback, c.error) for c in desk.calls()] == [
        ("api", "bad_reply", ""),
        ("home", "", "bad_reply"),
    ]


def test_each_choice_of_a_stream_must_have_ended(desk: Desk, home: Wire) -> None:
    def part(index: int, text: str | None) -> bytes:
        return event(text).replace(b'"index": 0', b'"index": %d' % index)

    plays(home, [HEAD + chunked(part(0, "a"), part(1, "b"), part(0, None), b"data: [DONE]\n\n")])

    async def work(router: ModelRouter) -> None:
        with pytest.raises(BackendError, match="broke off after 2 characters"):
            await streamed(router)

    within(desk, work)


def test_a_stream_the_caller_abandons_does_not_count_as_failure(desk: Desk, home: Wire) -> None:
    plays(home, [HEAD + chunked(event("bill")).removesuffix(b"0\r\n\r\n"), 5.0])

    async def closed(router: ModelRouter) -> None:
        stream = await router.chat.completions.create(task="triage", messages=MESSAGES, stream=True)
        await anext(stream)
        reading = asyncio.create_task(anext(stream))
        await asyncio.sleep(0.02)
        await stream.close()
        with pytest.raises(BackendError, match="closed"):
            await reading

    async def given_up(router: ModelRouter) -> None:
        stream = await router.chat.completions.create(task="triage", messages=MESSAGES, stream=True)
        await anext(stream)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 0.02)
        with pytest.raises(BackendError, match="cancelled"):
            await anext(stream)

    async def work(router: ModelRouter) -> dict[str, str]:
        for _ in range(3):
            await closed(router)
            await given_up(router)
        return router.down

    assert within(desk, work) == {}
    assert [call.error for call in desk.calls()] == ["", "cancelled"] * 3


@pytest.mark.parametrize("stream", [False, True])
def test_a_gzip_bomb_is_too_large_and_falls_back(desk: Desk, home: Wire, *, stream: bool) -> None:
    """200 kB that unpack to 200 MB: unpacking stops at the size limit."""
    bomb = gzip.compress(b"data: " + b" " * 200_000_000, compresslevel=1)
    kind = "content-type: text/event-stream"
    plays(home, [reply(bomb, "content-encoding: gzip").replace(b"content-type: application/json", kind.encode())])

    async def work(router: ModelRouter) -> str:
        return await (streamed(router) if stream else create(router))

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert within(desk, work) == "billing"
    assert [(call.backend, call.fallback) for call in desk.calls()] == [("api", "too_large")]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000


def test_streams_that_break_off_open_the_breaker(desk: Desk) -> None:
    async def work(router: ModelRouter) -> None:
        desk.local.answer = lambda body: Act("OK") if WARM_UP in str(body) else Act(drop=True)
        for _ in range(3):
            with pytest.raises(BackendError):
                await streamed(router)
        assert list(router.down) == ["home"]
        assert await streamed(router) == "billing"

    within(desk, work)


def test_a_stream_that_lost_the_hedge_is_closed_and_counted(desk: Desk) -> None:
    request = _StreamedChatRequest({"messages": MESSAGES})

    async def work(router: ModelRouter) -> float | None:
        target = router._pool.targets["api"]
        call = FallbackCall("triage", router._pool.routing.tasks["triage"], [target], request)
        loser = await request.send(target, call)
        await request.discard(loser, call)
        assert loser._ended
        return call.usd

    assert within(desk, work) is None, "the cost of a discarded stream is unknown"
