"""Fakes that say so: a small server of the OpenAI protocol that can be killed and started again. No model answers here.

Unlike those of `servers.py` it holds thousands of connections (one thread for all servers), streams, and comes back on
the port that it had. What a request gets is decided by `Lean.answer`.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from .servers import MODEL, completion

WARM_UP = "Say OK."


@dataclass(frozen=True)
class Act:
    """What one request gets. `drop`: half of the reply and a reset; of a stream, after its second chunk.

    `silent`: a stream that ends without saying that it has.
    """

    text: str = "billing"
    status: int = 200
    body: bytes | None = None
    delay_s: float = 0.0
    drop: bool = False
    silent: bool = False
    headers: str = ""


def refusal(status: int, message: str = "no", headers: str = "") -> Act:
    """An error as OpenAI words it."""
    return Act(status=status, body=json.dumps({"error": {"message": message}}).encode(), headers=headers)


class Lean:
    """One server."""

    def __init__(self) -> None:
        """Listen on a port of the system's choice."""
        self.answer: Callable[[dict[str, Any]], Act] = lambda _: Act()
        self.next: list[Act] = []
        """What the next callers get, one each; probes get what `answer` says."""
        self.asked: list[dict[str, Any]] = []
        self.answered = 0
        self.dies_after = 0
        """Killed when so many are answered, if it is not 0: there is no other way to do it in the midst of them."""
        self.models = [MODEL]
        self.port = 0
        self._readers: list[asyncio.StreamReader] = []
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._last: asyncio.Task[None] | None = None
        self.start()

    @property
    def base_url(self) -> str:
        """What goes into harness.toml."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def waited_for(self) -> int:
        """How many callers still wait for an answer of this server: have not hung up."""
        return sum(not reader.at_eof() for reader in self._readers)

    @property
    def prompts(self) -> list[str]:
        """What came from callers."""
        return [text for asked in self.asked if (text := asked["messages"][-1]["content"]) != WARM_UP]

    def start(self) -> None:
        """Listen, after a kill on the same port."""
        _in_loop(self._start()).result(5)

    def kill(self) -> None:
        """Stop listening, and reset every connection, as a process does that is killed."""
        _in_loop(self._kill()).result(5)

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=2048, reuse_address=True)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _kill(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._writers.add(writer)
        self._tasks.add(task)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next((int(h[15:]) for h in head.lower().split(b"\r\n") if h.startswith(b"content-length:")), 0)
                body = await reader.readexactly(length)
                self._readers.append(reader)
                try:
                    lives = await self._reply(head.split(b" ", 2)[1].decode(), json.loads(body or b"{}"), writer)
                finally:
                    self._readers.remove(reader)
                if not lives:
                    writer.transport.abort()
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except asyncio.CancelledError:
            return  # not the task's own end: asyncio would log it
        finally:
            self._writers.discard(writer)
            self._tasks.discard(task)
            writer.close()

    async def _reply(self, path: str, asked: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        """Whether the connection lives on."""
        if path == "/v1/models":
            listed = [{"id": name, "object": "model", "created": 1, "owned_by": "fake"} for name in self.models]
            _send(writer, 200, json.dumps({"object": "list", "data": listed}).encode())
            return True
        if path != "/v1/chat/completions":
            _send(writer, 404, b"{}")
            return True
        self.asked.append(asked)
        of_a_caller = asked["messages"][-1]["content"] != WARM_UP
        act = self.next.pop(0) if self.next and of_a_caller else self.answer(asked)
        await asyncio.sleep(act.delay_s)
        if asked.get("stream") and act.body is None:
            told = bool((asked.get("stream_options") or {}).get("include_usage"))
            return _stream(writer, act, told=told)
        payload = act.body if act.body is not None else json.dumps(completion(act.text)).encode()
        if act.drop:
            _send(writer, act.status, payload, act.headers, whole=False)
            await writer.drain()
            return False
        _send(writer, act.status, payload, act.headers)
        self.answered += act.status == 200
        if self.dies_after and self.answered == self.dies_after:
            self._last = asyncio.create_task(self._kill())
        return True


def _send(writer: asyncio.StreamWriter, status: int, payload: bytes, headers: str = "", *, whole: bool = True) -> None:
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}content-length: {len(payload)}\r\n\r\n"
    writer.write(head.encode() + (payload if whole else payload[: len(payload) // 2]))


def _stream(writer: asyncio.StreamWriter, act: Act, *, told: bool) -> bool:
    writer.write(b"HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    parts = [act.text[:2], act.text[2:4], act.text[4:]]
    for place, part in enumerate(parts):
        if act.drop and place == 2:
            return False
        _event(writer, _chunk({"delta": {"role": "assistant", "content": part}, "finish_reason": None}))
    if not act.silent:
        _event(writer, _chunk({"delta": {}, "finish_reason": "stop"}))
        if told:
            usage = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}
            _event(writer, _chunk(None, usage=usage))
        _event(writer, "[DONE]")
    writer.write(b"0\r\n\r\n")
    return True


def _chunk(choice: dict[str, Any] | None, **more: Any) -> str:
    known = {"id": "fake-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL}
    return json.dumps({**known, "choices": [] if choice is None else [{"index": 0, **choice}], **more})


def _event(writer: asyncio.StreamWriter, data: str) -> None:
    line = f"data: {data}\n\n".encode()
    writer.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")


_loop: list[asyncio.AbstractEventLoop] = []


def _in_loop(work: Coroutine[Any, Any, None]) -> Future[None]:
    """Run in the loop of all these servers, which has a thread of its own."""
    if not _loop:
        _loop.append(asyncio.new_event_loop())
        threading.Thread(target=_loop[0].run_forever, daemon=True).start()
    return asyncio.run_coroutine_threadsafe(work, _loop[0])
