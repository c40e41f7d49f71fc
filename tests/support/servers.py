"""Fake model servers: small HTTP servers on loopback without a model.

A test queues replies with `Fake.next`, or makes them with `Fake.answer`. `Fake.received` holds the received requests.
All traffic uses real sockets, so that the SDKs handle broken replies as in production.
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
    """The reply to one request. `body` is sent unchanged; `drop` closes the connection halfway through the reply."""

    text: str = "billing"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    body: bytes | None = None
    json: Any = None
    drop: bool = False


@dataclass(frozen=True)
class ReceivedRequest:
    """A request as the server received it."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any

    @property
    def prompt(self) -> str:
        """The last message, or the text to embed."""
        return str(self.body["input"] if "input" in self.body else self.body["messages"][-1]["content"])


def error(status: int, message: str = "no", code: str | None = None, **headers: str) -> Reply:
    """Return an error in OpenAI's format. Underscores in header names become hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status=status, json={"error": {"message": message, "code": code}}, headers=named)


def completion(text: str | None = "billing", *, finish_reason: str = "stop", **message: Any) -> dict[str, Any]:
    """Return a chat completion of the OpenAI protocol."""
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
    """Return a chat reply of Ollama."""
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
    """Return a fake vector of a text: its counts of the letters a to z, scaled to length 1."""
    counts = [text.lower().count(letter) for letter in ascii_lowercase]
    return [count / (math.hypot(*counts) or 1.0) for count in counts]


def embedding(numbers: Any) -> dict[str, Any]:
    """Return an embedding reply of the OpenAI protocol."""
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": numbers}],
        "model": MODEL,
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    }


def embed(numbers: Any, **more: Any) -> dict[str, Any]:
    """Return an embedding reply of Ollama."""
    known = {"model": MODEL, "embeddings": [numbers], "load_duration": 0, "prompt_eval_count": 7}
    return known | more


def tool_call(name: str = "refund", arguments: Any = '{"invoice": "INV-7"}', **more: Any) -> dict[str, Any]:
    """Return a tool call in OpenAI's format."""
    return {"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}, **more}


class Fake:
    """A server that records requests and sends scripted replies."""

    chat_path = ""
    embed_path = ""

    def __init__(self) -> None:
        """Start listening on a port of the system's choice."""
        self.received: list[ReceivedRequest] = []
        self.pages: dict[str, Any] = {}
        self.answer: Callable[[ReceivedRequest], Reply] = lambda _: Reply()
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
    def chats(self) -> list[ReceivedRequest]:
        """The requests for a reply or a vector, in order of arrival."""
        return [request for request in self.received if self.is_for_the_model(request)]

    @property
    def prompts(self) -> list[str]:
        """The last message of each request in `chats`, without warm-up requests."""
        return [request.prompt for request in self.chats if request.prompt != "Say OK."]

    def next(self, *replies: Reply) -> None:
        """Queue replies for the next requests, one each. Later requests get the reply of `answer`."""
        self._next.extend(replies)

    def page(self, path: str, reply: Reply) -> None:
        """Set the reply to a path."""
        self.pages[path] = reply

    def close(self) -> None:
        """Stop listening and close the open connections."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def is_for_the_model(self, request: ReceivedRequest) -> bool:
        """Return whether a request is for a reply or a vector."""
        return request.path in (self.chat_path, self.embed_path)

    def read(self, path: str, body: bytes) -> Any:
        """Parse the body of a request."""
        del path
        return json.loads(body)

    def wrap(self, text: str) -> Any:
        """Return a text as a reply of the protocol."""
        raise NotImplementedError

    def wrap_vector(self, numbers: list[float]) -> Any:
        """Return a vector as a reply of the protocol."""
        raise NotImplementedError

    def payload_of(self, reply: Reply, request: ReceivedRequest) -> Any:
        """Return the JSON of a reply: `reply.json`, else the wrapped text, or the vector of `letters`."""
        if reply.json is not None:
            return reply.json
        return self.wrap_vector(letters(request.prompt)) if request.path == self.embed_path else self.wrap(reply.text)

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Update `most_at_once` around a request."""
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            yield
        finally:
            with self._lock:
                self._now -= 1

    def reply_to(self, request: ReceivedRequest) -> Reply:
        """Record the request and return its reply."""
        with self._lock:
            self.received.append(request)
            if self.is_for_the_model(request) and self._next:
                return self._next.popleft()
        if self.is_for_the_model(request):
            return self.answer(request)
        page = self.pages.get(request.path, Reply(status=404, json={"error": {"message": "no such path"}}))
        return page if isinstance(page, Reply) else Reply(json=page)


class FakeOpenAI(Fake):
    """A server with chat completions, embeddings and a list of models; with `version`, also vLLM's `/version`."""

    chat_path = "/v1/chat/completions"
    embed_path = "/v1/embeddings"

    def __init__(self, *models: str, version: str = "") -> None:
        """Start the server. `models`: the names that the server lists."""
        super().__init__()
        listed = [{"id": m, "object": "model", "created": 1, "owned_by": "fake"} for m in models or (MODEL,)]
        self.page("/v1/models", Reply(json={"object": "list", "data": listed}))
        if version:
            self.page("/version", Reply(json={"version": version}))

    @property
    def base_url(self) -> str:
        """Base URL for harness.toml."""
        return f"{self.root}/v1"

    def wrap(self, text: str) -> Any:
        """Return a chat completion."""
        return completion(text)

    def wrap_vector(self, numbers: list[float]) -> Any:
        """Return an embedding."""
        return embedding(numbers)


class FakeOllama(Fake):
    """An Ollama server with one pulled model."""

    chat_path = "/api/chat"
    embed_path = "/api/embed"

    def __init__(self) -> None:
        """Start the server with a 7B model in Q4_K_M."""
        super().__init__()
        details = {"family": "llama", "parameter_size": "7.2B", "quantization_level": "Q4_K_M"}
        tag = {"model": MODEL, "name": MODEL, "digest": DIGEST, "size": 1, "modified_at": "2025-06-01T10:00:00Z"}
        self.page("/api/tags", Reply(json={"models": [tag | {"details": details}]}))
        self.page("/api/show", Reply(json={"details": details, "model_info": {}}))
        self.page("/api/version", Reply(json={"version": "0.12.3"}))

    def wrap(self, text: str) -> Any:
        """Return a chat reply."""
        return chat(text)

    def wrap_vector(self, numbers: list[float]) -> Any:
        """Return an embedding."""
        return embed(numbers)


def skip_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not load the machine's certificates (30 ms per client), because the fake servers use plain HTTP."""
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda *_, **__: None)


