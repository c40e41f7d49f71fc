"""A fake server of the OpenAI protocol that can be killed and restarted, without a model.

Unlike the fakes of `servers.py`, it holds thousands of connections (one thread for all servers), streams, and restarts
on the same port. `Lean.answer` makes the reply to a request.
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
    """The reply to one request. `drop`: reset the connection after half of the reply, or after two chunks of a stream.

    `silent`: the stream ends without a finish reason and without `[DONE]`.
    """

    text: str = "billing"
    status: int = 200
    body: bytes | None = None
    delay_s: float = 0.0
    drop: bool = False
    silent: bool = False
    headers: str = ""


def refusal(status: int, message: str = "no", headers: str = "") -> Act:
    """Return an error in OpenAI's format."""
    return Act(status=status, body=json.dumps({"error": {"message": message}}).encode(), headers=headers)


class Lean:
    """A fake server on loopback."""

    def __init__(self) -> None:
        """Listen on a port of the system's choice."""
        self.answer: Callable[[dict[str, Any]], Act] = lambda _: Act()
        self.next: list[Act] = []
        """Replies for the next callers, one each. Probes get the reply of `answer`."""
        self.received: list[dict[str, Any]] = []
        self.answered = 0
        self.dies_after = 0
        """The server dies after this number of replies; 0 means never. A test could not stop it between two replies."""
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
        """Base URL for harness.toml."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def open_requests(self) -> int:
        """Number of callers that still wait for a reply and have not hung up."""
        return sum(not reader.at_eof() for reader in self._readers)

    @property
    def prompts(self) -> list[str]:
        """The prompts of callers, without warm-up requests."""
        return [text for body in self.received if (text := body["messages"][-1]["content"]) != WARM_UP]

    def start(self) -> None:
        """Listen; after a kill, on the same port as before."""
        _in_loop(self._start()).result(5)

    def kill(self) -> None:
        """Stop listening and reset every connection, as a killed process does."""
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

    async def _reply(self, path: str, body: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        """Send the reply; return whether the connection stays open."""
        if path == "/v1/models":
            listed = [{"id": name, "object": "model", "created": 1, "owned_by": "fake"} for name in self.models]
            _send(writer, 200, json.dumps({"object": "list", "data": listed}).encode())
            return True
        if path != "/v1/chat/completions":
            _send(writer, 404, b"{}")
            return True
        self.received.append(body)
        of_a_caller = body["messages"][-1]["content"] != WARM_UP
        act = self.next.pop(0) if self.next and of_a_caller else self.answer(body)
        await asyncio.sleep(act.delay_s)
        if body.get("stream") and act.body is None:
            with_usage = bool((body.get("stream_options") or {}).get("include_usage"))
            return _stream(writer, act, with_usage=with_usage)
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


def _stream(writer: asyncio.StreamWriter, act: Act, *, with_usage: bool) -> bool:
    writer.write(b"HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    parts = [act.text[:2], act.text[2:4], act.text[4:]]
    for place, part in enumerate(parts):
        if act.drop and place == 2:
            return False
        _event(writer, _chunk({"delta": {"role": "assistant", "content": part}, "finish_reason": None}))
    if not act.silent:
        _event(writer, _chunk({"delta": {}, "finish_reason": "stop"}))
        if with_usage:
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
    """Run in the event loop of all these servers, which has a separate thread."""
    if not _loop:
        _loop.append(asyncio.new_event_loop())
        threading.Thread(target=_loop[0].run_forever, daemon=True).start()
    return asyncio.run_coroutine_threadsafe(work, _loop[0])
