"""Fakes that say so: small HTTP servers on loopback that speak a model server's protocol. No model answers here.

What a test wants a request to get is queued with `Fake.next`, or decided by `Fake.answer`; what was asked is in
`Fake.asked`. Everything goes through real sockets, so that what the SDKs do with a broken reply is what they do in life.
"""

from __future__ import annotations

import json
import math
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from string import ascii_lowercase
from typing import Any, TypeVar

import pytest

F = TypeVar("F", bound="Fake")
MODEL = "fake-model"
DIGEST = "1f" * 32


@dataclass(frozen=True)
class Reply:
    """What one request gets. `body` goes out as it is; `drop` closes the connection halfway through the reply."""

    text: str = "billing"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    body: bytes | None = None
    json: Any = None
    drop: bool = False


@dataclass(frozen=True)
class Asked:
    """One request as it came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any

    @property
    def prompt(self) -> str:
        """The last message, or the text to be embedded."""
        return str(self.body["input"] if "input" in self.body else self.body["messages"][-1]["content"])


def error(status: int, message: str = "no", code: str | None = None, **headers: str) -> Reply:
    """A refusal as OpenAI words it; an underscore in a header's name is a hyphen."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status=status, json={"error": {"message": message, "code": code}}, headers=named)


def completion(text: str | None = "billing", *, finish_reason: str = "stop", **message: Any) -> dict[str, Any]:
    """A chat completion of the OpenAI protocol."""
    choice = {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": text, **message}}
    return {
        "id": "fake-1",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "system_fingerprint": "fp_fake",
        "choices": [choice],
        "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
    }


def chat(text: str = "billing", **more: Any) -> dict[str, Any]:
    """A chat reply of Ollama."""
    known = {
        "model": MODEL,
        "created_at": "2025-06-01T10:00:00Z",
        "message": {"role": "assistant", "content": text},
        "done": True,
        "done_reason": "stop",
        "total_duration": 500_000_000,
        "load_duration": 0,
        "prompt_eval_count": 11,
        "eval_count": 3,
    }
    return known | more


def letters(text: str) -> list[float]:
    """A vector of a text that no model made: how often it has each letter from a to z, of length 1 where it has any."""
    counts = [text.lower().count(letter) for letter in ascii_lowercase]
    return [count / (math.hypot(*counts) or 1.0) for count in counts]


def embedding(numbers: Any) -> dict[str, Any]:
    """An embedding reply of the OpenAI protocol."""
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": numbers}],
        "model": MODEL,
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    }


def embed(numbers: Any, **more: Any) -> dict[str, Any]:
    """An embedding reply of Ollama."""
    known = {"model": MODEL, "embeddings": [numbers], "load_duration": 0, "prompt_eval_count": 7}
    return known | more


