"""A fake model server that misbehaves on purpose. There is no model: the correct reply is computed from a number.

Each request carries its number in the prompt. The server's `serve`, a function of request and connection, sends the
reply. Requests are counted, and complete replies to clients that were still connected.
"""

from __future__ import annotations

import json
import re
import select
import socket
import struct
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

MODEL = "faulty-1"
LABELS = ("billing", "technical", "general")
WARM_UP = -1
"""The number of the warm-up request."""


def label(number: int) -> str:
    """Return the expected label of a case."""
    return LABELS[number % 3]


def said(number: int) -> str:
    """Return the reply to a case: every fifth is wrong, every seventh has extra text."""
    answer = LABELS[(number + (number % 5 == 0)) % 3]
    return f"The category is: {answer}" if number % 7 == 0 else answer


def completion(text: str, model: str = MODEL, reply_id: str = "faulty") -> bytes:
    """Return a chat completion of the OpenAI protocol."""
    message = {"role": "assistant", "content": text}
    return json.dumps(
        {
            "id": reply_id,
            "object": "chat.completion",
            "created": 1,
            "model": model,
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
        }
    ).encode()


def http(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """Return a complete HTTP reply; underscores in header names become hyphens."""
    known = {"content-type": "application/json", "content-length": str(len(body))}
    named = known | {name.replace("_", "-"): value for name, value in headers.items()}
    return "".join([f"HTTP/1.1 {status}\r\n", *(f"{k}: {v}\r\n" for k, v in named.items()), "\r\n"]).encode() + body


@dataclass(frozen=True)
class Question:
    """A request. `number`: its case; `time`: which request of this case; `place`: which request overall; from 1."""

    number: int
    time: int
    place: int


@dataclass(frozen=True)
class Answer:
    """A reply that reached a client, with the times (monotonic) of request and reply."""

    text: str
    asked_at: float
    sent_at: float


class Gone(Exception):
    """The client has closed the connection, or the server must close it."""


class Wire:
    """A connection while one request is answered."""

    def __init__(self, server: Server, connection: socket.socket, question: Question) -> None:
        """Args: `question` was just read from `connection`."""
        self.server = server
        self.connection = connection
        self.question = question
        self.asked_at = time.monotonic()

    def answer(self, **more: str) -> None:
        """Send a correct reply after the latency of a model."""
        self.wait(self.server.latency_s)
        self.counted(http(completion(said(self.question.number), **more)), said(self.question.number))

    def counted(self, reply: bytes, text: str) -> None:
        """Send a complete reply and count that the client got `text`."""
        if self.left():
            raise Gone
        self.send(reply)
        answer = Answer(text, self.asked_at, time.monotonic())
        with self.server.lock:
            self.server.answers[self.question.number].append(answer)

    def send(self, data: bytes) -> None:
        """Send bytes without counting a reply."""
        self.connection.sendall(data)

    def wait(self, seconds: float) -> None:
        """Wait, but only while the client is connected."""
        until = time.monotonic() + seconds
        while (rest := until - time.monotonic()) > 0:
            if self.left():
                raise Gone
            time.sleep(min(rest, 0.1))

    def left(self) -> bool:
        """Whether the client has closed the connection."""
        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)

    def reset(self) -> None:
        """Reset the connection, as a killed process does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Gone

    def close(self) -> None:
        """Close the connection properly."""
        raise Gone


Serve = Callable[[Question, Wire], None]


def healthy(_: Question, wire: Wire) -> None:
    """Reply without a fault."""
    wire.answer()


class Server:
    """A server on loopback with one thread per connection."""

    def __init__(self, latency_s: float = 0.02) -> None:
        """Listen on a free port."""
        self.latency_s = latency_s
        self.serve: Serve = healthy
        self.greet: Callable[[int], bool] = lambda _: True
        """Whether the n-th connection is served at all."""
        self.lock = threading.Lock()
        self.asked: Counter[int] = Counter()
        self.answers: dict[int, list[Answer]] = defaultdict(list)
        self._open: set[socket.socket] = set()
        self._connections = 0
        self.port = 0
        self.start()

    @property
    def base_url(self) -> str:
        """The base URL for harness.toml."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def answered(self) -> int:
        """Number of replies to cases."""
        with self.lock:
            return sum(len(answers) for number, answers in self.answers.items() if number != WARM_UP)

    def start(self) -> None:
        """Listen, on the same port as before."""
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop(self) -> None:
        """Stop listening and close all connections."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self.lock:
            open_ones = list(self._open)
        for connection in open_ones:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # it was closed
            while True:
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._connections += 1
                threading.Thread(target=self._talk, args=(connection, self._connections), daemon=True).start()

    def _talk(self, connection: socket.socket, place: int) -> None:
        with self.lock:
            self._open.add(connection)
        try:
            with suppress(OSError, Gone), connection.makefile("rb") as stream:
                while self.greet(place) and (request := read(stream)) is not None:
                    self._reply(connection, *request)
        finally:
            with self.lock:
                self._open.discard(connection)
            connection.close()

    def _reply(self, connection: socket.socket, path: str, body: bytes) -> None:
        if not path.endswith("/chat/completions"):
            listed = [{"id": MODEL, "object": "model", "created": 1, "owned_by": "bench"}]
            connection.sendall(http(json.dumps({"object": "list", "data": listed}).encode()))
            return
        found = re.search(r"ticket (\d+)", json.loads(body)["messages"][-1]["content"])
        number = int(found[1]) if found else WARM_UP
        with self.lock:
            self.asked[number] += 1
            question = Question(number, self.asked[number], self.asked.total())
        self.serve(question, Wire(self, connection, question))


def read(stream: BinaryIO) -> tuple[str, bytes] | None:
    """Return path and body of a request; `None` if the client has closed the connection."""
    first, headers = stream.readline(), {}
    while (line := stream.readline()) not in (b"\r\n", b""):
        name, _, value = line.partition(b":")
        headers[name.strip().lower()] = value.strip()
    body = stream.read(size := int(headers.get(b"content-length", 0)))
    return (first.split()[1].decode(), body) if line and len(body) == size else None
