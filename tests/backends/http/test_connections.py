"""Both HTTP clients over raw sockets: reused, closed and timed-out connections."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from typing import Any

import pytest

from harness import backends
from harness.core.errors import BackendUnavailable
from harness.core.types import Response

from ...support.backend_calls import configured, identify, request
from ...support.protocol import error_of, texts
from ...support.servers import FakeOpenAI, Reply, closing
from ...support.wire import Wire, reply, wire
from .conftest import asked, spaced

pytestmark = pytest.mark.usefixtures("way")


# Sequential and concurrent requests


def test_one_connection_serves_one_request_after_the_other() -> None:
    with wire([reply()]) as server:
        asked(server, 5)
        assert (server.connections, len(server.requests)) == (1, 5)


@pytest.mark.parametrize("header", ["connection: close", "x-says: nothing"])
def test_idle_connection_closed_by_the_server_is_replaced(header: str) -> None:
    with wire([reply("billing", header), None]) as server:
        assert spaced(server, 3) == ["billing"] * 3
        assert (server.connections, len(server.requests)) == (3, 3)


def test_unprocessed_close_is_detected() -> None:
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


def test_long_idle_connection_is_not_reused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.backends.http.pool.IDLE_S", 0.05)
    with wire([reply()]) as server:
        assert spaced(server, 2) == ["billing"] * 2
        assert server.connections == 2


def test_each_concurrent_call_has_a_connection() -> None:
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


def test_reply_to_a_cancelled_call_is_discarded() -> None:
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


def test_call_cancelled_within_its_reply_closes_the_connection() -> None:
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
        [part for byte in reply()[:60] for part in (bytes([byte]), 0.03)],  # sends data forever
    ],
)
def test_hanging_server_times_out_at_any_point(slow: list[Any]) -> None:
    with wire(slow) as server:
        found = error_of(asked(server, timeout_s=0.3)[0])
        assert (found.kind, found.message, found.retryable) == ("timeout", "no answer within 0.3 s", True)


def test_missing_model_list_means_server_unavailable() -> None:
    with wire([2.0]) as server, pytest.raises(BackendUnavailable, match="is the server"):
        identify(configured("openai", server.base_url, timeout_s=0.2))


def test_local_server_does_not_import_the_sdk(way: str) -> None:
    if way == "sdk":
        pytest.skip("it is the SDK")
    code = (
        "import sys; from harness import backends; from harness.project.config import BackendConfig as B;"
        "[backends.connect(B(name='m', provider=p, model='m', variant='v', base_url='http://h/v1')) for p in"
        " ('vllm', 'openai')]; print([m for m in ('openai', 'httpx', 'httpx2', 'aiohttp') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