def tool_call(name: str = "refund", arguments: Any = '{"invoice": "INV-7"}', **more: Any) -> dict[str, Any]:
    """A tool call as OpenAI words it."""
    return {"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}, **more}


class Fake:
    """A server that records what it is asked and says what it is told to say."""

    chat_path = ""
    embed_path = ""

    def __init__(self) -> None:
        """Start listening on a port of the system's choice."""
        self.asked: list[Asked] = []
        self.pages: dict[str, Any] = {}
        self.answer: Callable[[Asked], Reply] = lambda _: Reply()
        self.most_at_once = 0
        self._next: deque[Reply] = deque()
        self._now = 0
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"fake": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def root(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def chats(self) -> list[Asked]:
        """The requests for an answer, in the order in which they came."""
        return [asked for asked in self.asked if self.is_for_the_model(asked)]

    @property
    def prompts(self) -> list[str]:
        """The last message of each of them, but for the warm-up's."""
        return [asked.prompt for asked in self.chats if asked.prompt != "Say OK."]

    def next(self, *replies: Reply) -> None:
        """What the next requests for an answer get, one each; after them `answer` decides again."""
        self._next.extend(replies)

    def page(self, path: str, reply: Reply) -> None:
        """What a path gets from now on."""
        self.pages[path] = reply

    def close(self) -> None:
        """Stop listening, and hang up on whoever is still connected."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def is_for_the_model(self, asked: Asked) -> bool:
        """Whether a request wants a reply or a vector."""
        return asked.path in (self.chat_path, self.embed_path)

    def read(self, path: str, body: bytes) -> Any:
        """What was posted to a path."""
        del path
        return json.loads(body)

    def wrap(self, text: str) -> Any:
        """A text as a reply of the protocol."""
        raise NotImplementedError

    def wrap_vector(self, numbers: list[float]) -> Any:
        """A vector as a reply of the protocol."""
        raise NotImplementedError

    def said(self, reply: Reply, asked: Asked) -> Any:
        """What a reply without JSON of its own is; who asks for a vector gets that of `letters`."""
        if reply.json is not None:
            return reply.json
        return self.wrap_vector(letters(asked.prompt)) if asked.path == self.embed_path else self.wrap(reply.text)

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Keep `most_at_once`."""
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            yield
        finally:
            with self._lock:
                self._now -= 1

    def reply_to(self, asked: Asked) -> Reply:
        """Decide, and note the request."""
        with self._lock:
            self.asked.append(asked)
            if self.is_for_the_model(asked) and self._next:
                return self._next.popleft()
        if self.is_for_the_model(asked):
            return self.answer(asked)
        found = self.pages.get(asked.path, Reply(status=404, json={"error": {"message": "no such path"}}))
        return found if isinstance(found, Reply) else Reply(json=found)


class FakeOpenAI(Fake):
    """Chat completions, embeddings and a list of models; with `version`, vLLM's `/version` as well."""

    chat_path = "/v1/chat/completions"
    embed_path = "/v1/embeddings"

    def __init__(self, *models: str, version: str = "") -> None:
        """`models`: what the server lists."""
        super().__init__()
        listed = [{"id": m, "object": "model", "created": 1, "owned_by": "fake"} for m in models or (MODEL,)]
        self.page("/v1/models", Reply(json={"object": "list", "data": listed}))
        if version:
            self.page("/version", Reply(json={"version": version}))

    @property
    def base_url(self) -> str:
        """What goes into harness.toml."""
        return f"{self.root}/v1"

    def wrap(self, text: str) -> Any:
        """A chat completion."""
        return completion(text)

    def wrap_vector(self, numbers: list[float]) -> Any:
        """An embedding."""
        return embedding(numbers)


class FakeOllama(Fake):
    """One pulled model."""

    chat_path = "/api/chat"
    embed_path = "/api/embed"

    def __init__(self) -> None:
        """A model of 7B in Q4_K_M, as Ollama words it."""
        super().__init__()
        details = {"family": "llama", "parameter_size": "7.2B", "quantization_level": "Q4_K_M"}
        tag = {"model": MODEL, "name": MODEL, "digest": DIGEST, "size": 1, "modified_at": "2025-06-01T10:00:00Z"}
        self.page("/api/tags", Reply(json={"models": [tag | {"details": details}]}))
        self.page("/api/show", Reply(json={"details": details, "model_info": {}}))
        self.page("/api/version", Reply(json={"version": "0.12.3"}))

    def wrap(self, text: str) -> Any:
        """A chat reply."""
        return chat(text)

    def wrap_vector(self, numbers: list[float]) -> Any:
        """An embedding."""
        return embed(numbers)


def skip_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    """These servers speak plain HTTP: hundreds of clients need not read the machine's certificates (30 ms each)."""
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda *_, **__: None)


@contextmanager
def closing(fake: F) -> Iterator[F]:
    """A server for as long as the block lasts."""
    try:
        yield fake
    finally:
        fake.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Clients that go away are what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    fake: Fake
    protocol_version = "HTTP/1.1"
    wbufsize = 65536
    """Head and body in one packet: two would wait 40 ms for each other (Nagle)."""

    def do_GET(self) -> None:
        self._serve(None)

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", 0))
        body = self.rfile.read(length)
        if len(body) < length:  # whoever asked was killed in mid-sentence
            self.close_connection = True
            return
        self._serve(self.fake.read(self.path, body))

    def _serve(self, body: Any) -> None:
        with self.fake.counted():
            asked = Asked(self.command, self.path, dict(self.headers.items()), body)
            reply = self.fake.reply_to(asked)
            time.sleep(reply.delay_s)
        with suppress(ConnectionError):
            self._send(reply, asked)

    def _send(self, reply: Reply, asked: Asked) -> None:
        payload = reply.body if reply.body is not None else json.dumps(self.fake.said(reply, asked)).encode()
        headers = {"content-type": "application/json", "content-length": str(len(payload)), **reply.headers}
        self.send_response(reply.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(payload[: len(payload) // 2] if reply.drop else payload)
        if reply.drop:
            self.wfile.flush()
            # a reset, as from a process that was killed
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""
