"""A fake server that misbehaves more than the fakes of servers.py: it sends raw bytes on a socket.

Each reply repeats its question, so that a test detects a reply to the wrong question.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from .servers import MODEL, completion

Serve = Callable[[str, socket.socket], bool]
"""Sends the reply to a question on its connection, and returns whether the connection stays open."""


def http(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """Return a reply with its true length unless `headers` give another. Underscores in header names become hyphens."""
    known = {"content-type": "application/json", "content-length": str(len(body))}
    named = known | {name.replace("_", "-"): value for name, value in headers.items()}
    return "".join([f"HTTP/1.1 {status}\r\n", *(f"{k}: {v}\r\n" for k, v in named.items()), "\r\n"]).encode() + body


def echo(question: str) -> bytes:
    """Return the body of the right reply."""
    return json.dumps(completion(question)).encode()


def answers(question: str, connection: socket.socket) -> bool:
    """Send the right reply."""
    connection.sendall(http(echo(question)))
    return True


def reset(connection: socket.socket) -> bool:
    """Reset the connection, as a killed process does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


class Rough:
    """A server that replies by `serve`, with a thread per connection. The question is the ticket's text."""

    def __init__(self) -> None:
        """Listen on a port of the system's choice."""
        self.serve: Serve = answers
        self.received: Counter[str] = Counter()
        self.port = 0
        self._lock = threading.Lock()
        self.start()

    @property
    def base_url(self) -> str:
        """Base URL for harness.toml."""
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        """Listen; after a stop, on the same port as before."""
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener, self._open), daemon=True).start()

    def stop(self) -> None:
        """Refuse new connections and close the open connections."""
        for connection in (self._listener, *self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self, listener: socket.socket, accepted: list[socket.socket]) -> None:
        with suppress(OSError):  # the listener was closed
            while True:
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                accepted.append(connection)
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, suppress(OSError), connection.makefile("rb") as stream:
            while (request := _read(stream)) is not None and self._reply(connection, *request):
                pass

    def _reply(self, connection: socket.socket, path: str, body: bytes) -> bool:
        if not path.endswith("/chat/completions"):
            connection.sendall(http(json.dumps({"object": "list", "data": [{"id": MODEL}]}).encode()))
            return True
        prompt = str(json.loads(body)["messages"][-1]["content"])
        if prompt == "Say OK.":
            return answers(prompt, connection)
        question = prompt.removeprefix("Ticket: ").partition("\n")[0]
        with self._lock:
            self.received[question] += 1
        return self.serve(question, connection)


def _read(stream: BinaryIO) -> tuple[str, bytes] | None:
    """Return the path and body of a request; `None` if the client hung up."""
    first, length = stream.readline(), 0
    while (line := stream.readline()) not in (b"\r\n", b""):
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    body = stream.read(length)
    return (first.split()[1].decode(), body) if line and len(body) == length else None


@contextmanager
def rough() -> Iterator[Rough]:
    """Run a server inside the `with` block."""
    server = Rough()
    try:
        yield server
    finally:
        server.stop()
