"""A model server that misbehaves on purpose, for faults.py. No model answers here: what is right is arithmetic.

A question is known by its number, which is in its text. What each gets is the server's `serve`, a function of the
question and the connection; what was asked, and what was answered whole to somebody who was still there, is counted.
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
"""The number of a question that is about no case."""


def label(number: int) -> str:
    """What the golden dataset expects for a case."""
    return LABELS[number % 3]


def said(number: int) -> str:
    """What the server answers: every fifth one is wrong, every seventh says more than was asked for."""
    answer = LABELS[(number + (number % 5 == 0)) % 3]
    return f"The category is: {answer}" if number % 7 == 0 else answer


def completion(text: str, model: str = MODEL, reply_id: str = "faulty") -> bytes:
    """A chat completion of the OpenAI protocol."""
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
    """A whole reply; an underscore in a header's name is a hyphen."""
    known = {"content-type": "application/json", "content-length": str(len(body))}
    named = known | {name.replace("_", "-"): value for name, value in headers.items()}
    return "".join([f"HTTP/1.1 {status}\r\n", *(f"{k}: {v}\r\n" for k, v in named.items()), "\r\n"]).encode() + body


@dataclass(frozen=True)
class Question:
    """`number`: of the case. `time`: the how-manieth time it is asked, from 1. `place`: among all questions, from 1."""

    number: int
    time: int
    place: int


@dataclass(frozen=True)
class Answer:
    """A text that a client has got, and when (monotonic) it was asked for and sent."""

    text: str
    asked_at: float
    sent_at: float


class Gone(Exception):
    """Whoever asked is not there any more, or is to be hung up on."""


class Wire:
    """One connection, as long as one question is being answered."""

    def __init__(self, server: Server, connection: socket.socket, question: Question) -> None:
        """`question` has just been read from `connection`."""
        self.server = server
        self.connection = connection
        self.question = question
        self.asked_at = time.monotonic()

    def answer(self, **more: str) -> None:
        """What a healthy server says, after the time that a model takes."""
        self.wait(self.server.latency_s)
        self.counted(http(completion(said(self.question.number), **more)), said(self.question.number))

    def counted(self, reply: bytes, text: str) -> None:
        """A whole reply that gives the client `text`."""
        if self.left():
            raise Gone
        self.send(reply)
        answer = Answer(text, self.asked_at, time.monotonic())
        with self.server.lock:
            self.server.answers[self.question.number].append(answer)

    def send(self, data: bytes) -> None:
        """Bytes as they are; a reply that is no answer."""
        self.connection.sendall(data)

    def wait(self, seconds: float) -> None:
        """Not longer than somebody is waiting for it."""
        until = time.monotonic() + seconds
        while (rest := until - time.monotonic()) > 0:
            if self.left():
                raise Gone
            time.sleep(min(rest, 0.1))

    def left(self) -> bool:
        """Whether the client has hung up."""
        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)

    def reset(self) -> None:
        """Hang up as a process that was killed does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Gone

    def close(self) -> None:
        """Hang up in good order."""
        raise Gone


Serve = Callable[[Question, Wire], None]


def healthy(_: Question, wire: Wire) -> None:
    """No fault."""
    wire.answer()


class Server:
    """Listens on loopback; a thread a connection."""

    def __init__(self, latency_s: float = 0.02) -> None:
        """Start listening on a port of the system's choice."""
        self.latency_s = latency_s
        self.serve: Serve = healthy
        self.greet: Callable[[int], bool] = lambda _: True
        """Whether the n-th connection is talked to at all."""
        self.lock = threading.Lock()
        self.asked: Counter[int] = Counter()
        self.answers: dict[int, list[Answer]] = defaultdict(list)
        self._open: set[socket.socket] = set()
        self._connections = 0
        self.port = 0
        self.start()

    @property
    def base_url(self) -> str:
        """What goes into harness.toml."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def answered(self) -> int:
        """How many answers about cases have been given."""
        with self.lock:
            return sum(len(answers) for number, answers in self.answers.items() if number != WARM_UP)

    def start(self) -> None:
        """Listen, on the same port as before."""
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop(self) -> None:
        """Stop listening, and hang up on everybody."""
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
    """The path and body of a request, or `None` where the client has gone."""
    first, headers = stream.readline(), {}
    while (line := stream.readline()) not in (b"\r\n", b""):
        name, _, value = line.partition(b":")
        headers[name.strip().lower()] = value.strip()
    body = stream.read(size := int(headers.get(b"content-length", 0)))
    return (first.split()[1].decode(), body) if line and len(body) == size else None