@contextmanager
def closing(fake: F) -> Iterator[F]:
    """Close the server at the end of the `with` block."""
    try:
        yield fake
    finally:
        fake.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Ignore errors of clients that disconnect: tests do it on purpose."""


class _Handler(BaseHTTPRequestHandler):
    fake: Fake
    protocol_version = "HTTP/1.1"
    wbufsize = 65536
    """Send head and body in one packet: with two packets, Nagle's algorithm would add 40 ms."""

    def do_GET(self) -> None:
        self._serve(None)

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", 0))
        body = self.rfile.read(length)
        if len(body) < length:  # the client was killed while it sent the request
            self.close_connection = True
            return
        self._serve(self.fake.read(self.path, body))

    def _serve(self, body: Any) -> None:
        with self.fake.counted():
            request = ReceivedRequest(self.command, self.path, dict(self.headers.items()), body)
            reply = self.fake.reply_to(request)
            time.sleep(reply.delay_s)
        with suppress(ConnectionError):
            self._send(reply, request)

    def _send(self, reply: Reply, request: ReceivedRequest) -> None:
        payload = reply.body if reply.body is not None else json.dumps(self.fake.payload_of(reply, request)).encode()
        headers = {"content-type": "application/json", "content-length": str(len(payload)), **reply.headers}
        self.send_response(reply.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(payload[: len(payload) // 2] if reply.drop else payload)
        if reply.drop:
            self.wfile.flush()
            # a reset, as from a killed process
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Print no log lines."""
